{{ config(materialized='appended', starts_empty=true, of_changes=true, share_in_memory=0.25) }}
{#-
    Units' values of metrics with a quantile cap, of quantile, categorical and bootstrapped metrics, with the as-of dates
    from and until which they hold. Such a cap moves from date to date, so that the sums under it do not add up over dates;
    nor do quantiles, and categories have no sums. The sums of bootstrapped metrics are by `bucket` of units, which is there for them alone.
-#}
{%- set metrics = metrics_with_states() %}
{%- set groups = maturity_groups(metrics) %}
{%- set is_stratified = has_strata() %}
with

{{ unit_state_inputs(groups) }}

{%- for group in groups %},

{{ unit_states(group) }}
{%- endfor %}

{% for group in groups %}
{{ 'union all' if not loop.first }}

select
    {{ sql_text(group.name) }} as maturity_group,
    experiment_id,
    arm,
    {%- if bootstrapped_metrics() %}
    {{ unit_bucket('unit_id') }} as bucket,
    {%- endif %}
    exposed_date,
    effective_date,
    until_date
    {%- if is_stratified %},
    stratum
    {%- endif %}
    {%- for metric in metrics %},
    {%- if metric.end_days == group.end_days %}
    {{ seen_values(metric) }}
    {%- else %}
    {{ no_values(metric) }}
    {%- endif %}
    {%- endfor %}
from {{ group.name }}_states
where is_in
{%- else %}
select
    'none' as maturity_group,
    experiment_id,
    cast(0 as smallint) as arm,
    from_date as exposed_date,
    from_date as effective_date,
    to_date as until_date
    {%- if is_stratified %},
    cast(0 as integer) as stratum
    {%- endif %}
from span
where 1 = 0
{%- endfor %}
