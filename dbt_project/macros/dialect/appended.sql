{#-
    A table that a run adds rows to, a slice of its units at a time: so what is in memory at once is bounded, whatever
    the size of the logs. Pre-hooks remove what is built again; all of it is one transaction. Unlike dbt's incremental
    append, rows go straight into the table, without a temporary copy of them. `of_changes`: a model of what changed before a
    span's last date, which has nothing to do, and whose long SQL need not be planned, where each experiment has a single date.
-#}
{% materialization appended, adapter='default' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- if config.get('starts_empty', false) and existing_relation is not none -%}
        {%- do adapter.drop_relation(existing_relation) -%}
        {%- set existing_relation = none -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if config.get('contract').enforced -%} {{ get_assert_columns_equivalent(of_slice(sql, 0, 1)) }} {%- endif -%}
    {%- set is_asked = not config.get('of_changes', false) or has_changes() -%}
    {%- set is_new = existing_relation is none -%}
    {%- if is_new -%}
        {%- call statement('create' if is_asked else 'main') -%}
            create table {{ target_relation }} as
            select * from ({{ of_slice(sql, 0, 1) }}) as no_rows
            where 1 = 0
        {%- endcall -%}
    {%- endif -%}
    {%- set sql = with_literal_dates(sql) if is_asked else sql -%}
    {%- set columns = '' -%}
    {%- if not is_new -%}
        {%- set columns = '(' ~ get_column_schema_from_query(of_slice(sql, 0, 1)) | map(attribute='name') | join(', ') ~ ')' -%}
    {%- endif -%}
    {%- set slices = number_of_slices(sql) if is_asked else 0 -%}
    {%- for slice in range(slices) -%}
        {%- call statement('main' if loop.last else 'slice') -%}
            insert into {{ target_relation }} {{ columns }}
            {{ of_slice(sql, slice, slices) }}
        {%- endcall -%}
    {%- endfor -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- Whether any experiment has a date in the span whose sums follow from changes. -#}
{% macro has_changes() -%}
    {%- set spans = 'select count(*) from ' ~ source('inputs', 'build_plan') ~ ' where from_date <= changes_through' -%}
    {{ return(run_query(spans).columns[0].values()[0] | int > 0) }}
{%- endmacro %}

{#- Whether an `appended` model has rows from before: its table is there. -#}
{% macro has_earlier_rows() -%}
    {{ return(execute and load_cached_relation(this) is not none) }}
{%- endmacro %}

{#- A condition that holds for the units of the slice being built; for all of them in the compiled model. -#}
{% macro in_slice(unit_id) -%} {{ in_slice_by(unit_hash(unit_id)) }} {%- endmacro %}

{#- The same of a table that has its units' hash as a column. What was written slice by slice, DuckDB then skips. -#}
{% macro in_slice_by(hash) -%} true /* slice by {{ hash }} */ {%- endmacro %}

{#- A condition that may leave out rows with a date up to every plan's base snapshot: as a literal in the SQL that runs,
    with which DuckDB skips what lies before without reading it; true in the compiled model. -#}
{% macro after_base(column) -%} true /* after base: {{ column }} */ {%- endmacro %}

{#- The same of rows with a date before the start of every planned experiment: what those long past have left. -#}
{% macro since_start(column) -%} true /* since start: {{ column }} */ {%- endmacro %}

{#- The same of rows with a date before the first planned as-of date of all. -#}
{% macro from_first(column) -%} true /* from first: {{ column }} */ {%- endmacro %}

{#- The start of the planned experiments, the first of all, as a query. -#}
{% macro first_start() -%}
    select min(experiments.start_date)
    from {{ source('inputs', 'build_plan') }} as build_plan
    inner join {{ source('inputs', 'experiments') }} as experiments
        on build_plan.experiment_id = experiments.experiment_id
{%- endmacro %}

{#- The model's SQL with the literals that it asks for. -#}
{% macro with_literal_dates(sql) -%}
    {%- set plan = source('inputs', 'build_plan') -%}
    {%- set after_base -%}
    select
        min(case
            when base_date is not null then base_date
            when is_rebuild then {{ date_plus('from_date', -1) }}
            else cast('0001-01-01' as date)
        end)
    from {{ plan }}
    {%- endset -%}
    {%- set first = 'select min(from_date) from ' ~ plan -%}
    {%- set literal = namespace(sql=sql) -%}
    {%- for mark, comparison, earliest in [
        ('after base', '>', after_base), ('since start', '>=', first_start()), ('from first', '>=', first)
    ] if '/* ' ~ mark ~ ': ' in sql -%}
        {%- set found = run_query(earliest).columns[0].values()[0] -%}
        {%- if found is not none -%}
            {%- set condition = "\\1 " ~ comparison ~ " cast('" ~ found ~ "' as date)" -%}
            {%- set literal.sql = modules.re.sub('true /\\* ' ~ mark ~ ': (\\S+) \\*/', condition, literal.sql) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(literal.sql) }}
{%- endmacro %}

{#- The model's SQL, cut down to a slice: a range of hashes. -#}
{% macro of_slice(sql, slice, slices) -%}
    {%- if slices == 1 -%} {{ return(sql) }}
    {%- else -%}
        {%- set first, next = slice * 2147483647 // slices, (slice + 1) * 2147483647 // slices -%}
        {%- set condition = '\\1 between ' ~ first ~ ' and ' ~ (next - 1) -%}
        {{ return(modules.re.sub('true /\\* slice by (.+?) \\*/', condition, sql)) }}
    {%- endif -%}
{%- endmacro %}

{#- Slices of the model: what `orchestration` counted for the run, where the model is cut at all; fewer or more for a model
    that says how much it holds at once (`share_in_memory`), in shares of the joined rows. -#}
{% macro number_of_slices(sql) -%}
    {%- if '/* slice by ' not in sql -%} {{ return(1) }} {%- endif -%}
    {%- set slices = run_query('select slices from ' ~ source('inputs', 'build_slices')).columns[0].values()[0] | int -%}
    {{ return((slices * config.get('share_in_memory', 1.0)) | round(0, 'ceil') | int) }}
{%- endmacro %}

{#- A whole number from 0 to 2147483646, the same for the same unit and evenly spread. -#}
{% macro unit_hash(unit_id) -%}
    {{ return(adapter.dispatch('unit_hash', 'equipoise')(unit_id)) }}
{%- endmacro %}

{#- As INTEGER, because the remainder of a wider hash may be taken in 128 bits, which is slow. -#}
{% macro duckdb__unit_hash(unit_id) -%} cast(hash({{ unit_id }}) % 2147483647 as integer) {%- endmacro %}

{% macro spark__unit_hash(unit_id) -%} cast(abs(xxhash64({{ unit_id }}) % 2147483647) as integer) {%- endmacro %}

{#- An order in which rows of a subquery are written, where there are attributes that cells are made of: only a layout, which
    nothing depends on. Other engines sort no subquery. -#}
{% macro laid_out_by(columns, attributes) -%}
    {{- adapter.dispatch('laid_out_by', 'equipoise')(columns, attributes) -}}
{%- endmacro %}

{% macro default__laid_out_by(columns, attributes) -%} {%- endmacro %}

{% macro duckdb__laid_out_by(columns, attributes) -%}
    {%- set attribute_columns = [] -%}
    {%- for attribute in attributes -%} {%- do attribute_columns.append('a_' ~ attribute) -%} {%- endfor -%}
    {%- if attributes -%} order by {{ (columns + attribute_columns) | join(', ') }} {%- endif -%}
{%- endmacro %}
