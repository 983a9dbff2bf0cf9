{# Rows of a text file that could not be split into columns. #}
INSERT INTO staged (file_index, row_number, reason, row)
SELECT {{ file_index }}, row_number, 'malformed_row', json_object('line', trim(text, chr(10) || chr(13)))
FROM rejected
