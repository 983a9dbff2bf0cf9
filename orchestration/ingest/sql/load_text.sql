{# A text file as rows of text, in file order; rows with a wrong number of columns go to reject_errors. #}
CREATE OR REPLACE TABLE text_rows AS
SELECT
{% for position, name in selected %}
    {{ ('c' ~ position) | identifier }} AS {{ name | identifier }}{{ ',' if not loop.last }}
{% endfor %}
FROM read_csv(
    {{ path | glob_escaped | literal }},
    auto_detect = false,
    header = {{ has_header | literal }},
    delim = {{ delimiter | literal }},
    quote = {{ quote | literal }},
    escape = {{ quote | literal }},
    compression = 'none',
    strict_mode = true,
    store_rejects = true,
    rejects_limit = 0,
    columns = { {% for position in range(n_columns) %}'c{{ position }}': 'VARCHAR'{{ ', ' if not loop.last }}{% endfor %} }
)
