{{ config(materialized='table' if target.type == 'spark' else 'view') }}
{#-
    What became of each exposed unit, for the search for the causes of a sample ratio mismatch. A view, read only for
    experiments that have one.
-#}
{%- set coverages = metric_catalog().get('coverages', []) %}
with

first_exposures as (

    select
        first_exposures.*,
        lead(first_exposures.known_from) over (
            partition by first_exposures.experiment_id, first_exposures.unit_id order by first_exposures.known_from
        ) as known_until
    from {{ first_exposures() }} as first_exposures

),

buckets as (

    select * from {{ source('inputs', 'experiment_buckets') }}

),

hashing as (

    select distinct
        experiment_id,
        algorithm,
        salt,
        buckets
    from buckets

),

{#- When the first event of each source came to be known that lies within the window after an exposure. #}
first_events as (

    select
        experiment_id,
        unit_id,
        exposed_at
        {%- for coverage in coverages %},
        {%- set value = metric_catalog()['unit_values'] | selectattr('column', 'equalto', coverage.value) | first %}
        min(
            case
                when
                    day >= {{ value.first_day }}
                    {%- if value.last_day is not none %} and day <= {{ value.last_day }}{% endif %}
                    and {{ value.component }} > 0
                    then known_from
            end
        ) as joined_from_{{ coverage.metric_hash }}
        {%- endfor %}
    from {{ ref('int_exposed_unit_days') }}
    group by experiment_id, unit_id, exposed_at

)

select
    first_exposures.experiment_id,
    first_exposures.unit_id,
    first_exposures.known_from,
    first_exposures.known_until,
    first_exposures.exposed_date,
    first_exposures.variant_id,
    buckets.variant_id as hashed_variant_id,
    first_exposures.is_mixed
    {%- for attribute in metric_catalog()['attributes'] %},
    first_exposures.a_{{ attribute }}
    {%- endfor %}
    {%- for coverage in coverages %},
    first_events.joined_from_{{ coverage.metric_hash }}
    {%- endfor %}
from first_exposures
left join hashing
    on first_exposures.experiment_id = hashing.experiment_id
left join buckets
    on
        first_exposures.experiment_id = buckets.experiment_id
        and {{ digest_number('hashing.algorithm', "hashing.salt || first_exposures.unit_id") }} % hashing.buckets >= buckets.first_bucket
        and {{ digest_number('hashing.algorithm', "hashing.salt || first_exposures.unit_id") }} % hashing.buckets < buckets.end_bucket
left join first_events
    on
        first_exposures.experiment_id = first_events.experiment_id
        and first_exposures.unit_id = first_events.unit_id
        and first_exposures.exposed_at = first_events.exposed_at
