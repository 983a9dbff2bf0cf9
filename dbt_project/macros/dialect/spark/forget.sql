{#- What `delete` does elsewhere, on Spark: partitions are dropped, of which the metastore knows. See `appended`. -#}

{% macro spark__forget_planned(relation, date_columns) -%}
    {%- set day = 'kept.' ~ partition_date(date_columns) -%}
    {%- if has_earlier_rows() -%}
        {%- do drop_partitions(relation, day, 'build_plan.is_rebuild or ' ~ day ~ ' >= build_plan.from_date') -%}
    {%- endif -%}
{%- endmacro %}

{#- `condition` is true, or about the segment's name: a partition has either all or none of its rows. -#}
{% macro spark__forget_before_latest(relation, condition) -%}
    {%- if has_earlier_rows() -%}
        {%- set passing = 'kept.as_of_date < build_plan.latest_date and kept.as_of_date <> experiments.analysis_end_date' -%}
        {%- do drop_partitions(relation, 'kept.as_of_date', condition ~ ' and ' ~ passing) -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__forget_snapshots(snapshots) -%}
    {%- set oldest = date_plus('build_plan.to_date', -(metric_catalog()['late_arrival_days'] + 2)) -%}
    {%- do drop_partitions(snapshots, 'kept.as_of_date', 'kept.as_of_date <= ' ~ oldest) -%}
{%- endmacro %}

{#- Drop the partitions of planned experiments for which a condition over `kept`, `build_plan` and `experiments` holds. -#}
{% macro drop_partitions(relation, day, condition) -%}
    {%- set is_segmented = 'segment_name' in column_names(relation) -%}
    {%- set found -%}
        select distinct
            kept.experiment_id,
            {{ day }} as partition_day
            {%- if is_segmented %},
            kept.segment_name
            {%- endif %}
        from {{ relation }} as kept
        inner join inputs.build_plan as build_plan
            on kept.experiment_id = build_plan.experiment_id
        {#- Everyone behind a trigger is planned without being listed among the experiments. #}
        left join inputs.experiments as experiments
            on kept.experiment_id = experiments.experiment_id
        where {{ condition }}
    {%- endset -%}
    {%- set partitions = [] -%}
    {%- for row in run_query(found).rows -%}
        {%- set segment = ', segment_name = ' ~ sql_text(row[2]) if is_segmented else '' -%}
        {%- set key = 'experiment_id = ' ~ sql_text(row[0]) ~ ', ' ~ day.split('.')[1] ~ " = date '" ~ row[1] ~ "'" -%}
        {%- do partitions.append('partition (' ~ key ~ segment ~ ')') -%}
    {%- endfor -%}
    {%- for batch in partitions | batch(500) -%}
        {%- do run_query('alter table ' ~ relation ~ ' drop if exists ' ~ batch | join(', ')) -%}
    {%- endfor -%}
{%- endmacro %}
