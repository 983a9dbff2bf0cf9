{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}"]
    )
}}
{#-
    What health checks sum up of a metric besides its moments: units that are bots with what they bring, where a limit is set;
    amounts in another unit beside those in the measure's own, where a source says which column tells.
-#}
with

sums as (

    select * from {{ ref('int_metric_sums') }}
    where segment_name = 'all'

),

experiment_probes as (

    select * from {{ source('inputs', 'experiment_probes') }}

),

probes as (

    {%- for probe in metric_catalog().get('probes', []) %}
    {%- set h = probe.metric_hash %}
    {{ 'union all' if not loop.first }}

    select
        sums.as_of_date,
        sums.experiment_id,
        sums.variant_id,
        {{ sql_text(probe.metric_id) }} as metric_id,
        {{ sql_text(probe.kind) }} as probe,
        sums.n_{{ h }} as n_units,
        sums.y_{{ h }} as n_found,
        {%- if probe.denominator is none %}
        cast(null as double) as total,
        {%- else %}
        cast(sums.d_{{ h }} as double) / {{ 10 ** probe.denominator_decimals }} as total,
        {%- endif %}
        sums.not_computed_{{ h }} + sums.overflow_{{ h }} as n_not_computed
    from sums
    inner join experiment_probes
        on
            sums.experiment_id = experiment_probes.experiment_id
            and experiment_probes.probe_hash = {{ sql_text(h) }}
    {%- else %}

    select
        sums.as_of_date,
        sums.experiment_id,
        sums.variant_id,
        cast(null as {{ type_text() }}) as metric_id,
        cast(null as {{ type_text() }}) as probe,
        cast(null as bigint) as n_units,
        cast(null as bigint) as n_found,
        cast(null as double) as total,
        cast(null as bigint) as n_not_computed
    from sums
    inner join experiment_probes
        on sums.experiment_id = experiment_probes.experiment_id
    where 1 = 0
    {%- endfor %}

)

{#- A ratio has a probe for each part whose amounts have a unit. #}
select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    probe,
    cast(max(n_units) as bigint) as n_units,
    cast(sum(n_found) as bigint) as n_found,
    sum(total) as total,
    cast(sum(n_not_computed) as bigint) as n_not_computed
from probes
group by as_of_date, experiment_id, variant_id, metric_id, probe
