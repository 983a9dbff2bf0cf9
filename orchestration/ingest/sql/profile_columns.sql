{# One pass over the accepted rows: their count, a hash of their content, and figures of each column. #}
SELECT
    count(*) AS n,
    coalesce(sum(CAST(hash({% for name, _ in lake_columns %}{{ name | identifier }}{{ ', ' if not loop.last }}{% endfor %}) AS HUGEINT)), 0) AS content
{% for name, type in lake_columns %}
    , {'n': count({{ name | identifier }})
    {%- if type == 'VARCHAR' %}, 'distinct': approx_count_distinct({{ name | identifier }})
    {%- else %}, 'minimum': CAST(min({{ name | identifier }}) AS VARCHAR), 'maximum': CAST(max({{ name | identifier }}) AS VARCHAR)
    {%- endif %}} AS {{ name | identifier }}
{% endfor %}
FROM staged
WHERE reason IS NULL
