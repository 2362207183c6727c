-- §5.4 and §5.5: queries, times, casts and functions of the sources, over one distributed table.
CREATE TABLE facts (tenant int, n int, x numeric(8,2), t text, ts timestamptz, j jsonb);
SELECT create_distributed_table('facts', 'tenant');
INSERT INTO facts SELECT i % 8, i, i / 4.0, 't' || i % 5, timestamptz '2024-02-28 22:00' + i * interval '7 minutes', jsonb_build_object('k', i % 3, 'w', (i % 4)::text)
FROM generate_series(1, 400) i;
SELECT count(*), count(1), sum(n), avg(n), min(x), max(x), count(DISTINCT t), count(DISTINCT n % 50), sum(n) / count(1) AS whole FROM facts;
SELECT tenant, count(DISTINCT t) FROM facts GROUP BY tenant HAVING count(*) > 10 ORDER BY tenant DESC LIMIT 3 OFFSET 1;
SELECT date_trunc('hour', ts) AS hour, sum(CASE WHEN n BETWEEN 1 AND 200 THEN 1 ELSE 0 END) low, count(*) FROM facts GROUP BY hour ORDER BY hour LIMIT 4;
SELECT t, sum(x) AS total FROM facts WHERE n <> 7 AND (tenant = 1 OR tenant IN (2, 3)) AND NOT t LIKE '%4' AND j IS NOT NULL GROUP BY 1 ORDER BY 2 DESC NULLS LAST;
SELECT tenant, (SELECT max(n) FROM facts f WHERE f.tenant = d.tenant) AS most FROM (SELECT DISTINCT tenant FROM facts) d ORDER BY 1 LIMIT 3;
WITH hours AS (SELECT date_trunc('hour', ts) AS h, count(*) AS c FROM facts GROUP BY 1) SELECT count(*), sum(c), max(c) FROM hours;
SELECT sum(c) FROM (SELECT count(*) AS c FROM facts WHERE ts < '2024-02-29' UNION ALL SELECT count(*) FROM facts WHERE ts >= '2024-02-29') u;
SELECT tenant, n, count(1) OVER (PARTITION BY tenant) FROM facts WHERE n < 12 ORDER BY tenant, n LIMIT 5;
SELECT date_trunc('week', timestamp '2024-02-29 10:20:30.5'), date_trunc('month', timestamp '2024-02-29 10:20:30.5'), date_trunc('seconds', timestamp '2024-02-29 10:20:30.5'),
  date_trunc('day', interval '3 days 04:05'), date_trunc('second', interval '10.7 seconds');
SELECT extract(hour FROM ts), extract(month FROM ts), extract(epoch FROM ts), ts::date FROM facts WHERE n = 1;
SELECT timestamp 'epoch', date '2017-01-01', '5 minutes'::interval, interval '1 hour' / 4, interval '90 seconds' * 3, timestamp '2024-03-01' - timestamp '2024-02-28 12:00', timestamp '2024-01-31' + interval '1 month';
SELECT date '2024-01-01' < timestamp '2024-01-01 00:01' AS a, timestamptz '2024-01-01' >= date '2024-01-01' AS b, timestamp '2024-01-01' = timestamptz '2024-01-01' AS c;
SELECT now() = now() AS same, now() <= clock_timestamp() AS passes, now()::date = current_date AS today;
SELECT date_trunc('seconds', (ts - TIMESTAMP 'epoch') / 300) * 300 + TIMESTAMP 'epoch' AS five, time_bucket('5 minutes', ts) AS bucket FROM facts WHERE n IN (1, 2, 9) ORDER BY n;
SELECT '12'::int, '12345678901'::bigint, CAST('1.50' AS numeric), 't'::boolean, 12::text, 1.5::text, false::text, (j->>'w')::int, 2.5::double precision::bigint, '10.1.2.3'::text::inet FROM facts WHERE n = 3;
SELECT coalesce(NULL, 2), nullif(3, 3), greatest(1, 5, 2), least(4, NULL, 3), concat('a', 1, NULL, true), 'a' || 1 || 'b', floor(1.7), ceil(1.2), trunc(-1.7), round(2.5), round(2.345, 2), abs(-3), 17 % 5, md5('tally'), lower('ABC');
SELECT random() BETWEEN 0 AND 1 AS fair, ('{a,b,c}'::text[])[ceil(random() * 3)] IN ('a', 'b', 'c') AS picked;
SELECT jsonb_object_agg(t, c) FROM (SELECT t, count(*) AS c FROM facts GROUP BY t) s;
SELECT j->'k', j->>'w', COALESCE(j->>'none', '0')::int, j @> '{"k": 1}', j ? 'w' FROM facts WHERE n IN (1, 2) ORDER BY n;
SELECT * FROM generate_series(1, 3) g(x);
SELECT key, value FROM jsonb_each('{"a": 1, "b": "x"}');
SELECT pg_size_pretty(123456789::bigint), '10-25-1999'::date, '1/8/99'::date, '3/1/2024 10:00'::timestamp;
SELECT ('nonsense'::text)::date FROM facts WHERE n > 1000;
EXPLAIN SELECT tenant, count(*) FROM facts GROUP BY tenant;
EXPLAIN (COSTS OFF) SELECT count(*) FROM facts;
\o /dev/null
EXPLAIN ANALYZE SELECT count(*) FROM facts;
\o
\set wanted 3
SELECT n FROM facts WHERE n = :wanted;
SELECT sum(n) AS total FROM facts \gset
SELECT :total AS total;
\x on
SELECT tenant, n FROM facts WHERE n = 1;
\x off
DROP TABLE facts;
