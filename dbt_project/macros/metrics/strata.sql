{#- The attributes that make strata in some experiment; none where no experiment asks for post-stratification, and then no
    model has anything to do with strata. -#}
{% macro strata_attributes() -%}
    {{ return(metric_catalog().get('strata', {}).get('attributes', [])) }}
{%- endmacro %}

{#- Whether the epochs of an allocation whose weights changed are strata of some experiment. -#}
{% macro has_epoch_strata() -%}
    {{ return(metric_catalog().get('strata', {}).get('by_epoch', false)) }}
{%- endmacro %}

{#- Whether any experiment has strata at all. -#}
{% macro has_strata() -%}
    {{ return(strata_attributes() | length > 0 or has_epoch_strata()) }}
{%- endmacro %}

{#- The metrics that are adjusted by strata in some experiment. -#}
{% macro stratified_metrics() -%}
    {%- set ids = metric_catalog().get('strata', {}).get('metrics', []) -%}
    {{ return(metric_catalog()['metrics'] | selectattr('metric_id', 'in', ids) | list) }}
{%- endmacro %}

{#- How many strata a metric has at most: the smallest beyond are counted as one, `other`. -#}
{% macro most_strata() -%} {{ return(200) }} {%- endmacro %}

{#- The sums behind the moments of a stratum, by their short names. -#}
{% macro stratum_sums() -%} {{ return(['n', 'y', 'yy', 'd', 'dd', 'yd']) }} {%- endmacro %}

{#- Join a relation's units, by their attributes and the day of their exposure, to the numbers of their strata. -#}
{% macro join_strata(relation, kind) %}
    {{ kind }} join {{ ref('int_strata') }} as strata
        on
            {{ relation }}.experiment_id = strata.experiment_id
            {%- for attribute in strata_attributes() %}
            and coalesce({{ relation }}.a_{{ attribute }}, 'unknown') = strata.a_{{ attribute }}
            {%- endfor %}
            {%- if has_epoch_strata() %}
            and {{ relation }}.exposed_date >= strata.from_date
            and {{ relation }}.exposed_date < strata.until_date
            {%- endif %}
{%- endmacro %}

{#-
    Units whose attributes changed after the fact, as a CTE: another exposure at the same instant became known, and its
    attributes come first. From `known_from` on the unit is in another stratum, whose number is higher by `stratum`.
-#}
{% macro restratified_units() -%}
restratified as (

    select
        experiment_id,
        unit_id,
        exposed_at,
        exposed_date,
        arm,
        exposure_known_from,
        known_from,
        stratum_now - stratum_before as stratum
    from (
        select
            first_exposures.experiment_id,
            first_exposures.unit_id,
            first_exposures.exposed_at,
            first_exposures.exposed_date,
            first_exposures.arm,
            first_exposures.exposure_known_from,
            first_exposures.known_from,
            strata.stratum as stratum_now,
            lag(strata.stratum) over (
                partition by first_exposures.experiment_id, first_exposures.unit_id, first_exposures.exposed_at
                order by first_exposures.known_from
            ) as stratum_before
        from {{ first_exposures() }} as first_exposures
        inner join (
            select distinct
                first_exposures.experiment_id,
                first_exposures.unit_id
            from {{ first_exposures() }} as first_exposures
            where
                {{ in_slice('first_exposures.unit_id') }}
                and first_exposures.earlier_exposed_at = first_exposures.exposed_at
                and not first_exposures.is_mixed
        ) as changed
            on
                first_exposures.experiment_id = changed.experiment_id
                and first_exposures.unit_id = changed.unit_id
        {{- join_strata('first_exposures', 'inner') }}
        where
            {{ in_slice('first_exposures.unit_id') }}
            and not first_exposures.is_mixed
    ) as attributions
    where stratum_now <> stratum_before

)
{%- endmacro %}
