{#- Sets of texts as arrays: the type, and how one is gathered over a group; `each_of` makes rows of its members. -#}
{% macro text_set_type() -%}
    {{ return(adapter.dispatch('text_set_type', 'equipoise')()) }}
{%- endmacro %}

{% macro duckdb__text_set_type() -%} {{ return('varchar[]') }} {%- endmacro %}

{% macro spark__text_set_type() -%} {{ return('array<string>') }} {%- endmacro %}

{#- The different texts of a group, sorted, so that the set is the same whatever the order of rows. NULL is none. -#}
{% macro text_set(expression) -%}
    {{ return(adapter.dispatch('text_set', 'equipoise')(expression)) }}
{%- endmacro %}

{#- Without `distinct` inside: DuckDB keeps a table of its own for each distinct aggregate. -#}
{% macro duckdb__text_set(expression) -%}
    list_sort(list_distinct(list({{ expression }}) filter (where {{ expression }} is not null)))
{%- endmacro %}

{% macro spark__text_set(expression) -%} sort_array(collect_set({{ expression }})) {%- endmacro %}
