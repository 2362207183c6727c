-- Tables that have rows become distributed, reference and local tables: their rows move, and all that hangs on them stays.
CREATE TABLE visits (id bigserial, app text NOT NULL, at timestamptz DEFAULT now(), path text CHECK (path <> ''), old int, tags jsonb,
  PRIMARY KEY (app, id));
ALTER TABLE visits DROP COLUMN old;
CREATE INDEX visits_path ON visits (path);
COMMENT ON TABLE visits IS 'who came';
COMMENT ON COLUMN visits.path IS 'where';
CREATE VIEW paths AS SELECT path, count(*) AS visits FROM visits GROUP BY path;
INSERT INTO visits (app, path, at, tags)
  SELECT 'app' || i % 7, '/p' || i % 3, timestamptz '2024-01-01 00:00+00' + i * interval '1 minute', jsonb_build_object('n', i)
  FROM generate_series(1, 1000) i;
SELECT citus_table_type FROM citus_tables WHERE table_name = 'visits'::regclass;
SELECT count(*), count(DISTINCT app), sum((tags->>'n')::int), min(id), max(id) FROM visits;
CREATE TABLE numbers AS SELECT 'visits'::regclass::oid::bigint AS before;
PREPARE of_app AS SELECT count(*) FROM visits WHERE app = $1;
EXECUTE of_app('app1');
-- The key must have the distribution column.
SELECT create_distributed_table('visits', 'path');
SELECT create_distributed_table('visits', 'nothing');
SELECT create_distributed_table('visits', 'at');
SELECT create_distributed_table('visits', 'app', shard_count := 6);
SELECT citus_table_type, distribution_column, shard_count FROM citus_tables WHERE table_name = 'visits'::regclass;
SELECT count(*), count(DISTINCT app), sum((tags->>'n')::int), min(id), max(id) FROM visits;
SELECT * FROM paths ORDER BY path;
EXECUTE of_app('app1');
SELECT 'visits'::regclass::oid::bigint = before AS same_number FROM numbers;
SELECT obj_description('visits'::regclass), col_description('visits'::regclass, 4);
\d visits
-- Defaults, sequences, keys and conditions go on.
INSERT INTO visits (app, path) VALUES ('app1', '/new') RETURNING id > 1000 AS later, app, path;
INSERT INTO visits (app, id, path) VALUES ('app1', 1, '/x');
INSERT INTO visits (app, path, at) VALUES ('app1', '', '2024-02-02 00:00+00');
UPDATE visits SET path = '/p9' WHERE app = 'app3' AND id = 3 RETURNING id, path;
SELECT pg_get_serial_sequence('visits', 'id');
-- Once is enough.
SELECT create_distributed_table('visits', 'app');
SELECT create_reference_table('visits');
-- To all workers, and back.
CREATE TABLE places (code char(2) PRIMARY KEY, name varchar(20), part numeric(5,2), tail int[], raw bytea);
INSERT INTO places VALUES ('de', 'Germany', 1.50, '{1,2}', '\x00ff'), ('fr', 'France', NULL, NULL, NULL);
SELECT create_reference_table('places');
SELECT citus_table_type FROM citus_tables WHERE table_name = 'places'::regclass;
SELECT * FROM places ORDER BY code;
SELECT undistribute_table('places');
SELECT * FROM places ORDER BY code;
SELECT undistribute_table('places');
SELECT undistribute_table('visits');
SELECT count(*), count(DISTINCT app), sum((tags->>'n')::int), min(id) FROM visits;
SELECT 'visits'::regclass::oid::bigint = before AS same_number FROM numbers;
SELECT create_distributed_table('visits', 'app', colocate_with := 'none');
SELECT count(*), sum((tags->>'n')::int) FROM visits;
-- A row without a tenant stays where it is, and so do the others.
CREATE TABLE loose (app text, n int);
INSERT INTO loose VALUES ('a', 1), (NULL, 2), ('b', 3);
SELECT create_distributed_table('loose', 'app');
SELECT count(*) FROM loose;
INSERT INTO loose VALUES ('c', 4);
DELETE FROM loose WHERE app IS NULL;
SELECT create_distributed_table('loose', 'app');
SELECT * FROM loose ORDER BY n;
-- What refers to others stays beside them.
CREATE TABLE owners (id int PRIMARY KEY);
CREATE TABLE things (id int PRIMARY KEY, owner int REFERENCES owners);
INSERT INTO owners VALUES (1);
INSERT INTO things VALUES (1, 1);
SELECT create_distributed_table('things', 'id');
SELECT create_reference_table('owners');
CREATE TABLE tree (id int PRIMARY KEY, above int REFERENCES tree);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 1);
SELECT create_reference_table('tree');
INSERT INTO tree VALUES (4, 9);
SELECT count(*) FROM tree;
-- In a block it is carried out at COMMIT, alone.
CREATE TABLE blocks (app text, n int);
INSERT INTO blocks VALUES ('a', 1), ('b', 2);
BEGIN;
SELECT create_distributed_table('blocks', 'app');
COMMIT;
SELECT citus_table_type FROM citus_tables WHERE table_name = 'blocks'::regclass;
SELECT * FROM blocks ORDER BY n;
BEGIN;
CREATE TABLE fresh (app text, n int);
INSERT INTO fresh VALUES ('a', 1);
SELECT create_distributed_table('fresh', 'app');
ROLLBACK;
CREATE MATERIALIZED VIEW kept AS SELECT app, count(*) FROM visits GROUP BY app;
SELECT create_reference_table('kept');
CREATE TABLE raw (app text, at timestamptz, n int);
INSERT INTO raw SELECT 'a' || i % 3, '2024-01-01'::timestamptz + i * interval '1 hour', i FROM generate_series(1, 30) i;
SELECT create_distributed_table('raw', 'app');
CREATE MATERIALIZED VIEW hourly WITH (rollup, levels = '1 hour') AS
  SELECT app, time_bucket(at) AS bucket, count(*) AS visits, sum(n) AS n FROM raw GROUP BY app, bucket;
SELECT sum(visits), sum(n) FROM hourly;
SELECT undistribute_table('raw');
-- Citus's functions for its operators.
SELECT truncate_local_data_after_distributing_table('raw');
SELECT run_command_on_workers('SELECT 1');
SELECT * FROM citus_rebalance_start();
-- Sizes are those of a table alone: nothing is in files yet, and every relation has a size.
SELECT pg_relation_size('places') >= 0 AS one, citus_table_size('raw') >= 0 AS two, pg_total_relation_size('places') >= 0 AS three,
  pg_table_size('visits_path') AS of_index, pg_table_size('paths') AS of_view, citus_total_relation_size('raw') >= pg_table_size('hourly') AS more;
SELECT table_name, table_size IS NOT NULL AS known FROM citus_tables WHERE table_name = 'raw'::regclass;
-- Numbers beyond numeric's digits, where a float is meant.
CREATE TABLE floats (app int, d double precision DEFAULT 2e300, r real);
INSERT INTO floats VALUES (1, 1e308, -1e38), (2, -1.5e200, 3), (3, DEFAULT, NULL), (4, 12345678901234567890123456789012345678901234567890, 0);
UPDATE floats SET d = 4e250 WHERE app = 2;
SELECT * FROM floats ORDER BY app;
SELECT 1e300::double precision AS cast, (-1e300)::float8 AS negative;
SELECT app, d > 1e300 AS big, 1e300 < d AS same, d BETWEEN -1e300 AND 1e300 AS within, d IN (1e308, 2e300) AS listed, r < 1e300 AS small FROM floats ORDER BY app;
SELECT 1e308;
INSERT INTO floats VALUES (5, 1e309, 0);
CREATE TABLE vars (tenant bigint, n bigint);
INSERT INTO vars VALUES (1, 10), (2, 20);
DO $$
#variable_conflict use_variable
DECLARE n bigint := 5;
BEGIN
  PERFORM create_distributed_table('vars', 'tenant');
END $$;
SELECT tenant, n FROM vars ORDER BY 1;
DROP TABLE vars;
DROP TABLE floats, tree, things, owners, loose, blocks, numbers;
