{#- Give a table from before the columns that today's catalog asks for: new ones, without values, and no others of its
    prefix. A hook before the transaction, because DuckDB alters no table that the transaction has changed. -#}
{% macro follow_catalog(relation, prefix, names, data_type) -%}
    {%- if has_earlier_rows() -%}
        {%- set wanted = names | map('lower') | list -%}
        {%- set present = adapter.get_columns_in_relation(relation) -%}
        {%- set present_names = present | map(attribute='name') | list -%}
        {%- set added, removed = [], [] -%}
        {%- for name in wanted if name not in present_names -%}
            {%- do added.append(api.Column(name, data_type)) -%}
        {%- endfor -%}
        {%- for column in present if column.name.startswith(prefix) and column.name not in wanted -%}
            {%- do removed.append(column) -%}
        {%- endfor -%}
        {%- if added or removed -%}
            {%- do alter_relation_add_remove_columns(load_cached_relation(relation), added, removed) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro follow_attributes(relation) -%}
    {%- set names = [] -%}
    {%- for attribute in metric_catalog()['attributes'] %}{% do names.append('a_' ~ attribute) %}{% endfor -%}
    {{ follow_catalog(relation, 'a_', names, api.Column.translate_type('string')) }}
{%- endmacro %}

{% macro follow_components(relation) -%}
    {{ follow_catalog(relation, 'c_', metric_catalog()['components'] | map(attribute='column') | list, 'bigint') }}
{%- endmacro %}

{% macro follow_value_sets(relation) -%}
    {{ follow_catalog(relation, 's_', metric_catalog()['value_sets'] | map(attribute='column') | list, text_set_type()) }}
{%- endmacro %}

{% macro follow_unit_values(relation) -%}
    {{ follow_catalog(relation, 'v_', metric_catalog()['unit_values'] | map(attribute='column') | list, 'bigint') }}
{%- endmacro %}
