{# Rows of the day as the contract sees them; `reason` is NULL for a row that keeps it. #}
CREATE TABLE staged (
    file_index INTEGER,
    row_number BIGINT,
    reason VARCHAR,
    row VARCHAR
{% for name, type in lake_columns %}
    , {{ name | identifier }} {{ type }}
{% endfor %}
)
