{# Hashes that more than one row has, in the day or in it and an earlier one: perhaps duplicates, perhaps chance. #}
CREATE OR REPLACE TABLE earlier_rows AS
{% if earlier_files %}
SELECT DISTINCT {% for name, type in earlier %}{% include 'earlier_value.sql' %} AS {{ name | identifier }}{{ ', ' if not loop.last }}{% endfor %}

FROM read_parquet({{ earlier_files | literal }}, union_by_name = true, hive_partitioning = false)
WHERE hash({% for name, type in earlier %}{% include 'earlier_value.sql' %}{{ ', ' if not loop.last }}{% endfor %}) IN (
    SELECT row_key FROM staged WHERE reason IS NULL
)
{% else %}
SELECT {% for name, type in earlier %}CAST(NULL AS {{ type }}) AS {{ name | identifier }}{{ ', ' if not loop.last }}{% endfor %}

WHERE false
{% endif %};

CREATE OR REPLACE TABLE suspects AS
SELECT row_key FROM staged WHERE reason IS NULL GROUP BY row_key HAVING count(*) > 1
UNION
SELECT hash({{ identity | map('identifier') | join(', ') }}) FROM earlier_rows
