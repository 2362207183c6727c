-- V: a dashboard of metrics by name, and semi-structured rows.
CREATE TABLE metrics (site text, name text, at timestamptz, value double precision, tags jsonb);
SELECT create_distributed_table('metrics', 'site');
CREATE INDEX metrics_tags ON metrics USING gin (tags jsonb_path_ops);
INSERT INTO metrics SELECT 'site ' || i % 3, (ARRAY['cpu', 'memory'])[i % 2 + 1], timestamptz '2024-08-01' + i * interval '30 seconds', i % 10,
  jsonb_build_object('host', 'h' || i % 4, 'zone', i % 2) FROM generate_series(0, 239) i;
SELECT date_trunc('hour', at) AS hour, name, avg(value), max(value) FROM metrics WHERE site = 'site 1' GROUP BY hour, name ORDER BY 1, 2;
SELECT tags->>'host' AS host, count(*) FROM metrics WHERE tags @> '{"zone": 1}' GROUP BY 1 ORDER BY 1;
SELECT site, jsonb_object_agg(host, n) FROM (SELECT site, tags->>'host' AS host, count(*) AS n FROM metrics WHERE tags ? 'host' GROUP BY 1, 2) s GROUP BY site ORDER BY site;
CREATE TABLE metrics_hourly (site text, name text, hour timestamptz, points bigint, total double precision, PRIMARY KEY (site, name, hour));
SELECT create_distributed_table('metrics_hourly', 'site');
INSERT INTO metrics_hourly SELECT site, name, date_trunc('hour', at), count(*), sum(value) FROM metrics GROUP BY 1, 2, 3
ON CONFLICT (site, name, hour) DO UPDATE SET points = metrics_hourly.points + excluded.points, total = metrics_hourly.total + excluded.total;
INSERT INTO metrics_hourly SELECT site, name, date_trunc('hour', at), count(*), sum(value) FROM metrics WHERE at >= '2024-08-01 01:00' GROUP BY 1, 2, 3
ON CONFLICT (site, name, hour) DO UPDATE SET points = metrics_hourly.points + excluded.points, total = metrics_hourly.total + excluded.total;
SELECT hour, sum(points), sum(total) FROM metrics_hourly GROUP BY hour ORDER BY hour;
UPDATE metrics_hourly SET total = 0 WHERE site = 'site 0' AND name = 'cpu';
SELECT sum(total) FROM metrics_hourly WHERE site = 'site 0';
DROP TABLE metrics, metrics_hourly;
