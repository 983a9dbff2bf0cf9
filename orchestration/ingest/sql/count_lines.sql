{# Lines that are not blank, and the first of them. #}
SELECT count(*), min_by(line, rowid)
FROM text_rows
WHERE {% include 'is_row.sql' %}
