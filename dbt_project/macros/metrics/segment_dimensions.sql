{#- What segments are told by: each attribute, and each pair of attributes that an experiment asks for; lists of attributes. -#}
{% macro segment_dimensions() -%}
    {%- set dimensions = [] -%}
    {%- for attribute in metric_catalog()['attributes'] -%} {%- do dimensions.append([attribute]) -%} {%- endfor -%}
    {{ return(dimensions + metric_catalog().get('segment_pairs', [])) }}
{%- endmacro %}

{#- A dimension's name in the tables; everyone (none) is `all`. -#}
{% macro segment_name_of(dimension) -%} {{ return('all' if dimension is none else dimension | join(', ')) }} {%- endmacro %}

{#- A unit's segment, as SQL over the attributes of a relation: of a pair both values, in which a comma is written %2C.
    `unknown`: the attributes may be NULL, which is a segment of its own. -#}
{% macro segment_value_of(dimension, relation, unknown=false) -%}
    {%- if dimension is none -%} {{ return("'all'") }} {%- endif -%}
    {%- set values = [] -%}
    {%- for attribute in dimension -%}
        {%- set column = relation ~ '.a_' ~ attribute -%}
        {%- set value = 'coalesce(' ~ column ~ ", 'unknown')" if unknown else column -%}
        {%- do values.append('replace(' ~ value ~ ", ',', '%2C')" if dimension | length > 1 else value) -%}
    {%- endfor -%}
    {{ return(values[0] if values | length == 1 else dbt.concat([values[0], "', '", values[1]])) }}
{%- endmacro %}
