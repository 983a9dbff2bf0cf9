{{ config(materialized='table') }}
{#-
    The strata of experiments with post-stratification, numbered: narrower than their names, which are the values of the
    experiment's own attributes. A row for each combination of all attributes that make strata anywhere.
-#}
{%- set attributes = strata_attributes() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if attributes %},

experiments as (

    select
        experiment_strata.experiment_id
        {%- for attribute in attributes %},
        max(case when experiment_strata.attribute = {{ sql_text(attribute) }} then 1 else 0 end) as uses_{{ attribute }}
        {%- endfor %}
    from {{ source('inputs', 'experiment_strata') }} as experiment_strata
    inner join build_plan
        on experiment_strata.experiment_id = build_plan.experiment_id
    group by experiment_strata.experiment_id

),

cells as (

    select distinct
        first_exposures.experiment_id
        {%- for attribute in attributes %},
        coalesce(first_exposures.a_{{ attribute }}, 'unknown') as a_{{ attribute }},
        experiments.uses_{{ attribute }}
        {%- endfor %}
    from {{ ref('int_first_exposures') }} as first_exposures
    inner join experiments
        on first_exposures.experiment_id = experiments.experiment_id

),

{#- A comma in a value is written %2C, so that no two strata have one name; behind each attribute stands ", ". #}
named as (

    select
        *,
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
from named
{%- else %}

select
    experiment_id,
    cast(0 as integer) as stratum,
    cast(null as varchar) as stratum_name
from build_plan
where 1 = 0
{%- endif %}
