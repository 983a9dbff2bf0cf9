{#- The metrics that are quantiles of a unit's value. -#}
{% macro quantile_metrics() -%}
    {{ return(metric_catalog()['metrics'] | selectattr('type', 'defined') | selectattr('type', 'equalto', 'quantile') | list) }}
{%- endmacro %}

{#- The metrics whose values int_capped_states keeps: under a quantile cap, quantiles, and bootstrapped ones. The first two
    do not add up over dates; the sums of the last are by bucket, and other metrics need none of these. -#}
{% macro metrics_with_states() -%}
    {%- set metrics = metric_catalog()['metrics'] | rejectattr('cap_quantile', 'none') | list -%}
    {%- set uncapped = bootstrapped_metrics() | selectattr('cap_quantile', 'none') | list -%}
    {{ return(metrics + quantile_metrics() + uncapped) }}
{%- endmacro %}

{#-
    How many ranks around the quantile's are kept one by one: 6 standard deviations of the number of units below it, and
    36 for its tail. An interval reaches further with a probability of 1e-9.
-#}
{% macro kept_ranks(n, level) -%}
    (6 * sqrt({{ n }} * {{ level }} * (1 - {{ level }})) + 36)
{%- endmacro %}
