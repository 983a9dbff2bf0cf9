{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}"]
    )
}}
{#- How many units have any event of a source: health checks compare arms, and see logs that do not join. -#}
with

sums as (

    select * from {{ ref('int_metric_sums') }}
    where segment_name = 'all'

),

experiment_coverages as (

    select * from {{ source('inputs', 'experiment_coverages') }}

)

{%- for coverage in metric_catalog().get('coverages', []) %}
{%- set h = coverage.metric_hash %}
{{ 'union all' if not loop.first }}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    {{ sql_text(coverage.source_id) }} as source_id,
    cast({{ 'null' if coverage.end_days is none else coverage.end_days }} as integer) as window_days,
    cast(sums.n_{{ h }} as bigint) as n_units,
    cast(sums.y_{{ h }} as bigint) as n_with_event,
    cast(sums.not_computed_{{ h }} as bigint) as n_not_computed
from sums
inner join experiment_coverages
    on
        sums.experiment_id = experiment_coverages.experiment_id
        and experiment_coverages.coverage_hash = {{ sql_text(h) }}
{%- else %}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    cast(null as {{ type_text() }}) as source_id,
    cast(null as integer) as window_days,
    cast(null as bigint) as n_units,
    cast(null as bigint) as n_with_event,
    cast(null as bigint) as n_not_computed
from sums
inner join experiment_coverages
    on sums.experiment_id = experiment_coverages.experiment_id
where 1 = 0
{%- endfor %}
