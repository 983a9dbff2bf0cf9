{# Hashes that more than one row has, in the day or in it and an earlier one: perhaps duplicates, perhaps chance. #}
CREATE TABLE suspects AS
SELECT hash({{ identity | map('identifier') | join(', ') }}) AS key
FROM staged
WHERE reason IS NULL
GROUP BY 1
HAVING count(*) > 1
{% if earlier_files %}
UNION
SELECT hash({{ identity | map('identifier') | join(', ') }})
FROM staged
WHERE
    reason IS NULL
    AND hash({{ identity | map('identifier') | join(', ') }}) IN (
        SELECT hash({% for name, type in earlier %}{% include 'earlier_value.sql' %}{{ ', ' if not loop.last }}{% endfor %})
        FROM read_parquet({{ earlier_files | literal }}, union_by_name = true, hive_partitioning = false)
    )
{% endif %}
