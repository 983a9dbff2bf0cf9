{# Rows of the largest slices. #}
SELECT {% for part in parts %}{{ part | identifier }}{{ " || '/' || " if not loop.last }}{% endfor %} AS slice, n
FROM (
    SELECT {{ parts | map('identifier') | join(', ') }}, count(*) AS n
    FROM staged
    WHERE reason IS NULL
    GROUP BY ALL
)
ORDER BY n DESC, slice
LIMIT {{ limit }}
