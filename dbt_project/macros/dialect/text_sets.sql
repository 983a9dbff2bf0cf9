{#- Sets of texts as arrays: the type, how one is gathered over a group, and how its members become rows. -#}
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

{#- In a select list: a row for each member; none for an absent or empty set. -#}
{% macro each_text(text_set) -%}
    {{ return(adapter.dispatch('each_text', 'equipoise')(text_set)) }}
{%- endmacro %}

{% macro duckdb__each_text(text_set) -%} unnest({{ text_set }}) {%- endmacro %}

{% macro spark__each_text(text_set) -%} explode({{ text_set }}) {%- endmacro %}
