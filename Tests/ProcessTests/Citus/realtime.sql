-- R: raw requests, a rollup function that remembers the last minute, sketches and JSON counters added while it runs.
CREATE EXTENSION IF NOT EXISTS hll;
CREATE TABLE requests (
  site int, at timestamptz DEFAULT now(), url text, country text, address text, status int, milliseconds int
);
SELECT create_distributed_table('requests', 'site');
-- The generator: a loop that commits every row; its rows are random and are only counted.
DO $$
BEGIN
  FOR i IN 1..5 LOOP
    INSERT INTO requests (site, at, url, country, address, status, milliseconds) VALUES (
      trunc(random() * 32), clock_timestamp(), concat('http://example.org/', md5(random()::text)),
      ('{DE,FR,PL,IT}'::text[])[ceil(random() * 4)],
      concat(trunc(random() * 250 + 2), '.', trunc(random() * 250 + 2), '.', trunc(random() * 250 + 2), '.', trunc(random() * 250 + 2))::inet,
      ('{200,404}'::int[])[ceil(random() * 2)], 5 + trunc(random() * 150)
    );
    COMMIT;
    PERFORM pg_sleep(random() * 0.01);
  END LOOP;
END $$;
SELECT count(*), count(*) = sum(CASE WHEN milliseconds BETWEEN 5 AND 155 AND status IN (200, 404) THEN 1 ELSE 0 END) AS sound FROM requests;
DELETE FROM requests WHERE at < now() + interval '1 day';
-- The same with rows that are known: two minutes of six sites.
INSERT INTO requests (site, at, url, country, address, status, milliseconds)
SELECT i % 6, timestamptz '2024-03-01 10:00' + (i / 60) * interval '1 minute' + (i % 60) * interval '1 second', '/page/' || i % 9,
  (ARRAY['DE', 'FR', 'PL'])[i % 3 + 1], '10.0.' || i % 5 || '.' || i % 17, CASE WHEN i % 7 = 0 THEN 500 ELSE 200 + i % 3 END, 10 + i % 50
FROM generate_series(0, 119) i;
-- The dashboard from raw rows.
SELECT site, date_trunc('minute', at) AS minute, count(1) AS requests,
  sum(CASE WHEN (status BETWEEN 200 AND 299) THEN 1 ELSE 0 END) AS good,
  sum(CASE WHEN (status BETWEEN 200 AND 299) THEN 0 ELSE 1 END) AS bad,
  sum(milliseconds) / count(1) AS average
FROM requests WHERE date_trunc('minute', at) > '2024-03-01 10:05'::timestamptz - '10 minutes'::interval
GROUP BY site, minute ORDER BY minute ASC, site;
CREATE TABLE requests_1min (
  site int, at timestamptz, bad int, good int, requests int, average int,
  CHECK (requests = bad + good), CHECK (at = date_trunc('minute', at))
);
SELECT create_distributed_table('requests_1min', 'site', colocate_with => 'requests');
CREATE INDEX requests_1min_idx ON requests_1min (site, at);
CREATE TABLE latest_minute (minute timestamptz PRIMARY KEY, CHECK (minute = date_trunc('minute', minute)));
INSERT INTO latest_minute VALUES ('10-10-1901');
CREATE OR REPLACE FUNCTION roll_requests(until timestamptz) RETURNS void AS $$
DECLARE
  this_time timestamptz := date_trunc('minute', until);
  last_time timestamptz := minute FROM latest_minute;
BEGIN
  INSERT INTO requests_1min (site, at, requests, good, bad, average)
  SELECT site, date_trunc('minute', at), count(1),
    sum(CASE WHEN (status BETWEEN 200 AND 299) THEN 1 ELSE 0 END), sum(CASE WHEN (status BETWEEN 200 AND 299) THEN 0 ELSE 1 END),
    sum(milliseconds) / count(1)
  FROM requests WHERE date_trunc('minute', at) <@ tstzrange(last_time, this_time, '(]') GROUP BY 1, 2;
  UPDATE latest_minute SET minute = this_time;
END;
$$ LANGUAGE plpgsql;
SELECT roll_requests('2024-03-01 10:00');
SELECT count(*), sum(requests) FROM requests_1min;
SELECT roll_requests('2024-03-01 10:01');
SELECT roll_requests('2024-03-01 10:01');
SELECT count(*), sum(requests), (SELECT count(*) FROM requests) AS raw FROM requests_1min;
SELECT site, at, requests, good, bad, average FROM requests_1min WHERE at > '2024-03-01 10:05'::timestamptz - interval '5 minutes' ORDER BY at, site;
INSERT INTO requests_1min (site, at, bad, good, requests) VALUES (1, '2024-03-01 10:02', 1, 1, 3);
INSERT INTO requests_1min (site, at, bad, good, requests) VALUES (1, '2024-03-01 10:02:01', 1, 1, 2);
SELECT tstzrange(NULL, '2024-03-01', '[]') @> timestamptz '2024-02-01' AS before, 5 <@ int4range(5, 7, '()') AS open, 5 <@ int4range(5, 7) AS closed;
SELECT timestamptz '2024-02-01' <@ tstzrange('2024-03-01', '2024-01-01');
-- Rows that are old go; the rollup keeps them.
DELETE FROM requests WHERE at < timestamptz '2024-03-02' - interval '1 day' + interval '1 second';
-- Distinct visitors and counters of countries, added to the filled table.
ALTER TABLE requests_1min ADD COLUMN visitors hll;
ALTER TABLE requests_1min ADD COLUMN countries jsonb;
INSERT INTO requests_1min (site, at, requests, good, bad, average, visitors, countries)
SELECT site, minute + interval '1 hour', sum(n), sum(n), 0, sum(total) / sum(n), hll_union_agg(seen), jsonb_object_agg(country, n)
FROM (
  SELECT site, date_trunc('minute', at) AS minute, country, count(1) AS n, sum(milliseconds) AS total, hll_add_agg(hll_hash_text(address)) AS seen
  FROM requests GROUP BY site, minute, country
) AS by_country
GROUP BY site, minute;
SELECT site, hll_cardinality(hll_union_agg(visitors)) AS visitors, (SELECT count(DISTINCT address) FROM requests r WHERE r.site = m.site) AS truth
FROM requests_1min m WHERE visitors IS NOT NULL GROUP BY site ORDER BY site;
SELECT site, at, COALESCE(countries->>'DE', '0')::int AS germans, countries ? 'FR' AS some_french, countries @> '{"PL": 0}' AS no_poles
FROM requests_1min WHERE at >= '2024-03-01 11:00' ORDER BY site, at LIMIT 6;
SELECT hll_cardinality(hll_union_agg(visitors))::bigint AS all_visitors FROM requests_1min;
INSERT INTO requests_1min (site, at, requests, good, bad, visitors, countries) VALUES
  (7, '2024-03-01 12:00', 1, 1, 0, hll_empty() || hll_hash_text('a'), '{"DE": 1}'),
  (7, '2024-03-01 12:01', 1, 1, 0, hll_add(hll_empty(), hll_hash_text('b')), '{"FR": 1}');
SELECT sum(requests), #hll_union_agg(visitors) AS visitors FROM requests_1min WHERE site = 7;
SELECT at, sum(requests) OVER (ORDER BY at ROWS 2 PRECEDING) AS of_three FROM requests_1min WHERE site = 1 ORDER BY at;
SELECT cron.schedule('roll-requests', '* * * * *', $$SELECT roll_requests(now())$$) > 0 AS scheduled;
SELECT cron.unschedule('roll-requests');
DROP TABLE requests_1min, requests;
DROP TABLE IF EXISTS requests;
