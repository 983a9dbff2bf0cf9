{# In PostgreSQL's dialect: how many rows the day has, and the sum of their digests. #}
SELECT count(*), coalesce(sum(hashtextextended({% include 'postgres_row.sql' %}, 0)), 0)::text
FROM {{ table }}
WHERE {% include 'table_day.sql' %}
