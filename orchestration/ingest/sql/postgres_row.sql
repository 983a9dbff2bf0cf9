ROW({{ columns | map('identifier') | join(', ') }})::text
