{#- The metrics, and what health checks read of units besides, which is computed like metrics: the shares of units with any
    event, and probes: totals of units that have too many, and of amounts in another unit. -#}
{% macro metrics_and_probes() -%}
    {{ return(metric_catalog()['metrics'] + metric_catalog().get('coverages', []) + metric_catalog().get('probes', [])) }}
{%- endmacro %}

{#- Whether a unit's window has matured at the as-of date. -#}
{% macro has_matured(metric) -%}
    {%- if metric.end_days is none -%} true
    {%- else -%} {{ instant_plus_days('exposed_at', metric.end_days) }} <= as_of_ends_at
    {%- endif -%}
{%- endmacro %}

{#- Variants by a number: narrower than their ids. By the ids' order, since that of the YAML may change. -#}
{% macro arms() -%}
    (
        select
            experiment_id,
            variant_id,
            cast(row_number() over (partition by experiment_id order by variant_id) as smallint) as arm
        from {{ source('inputs', 'experiment_variants') }}
    )
{%- endmacro %}

{#- 10^14 quantised units: a unit whose total reaches it makes its metric `overflow`. -#}
{% macro overflow_limit() -%} 100000000000000 {%- endmacro %}

{#- (metric, unit value) pairs whose cap is a quantile, as names of columns in int_metric_caps. -#}
{% macro quantile_caps() -%}
    {%- set caps = [] -%}
    {%- for metric in metric_catalog()['metrics'] if metric.cap_quantile is not none -%}
        {%- do caps.append({'metric': metric, 'value': metric.value, 'prefix': 'y_', 'column': 'cap_' ~ metric.metric_hash}) -%}
        {%- if metric.denominator is not none -%}
            {%- do caps.append({'metric': metric, 'value': metric.denominator, 'prefix': 'd_', 'column': 'denominator_cap_' ~ metric.metric_hash}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(caps) }}
{%- endmacro %}

{#-
    Metrics by when their units mature, since those share one series of states: each group has `end_days` (none: at once),
    a `name` for its CTEs, its `metrics` and the `unit_values` that these read.
-#}
{% macro maturity_groups(metrics) -%}
    {%- set groups = [] -%}
    {%- for end_days in metrics | map(attribute='end_days') | unique -%}
        {%- set members = metrics | selectattr('end_days', 'equalto', end_days) | list -%}
        {%- set columns = [] -%}
        {%- for metric in members -%}
            {%- do columns.extend([metric.value, metric.denominator, metric.covariate, metric.history]) -%}
            {%- do columns.extend(further_covariates(metric) | map(attribute='value') | list) -%}
        {%- endfor -%}
        {%- set unit_values = metric_catalog()['unit_values'] | selectattr('column', 'in', columns) | list -%}
        {%- do groups.append({
            'end_days': end_days,
            'name': 'open' if end_days is none else 'day_' ~ end_days,
            'metrics': members,
            'unit_values': unit_values,
        }) -%}
    {%- endfor -%}
    {{ return(groups) }}
{%- endmacro %}
