{#- The first exposures that are analysed, as something to select from: of experiments with a trigger those with their
    first triggering event, and under the id of everyone the exposures themselves. -#}
{% macro first_exposures() -%}
    {%- if not metric_catalog().get('triggers', []) -%} {{ return(ref('int_first_exposures')) }} {%- endif -%}
    {%- set columns = [
        'experiment_id', 'unit_id', 'unit_hash', 'known_from', 'variant_id', 'arm', 'exposed_at', 'exposed_date',
        'exposure_known_from', 'is_mixed', 'earlier_exposed_at'
    ] -%}
    {%- for attribute in metric_catalog()['attributes'] %}{% do columns.append('a_' ~ attribute) %}{% endfor -%}
    (
        select {{ columns | join(', ') }} from {{ ref('int_first_exposures') }}
        union all
        select {{ columns | join(', ') }} from {{ ref('int_triggered_exposures') }}
    )
{%- endmacro %}

{#- The id under which a logged exposure is kept: that of everyone, where the experiment has a trigger. -#}
{% macro kept_experiment_id() -%}
    {{- 'coalesce(triggers.everyone_id, stg_exposures.experiment_id)' if metric_catalog().get('triggers', []) else 'stg_exposures.experiment_id' -}}
{%- endmacro %}
