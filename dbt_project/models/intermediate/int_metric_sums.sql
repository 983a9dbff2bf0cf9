{{ config(materialized='table') }}
{%- set metrics = metric_catalog()['metrics'] %}
with

unit_metrics as (

    select * from {{ ref('int_unit_metrics') }}

)

{%- for attribute in [none] + metric_catalog()['attributes'] %}
{{ 'union all' if not loop.first }}

select
    units.as_of_date,
    units.experiment_id,
    units.variant_id,
    {{ sql_text(attribute or 'all') }} as segment_name,
    {{ segment_value(attribute) }} as segment_value
    {%- for metric in metrics %},
    {%- set h = metric.metric_hash %}
    count(y_{{ h }}) as n_{{ h }},
    sum(case when f_{{ h }} = 'overflow' then 1 else 0 end) as overflow_{{ h }},
    sum(case when f_{{ h }} = 'not_computed' then 1 else 0 end) as not_computed_{{ h }},
    max(case when f_{{ h }} = 'usable' then exposed_date end) as last_cohort_{{ h }},
    {{ exact_sum('t_' ~ h) }} as t_{{ h }},
    {{ exact_sum('y_' ~ h) }} as y_{{ h }},
    {{ exact_sum('y_' ~ h, 'y_' ~ h) }} as yy_{{ h }}
    {%- if metric.denominator is not none %},
    {{ exact_sum('d_' ~ h) }} as d_{{ h }},
    {{ exact_sum('d_' ~ h, 'd_' ~ h) }} as dd_{{ h }},
    {{ exact_sum('y_' ~ h, 'd_' ~ h) }} as yd_{{ h }}
    {%- endif %}
    {%- if metric.covariate is not none %},
    {{ exact_sum('x_' ~ h) }} as x_{{ h }},
    {{ exact_sum('x_' ~ h, 'x_' ~ h) }} as xx_{{ h }},
    {{ exact_sum('y_' ~ h, 'x_' ~ h) }} as yx_{{ h }},
    {{ exact_sum('h_' ~ h) }} as h_{{ h }},
    {{ exact_sum('y_' ~ h, 'h_' ~ h) }} as yh_{{ h }},
    {{ exact_sum('x_' ~ h, 'h_' ~ h) }} as xh_{{ h }}
    {%- endif %}
    {%- endfor %}
    {%- for cap in quantile_caps() %},
    max({{ cap.column }}) as {{ cap.column }}
    {%- endfor %}
from unit_metrics as units
{{- segment_joins(attribute) }}
group by
    units.as_of_date, units.experiment_id, units.variant_id
    {%- if attribute is not none %}, {{ segment_value(attribute) }}{% endif %}
{%- endfor %}
