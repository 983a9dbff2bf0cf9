{#- Exact integers: sums and products that never round. A quantised value has at most 15 digits. -#}
{% macro exact(expression) -%} cast({{ expression }} as decimal(38, 0)) {%- endmacro %}

{#- The exact product of two quantised values. DuckDB types the product of two narrow decimals DECIMAL(18), which
    overflows; its 128-bit integers are wide enough and faster than wide decimals, and where the product fits into 64
    bits, multiplying these is faster still. -#}
{% macro exact_product(left, right) -%}
    {{ return(adapter.dispatch('exact_product', 'equipoise')(left, right)) }}
{%- endmacro %}

{% macro default__exact_product(left, right) -%}
    (cast({{ left }} as decimal(19, 0)) * cast({{ right }} as decimal(19, 0)))
{%- endmacro %}

{% macro duckdb__exact_product(left, right) -%}
    case
        when abs({{ left }}) < 3000000000 and abs({{ right }}) < 3000000000
            then cast(({{ left }}) * ({{ right }}) as hugeint)
        else cast({{ left }} as hugeint) * cast({{ right }} as hugeint)
    end
{%- endmacro %}

{#- Where multiplying 64-bit integers is much faster than what `exact_product` does: units whose values are all small, of which
    products of three fit into 64 bits, are added up apart from the few others. -#}
{% macro sums_small_units_apart() -%}
    {{ return(adapter.dispatch('sums_small_units_apart', 'equipoise')()) }}
{%- endmacro %}

{% macro default__sums_small_units_apart() -%} {{ return(false) }} {%- endmacro %}

{% macro duckdb__sums_small_units_apart() -%} {{ return(true) }} {%- endmacro %}

{#- Absolute values below this are small. -#}
{% macro small() -%} {{ return('2000000') }} {%- endmacro %}

{#- A total as BIGINT, held at +-10^15 so that one absurd unit cannot stop the build (10^14 already flags it). -#}
{% macro held_to_bigint(total) -%}
    cast(least(greatest({{ total }}, -1000000000000000), 1000000000000000) as bigint)
{%- endmacro %}

{#- The sum over the rows of one unit. DuckDB's state for an exact sum is wider, and that is what grouping
    by unit costs: in double such a sum is exact as well, and the same in any order, as long as the absolute values add
    up to less than 2^53 (9 * 10^15), ninety times what makes the unit an `overflow`. -#}
{% macro unit_total(expression) -%}
    {{ return(adapter.dispatch('unit_total', 'equipoise')(expression)) }}
{%- endmacro %}

{% macro default__unit_total(expression) -%} sum({{ exact(expression) }}) {%- endmacro %}

{% macro duckdb__unit_total(expression) -%} sum(cast({{ expression }} as double)) {%- endmacro %}

{#- What `max` starts from: below every quantised value and every held total, so that the maximum of nothing is
    never mistaken for either. -#}
{% macro nothing_yet() -%} -2000000000000000000 {%- endmacro %}

{#- The exact sum of a BIGINT expression: DuckDB adds BIGINTs as 128-bit integers, faster than decimals. -#}
{% macro exact_total(expression) -%}
    {{ return(adapter.dispatch('exact_total', 'equipoise')(expression)) }}
{%- endmacro %}

{% macro default__exact_total(expression) -%} sum({{ exact(expression) }}) {%- endmacro %}

{% macro duckdb__exact_total(expression) -%} sum({{ expression }}) {%- endmacro %}

{#- The whole part of a quotient of exact integers, cut towards zero, and what it leaves. -#}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient', 'equipoise')(dividend, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_quotient(dividend, divisor) -%} (cast({{ dividend }} as hugeint) // {{ divisor }}) {%- endmacro %}

{#- `div` would make 64 bits of it; without what is left the quotient is whole, and its decimals are zeros. -#}
{% macro spark__whole_quotient(dividend, divisor) -%}
    {{ exact('(' ~ exact(dividend) ~ ' - ' ~ exact(dividend) ~ ' % ' ~ divisor ~ ') / ' ~ divisor) }}
{%- endmacro %}

{% macro remainder(dividend, divisor) -%}
    {{ return(adapter.dispatch('remainder', 'equipoise')(dividend, divisor)) }}
{%- endmacro %}

{% macro duckdb__remainder(dividend, divisor) -%} (cast({{ dividend }} as hugeint) % {{ divisor }}) {%- endmacro %}

{% macro spark__remainder(dividend, divisor) -%} (({{ dividend }}) % {{ divisor }}) {%- endmacro %}
