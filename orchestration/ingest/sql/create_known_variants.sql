{# Tables, because a list of many experiments in the text of the contract is compared one by one for every row. #}
CREATE TABLE known_experiments AS
SELECT experiment_id, list_contains({{ judged | literal }}::VARCHAR[], experiment_id) AS is_judged
FROM (SELECT unnest({{ experiments | literal }}::VARCHAR[]) AS experiment_id);

CREATE TABLE known_variants AS
SELECT
    unnest({{ pairs | map('first') | list | literal }}::VARCHAR[]) AS experiment_id,
    unnest({{ pairs | map('last') | list | literal }}::VARCHAR[]) AS variant_id
