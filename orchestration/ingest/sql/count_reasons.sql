SELECT reason, count(*) AS n
FROM staged
WHERE reason IS NOT NULL
GROUP BY 1
ORDER BY 2 DESC, 1
