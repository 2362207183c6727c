-- T: events with numbers of a sequence, rollups of five minutes and hours that remember the last number, called twice, late rows between.
CREATE TABLE clicks (
  event_id bigserial, event_time timestamptz DEFAULT now(), customer_id bigint, kind varchar, country varchar, browser varchar,
  device_id bigint, session_id bigint
);
SELECT create_distributed_table('clicks', 'customer_id');
CREATE INDEX clicks_time ON clicks USING brin (event_time);
CREATE TABLE clicks_5min (
  customer_id bigint, kind varchar, country varchar, browser varchar, minute timestamptz,
  events bigint, devices hll, sessions hll, top_devices jsonb
);
CREATE UNIQUE INDEX clicks_5min_key ON clicks_5min (customer_id, kind, country, browser, minute);
SELECT create_distributed_table('clicks_5min', 'customer_id');
CREATE TABLE clicks_hour (
  customer_id bigint, kind varchar, country varchar, browser varchar, hour timestamptz,
  events bigint, devices hll, sessions hll, top_devices jsonb
);
CREATE UNIQUE INDEX clicks_hour_key ON clicks_hour (customer_id, kind, country, browser, hour);
SELECT create_distributed_table('clicks_hour', 'customer_id');
CREATE TABLE windows (name text PRIMARY KEY, source text NOT NULL, sequence text NOT NULL, last_id bigint DEFAULT 0);
CREATE OR REPLACE FUNCTION next_window(rollup text, OUT first bigint, OUT last bigint) RETURNS record LANGUAGE plpgsql AS $function$
DECLARE
  source_table regclass;
BEGIN
  SELECT source, last_id + 1, pg_sequence_last_value(sequence) INTO source_table, first, last
  FROM windows WHERE name = rollup FOR UPDATE;
  IF NOT FOUND THEN
    RAISE 'rollup ''%'' has no window', rollup;
  END IF;
  IF last IS NULL THEN
    last := 0;
    RETURN;
  END IF;
  BEGIN
    EXECUTE format('LOCK %s IN EXCLUSIVE MODE', source_table);
    RAISE 'let the lock go';
  EXCEPTION WHEN OTHERS THEN
  END;
  UPDATE windows SET last_id = last WHERE name = rollup;
END;
$function$;
INSERT INTO windows (name, source, sequence) VALUES ('clicks_5min', 'clicks', 'clicks_event_id_seq'), ('clicks_hour', 'clicks', 'clicks_event_id_seq');
CREATE OR REPLACE FUNCTION five_minutes(OUT start_id bigint, OUT end_id bigint) RETURNS record LANGUAGE plpgsql AS $function$
BEGIN
  SELECT first, last INTO start_id, end_id FROM next_window('clicks_5min');
  IF start_id > end_id THEN RETURN; END IF;
  INSERT INTO clicks_5min (customer_id, kind, country, browser, minute, events, devices, sessions, top_devices)
  SELECT customer_id, kind, country, browser,
    date_trunc('seconds', (event_time - TIMESTAMP 'epoch') / 300) * 300 + TIMESTAMP 'epoch' AS minute,
    count(*) AS events, hll_add_agg(hll_hash_bigint(device_id)), hll_add_agg(hll_hash_bigint(session_id)), topn_add_agg(device_id::text)
  FROM clicks WHERE event_id BETWEEN start_id AND end_id
  GROUP BY customer_id, kind, country, browser, minute
  ON CONFLICT (customer_id, kind, country, browser, minute) DO UPDATE SET
    events = clicks_5min.events + excluded.events, devices = hll_union(clicks_5min.devices, excluded.devices),
    sessions = hll_union(clicks_5min.sessions, EXCLUDED.sessions), top_devices = topn_union(clicks_5min.top_devices, excluded.top_devices);
END;
$function$;
CREATE OR REPLACE FUNCTION hours(OUT start_id bigint, OUT end_id bigint) RETURNS record AS $function$
BEGIN
  SELECT first, last INTO start_id, end_id FROM next_window('clicks_hour');
  IF start_id > end_id THEN RETURN; END IF;
  INSERT INTO clicks_hour (customer_id, kind, country, browser, hour, events, devices, sessions, top_devices)
  SELECT customer_id, kind, country, browser, date_trunc('hour', event_time) AS hour,
    count(*), hll_add_agg(hll_hash_bigint(device_id)), hll_add_agg(hll_hash_bigint(session_id)), topn_add_agg(device_id::text)
  FROM clicks WHERE event_id BETWEEN start_id AND end_id
  GROUP BY customer_id, kind, country, browser, hour
  ON CONFLICT (browser, country, hour, kind, customer_id) DO UPDATE SET
    events = clicks_hour.events + excluded.events, devices = hll_union(clicks_hour.devices, excluded.devices),
    sessions = hll_union(clicks_hour.sessions, excluded.sessions), top_devices = topn_union(clicks_hour.top_devices, excluded.top_devices);
END;
$function$ LANGUAGE plpgsql;
SELECT end_id FROM five_minutes();
SELECT next_window('nothing');
\copy (SELECT 'click' || i % 2 AS kind, i % 5 AS customer_id, timestamptz '2024-05-01' + i * interval '11 seconds' AS event_time, (ARRAY['DE', 'US'])[i % 2 + 1] AS country, 'fox' AS browser, i * i % 40 AS device_id, i % 100 AS session_id FROM generate_series(1, 1000) i) TO 'clicks.csv' WITH (FORMAT CSV, HEADER TRUE)
\COPY clicks (kind, customer_id, event_time, country, browser, device_id, session_id) FROM clicks.csv WITH (FORMAT CSV, HEADER TRUE)
SELECT start_id > 0 AS began, end_id >= 1000 AS ended FROM five_minutes();
SELECT hours() IS NULL AS nothing;
SELECT sum(events) AS events, sum(CASE WHEN minute = time_bucket('5 minutes', minute) THEN events ELSE 0 END) AS in_buckets FROM clicks_5min;
-- Late rows of the same minutes, and a second call.
INSERT INTO clicks (kind, customer_id, event_time, country, browser, device_id, session_id)
SELECT 'click' || i % 2, i % 5, timestamptz '2024-05-01' + i * interval '11 seconds', (ARRAY['DE', 'US'])[i % 2 + 1], 'fox', 40 + i % 10, i % 100
FROM generate_series(1, 300) i;
SELECT start_id > 1000 AS began FROM five_minutes();
SELECT start_id > 1000 AS began FROM hours();
SELECT start_id > end_id AS nothing_new FROM five_minutes();
-- Against the raw rows: counts to the row, distinct counts of so few exactly, top lists with no more items than counters exactly.
SELECT sum(events) AS events, (SELECT count(*) FROM clicks) AS truth, count(*) AS buckets,
  (SELECT count(*) FROM (SELECT DISTINCT customer_id, kind, country, browser, time_bucket('5 minutes', event_time) FROM clicks) d) AS truth
FROM clicks_5min;
SELECT r.customer_id, r.events, t.events AS truth, r.devices, t.devices AS truth, r.sessions, t.sessions AS truth
FROM (SELECT customer_id, sum(events) events, hll_cardinality(hll_union_agg(devices)) devices, #hll_union_agg(sessions) AS sessions
  FROM clicks_5min GROUP BY customer_id) r
JOIN (SELECT customer_id, count(*) events, count(DISTINCT device_id) devices, count(DISTINCT session_id) AS sessions FROM clicks GROUP BY 1) t
  USING (customer_id) ORDER BY 1;
SELECT count(*) AS wrong FROM (
  SELECT customer_id, kind, country, date_trunc('hour', minute) AS hour, sum(events) AS events, #hll_union_agg(devices) AS devices
  FROM clicks_5min GROUP BY 1, 2, 3, 4) f
FULL JOIN (SELECT customer_id, kind, country, hour, events, #devices AS devices FROM clicks_hour) h USING (customer_id, kind, country, hour)
WHERE f.events IS DISTINCT FROM h.events OR f.devices IS DISTINCT FROM h.devices;
SELECT (topn(topn_union_agg(top_devices), 5)).item AS device, (topn(topn_union_agg(top_devices), 5)).frequency FROM clicks_5min WHERE customer_id = 1;
SELECT device_id, count(*) FROM clicks WHERE customer_id = 1 GROUP BY 1 ORDER BY 2 DESC, device_id::text LIMIT 5;
-- The dashboard's questions.
SELECT sum(event_count) event_count, sum(event_count) / count(1) AS a_bucket FROM (SELECT events AS event_count FROM clicks_5min
  WHERE minute >= date_trunc('day', timestamptz '2024-05-01 02:00') - interval '30 minutes' AND customer_id = 1) t;
SELECT minute, sum(events) event_count, hll_cardinality(sum(devices)) AS devices FROM clicks_5min
WHERE customer_id = 2 AND minute BETWEEN '2024-05-01 00:00' AND '2024-05-01 00:20' GROUP BY minute HAVING sum(events) > 1 ORDER BY minute DESC;
SELECT country, sum(events) FROM clicks_hour WHERE kind LIKE 'click%' AND browser = 'fox' AND country IS NOT NULL AND NOT country <> 'DE'
GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT 10 OFFSET 0;
SELECT hour, (topn(top_devices, 1)).* FROM clicks_hour WHERE customer_id = 3 AND kind = 'click1' ORDER BY hour;
SELECT event_count, kind FROM (SELECT kind, sum(events) event_count FROM clicks_hour GROUP BY kind) s ORDER BY 2;
SELECT cron.schedule('*/5 * * * *', 'SELECT five_minutes();') > 0 AS scheduled;
SELECT cron.schedule('0 * * * *', 'SELECT hours();') > 0 AS scheduled;
SELECT jobname IS NULL AS unnamed, schedule, command FROM cron.job WHERE command LIKE '%five_minutes%';
SELECT cron.unschedule((SELECT jobid FROM cron.job WHERE command LIKE '%five_minutes%'));
SELECT cron.unschedule((SELECT jobid FROM cron.job WHERE command LIKE '%hours%'));
TRUNCATE clicks CASCADE;
SELECT count(*) FROM clicks;
DROP TABLE clicks, clicks_5min, clicks_hour, windows;
