{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
with

epoch_counts as (

    select * from {{ ref('int_epoch_counts') }}

),

epochs as (

    select * from {{ source('inputs', 'experiment_epochs') }}

),

{#- Every variant of an epoch that has begun and has any unit, also one without a unit of its own. #}
expected as (

    select distinct
        epoch_counts.as_of_date,
        epoch_counts.experiment_id,
        epoch_counts.segment_name,
        epoch_counts.segment_value,
        epochs.epoch,
        epochs.variant_id,
        epochs.weight
    from epoch_counts
    inner join epochs
        on
            epoch_counts.experiment_id = epochs.experiment_id
            and epoch_counts.epoch = epochs.epoch

)

select
    expected.as_of_date,
    expected.experiment_id,
    expected.variant_id,
    expected.segment_name,
    expected.segment_value,
    cast(expected.epoch as integer) as epoch,
    cast(coalesce(epoch_counts.n_units, 0) as bigint) as n_units,
    cast(coalesce(epoch_counts.n_mixed_excluded, 0) as bigint) as n_mixed_excluded,
    cast(expected.weight as double) as weight
from expected
left join epoch_counts
    on
        expected.as_of_date = epoch_counts.as_of_date
        and expected.experiment_id = epoch_counts.experiment_id
        and expected.variant_id = epoch_counts.variant_id
        and expected.segment_name = epoch_counts.segment_name
        and expected.segment_value = epoch_counts.segment_value
        and expected.epoch = epoch_counts.epoch
