-- G, I, S and seed A: the tables of the guides, their types, defaults, keys, indexes and settings.
CREATE EXTENSION citus;
CREATE EXTENSION IF NOT EXISTS topn;
CREATE EXTENSION pg_cron;
CREATE EXTENSION IF NOT EXISTS tablefunc;
CREATE EXTENSION nothing;
CREATE TABLE IF NOT EXISTS kinds (
  a bigint, b int, c integer, d smallint, e text, f varchar(10), g char(3), h boolean, i date, j timestamp, k timestamptz, l interval,
  m jsonb, n uuid, o inet, p numeric(8,2), q decimal(6,3), r double precision, s bytea, t hll, u hll(12, 5, -1, 1), v char(2)[], w text[]
);
CREATE TABLE IF NOT EXISTS kinds (a int);
SELECT create_distributed_table('kinds', 'a', shard_count := 4, colocate_with := 'none');
INSERT INTO kinds VALUES
  (1, 2, 3, 4, 'e', 'f', 'g', true, '2024-01-31', '2024-01-31 12:00', '2024-01-31 12:00+02', '1 day 02:03', '{"a": [1, {"b": null}]}',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '192.168.0.1/24', 1234.567, 1.5, 1e10, '\x00ff', hll_empty(), hll_empty(12), '{ab,c}', '{x,NULL}'),
  (2, NULL, NULL, NULL, '', '', '', false, NULL, NULL, NULL, NULL, '{}', NULL, '::ffff:1.2.3.4', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}');
SELECT a, b, c, d, e, f, g, h, i, j, k, l FROM kinds ORDER BY a;
SELECT a, m, n, o, p, q, r, s, v, w FROM kinds ORDER BY a;
SELECT m->'a'->1 AS step, m->>'a' AS texts, m @> '{"a": [1]}' AS holds, m ? 'b' AS has FROM kinds ORDER BY a;
SELECT o::text, host(o), family(o), masklen(o), '10.0.0.0/8' >> o AS holds, broadcast(o), netmask(o), o + 1 AS next, text '1.2.3.4'::inet AS cast FROM kinds ORDER BY a;
SELECT 'nonsense'::inet;
-- Seed A.
CREATE TABLE analytics_events (
  id bigserial, event_type varchar(50) NOT NULL, institution_id bigint NOT NULL, issued_at timestamp NOT NULL, metadata jsonb,
  created_at timestamp DEFAULT now()
);
SELECT create_distributed_table('analytics_events', 'institution_id');
CREATE INDEX events_by_time ON analytics_events (institution_id, issued_at DESC);
INSERT INTO analytics_events (event_type, institution_id, issued_at, metadata) VALUES
  ('credential_issued', 1, '2024-04-01 08:00', '{"credential_type": "course", "issuer_id": 7}'),
  ('credential_issued', 1, '2024-04-01 09:30', '{"credential_type": "degree", "issuer_id": 7}'),
  ('credential_issued', 2, '2024-04-02 08:00', '{"credential_type": "course", "issuer_id": 9}'),
  ('credential_viewed', 1, '2024-04-02 10:00', NULL);
INSERT INTO analytics_events (institution_id, issued_at) VALUES (1, '2024-04-01');
CREATE TABLE daily_rollups (
  institution_id bigint, date date, credentials_issued integer, unique_recipients integer, avg_processing_time interval, top_credential_types jsonb
);
SELECT create_distributed_table('daily_rollups', 'institution_id');
INSERT INTO daily_rollups (institution_id, date, credentials_issued, unique_recipients, avg_processing_time, top_credential_types)
SELECT institution_id, issued_at::date, count(*), count(DISTINCT metadata->>'issuer_id'), avg(issued_at - date_trunc('day', issued_at)),
  topn_add_agg(metadata->>'credential_type')
FROM analytics_events WHERE event_type = 'credential_issued' GROUP BY 1, 2;
SELECT * FROM daily_rollups ORDER BY 1, 2;
SELECT institution_id, sum(credentials_issued) FROM daily_rollups WHERE date >= date '2024-04-01' GROUP BY institution_id ORDER BY 1;
-- Guides: keys, sequences, reference tables, joins.
CREATE TABLE companies (id bigint PRIMARY KEY, name text NOT NULL, image_url text, created_at timestamp without time zone NOT NULL DEFAULT now());
CREATE TABLE campaigns (id bigserial, company_id bigint, name text NOT NULL, budget bigint DEFAULT 0, state text, PRIMARY KEY (id, company_id), UNIQUE (company_id, name));
CREATE TABLE countries (code char(2) PRIMARY KEY, name text UNIQUE);
SELECT create_distributed_table('companies', 'id');
SELECT create_distributed_table('campaigns', 'company_id', colocate_with => 'companies');
SELECT create_reference_table('countries');
\copy (SELECT i AS id, 'company ' || i AS name FROM generate_series(1, 20) i) TO 'companies.csv' WITH csv
\copy companies (id, name) from 'companies.csv' with csv
COPY countries FROM STDIN WITH (FORMAT csv);
DE,Germany
FR,France
\.
INSERT INTO campaigns (company_id, name, state) SELECT id, 'c' || n, CASE WHEN n % 2 = 0 THEN 'running' ELSE 'paused' END FROM companies, generate_series(1, 3) n;
SELECT pg_get_serial_sequence('campaigns', 'id');
INSERT INTO campaigns (company_id, name) VALUES (5, 'c1');
INSERT INTO campaigns (company_id, name) VALUES (5, 'c1') ON CONFLICT DO NOTHING;
INSERT INTO campaigns (company_id, name, budget) VALUES (5, 'c1', 9) ON CONFLICT (name, company_id) DO UPDATE SET budget = campaigns.budget + excluded.budget;
UPDATE campaigns SET budget = budget + 100 WHERE company_id = 5 AND state = 'paused';
DELETE FROM campaigns WHERE company_id IN (6, 7) AND name = 'c3';
SELECT campaigns.name, budget, state, companies.name AS company FROM campaigns JOIN companies ON companies.id = campaigns.company_id
WHERE campaigns.company_id = 5 ORDER BY budget DESC, 1;
SELECT c.name, count(a.id) FROM companies c LEFT JOIN campaigns a ON a.company_id = c.id AND a.state = 'running' WHERE c.id < 4 GROUP BY c.id, c.name ORDER BY c.id;
SELECT co.name, count(*) FROM (SELECT company_id, CASE WHEN company_id % 2 = 0 THEN 'DE' ELSE 'FR' END AS code FROM campaigns) x JOIN countries co USING (code) GROUP BY 1 ORDER BY 1;
BEGIN;
UPDATE campaigns SET budget = budget - 1 WHERE company_id = 5 AND name = 'c1';
UPDATE campaigns SET budget = budget + 1 WHERE company_id = 5 AND name = 'c2';
COMMIT;
SELECT sum(budget) FROM campaigns WHERE company_id = 5;
-- Tables like others, and what old tutorials define or drop.
CREATE TABLE campaigns_old (LIKE campaigns INCLUDING ALL);
\d campaigns_old
CREATE TABLE archive (LIKE companies, gone_at date) USING columnar;
CREATE TABLE running AS SELECT company_id, count(*) AS n FROM campaigns WHERE state = 'running' GROUP BY 1;
SELECT count(*), sum(n) FROM running;
CREATE INDEX ON kinds USING gin (m jsonb_path_ops);
CREATE INDEX IF NOT EXISTS kinds_m_idx ON kinds USING gin (m jsonb_path_ops);
CREATE INDEX kinds_b ON kinds USING btree (b DESC);
CREATE AGGREGATE sum(hll) (SFUNC = hll_union_trans, STYPE = internal, FINALFUNC = hll_pack);
DROP AGGREGATE IF EXISTS sum(hll);
DROP EXTENSION IF EXISTS nothing;
DROP TYPE IF EXISTS nothing;
DROP VIEW IF EXISTS nothing;
DROP FUNCTION IF EXISTS nothing();
SET citus.count_distinct_error_rate TO 0.005;
SET citus.shard_count TO 8;
SET citus.limit_clause_row_fetch_count TO 10000;
SET citus.multi_shard_modify_mode TO 'sequential';
SET citus.whatever TO 3;
CREATE TABLE eight (a int);
SELECT create_distributed_table('eight', 'a', colocate_with => 'none');
SELECT count(*) FROM citus_shards WHERE table_name = 'eight'::regclass;
SELECT table_name, citus_table_type, distribution_column, shard_count FROM citus_tables WHERE table_name IN ('eight'::regclass, 'kinds'::regclass, 'countries'::regclass) ORDER BY table_name::text;
DROP TABLE eight, kinds, analytics_events, daily_rollups, companies, campaigns, countries, campaigns_old, archive, running;
