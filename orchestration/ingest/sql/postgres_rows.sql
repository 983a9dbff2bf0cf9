{# In PostgreSQL's dialect. A digest of each row travels with it; numeric becomes text, for DuckDB would lose digits. #}
SELECT
{% for column in columns %}
    {{ column | identifier }}{{ '::text' if column in as_text }} AS {{ column | identifier }},
{% endfor %}
    hashtextextended({% include 'postgres_row.sql' %}, 0) AS {{ digest | identifier }}
FROM {{ table }}
WHERE {% include 'table_day.sql' %}
