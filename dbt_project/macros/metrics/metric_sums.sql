{#-
    The exact integer sums behind a metric's moments, as a list of `{name, sql}`: numbers of units (n, overflow,
    not_computed), sums of values (y, d, x, h; t before the cap), of their products (yy, yx, …) and of triple products,
    each in two limbs (yyy_high * 10^14 + yyy_low). What follows from another sum is left out: see `sum_of`.
    Categories have no sums, only numbers of units; probes of health checks (`only_totals`) no products. `sign`: a column of 1 and -1 by which every unit counts, or none.
    `of_small`: all values are `small`, so that products need no care.
-#}
{% macro metric_sums(metric, sign=none, of_small=false) -%}
    {%- set h = metric.metric_hash -%}
    {%- set times = sign ~ ' * ' if sign is not none else '' -%}
    {%- set y, d, x, no_history = 'y_' ~ h, 'd_' ~ h, 'x_' ~ h, 'h_' ~ h -%}
    {%- set sums = [
        {'name': 'n_' ~ h, 'sql': number_of_units('u_' ~ h, sign)},
        {'name': 'overflow_' ~ h, 'sql': number_of_units('o_' ~ h, sign)},
        {'name': 'not_computed_' ~ h, 'sql': number_of_units('m_' ~ h, sign)},
    ] -%}
    {%- if metric.categories is defined -%} {{ return(sums) }} {%- endif -%}
    {%- do sums.append({'name': y, 'sql': exact_total(times ~ y)}) -%}
    {%- if is_capped(metric) -%} {%- do sums.append({'name': 't_' ~ h, 'sql': exact_total(times ~ 't_' ~ h)}) -%} {%- endif -%}
    {%- if metric.only_totals is defined -%}
        {%- if metric.denominator is not none -%} {%- do sums.append({'name': d, 'sql': exact_total(times ~ d)}) -%} {%- endif -%}
        {{ return(sums) }}
    {%- endif -%}
    {%- set pairs, triples = [], [] -%}
    {%- if not metric.is_binary -%}
        {%- do pairs.append(('y', 'y')) -%} {%- do triples.append(('y', 'y', 'y')) -%}
    {%- endif -%}
    {%- if metric.denominator is not none -%}
        {%- do sums.append({'name': d, 'sql': exact_total(times ~ d)}) -%}
        {%- do pairs.extend([('d', 'd'), ('y', 'd')]) -%}
        {%- do triples.extend([('y', 'y', 'd'), ('y', 'd', 'd'), ('d', 'd', 'd')]) -%}
    {%- endif -%}
    {%- if metric.covariate is not none -%}
        {%- do sums.extend([
            {'name': x, 'sql': exact_total(times ~ x)}, {'name': no_history, 'sql': exact_total(times ~ no_history)},
        ]) -%}
        {%- do pairs.extend([('y', 'x'), ('y', 'h'), ('x', 'h')]) -%}
        {%- if not metric.is_binary -%} {%- do pairs.append(('x', 'x')) -%} {%- endif -%}
        {%- if metric.denominator is not none -%} {%- do pairs.extend([('d', 'x'), ('d', 'h')]) -%} {%- endif -%}
    {%- endif -%}
    {%- for one in further_covariates(metric) -%}
        {%- do sums.append({'name': one.prefix ~ '_' ~ h, 'sql': exact_total(times ~ one.prefix ~ '_' ~ h)}) -%}
    {%- endfor -%}
    {%- do pairs.extend(further_pairs(metric)) -%}
    {%- for left, right in pairs -%}
        {%- do sums.append({
            'name': left ~ right ~ '_' ~ h,
            'sql': exact_total('case when ' ~ no_history ~ ' = 1 then ' ~ times ~ left ~ '_' ~ h ~ ' else 0 end')
                if right == 'h'
                else 'sum(' ~ (left ~ '_' ~ h ~ ' * ' ~ right ~ '_' ~ h if of_small else exact_product(times ~ left ~ '_' ~ h, right ~ '_' ~ h)) ~ ')',
        }) -%}
    {%- endfor -%}
    {%- for first, second, third in triples -%}
        {%- set factors = [first ~ '_' ~ h, second ~ '_' ~ h, times ~ third ~ '_' ~ h] -%}
        {%- set limbs = {'high': '0', 'low': factors | join(' * ')} if of_small else triple_product(*factors) -%}
        {%- do sums.append({'name': first ~ second ~ third ~ '_high_' ~ h, 'sql': 'sum(' ~ limbs.high ~ ')'}) -%}
        {%- do sums.append({'name': first ~ second ~ third ~ '_low_' ~ h, 'sql': 'sum(' ~ limbs.low ~ ')'}) -%}
    {%- endfor -%}
    {{ return(sums) }}
{%- endmacro %}

{#- The pairs of short names of whose products a metric with further covariates needs the sums: each of these with every
    variable before it, and with itself. -#}
{% macro further_pairs(metric) -%}
    {%- set pairs = [] -%}
    {%- set earlier = ['y', 'x', 'h'] + (['d'] if metric.denominator is not none else []) -%}
    {%- for one in further_covariates(metric) -%}
        {%- do earlier.append(one.prefix) -%}
        {%- for other in earlier -%} {%- do pairs.append((one.prefix, other)) -%} {%- endfor -%}
    {%- endfor -%}
    {{ return(pairs) }}
{%- endmacro %}

{#- A metric's variables by their short names: what each is called in fct_covariate_moments, and what makes a whole unit of it. -#}
{% macro metric_variables(metric) -%}
    {%- set found = {
        'y': {'name': 'own value', 'one': '1e' ~ metric.decimals},
        'd': {'name': 'own denominator', 'one': '1e' ~ metric.denominator_decimals},
        'x': {'name': 'own covariate', 'one': '1e' ~ metric.decimals},
        'h': {'name': 'own no history', 'one': '1'},
    } -%}
    {%- for one in further_covariates(metric) -%}
        {%- do found.update({one.prefix: {'name': one.name, 'one': '1e' ~ one.decimals}}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- For how many units the condition holds; a count has a narrower state than a sum, which is what many groups cost. -#}
{% macro number_of_units(condition, sign=none) -%}
    {{- 'count(case when ' ~ condition ~ ' then 1 end)' if sign is none else 'sum(case when ' ~ condition ~ ' then ' ~ sign ~ ' else 0 end)' -}}
{%- endmacro %}

{#- One of a metric's sums by its short name: of a binary value the square is the value, and without a cap t is y. -#}
{% macro sum_of(metric, name) -%}
    {%- set same = {'yy': 'y', 'xx': 'x'} if metric.is_binary else {} -%}
    {%- set kept = 'y' if name == 't' and not is_capped(metric) else same.get(name, name) -%}
    {{ return(kept ~ '_' ~ metric.metric_hash) }}
{%- endmacro %}

{#- Whether a metric's values are cut off above. -#}
{% macro is_capped(metric) -%}
    {{ return(metric.cap_upper is not none or metric.cap_quantile is not none or metric.denominator_cap_upper is not none) }}
{%- endmacro %}

{#- The product of three values below 10^14 in two exact limbs, high * 10^14 + low. Of most values it is below 2^63. -#}
{% macro triple_product(first, second, third) -%}
    {%- set are_small = 'abs(' ~ [first, second, third] | unique | join(') < ' ~ small() ~ ' and abs(') ~ ') < ' ~ small() -%}
    {%- set pair = exact_product(first, second) -%}
    {{ return({
        'high': 'case when ' ~ are_small ~ ' then 0 else ' ~ exact_product(third, whole_quotient(pair, limb())) ~ ' end',
        'low': 'case when ' ~ are_small ~ ' then (' ~ first ~ ') * (' ~ second ~ ') * (' ~ third ~ ') else '
            ~ exact_product(third, remainder(pair, limb())) ~ ' end',
    }) }}
{%- endmacro %}

{#- The base of the two limbs. -#}
{% macro limb() -%} {{ return('100000000000000') }} {%- endmacro %}
