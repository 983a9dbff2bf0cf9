{# A day's rows of a table, in the order of what they hold: a table has none of its own. `origin` is SQL. #}
SELECT {{ columns | map('identifier') | join(', ') }}
FROM {{ origin }}
WHERE {% include 'table_day.sql' %}
