{#- The metrics that are quantiles of single events. -#}
{% macro event_quantile_metrics() -%}
    {{ return(metric_catalog()['metrics'] | selectattr('event_values', 'defined') | list) }}
{%- endmacro %}

{#- The components whose events are kept one by one, in a column `event_values` of int_exposed_unit_days. -#}
{% macro components_with_event_values() -%}
    {{ return(metric_catalog()['components'] | selectattr('event_values', 'defined') | list) }}
{%- endmacro %}

{#- Give a table the columns of events' values that today's catalog asks for, and no others. -#}
{% macro follow_event_values(relation) -%}
    {{ follow_catalog(relation, 'e_', components_with_event_values() | map(attribute='event_values') | list, type_integer_list()) }}
{%- endmacro %}

{#- The measures of a component's events in a group, in the experiments with such a metric. -#}
{% macro component_event_values(component) -%}
    {{ list_where('m_' ~ component.measure, 'reads_' ~ component.event_values ~ ' = 1 and ' ~ component_condition(component)) }}
{%- endmacro %}

{#-
    A row for each event that a quantile of events is over at some as-of date of the span: in the metric's window, of an
    exposure that counts in an arm, with the as-of dates from and until which it does. Segments' attributes are those of the
    snapshot at the experiment's latest date, else NULL: a tie of exposures that becomes known may change them.
-#}
{% macro event_rows(metric) -%}
    select
        experiment_id,
        unit_id,
        arm
        {%- for attribute in metric_catalog()['attributes'] %},
        a_{{ attribute }}
        {%- endfor %},
        effective_date,
        until_date,
        {{ each_of('event_values') }} as value
    from (
        select
            unit_days.experiment_id,
            unit_days.unit_id,
            exposures.arm
            {%- for attribute in metric_catalog()['attributes'] %},
            case when snapshots.unit_id is not null then coalesce(snapshots.a_{{ attribute }}, 'unknown') end as a_{{ attribute }}
            {%- endfor %},
            greatest(
                unit_days.known_from,
                unit_days.exposure_known_from,
                span.from_date
                {%- if metric.end_days is not none %},
                {{ maturity_date('unit_days.exposed_at', metric.end_days) }}
                {%- endif %}
            ) as effective_date,
            coalesce(exposures.left_from, {{ date_plus('span.to_date', 1) }}) as until_date,
            span.to_date,
            unit_days.{{ metric.event_values }} as event_values
        from {{ ref('int_exposed_unit_days') }} as unit_days
        inner join {{ source('inputs', 'build_plan') }} as span
            on
                unit_days.experiment_id = span.experiment_id
                and unit_days.known_from <= span.to_date
        inner join {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
            on
                unit_days.experiment_id = experiment_metrics.experiment_id
                and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
        inner join {{ ref('int_counted_exposures') }} as exposures
            on
                unit_days.experiment_id = exposures.experiment_id
                and unit_days.unit_id = exposures.unit_id
                and unit_days.exposed_at = exposures.exposed_at
        {%- if metric_catalog()['attributes'] %}
        left join {{ ref('int_exposed_units') }} as snapshots
            on
                unit_days.experiment_id = snapshots.experiment_id
                and unit_days.unit_id = snapshots.unit_id
                and unit_days.exposed_at = snapshots.exposed_at
                and span.latest_date = span.to_date
                and snapshots.as_of_date = span.to_date
                and {{ in_slice_by('snapshots.unit_hash') }}
        {%- endif %}
        {{- join_maturity('unit_days', metric) }}
        where
            {{ in_slice_by('unit_days.unit_hash') }}
            and {{ in_slice_by('exposures.unit_hash') }}
            and unit_days.{{ metric.event_values }} is not null
            and unit_days.day >= {{ metric.first_day }}
            {%- if metric.last_day is not none %}
            and unit_days.day <= {{ metric.last_day }}
            {%- endif %}
    ) as counted_days
    where
        effective_date <= to_date
        and effective_date < until_date
{%- endmacro %}

{#-
    How far from the quantile's rank events are kept one by one: so many standard errors of the rank, by the clusters' sums,
    that an interval reaches further with a probability of 1e-9 (Student's t needs more of them with few clusters), and 36
    for whole ranks. All of them with up to ten clusters, and where no event is above the quantile.
-#}
{% macro kept_event_ranks() -%}
    case
        when n_units > 10 and n_up_to < n_events
            then 36 + (6 + 120 / (n_units - 1) + 500 / (n_units - 1) / (n_units - 1)) * sqrt(
                n_units / (n_units - 1) * quantile * (1 - quantile)
                * greatest(
                    sum_up_to_squared - 2 * n_up_to / n_events * sum_product
                    + n_up_to / n_events * n_up_to / n_events * sum_events_squared,
                    0
                )
                / (n_up_to / n_events * (1 - n_up_to / n_events))
            )
        else n_events
    end
{%- endmacro %}

{#- The rank of a sample quantile before it is rounded up, less what rounding of the product may add. -#}
{% macro quantile_rank(n, level) -%}
    cast({{ n }} as double) * {{ level }} * (1 - 1e-15)
{%- endmacro %}
