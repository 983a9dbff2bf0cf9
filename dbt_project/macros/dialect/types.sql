{#- The type of a text. -#}
{% macro type_text() -%}
    {{ return(adapter.dispatch('type_text', 'equipoise')()) }}
{%- endmacro %}

{% macro default__type_text() -%} {{ return('varchar') }} {%- endmacro %}

{% macro spark__type_text() -%} {{ return('string') }} {%- endmacro %}

{#- A text literal. -#}
{% macro sql_text(value) -%}
    {{- adapter.dispatch('sql_text', 'equipoise')(value) -}}
{%- endmacro %}

{% macro default__sql_text(value) -%} '{{ value | replace("'", "''") }}' {%- endmacro %}

{#- A backslash escapes what follows. -#}
{% macro spark__sql_text(value) -%} '{{ value | replace("\\", "\\\\") | replace("'", "\\'") }}' {%- endmacro %}

{#- Contracts name types as DuckDB does. -#}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set translated = {} -%}
    {%- for name, column in columns.items() -%}
        {%- set is_text = column['data_type'] == 'varchar' -%}
        {%- do translated.update({name: dict(column, data_type=type_text() if is_text else column['data_type'])}) -%}
    {%- endfor -%}
    {{ return(default__get_empty_schema_sql(translated)) }}
{%- endmacro %}
