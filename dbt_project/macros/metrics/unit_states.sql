{#-
    How units' values went from as-of date to as-of date of a span, as CTEs for a group of metrics that mature together:

    - `<name>_exceptions`: units whose values changed after they had begun to count (for the window, matured), and those
      that left. Only these go through the next three steps: all others have had the value that is in the last snapshot;
    - `<name>_contributions`: what changed something for a unit: its base snapshot, its exposure, a day's rows, its leaving;
    - `<name>_changes`: these added up by the first as-of date at which they count;
    - `<name>_states`: a row for each change, with the values after it (`v_`), before it (`before_v_`), and whether the unit
      counts after (`is_in`) and did before (`was_in`).

    Dates after `changes_through` are left out: there the snapshot itself is summed.
-#}
{% macro unit_states(group) -%}
{%- set name, unit_values = group.name, group.unit_values -%}
{%- set is_stratified = has_strata() -%}
{#- Units that left, and those for whom something came to count after they did themselves. #}
{{ name }}_exceptions as (

    select
        experiment_id,
        unit_id
    from {{ ref('int_counted_exposures') }}
    where
        {{ in_slice_by('unit_hash') }}
        and left_from is not null

    union

    select
        experiment_id,
        unit_id
    from late_changes
    where is_late_for_{{ name }} = 1
    {%- if is_stratified %}

    union

    select
        experiment_id,
        unit_id
    from restratified
    {%- endif %}

),

{{ name }}_exposures as (

    select
        exposures.*
        {%- if is_stratified %},
        coalesce(strata.stratum, 0) as stratum
        {%- endif %}
    from {{ ref('int_counted_exposures') }} as exposures
    {{- join_exceptions(name, 'exposures', 'inner') }}
    {{- join_strata('exposures', 'left') if is_stratified }}

),

{{ name }}_contributions as (

    {%- for change, has_left in [('entered_from', 0), ('left_from', 1)] %}

    select
        exposures.experiment_id,
        exposures.unit_id,
        exposures.exposed_at,
        exposures.exposed_date,
        exposures.arm,
        exposures.entered_from as exposure_known_from,
        span.from_date,
        span.changes_through,
        exposures.{{ change }} as known_from,
        {{ has_left }} as has_left
        {%- if is_stratified %},
        {{ '0' if has_left else 'exposures.stratum' }} as stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        {{ nothing_of(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from {{ name }}_exposures as exposures
    inner join span
        on
            exposures.experiment_id = span.experiment_id
            and exposures.{{ change }} <= span.changes_through
            and (span.base_date is null or exposures.{{ change }} > span.base_date)

    union all
    {%- endfor %}

    select
        snapshots.experiment_id,
        snapshots.unit_id,
        snapshots.exposed_at,
        snapshots.exposed_date,
        snapshots.arm,
        snapshots.exposure_known_from,
        span.from_date,
        span.changes_through,
        span.from_date as known_from,
        0 as has_left
        {%- if is_stratified %},
        coalesce(strata.stratum, 0) as stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        coalesce(snapshots.{{ unit_value.column }}, {{ never_computed() }}) as {{ unit_value.column }}
        {%- endfor %}
    from {{ ref('int_exposed_units') }} as snapshots
    inner join span
        on
            snapshots.experiment_id = span.experiment_id
            and snapshots.as_of_date = span.base_date
    {{- join_exceptions(name, 'snapshots', 'inner') }}
    {{- join_strata('snapshots', 'left') if is_stratified }}
    where {{ in_slice_by('snapshots.unit_hash') }}
    {%- if is_stratified %}

    union all

    select
        restratified.experiment_id,
        restratified.unit_id,
        restratified.exposed_at,
        restratified.exposed_date,
        restratified.arm,
        restratified.exposure_known_from,
        span.from_date,
        span.changes_through,
        restratified.known_from,
        0 as has_left,
        restratified.stratum
        {%- for unit_value in unit_values %},
        {{ nothing_of(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from restratified
    inner join span
        on
            restratified.experiment_id = span.experiment_id
            and restratified.known_from <= span.changes_through
            and (span.base_date is null or restratified.known_from > span.base_date)
    {%- endif %}

    union all

    select
        unit_days.experiment_id,
        unit_days.unit_id,
        unit_days.exposed_at,
        unit_days.exposed_date,
        unit_days.arm,
        unit_days.exposure_known_from,
        span.from_date,
        span.changes_through,
        unit_days.known_from,
        0 as has_left
        {%- if is_stratified %},
        0 as stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        {{ value_of_day(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from {{ ref('int_exposed_unit_days') }} as unit_days
    inner join span
        on
            unit_days.experiment_id = span.experiment_id
            and unit_days.known_from <= span.changes_through
            and unit_days.exposure_known_from <= span.changes_through
            and (
                span.base_date is null
                or unit_days.known_from > span.base_date
                or unit_days.exposure_known_from > span.base_date
            )
    {{- join_exceptions(name, 'unit_days', 'inner') }}
    where
        {{ in_slice_by('unit_days.unit_hash') }}
        and {{ is_something(unit_values) }}

),

{{ name }}_dated as (

    select
        contributions.*,
        greatest(contributions.known_from, {{ counts_from('contributions', group) }}) as effective_date
    from {{ name }}_contributions as contributions
    {{- join_maturity('contributions', group) }}

),

{{ name }}_changes as (

    select
        experiment_id,
        unit_id,
        exposed_at,
        effective_date,
        min(exposed_date) as exposed_date,
        min(arm) as arm,
        max(has_left) as has_left,
        min(changes_through) as changes_through
        {%- if is_stratified %},
        cast(sum(stratum) as integer) as stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        {%- if unit_value.aggregate == 'max' %}
        max({{ unit_value.column }}) as {{ unit_value.column }}
        {%- else %}
        cast(least(greatest({{ unit_total(unit_value.column) }}, -1000000000000000), {{ never_computed() }}) as bigint) as {{ unit_value.column }}
        {%- endif %}
        {%- endfor %}
    from {{ name }}_dated
    where effective_date <= changes_through
    group by experiment_id, unit_id, exposed_at, effective_date

),

{{ name }}_running as (

    select
        experiment_id,
        unit_id,
        exposed_date,
        arm,
        effective_date,
        coalesce(lead(effective_date) over changes_of_unit, {{ date_plus('changes_through', 1) }}) as until_date,
        row_number() over changes_of_unit as nth,
        has_left,
        sum(has_left) over changes_so_far as times_left
        {%- if is_stratified %},
        cast(sum(stratum) over changes_so_far as integer) as stratum,
        stratum as since_stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        {%- set column = unit_value.column %}
        {%- if unit_value.aggregate == 'max' %}
        max({{ column }}) over changes_so_far as {{ column }},
        coalesce(
            max({{ column }}) over changes_before, {{ nothing_yet() }}
        ) as before_{{ column }}
        {%- else %}
        {{ exact_total(column) }} over changes_so_far as {{ column }},
        {{ column }} as since_{{ column }}
        {%- endif %}
        {%- endfor %}
    from {{ name }}_changes
    window
        changes_of_unit as (partition by experiment_id, unit_id, exposed_at order by effective_date),
        changes_so_far as (
            partition by experiment_id, unit_id, exposed_at order by effective_date
            rows between unbounded preceding and current row
        ),
        changes_before as (
            partition by experiment_id, unit_id, exposed_at order by effective_date
            rows between unbounded preceding and 1 preceding
        )

),

{{ name }}_states as (

    select
        experiment_id,
        unit_id,
        exposed_date,
        arm,
        effective_date,
        until_date,
        times_left = 0 as is_in,
        nth > 1 and times_left = has_left as was_in
        {%- if is_stratified %},
        stratum,
        stratum - since_stratum as before_stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        {%- set column = unit_value.column %}
        {%- if unit_value.aggregate == 'max' %}
        nullif({{ column }}, {{ never_computed() }}) as {{ column }},
        nullif(before_{{ column }}, {{ never_computed() }}) as before_{{ column }}
        {%- else %}
        {{ computed_total(column) }} as {{ column }},
        {{ computed_total(column ~ ' - since_' ~ column) }} as before_{{ column }}
        {%- endif %}
        {%- endfor %}
    from {{ name }}_running

    union all

    {#- All others came to have the value of the last snapshot when they began to count. #}
    select
        snapshots.experiment_id,
        snapshots.unit_id,
        snapshots.exposed_date,
        snapshots.arm,
        {{ counts_from('snapshots', group) }} as effective_date,
        {{ date_plus('span.changes_through', 1) }} as until_date,
        true as is_in,
        false as was_in
        {%- if is_stratified %},
        coalesce(strata.stratum, 0) as stratum,
        cast(0 as integer) as before_stratum
        {%- endif %}
        {%- for unit_value in unit_values %},
        snapshots.{{ unit_value.column }},
        cast(null as bigint) as before_{{ unit_value.column }}
        {%- endfor %}
    from {{ ref('int_exposed_units') }} as snapshots
    inner join span
        on
            snapshots.experiment_id = span.experiment_id
            and snapshots.as_of_date = span.to_date
    {{- join_maturity('snapshots', group) }}
    {{- join_exceptions(name, 'snapshots', 'left') }}
    {{- join_strata('snapshots', 'left') if is_stratified }}
    where
        {{ in_slice_by('snapshots.unit_hash') }}
        and exceptions.unit_id is null
        and span.changes_through >= {{ counts_from('snapshots', group) }}

)
{%- endmacro %}

{#- The first as-of date of the span at which a unit counts: known by then, and mature for the group. -#}
{% macro counts_from(relation, group, calendar='calendar') -%}
    greatest(
            {{ relation }}.exposure_known_from,
            {{ 'span' if relation == 'snapshots' else relation }}.from_date
            {%- if group.end_days is not none %},
            {{ maturity_date(relation ~ '.exposed_at', group.end_days, calendar) }}
            {%- endif %}
        )
{%- endmacro %}

{#- The calendar day on which a unit's window ends in UTC, for `maturity_date`. -#}
{% macro join_maturity(relation, group, calendar='calendar', kind='inner') -%}
    {%- if group.end_days is not none %}
    {{ kind }} join {{ source('inputs', 'calendar') }} as {{ calendar }}
        on {{ calendar }}.as_of_date = cast({{ instant_plus_days(relation ~ '.exposed_at', group.end_days) }} as date)
    {%- endif %}
{%- endmacro %}

{#- Whether a day's row adds anything to any of the values: most add nothing to some group. -#}
{% macro is_something(unit_values) -%}
    (
            {%- for unit_value in unit_values %}
            {{ 'or ' if not loop.first }}{{ value_of_day(unit_value) }} <> {{ nothing_of(unit_value) }}
            {%- endfor %}
        )
{%- endmacro %}

{#- Join a relation's units to the exceptions of the maturity group; a plain join, for a correlated `exists` costs more. -#}
{% macro join_exceptions(name, relation, kind) %}
    {{ kind }} join {{ name }}_exceptions as exceptions
        on
            {{ relation }}.experiment_id = exceptions.experiment_id
            and {{ relation }}.unit_id = exceptions.unit_id
{%- endmacro %}

{#- What the CTEs of `unit_states` read, whatever the group: the span, and in one scan for all groups the units for whom
    something came to count after they did themselves. -#}
{% macro unit_state_inputs(groups) -%}
span as (

    select * from {{ source('inputs', 'build_plan') }}
    where from_date <= changes_through

)
{%- if groups %},

late_rows as (

    select
        unit_days.experiment_id,
        unit_days.unit_id,
        unit_days.exposed_at,
        unit_days.exposure_known_from,
        unit_days.known_from,
        span.from_date
        {%- for group in groups %},
        {{ may_be_late(group) }} as may_be_late_for_{{ group.name }}
        {%- endfor %}
    from {{ ref('int_exposed_unit_days') }} as unit_days
    inner join span
        on unit_days.experiment_id = span.experiment_id
    where
        {{ in_slice_by('unit_days.unit_hash') }}
        and (
            {%- for group in groups %}
            {{ 'or ' if not loop.first }}{{ may_be_late(group) }}
            {%- endfor %}
        )

),

late_changes as (

    select
        late_rows.experiment_id,
        late_rows.unit_id
        {%- for group in groups %},
        max(case
            when late_rows.may_be_late_for_{{ group.name }} and late_rows.known_from > {{ counts_from('late_rows', group, 'calendar_' ~ group.name) }}
                then 1
            else 0
        end) as is_late_for_{{ group.name }}
        {%- endfor %}
    from late_rows
    {#- The calendar need not reach to the end of windows that none of the experiments has. #}
    {%- for group in groups %}
    {{- join_maturity('late_rows', group, 'calendar_' ~ group.name, 'left') }}
    {%- endfor %}
    group by late_rows.experiment_id, late_rows.unit_id

)
{%- endif %}
{%- if has_strata() %},

{{ restratified_units() }}
{%- endif %}
{%- endmacro %}

{#- Whether a day's row may have come to count after its unit did: no window matures earlier than that, and most rows
    need no closer look. -#}
{% macro may_be_late(group) -%}
    (
            unit_days.known_from {{ '>' if group.end_days is none else '>=' }} {{ date_plus('unit_days.exposed_date', group.end_days or 0) }}
            and {{ is_something(group.unit_values) }}
        )
{%- endmacro %}

{#- The first as-of date by whose end some 24-hour days have passed since an instant; `calendar` is joined on its UTC date. -#}
{% macro maturity_date(exposed_at, end_days, calendar='calendar') -%}
    case
        when {{ instant_plus_days(exposed_at, end_days) }} <= {{ calendar }}.starts_at then {{ date_plus(calendar ~ '.as_of_date', -1) }}
        when {{ instant_plus_days(exposed_at, end_days) }} <= {{ calendar }}.ends_at then {{ calendar }}.as_of_date
        else {{ date_plus(calendar ~ '.as_of_date', 1) }}
    end
{%- endmacro %}
