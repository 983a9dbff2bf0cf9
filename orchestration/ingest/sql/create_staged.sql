{# Rows of the day as the contract sees them; `reason` is NULL for a row that keeps it, `row_key` a hash of its identity. #}
CREATE OR REPLACE TABLE staged (
    file_index INTEGER,
    row_number BIGINT,
    reason VARCHAR,
    row VARCHAR,
    row_key UBIGINT
{% for name, type in lake_columns %}
    , {{ name | identifier }} {{ type }}
{% endfor %}
)
