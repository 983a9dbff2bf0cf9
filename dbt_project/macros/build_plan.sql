{#- Remove what this run will build again: all of a rebuilt experiment, else its rows from `from_date` on.
    `date_columns`: a row goes as soon as one of them reaches the plan's first date. -#}
{% macro forget_planned(relation, date_columns) -%}
    {{- adapter.dispatch('forget_planned', 'equipoise')(relation, date_columns) -}}
{%- endmacro %}

{% macro default__forget_planned(relation, date_columns) -%}
    {%- if has_earlier_rows() -%}
    delete from {{ relation }}
    where
        {#- Few rows pass this, however long the history: only they need to be held against their own plan. #}
        (
            experiment_id in (select experiment_id from {{ source('inputs', 'build_plan') }} where is_rebuild)
            or {{ reaches_first_planned(relation, date_columns) }}
        )
        and exists (
        select 1
        from {{ source('inputs', 'build_plan') }} as build_plan
        where
            build_plan.experiment_id = {{ relation }}.experiment_id
            and (
                build_plan.is_rebuild
                {%- for column in date_columns %}
                or {{ relation }}.{{ column }} >= build_plan.from_date
                {%- endfor %}
            )
    )
    {%- endif -%}
{%- endmacro %}

{#- Whether one of the date columns reaches the first date that any experiment is built from. -#}
{% macro reaches_first_planned(relation, date_columns) -%}
    (
        {%- for column in date_columns %}
        {{ 'or ' if not loop.first }}{{ relation }}.{{ column }} >= (select min(from_date) from {{ source('inputs', 'build_plan') }})
        {%- endfor %}
    )
{%- endmacro %}

{#- Segment rows stay for the latest and the final as-of date only. -#}
{% macro forget_old_segments(relation) -%} {{- forget_before_latest(relation, "segment_name <> 'all'") -}} {%- endmacro %}

{#- Remove rows of an experiment's former latest dates; its final date's stay. -#}
{% macro forget_before_latest(relation, condition='true') -%}
    {{- adapter.dispatch('forget_before_latest', 'equipoise')(relation, condition) -}}
{%- endmacro %}

{% macro default__forget_before_latest(relation, condition) -%}
    {%- if has_earlier_rows() -%}
    delete from {{ relation }}
    where {{ condition }} and exists (
        select 1
        from {{ source('inputs', 'build_plan') }} as build_plan
        inner join {{ source('inputs', 'experiments') }} as experiments
            on build_plan.experiment_id = experiments.experiment_id
        where
            build_plan.experiment_id = {{ relation }}.experiment_id
            and {{ relation }}.as_of_date < build_plan.latest_date
            and {{ relation }}.as_of_date <> experiments.analysis_end_date
    )
    {%- endif -%}
{%- endmacro %}

{#- After a run: keep the unit snapshots of the last `late_arrival_days` + 2 as-of dates of each experiment. -#}
{% macro forget_old_snapshots() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set snapshots = adapter.get_relation(database=target.database or none, schema='intermediate', identifier='int_exposed_units') -%}
        {%- if snapshots is not none -%}
            {{- adapter.dispatch('forget_snapshots', 'equipoise')(snapshots) -}}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro default__forget_snapshots(snapshots) -%}
    delete from {{ snapshots }}
    where exists (
        select 1
        from inputs.build_plan as build_plan
        where
            build_plan.experiment_id = {{ snapshots }}.experiment_id
            and {{ snapshots }}.as_of_date <= {{ date_plus('build_plan.to_date', -(metric_catalog()['late_arrival_days'] + 2)) }}
    )
{%- endmacro %}
