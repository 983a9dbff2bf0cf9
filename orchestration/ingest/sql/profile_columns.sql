{# One pass over the accepted rows: their count, a hash of their content, and figures of each column. #}
{% set texts = lake_columns | selectattr(1, 'equalto', 'VARCHAR') | map('first') | list %}
{# A text is hashed once, for the content and for the number of its values. #}
SELECT
    count(*) AS n,
    coalesce(sum(hash({% for name, _ in lake_columns %}{{ ('#' ~ name if name in texts else name) | identifier }}{{ ', ' if not loop.last }}{% endfor %})), 0) AS content
{% for name, type in lake_columns %}
    , {'n': count({{ name | identifier }})
    {%- if type == 'VARCHAR' %}, 'distinct': approx_count_distinct({{ ('#' ~ name) | identifier }})
    {%- else %}, 'minimum': CAST(min({{ name | identifier }}) AS VARCHAR), 'maximum': CAST(max({{ name | identifier }}) AS VARCHAR)
    {%- endif %}} AS {{ name | identifier }}
{% endfor %}
FROM (
    SELECT
        *
{% for name in texts %}
        , CASE WHEN {{ name | identifier }} IS NOT NULL THEN hash({{ name | identifier }}) END AS {{ ('#' ~ name) | identifier }}
{% endfor %}
    FROM staged
    WHERE reason IS NULL
)
