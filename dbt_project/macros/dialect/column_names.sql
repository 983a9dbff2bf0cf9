{#- The columns that a table has now; a macro of its own, so that unit tests can say so instead. -#}
{% macro column_names(relation) -%}
    {{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{%- endmacro %}
