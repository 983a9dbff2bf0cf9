{% if day.kind == 'day' -%}
{{ log_date | identifier }} = {{ day.value | literal }}
{%- else -%}
{% set type = 'TIMESTAMP WITH TIME ZONE' if day.is_zoned else 'TIMESTAMP' %}
{% set zone = '+00' if day.is_zoned else '' %}
{{ log_date | identifier }} >= CAST('{{ day.first }}{{ zone }}' AS {{ type }})
    AND {{ log_date | identifier }} < CAST('{{ day.after }}{{ zone }}' AS {{ type }})
{%- endif %}
