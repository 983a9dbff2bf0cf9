{#-
    Values under quantile caps at each as-of date at which a unit's state holds, as CTEs `capped_fates` and
    `capped_values`. `carried`: columns of int_capped_states that stay, besides its experiment.
-#}
{% macro capped_values(metrics, carried) -%}
capped_fates as (

    select
        calendar.as_of_date,
        states.*
        {%- for cap in quantile_caps() %},
        caps.{{ cap.column }}
        {%- endfor %}
        {%- for metric in metrics %},
        {%- set group = maturity_groups([metric])[0] %}
        states.maturity_group = {{ sql_text(group.name) }} as p_{{ metric.metric_hash }},
        {{ fate_of(metric, has_population=true) }}
        {%- endfor %}
    from {{ ref('int_capped_states') }} as states
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= states.effective_date
            and calendar.as_of_date < states.until_date
    inner join {{ ref('int_metric_caps') }} as caps
        on
            states.experiment_id = caps.experiment_id
            and calendar.as_of_date = caps.as_of_date

),

capped_values as (

    select
        as_of_date,
        experiment_id
        {%- for column in carried %},
        {{ column }}
        {%- endfor %}
        {%- for metric in metrics %},
        {{ usable_values(metric) }}
        {%- endfor %}
    from capped_fates

)
{%- endmacro %}
