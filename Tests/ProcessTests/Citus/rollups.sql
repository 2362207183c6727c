-- A and E: visits by day, with a primary key and without the tenant; rollups through the coordinator into local and reference tables.
CREATE TABLE visits (visit_id bigserial, site int, path text, client text, at timestamptz NOT NULL DEFAULT now());
SELECT create_distributed_table('visits', 'site');
CREATE TABLE visits_daily (site int, day date, path text, visits bigint, clients hll, PRIMARY KEY (day, path, site));
SELECT create_distributed_table('visits_daily', 'site');
CREATE TABLE paths_daily (day date, path text, visits bigint, clients hll, PRIMARY KEY (day, path));
SELECT create_reference_table('paths_daily');
CREATE TABLE totals (day date PRIMARY KEY, visits bigint, clients hll);
\copy (SELECT i % 9 AS site, '/' || i % 4 AS path, 'client ' || i * i % 91 AS client, timestamptz '2024-07-01' + i * interval '20 minutes' AS at FROM generate_series(0, 499) i) TO 'visits.csv' WITH csv
\copy visits (site, path, client, at) FROM 'visits.csv' WITH csv
CREATE FUNCTION compute_daily(start_time timestamptz, end_time timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE $q$
    INSERT INTO visits_daily (day, path, visits, site, clients)
    SELECT at::date AS day, path, count(*) AS visits, site, hll_add_agg(hll_hash_text(client)) FROM visits WHERE at >= $1 AND at < $2 GROUP BY site, day, path
    ON CONFLICT (day, site, path) DO UPDATE SET visits = visits_daily.visits + excluded.visits, clients = hll_union(visits_daily.clients, excluded.clients)
  $q$ USING start_time, end_time;
  INSERT INTO paths_daily SELECT at::date, path, count(*), hll_add_agg(hll_hash_text(client)) FROM visits WHERE at >= start_time AND at < end_time GROUP BY 1, 2
  ON CONFLICT (day, path) DO UPDATE SET visits = paths_daily.visits + EXCLUDED.visits, clients = paths_daily.clients || EXCLUDED.clients;
  INSERT INTO totals SELECT at::date, count(*), hll_add_agg(hll_hash_text(client)) FROM visits WHERE at >= start_time AND at < end_time GROUP BY 1
  ON CONFLICT (day) DO UPDATE SET visits = totals.visits + EXCLUDED.visits, clients = hll_union(totals.clients, EXCLUDED.clients);
END;
$$;
SELECT compute_daily('2024-07-01', '2024-07-03 12:00');
SELECT compute_daily('2024-07-03 12:00', '2024-07-09');
SELECT sum(visits), (SELECT count(*) FROM visits) AS truth, (SELECT sum(visits) FROM paths_daily) AS by_path, (SELECT sum(visits) FROM totals) AS by_day FROM visits_daily;
SELECT t.day, t.visits, #t.clients AS clients, r.visits AS truth, r.clients AS truth, d.visits AS from_sites, d.clients AS from_sites
FROM totals t
JOIN (SELECT at::date AS day, count(*) AS visits, count(DISTINCT client) AS clients FROM visits GROUP BY 1) r USING (day)
JOIN (SELECT day, sum(visits) AS visits, hll_cardinality(hll_union_agg(clients)) AS clients FROM visits_daily GROUP BY day) d USING (day) ORDER BY 1;
SELECT count(*) AS wrong FROM paths_daily p FULL JOIN (SELECT at::date AS day, path, count(*) AS visits, count(DISTINCT client) AS clients FROM visits GROUP BY 1, 2) r
  USING (day, path) WHERE p.visits IS DISTINCT FROM r.visits OR #p.clients IS DISTINCT FROM r.clients;
INSERT INTO visits_daily (site, day, path, visits) SELECT site, day, path, 1 FROM visits_daily ON CONFLICT (site, day, path) DO NOTHING;
INSERT INTO visits_daily (site, day, path, visits) SELECT site, day, path, 1 FROM visits_daily WHERE site = 1 AND path = '/0' AND day = '2024-07-01';
DELETE FROM visits WHERE at < '2024-07-08'::timestamptz - interval '1 day';
SELECT count(*) < 500 AS less, (SELECT sum(visits) FROM totals) AS kept FROM visits;
DROP TABLE visits, visits_daily, paths_daily, totals;
