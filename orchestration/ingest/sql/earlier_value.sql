{{ name | identifier if name in earlier_columns else 'CAST(NULL AS ' ~ type ~ ')' }}
