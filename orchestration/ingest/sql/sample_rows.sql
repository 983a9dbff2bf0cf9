{# A sample by hash of a row's identity: the same rows every time, and all copies of a row or none. #}
SELECT {{ columns | map('identifier') | join(', ') }}
FROM read_parquet({{ path | literal }}, hive_partitioning = false)
{% if every > 1 %}
WHERE hash({{ identity | map('identifier') | join(', ') }}) % {{ every }} = 0
ORDER BY hash({{ identity | map('identifier') | join(', ') }})
LIMIT {{ size }}
{% endif %}
