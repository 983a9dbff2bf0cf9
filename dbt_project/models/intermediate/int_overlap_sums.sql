{{ config(materialized='appended', starts_empty=true, share_in_memory=1) }}
{#-
    Where a project asks for overlaps: the sums of units that are in two experiments by the variants of both, at the latest
    date of all, of the experiments whose results go on until then. One join of units with themselves for all pairs. Values are those of the
    experiment that started later, which are counted while the other runs too. A row for each slice of units: they add up.
-#}
{%- set metrics = overlap_metrics() %}
{%- set units, unit_metrics = ref('int_exposed_units'), ref('int_unit_metrics') %}
{%- set experiments = source('inputs', 'experiments') %}
with

ongoing as (

    select
        build_plan.experiment_id,
        build_plan.to_date,
        row_number() over (order by experiments.start_date, build_plan.experiment_id) as start_rank
    from {{ source('inputs', 'build_plan') }} as build_plan
    inner join {{ experiments }} as experiments
        on build_plan.experiment_id = experiments.experiment_id
    where
        build_plan.to_date = build_plan.latest_date
        and build_plan.latest_date = (select max(latest_date) from {{ source('inputs', 'build_plan') }})

)
{%- if metrics %},

arms as {{ arms() }},

{#- A cell is an experiment's arm: one small number to join and group by. #}
cells as (

    select
        ongoing.experiment_id,
        ongoing.to_date,
        ongoing.start_rank,
        arms.variant_id,
        cast(ongoing.start_rank * 1000 + arms.arm as integer) as cell
    from ongoing
    inner join arms
        on ongoing.experiment_id = arms.experiment_id

),

memberships as (

    select
        units.unit_id,
        cells.start_rank,
        cells.cell
    from {{ units }} as units
    inner join cells
        on
            units.experiment_id = cells.experiment_id
            and units.as_of_date = cells.to_date
            and units.variant_id = cells.variant_id
    where {{ in_slice_by('units.unit_hash') }}

),

unit_values as (

    select
        unit_metrics.*,
        cells.start_rank,
        cells.cell
    from {{ unit_metrics }} as unit_metrics
    inner join cells
        on
            unit_metrics.experiment_id = cells.experiment_id
            and unit_metrics.as_of_date = cells.to_date
            and unit_metrics.variant_id = cells.variant_id
    where {{ in_slice('unit_metrics.unit_id') }}

),

sums as (

    select
        unit_values.cell,
        memberships.cell as other_cell,
        count(*) as n_shared
        {%- for metric in metrics %}
        {%- for sum in overlap_sums(metric) %},
        {{ sum.sql }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from unit_values
    inner join memberships
        on
            unit_values.unit_id = memberships.unit_id
            and unit_values.start_rank > memberships.start_rank
    group by unit_values.cell, memberships.cell

)

select
    cells.to_date as as_of_date,
    cells.experiment_id,
    other_cells.experiment_id as other_experiment_id,
    cells.variant_id,
    other_cells.variant_id as other_variant_id,
    cast(sums.n_shared as bigint) as n_shared
    {%- for metric in metrics %}
    {%- for sum in overlap_sums(metric) %},
    {{ exact("coalesce(sums." ~ sum.name ~ ", 0)") }} as {{ sum.name }}
    {%- endfor %}
    {%- endfor %}
from sums
inner join cells
    on sums.cell = cells.cell
inner join cells as other_cells
    on sums.other_cell = other_cells.cell
{%- else %}

select
    to_date as as_of_date,
    experiment_id,
    experiment_id as other_experiment_id,
    cast(null as {{ type_text() }}) as variant_id,
    cast(null as {{ type_text() }}) as other_variant_id,
    cast(null as bigint) as n_shared
from ongoing
where 1 = 0
{%- endif %}
