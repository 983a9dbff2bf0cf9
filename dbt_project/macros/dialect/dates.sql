{#- A date some days later; `days` is a number or an SQL expression. -#}
{% macro date_plus(date, days) -%}
    cast({{ dbt.dateadd('day', days, date) }} as date)
{%- endmacro %}

{#- An instant some whole 24-hour days later. -#}
{% macro instant_plus_days(instant, days) -%}
    cast({{ dbt.dateadd('hour', days * 24, instant) }} as {{ dbt.type_timestamp() }})
{%- endmacro %}
