{# Columns of a PostgreSQL table: name, type as written, whether the server has to make text of it. #}
SELECT
    attribute.attname::text,
    format_type(attribute.atttypid, attribute.atttypmod),
    type.typtype <> 'b' OR type.typname IN ('numeric', 'bpchar')
FROM pg_attribute AS attribute
INNER JOIN pg_type AS type ON attribute.atttypid = type.oid
WHERE
    attribute.attrelid = to_regclass({{ table | literal }})
    AND attribute.attnum > 0
    AND NOT attribute.attisdropped
ORDER BY attribute.attnum
