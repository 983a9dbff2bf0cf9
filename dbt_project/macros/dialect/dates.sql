{#- A date some days later; `days` is a number or an SQL expression. -#}
{% macro date_plus(date, days) -%}
    {{- adapter.dispatch('date_plus', 'equipoise')(date, days) -}}
{%- endmacro %}

{% macro default__date_plus(date, days) -%}
    cast({{ dbt.dateadd('day', days, date) }} as date)
{%- endmacro %}

{% macro spark__date_plus(date, days) -%} date_add({{ date }}, cast({{ days }} as int)) {%- endmacro %}

{#- An instant some whole 24-hour days later; `days` as above. -#}
{% macro instant_plus_days(instant, days) -%}
    {{- adapter.dispatch('instant_plus_days', 'equipoise')(instant, days) -}}
{%- endmacro %}

{% macro default__instant_plus_days(instant, days) -%}
    cast({{ dbt.dateadd('hour', days * 24 if days is number else days ~ ' * 24', instant) }} as {{ dbt.type_timestamp() }})
{%- endmacro %}

{#- dbt-spark's `dateadd` loses what is less than a second. -#}
{% macro spark__instant_plus_days(instant, days) -%}
    timestampadd(microsecond, cast({{ days }} as bigint) * 86400000000, {{ instant }})
{%- endmacro %}

{#- Days from one date to another. -#}
{% macro days_between(earlier, later) -%}
    {{- adapter.dispatch('days_between', 'equipoise')(earlier, later) -}}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%} {{ dbt.datediff(earlier, later, 'day') }} {%- endmacro %}

{% macro spark__days_between(earlier, later) -%} datediff({{ later }}, {{ earlier }}) {%- endmacro %}
