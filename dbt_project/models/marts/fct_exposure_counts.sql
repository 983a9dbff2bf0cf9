{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
with

epoch_counts as (

    select
        epoch_counts.*,
        sum(epoch_counts.n_units + epoch_counts.n_mixed_excluded) over (
            partition by
                epoch_counts.as_of_date, epoch_counts.experiment_id, epoch_counts.segment_name,
                epoch_counts.segment_value, epoch_counts.epoch
        ) as n_in_epoch
    from {{ ref('fct_epoch_counts') }} as epoch_counts
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on
            epoch_counts.experiment_id = build_plan.experiment_id
            and epoch_counts.as_of_date between build_plan.from_date and build_plan.to_date

)

{#- The share expected of a variant: its weight, averaged over epochs by the units each epoch brought. #}
select
    as_of_date,
    experiment_id,
    variant_id,
    segment_name,
    segment_value,
    cast(sum(n_units) as bigint) as n_units,
    cast(sum(n_mixed_excluded) as bigint) as n_mixed_excluded,
    case
        when min(weight) = max(weight) then min(weight)
        else sum(weight * n_in_epoch) / sum(n_in_epoch)
    end as expected_share
from epoch_counts
group by as_of_date, experiment_id, variant_id, segment_name, segment_value
