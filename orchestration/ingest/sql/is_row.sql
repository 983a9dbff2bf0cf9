trim(line, ' ' || chr(9)) <> ''
