// ExpressionSamples+Written.swift — expressions by hand: what has words of its own, and what went wrong once.

extension ExpressionSamples {
  /// Expressions by hand: what has words of its own.
  static let written = """
    1 between symmetric 3 and 0
    'abc' ilike 'A%'
    'abc' not ilike '_B'
    'a%c' like 'a$%c' escape '$'
    'abc' like 'a\\\\'
    'abc' similar to '(a|x)b?c'
    'abc' not similar to 'a_'
    2 = any(array[1,2,3])
    2 = any('{1,null}')
    4 = any('{1,null}'::int[])
    2 <> all(array[1,3])
    'x' = any(array['a','b'])
    'abc' like any(array['x%','a%'])
    'abc' !~ all('{^x,^y}')
    1.5 > any(array[1,2])
    null = any(array[1])
    1 = any(null::int[])
    (array[1,2,3])[2]
    (array[1,2,3])[4]
    (array[1,2,3])[null]
    (array[1,2,3])[2:]
    (array[1,2,3])[:2]
    (array[1,2,3])[3:2]
    array[1,2.5,null]
    array['a',null,'b c','"q"']
    array[]::int[]
    array[1,2]::text[]
    array['1','2']::int[]
    greatest(1,2.5,null)
    least('b','a','c')
    greatest(null,null)
    null is distinct from null
    1 is not distinct from null
    'a' || 1
    1 || 'a'
    'a' || null
    true || 'x'
    array[1] || 2
    1 || array[2]
    array[1] || array[2.5]
    'x' || array['a']
    interval '5' hour
    interval '90' minute
    interval '1.5' day
    interval '2 days 3 hours' hour
    extract(epoch from interval '1 day 2 hours')
    extract(timezone from timestamptz '2024-01-01')
    extract(hour from time '13:14')
    extract(julian from date '2024-02-29')
    extract(dow from timestamp '2024-02-29 10:00')
    date_part('year', timestamp '2024-02-29')
    date_trunc('hour', timestamptz '2024-02-29 10:20:30', 'UTC')
    date_trunc('quarter', timestamp '2024-02-29 10:20:30')
    timestamptz '2024-02-29 10:20:30+00' at time zone 'UTC'
    timestamp '2024-02-29 10:20:30' at time zone 'UTC'
    timestamp '2024-02-29 10:20:30' at time zone interval '-3 hours'
    timestamptz '2024-02-29 10:20:30+00' at time zone 'EST'
    make_interval(days => 10, hours => 3)
    make_interval(secs => 1.5)
    make_interval()
    position('b' in 'abc')
    substring('abcdef' from 2 for 3)
    substring('abcdef' from 3)
    substring('abcdef' for 2)
    substring('foobar' from 'o(.)b')
    substring('foobar' from 'o.b')
    trim(both 'x' from 'xxaxx')
    trim(leading from '  a ')
    trim('  a ')
    overlay('abcdef' placing 'XX' from 2 for 3)
    nullif(1, 1)
    nullif('a', 'b')
    coalesce(null, 'x')
    case when true then 1 else 2.5 end
    case 3 when 1 then 'a' when 3 then 'c' end
    concat('a', 1, null, true)
    concat_ws(',', 'a', null, 2)
    concat_ws(null, 'a')
    num_nonnulls(1, null, 'a')
    num_nulls(1, null)
    jsonb_build_object('a', 1, 'b', array[1,2], 'c', null)
    jsonb_build_array(1, 'a', null, true, 1.50, date '2024-01-01')
    json_build_object('a', 1, 'b', 'x')
    json_build_array(1, 'a', null)
    to_jsonb('x'::text)
    to_jsonb(timestamp '2024-01-01 10:00')
    to_jsonb(array[1,2])
    to_json(1.50)
    '{"a": {"b": [10, 20]}}'::jsonb -> 'a' -> 'b' ->> 1
    '{"a": {"b": [10, 20]}}'::jsonb #>> '{a,b,0}'
    '{"a": 1}'::jsonb @> '{"a": 1.0}'
    '[1,2,[3]]'::jsonb @> '3'
    '{"a": 1}'::jsonb ? 'a'
    '{"a": 1}'::jsonb ?| array['x','a']
    '{"a": 1}'::jsonb ?& '{a,b}'
    '{"a": 1}'::jsonb || '{"b": 2}'
    '{"a": 1, "b": 2}'::jsonb - 'a'
    '["a","b"]'::jsonb - 0
    '{"a": 1}'::jsonb - '{a}'::text[]
    ('{"a": {"b": 5}}'::jsonb -> 'a' ->> 'b')::int
    ('{"a": 5}'::jsonb -> 'a')::int
    ('{"a": "x"}'::jsonb -> 'a')::int
    '1'::jsonb = '1.0'::jsonb
    '{"a":1,"aa":2,"b":3}'::jsonb
    '{"a":"\\u00e4\\n"}'::jsonb
    '[1e3, 1.10, -0, 1E-3]'::jsonb
    '{"a":}'::jsonb
    '[1,]'::jsonb
    'tru'::jsonb
    '"abc'::jsonb
    '01'::jsonb
    date '2024-02-29' + 1
    date '2024-02-29' + time '10:00'
    date '2024-02-29' - date '2024-01-01'
    date '2024-02-29' + interval '1 month'
    time '10:00' + interval '15 hours'
    time '10:00' - time '12:30'
    interval '1 hour' + time '23:30'
    timestamp '2024-03-31' - interval '1 month'
    age(timestamp '2024-03-01', timestamp '2023-01-31 12:00')
    age(timestamp '2023-01-31', timestamp '2024-03-01 06:00')
    justify_interval(interval '1 mon -1 hour')
    justify_hours(interval '50 hours')
    justify_days(interval '65 days')
    (date '2024-01-01', date '2024-02-01') overlaps (date '2024-01-15', date '2024-03-01')
    (timestamp '2024-01-01', interval '1 day') overlaps (timestamp '2024-01-02', interval '1 day')
    isfinite(date 'infinity')
    to_timestamp(1700000000.5)
    to_char(timestamp '2024-02-29 00:05', 'HH12:MI PM')
    to_char(interval '15h 2m 12s', 'HH24:MI:SS')
    to_char(125, '"#"999')
    to_char(-12, 'S99')
    2 ^ 10
    2.0 ^ 3
    2 ^ -1
    |/ 16.0
    ||/ 27.0
    @ -5
    5 # 3
    ~5
    1 << 33
    -8 >> 1
    5 / 2
    -5 % 3
    5.0 / 3
    1::real + 1
    0.1::real + 0.2::real
    0.1::real = 0.1
    1::real / 3
    16777217::real
    1e10::real
    1.5::real::text
    3.14159265358979::float4
    'abc'::char(5) = 'abc'
    'abc'::char(5) || 'x'
    'abc  '::char(5)::text || 'x'
    length('ab '::char(5))
    octet_length('ab'::char(5))
    'a'::"char"
    ''::"char"
    'é'::text ~ 'é'
    regexp_replace('Thomas', '.[mN]a.', 'M')
    regexp_replace('A PostgreSQL function', 'A|e|i|o|u', 'X', 'gi')
    substring('Thomas' from '...$')
    'XY1234Z' ~ 'Y*([0-9]{1,3})'
    substring('XY1234Z', 'Y*([0-9]{1,3})')
    substring('XY1234Z', 'Y*?([0-9]{1,3})')
    regexp_match('abc01234xyz', '(?:(.*?)(\\d+)(.*)){1,1}')
    regexp_match('abc01234xyz', '(.*)(\\d+)(.*)')
    regexp_match('abc01234xyz', '(.*?)(\\d+)(.*)')
    regexp_match('aaab', '(a+?)(a*)')
    regexp_match('foobar', '(o+|b)(.)')
    regexp_split_to_array('the quick brown', '')
    'a.b' ~ 'a\\.b'
    'ab' ~ '(a)\\1'
    md5('hello')
    encode('abc'::bytea, 'base64')
    decode('YWJj', 'base64')
    quote_ident('select')
    quote_ident('Foo bar')
    quote_literal(E'a\\\\b''c')
    format('%s is %I and %L', 'x', 'y z', null)
    string_to_array('a|b|c', '|')
    array_to_string(array[1,null,3], ',', '*')
    array_position(array['a','b','a'], 'a', 2)
    array_positions(array[1,2,1], 1)
    array_remove(array[1,2,1,null], 1)
    array_remove(array[1,null], null)
    array_replace(array[1,2,1], 1, 9)
    array_cat(array[1], array[2,3])
    array_append(null::int[], 1)
    array_prepend(1, array[2])
    cardinality('{}'::int[])
    array[1,2] <@ array[3,2,1]
    array[1,2] && array[2,9]
    array[1,2] < array[1,3]
    array[1,null] = array[1,null]
    '{1,2}'::int[] = '{1,2}'
    '{"a b",c\\\\"d}'::text[]
    '{1,{2}}'::int[]
    '{1,'::int[]
    '{}}'::int[]
    'a0eebc999c0b4ef8bb6d6bb9bd380a11'::uuid
    'a0eebc99'::uuid
    '10.1/16'::inet
    '10.1'::inet
    '1:0:0:2:0:0:0:3'::inet
    '010.1.1.1/08'::inet
    '::ffff:1.2.3.4/96'::inet
    'ABCD::'::inet
    '10.0.0.1'::inet || 'x'
    concat('10.0.0.1'::inet, '::1'::inet)
    '10.0.0.1'::inet << '10.0.0.0/8'
    '10.0.0.1'::inet + 255
    300 + '10.0.0.1/24'::inet
    '::ffff'::inet - 300
    '255.255.255.255'::inet + 1
    '0.0.0.0'::inet - 1
    '10.0.0.5'::inet - '10.0.0.1'
    '::1'::inet - '10.0.0.1'
    '10.0.0.1'::inet = '10.0.0.1/32'
    '10-25-1999'::date
    '1/8/99'::date
    '1/8/1999 10:00'::timestamp
    '13/1/2020'::date
    '2-30-2020'::date
    '1-2-3'::date
    extract(timezone from timestamp '2024-01-01')
    extract(timezone_hour from date '2024-01-01')
    extract(tz from date '2024-01-01')
    array_fill(1, array[null::int])
    array_fill(1, '{}'::int[])
    array_fill(null::int, array[2])
    '\\xdeadBEEF'::bytea
    '\\xabc'::bytea
    'a\\\\001b'::bytea
    '12:60'::time
    '24:00:01'::time
    '1:02:03.4567891 PM'::time
    width_bucket(5, 1, 11, 10)
    gcd(12, 18)
    lcm(4, 6)
    div(7, 2)
    mod(7, -3)
    sign(-2.5)
    round(2.5)
    round(-2.5::float8)
    round(1234.567, -2)
    trunc(-1.99)
    ceil(-0.5)
    sqrt(2)
    sqrt(2.0)
    sqrt(-1)
    ln(0)
    exp(1.0::float8)
    log(100)
    pi()
    degrees(pi())
    atan2(1, 2)
    factorial(5)
    initcap('hi THE o''neil 3rd')
    split_part('a~@~b~@~c', '~@~', -1)
    'x'::text = 'x'::name
    'x'::varchar || 'y'::name
    26::oid = 26
    1::int8 = 1::oid
    upper(1)
    nosuch(1, 'a')
    abs('x')
    1 + 'a'
    'a' + 1
    date '2024-01-01' + 'x'
    sum_of(1)
    lower(null)
    abs(null)
    round('2.5')
    to_char(1)
    length(1)
    repeat('x')
    make_timestamp(2020, 1, 1, 0, 0, 'NaN')
    make_timestamp(2020, 1, 1, 0, 0, 'infinity')
    make_timestamptz(2020, 1, 1, 0, 0, 1e300)
    to_timestamp('2020-01-01 99', 'YYYY-MM-DD TZH')
    to_timestamp('2020-01-01 12', 'YYYY-MM-DD TZH')
    interval '768614336404564650-11'
    interval '178956970-7'
    date_bin('106751990 days', timestamp '0001-01-01', timestamp '0001-01-02')
    date_bin('1 day', timestamp '2024-02-29 13:00', timestamp '0001-01-02')
    format('%*s', '-9223372036854775808'::bigint, 'x')
    format('[%*s]', '5', 'x')
    format('[%*s]', null::int, 'x')
    format('[%-*s]', 5, 'x')
    power(1::numeric, 100000)
    power((-1)::numeric, 100001)
    power(0::numeric, 100000)
    """.split(separator: "\n").map(String.init)
}
