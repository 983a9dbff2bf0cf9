{#- A column's values in the rows of a group for which a condition holds, as a list; ascending, so that it does not depend
    on the rows' order. NULLs are left out; NULL or empty when there is none. -#}
{% macro list_where(column, condition) -%}
    {{ return(adapter.dispatch('list_where', 'equipoise')(column, condition)) }}
{%- endmacro %}

{% macro duckdb__list_where(column, condition) -%}
    list_sort(list({{ column }}) filter (where {{ column }} is not null and {{ condition }}))
{%- endmacro %}

{% macro spark__list_where(column, condition) -%}
    sort_array(collect_list(case when {{ condition }} then {{ column }} end))
{%- endmacro %}

{#- A row for each element of a list, in place of a column of a `select`. -#}
{% macro each_of(list) -%}
    {{ return(adapter.dispatch('each_of', 'equipoise')(list)) }}
{%- endmacro %}

{% macro duckdb__each_of(list) -%} unnest({{ list }}) {%- endmacro %}

{% macro spark__each_of(list) -%} explode({{ list }}) {%- endmacro %}

{#- The type of a list of whole numbers. -#}
{% macro type_integer_list() -%}
    {{ return(adapter.dispatch('type_integer_list', 'equipoise')()) }}
{%- endmacro %}

{% macro duckdb__type_integer_list() -%} {{ return('bigint[]') }} {%- endmacro %}

{% macro spark__type_integer_list() -%} {{ return('array<bigint>') }} {%- endmacro %}
