{# Rows of the largest slices, and of those known from recent days: one that shrinks must not drop out of sight. #}
SELECT slice, n
FROM (
    SELECT {% for part in parts %}{{ part | identifier }}{{ " || '/' || " if not loop.last }}{% endfor %} AS slice, count(*) AS n
    FROM staged
    WHERE reason IS NULL
    GROUP BY ALL
)
QUALIFY row_number() OVER (ORDER BY n DESC, slice) <= {{ limit }} OR slice IN (SELECT unnest($known))
ORDER BY n DESC, slice
