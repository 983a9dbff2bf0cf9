{# Rejected rows by their place in the file, and how many lie before each row that was read. #}
CREATE OR REPLACE TABLE rejected AS
SELECT line - {{ header_rows }} AS row_number, any_value(csv_line) AS text
FROM reject_errors
GROUP BY line;

CREATE OR REPLACE TABLE rejected_before AS
SELECT row_number - nth AS from_rowid, max(nth) AS rejected
FROM (SELECT row_number, row_number() OVER (ORDER BY row_number) AS nth FROM rejected)
GROUP BY 1;
