{{ config(materialized='table') }}
{#-
    The strata of experiments with post-stratification or changing weights, numbered: narrower than their names, which are
    the values of the experiment's own attributes, after the allocation epoch where weights change. A row for each combination
    of all attributes that make strata anywhere, and epoch.
-#}
{%- set attributes = strata_attributes() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if has_strata() %},

experiments as (

    select
        experiment_strata.experiment_id
        {%- if has_epoch_strata() %},
        max(case when experiment_strata.attribute = 'allocation epoch' then 1 else 0 end) as uses_epochs
        {%- endif %}
        {%- for attribute in attributes %},
        max(case when experiment_strata.attribute = {{ sql_text(attribute) }} then 1 else 0 end) as uses_{{ attribute }}
        {%- endfor %}
    from {{ source('inputs', 'experiment_strata') }} as experiment_strata
    inner join build_plan
        on experiment_strata.experiment_id = build_plan.experiment_id
    group by experiment_strata.experiment_id

),
{%- if has_epoch_strata() %}

epochs as (

    select distinct
        experiment_id,
        epoch,
        from_date
    from {{ source('inputs', 'experiment_epochs') }}

),

epoch_spans as (

    select
        experiment_id,
        epoch,
        from_date,
        lead(from_date) over (partition by experiment_id order by from_date) as until_date
    from epochs

),
{%- endif %}

cells as (

    select distinct
        first_exposures.experiment_id
        {%- for attribute in attributes %},
        coalesce(first_exposures.a_{{ attribute }}, 'unknown') as a_{{ attribute }},
        experiments.uses_{{ attribute }}
        {%- endfor %}
        {%- if has_epoch_strata() %},
        experiments.uses_epochs,
        epoch_spans.epoch,
        epoch_spans.from_date,
        case
            when experiments.uses_epochs = 1 and epoch_spans.until_date is not null then epoch_spans.until_date
            else cast('9999-12-31' as date)
        end as until_date
        {%- endif %}
    from {{ first_exposures() }} as first_exposures
    inner join experiments
        on first_exposures.experiment_id = experiments.experiment_id
    {%- if has_epoch_strata() %}
    {#- Without changing weights the first epoch stands for all. #}
    inner join epoch_spans
        on
            experiments.experiment_id = epoch_spans.experiment_id
            and (experiments.uses_epochs = 1 or epoch_spans.epoch = 0)
    {%- endif %}

),

{#- A comma in a value is written %2C, so that no two strata have one name; behind each part stands ", ". #}
named as (

    select
        *,
        {%- if has_epoch_strata() %}
        case when uses_epochs = 1 then 'epoch=' || cast(epoch as {{ type_text() }}) || ', ' else '' end
        {{- ' ||' if attributes }}
        {%- endif %}
        {%- for attribute in attributes %}
        case
            when uses_{{ attribute }} = 1
                then '{{ attribute }}=' || replace(replace(a_{{ attribute }}, '%', '%25'), ',', '%2C') || ', '
            else ''
        end
        {{- ' ||' if not loop.last }}
        {%- endfor %} as stratum_name
    from cells

)

select
    experiment_id,
    cast(dense_rank() over (partition by experiment_id order by stratum_name) as integer) as stratum,
    substring(stratum_name, 1, length(stratum_name) - 2) as stratum_name
    {%- for attribute in attributes %},
    a_{{ attribute }}
    {%- endfor %}
    {%- if has_epoch_strata() %},
    from_date,
    until_date
    {%- endif %}
from named
{%- else %}

select
    experiment_id,
    cast(0 as integer) as stratum,
    cast(null as {{ type_text() }}) as stratum_name
from build_plan
where 1 = 0
{%- endif %}
