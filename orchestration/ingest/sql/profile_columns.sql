{# One pass over the accepted rows: their count, a hash of their content, and figures of each column. #}
SELECT
    count(*) AS n,
    coalesce(sum({{ 'row_key' if not others else 'hash(row_key, unit_key' }}
        {%- for name in others if name != 'unit_id' %}, {{ name | identifier }}{% endfor %}{{ ')' if others }}), 0) AS content
    {# The hours of the day, in UTC, in which anything happened, as bits. #}
    , coalesce(bit_count(bit_or(1::BIGINT << hour({{ instant | identifier }}))), 0) AS hours
{% for name, type in lake_columns %}
    , {'n': count({{ name | identifier }})
    {%- if name == 'unit_id' %}, 'distinct': approx_count_distinct(unit_key)
    {%- elif type != 'VARCHAR' %}, 'minimum': CAST(min({{ name | identifier }}) AS VARCHAR), 'maximum': CAST(max({{ name | identifier }}) AS VARCHAR)
    {%- endif %}} AS {{ name | identifier }}
{% endfor %}
FROM (SELECT *, hash(unit_id) AS unit_key FROM staged WHERE reason IS NULL)
