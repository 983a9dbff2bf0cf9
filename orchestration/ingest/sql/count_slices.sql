{# Rows of the largest slices. #}
SELECT {% for part in parts %}{{ part | identifier }}{{ " || '/' || " if not loop.last }}{% endfor %} AS slice, count(*) AS n
FROM staged
WHERE reason IS NULL
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT {{ limit }}
