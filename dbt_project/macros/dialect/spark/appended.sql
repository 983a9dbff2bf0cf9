{#-
    A table that a run adds rows to, on Spark. Parquet has no `delete`: such a table is partitioned by experiment, by the
    date that says which run builds its rows again and by segment, so that whatever a run removes is whole partitions; and
    each partition is written by one statement, whole. A run that died halfway is simply done again.
    Spark spills by itself, so the units are not cut into slices.
-#}
{% materialization appended, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set starts_empty = config.get('starts_empty', false) -%}
    {%- if starts_empty and existing_relation is not none -%}
        {%- do adapter.drop_relation(existing_relation) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks) }}

    {%- if config.get('contract').enforced -%} {{ get_assert_columns_equivalent(sql) }} {%- endif -%}
    {%- set is_asked = not config.get('of_changes', false) or has_changes() -%}
    {%- set sql = with_literal_dates(sql) -%}
    {%- if starts_empty -%}
        {%- call statement('main') -%}
            create table {{ target_relation }} using parquet as
            select * from ({{ sql }}) as new_rows{{ ' where 1 = 0' if not is_asked }}
        {%- endcall -%}
    {%- else -%}
        {%- set given = get_column_schema_from_query(sql) | map(attribute='name') | list -%}
        {%- set partitions = partition_columns(given, config.get('dated_by', ['as_of_date'])) -%}
        {%- if existing_relation is none -%}
            {%- set kept = given -%}
            {%- call statement('create') -%}
                create table {{ target_relation }} using parquet partitioned by ({{ partitions | join(', ') }})
                {#- Spark puts partition columns last; readers get the model's own order. #}
                tblproperties ('equipoise.columns' = '{{ given | join(',') }}') as
                {{ partitioned(sql, kept, given, partitions) }} where 1 = 0
            {%- endcall -%}
        {%- else -%}
            {%- set kept = column_names(existing_relation) | unique | list -%}
        {%- endif -%}
        {%- call statement('mode') -%} set spark.sql.sources.partitionOverwriteMode = dynamic {%- endcall -%}
        {%- call statement('main') -%}
            insert overwrite table {{ target_relation }} partition ({{ partitions | join(', ') }})
            {{ partitioned(sql, kept, given, partitions) }}
        {%- endcall -%}
    {%- endif -%}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- The rows with their partition columns last, those of a partition together, so that it becomes one file. A column that
    the catalog no longer asks for stays in the table, without values. -#}
{% macro partitioned(sql, kept, given, partitions) -%}
    select /*+ rebalance({{ partitions | join(', ') }}) */ *
    from (
        select
            {%- for column in kept if column not in partitions %}
            {{ column if column in given else 'null as ' ~ column }},
            {%- endfor %}
            {%- for column in partitions %}
            {{ column if column in given else latest_date(config.get('dated_by')) ~ ' as ' ~ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from ({{ sql }}) as new_rows
    ) as partitioned_rows
{%- endmacro %}

{#- By which columns an appended table is partitioned. -#}
{% macro partition_columns(columns, date_columns) -%}
    {{ return(['experiment_id', partition_date(date_columns)] + (['segment_name'] if 'segment_name' in columns else [])) }}
{%- endmacro %}

{#- The date among them: a row is built again as soon as one of its dates is. -#}
{% macro partition_date(date_columns) -%}
    {{ return(date_columns[0] if date_columns | length == 1 else 'latest_date') }}
{%- endmacro %}

{% macro latest_date(date_columns) -%} greatest({{ date_columns | join(', ') }}) {%- endmacro %}
