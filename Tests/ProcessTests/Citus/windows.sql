-- M: an incremental window by a sequence, statements that run EXECUTE … USING, and a window that waits for nobody.
CREATE TABLE page_views (view_id bigserial, site int, path text, client inet, at timestamptz DEFAULT now());
SELECT create_distributed_table('page_views', 'site');
CREATE TABLE daily_views (site int, day date, page text, views bigint, PRIMARY KEY (site, day, page));
SELECT create_distributed_table('daily_views', 'site');
CREATE TABLE positions (name text PRIMARY KEY, last_id bigint NOT NULL);
INSERT INTO positions VALUES ('daily_views', 0);
SELECT pg_sequence_last_value('page_views_view_id_seq') IS NULL AS untouched;
CREATE OR REPLACE FUNCTION roll_views(OUT first bigint, OUT last bigint) AS $$
BEGIN
  SELECT last_id + 1, pg_sequence_last_value('page_views_view_id_seq'::regclass) INTO first, last FROM positions WHERE name = 'daily_views' FOR UPDATE;
  EXECUTE 'LOCK page_views IN EXCLUSIVE MODE';
  EXECUTE $q$
    INSERT INTO daily_views (site, day, page, views)
    SELECT site, at::date, path, count(*) FROM page_views WHERE view_id BETWEEN $1 AND $2 GROUP BY 1, 2, 3
    ON CONFLICT (site, day, page) DO UPDATE SET views = daily_views.views + EXCLUDED.views
  $q$ USING first, last;
  UPDATE positions SET last_id = last WHERE name = 'daily_views';
END;
$$ LANGUAGE plpgsql;
INSERT INTO page_views (site, path, client, at)
SELECT i % 4, '/' || i % 3, ('10.1.' || i % 7 || '.' || i % 11)::inet, timestamp '2024-06-01' + i * interval '1 hour' FROM generate_series(1, 240) i;
SELECT first FROM roll_views();
INSERT INTO page_views (site, path, client, at) VALUES (0, '/0', '10.9.9.9', '2024-06-01 05:00'), (1, '/1', '::1', '2024-06-01 06:00');
SELECT first > 240 AS later FROM roll_views();
SELECT sum(views), (SELECT count(*) FROM page_views) AS truth FROM daily_views;
SELECT count(*) AS wrong FROM daily_views d
FULL JOIN (SELECT site, at::date AS day, path AS page, count(*) AS views FROM page_views GROUP BY 1, 2, 3) t USING (site, day, page)
WHERE d.views IS DISTINCT FROM t.views;
SELECT client, count(*) FROM page_views WHERE client << '10.1.3.0/24' OR family(client) = 6 GROUP BY client ORDER BY client LIMIT 4;
SELECT count(DISTINCT client), min(client), max(client), hll_cardinality(hll_add_agg(hll_hash_any(client))) FROM page_views;
BEGIN;
SELECT last_id >= 242 AS ready FROM positions WHERE name = 'daily_views' FOR UPDATE;
LOCK page_views IN EXCLUSIVE MODE;
UPDATE positions SET last_id = last_id WHERE name = 'daily_views';
COMMIT;
DROP TABLE page_views, daily_views, positions;
