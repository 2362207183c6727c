-- Seed B: searches by arrival into five minutes, five minutes into days, and the questions of the API over both.
CREATE TABLE queries (app_id text, timestamp timestamp, query text, user_id text, created_at timestamp DEFAULT now());
SELECT create_distributed_table('queries', 'app_id');
CREATE TABLE queries_5min (app_id text, bucket timestamp, query_count bigint, user_count hll, top_queries jsonb, PRIMARY KEY (app_id, bucket));
SELECT create_distributed_table('queries_5min', 'app_id', colocate_with => 'queries');
CREATE TABLE queries_1day (app_id text, bucket timestamp, query_count bigint, user_count hll, top_queries jsonb, PRIMARY KEY (app_id, bucket));
SELECT create_distributed_table('queries_1day', 'app_id', colocate_with => 'queries');
CREATE OR REPLACE FUNCTION roll_5min(start_date timestamp, end_date timestamp) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO queries_5min (app_id, bucket, query_count, user_count, top_queries)
  SELECT app_id, date_trunc('seconds', (timestamp - TIMESTAMP 'epoch') / 300) * 300 + TIMESTAMP 'epoch' AS bucket, count(*),
    hll_add_agg(hll_hash_text(user_id)), topn_add_agg(query)
  FROM queries WHERE created_at >= start_date AND created_at < end_date GROUP BY app_id, bucket
  ON CONFLICT (app_id, bucket) DO UPDATE SET query_count = queries_5min.query_count + EXCLUDED.query_count,
    user_count = hll_union(queries_5min.user_count, EXCLUDED.user_count), top_queries = topn_union(queries_5min.top_queries, EXCLUDED.top_queries);
END;
$$;
CREATE OR REPLACE FUNCTION roll_1day(of date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO queries_1day (app_id, bucket, query_count, user_count, top_queries)
  SELECT app_id, date_trunc('day', bucket), sum(query_count), hll_union_agg(user_count), topn_union_agg(top_queries)
  FROM queries_5min WHERE bucket >= of AND bucket < of + interval '1 day' GROUP BY 1, 2;
  DELETE FROM queries_5min WHERE bucket >= of AND bucket < of + interval '1 day';
END;
$$;
INSERT INTO queries (app_id, timestamp, query, user_id, created_at)
SELECT 'app ' || i % 4, timestamp '2024-10-01' + i * interval '97 seconds', 'q' || i * i % 31, 'u' || i * 13 % 77, timestamp '2024-10-01' + i * interval '97 seconds' + interval '2 seconds'
FROM generate_series(0, 1999) i;
SELECT roll_5min('2024-10-01', '2024-10-02');
-- Late ones arrive behind the first call.
INSERT INTO queries (app_id, timestamp, query, user_id, created_at)
SELECT 'app ' || i % 4, timestamp '2024-10-01 06:00' + i * interval '1 minute', 'late' || i % 2, 'u' || i, timestamp '2024-10-02 00:10' FROM generate_series(0, 99) i;
SELECT roll_5min('2024-10-02', '2024-10-04');
SELECT sum(query_count), (SELECT count(*) FROM queries) AS truth FROM queries_5min;
SELECT roll_1day('2024-10-01');
SELECT (SELECT count(*) FROM queries_5min WHERE bucket < '2024-10-02') AS left_over, (SELECT sum(query_count) FROM queries_1day) AS day,
  (SELECT count(*) FROM queries WHERE timestamp < '2024-10-02') AS truth;
-- The API's questions: days and five minutes together.
SELECT sum(query_count) FROM (
  SELECT query_count FROM queries_5min WHERE app_id = 'app 1' AND bucket >= '2024-10-01'
  UNION ALL SELECT query_count FROM queries_1day WHERE app_id = 'app 1' AND bucket >= '2024-10-01') t;
SELECT count(*) AS truth FROM queries WHERE app_id = 'app 1';
SELECT hll_cardinality(sum(user_count))::bigint FROM (
  SELECT user_count FROM queries_5min WHERE app_id = 'app 1' UNION ALL SELECT user_count FROM queries_1day WHERE app_id = 'app 1') t;
SELECT count(DISTINCT user_id) AS truth FROM queries WHERE app_id = 'app 1';
SELECT (topn(topn_union_agg(top_queries), 10)).* FROM (
  SELECT top_queries FROM queries_5min WHERE app_id = 'app 2' UNION ALL SELECT top_queries FROM queries_1day WHERE app_id = 'app 2') t;
SELECT query, count(*) AS truth FROM queries WHERE app_id = 'app 2' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;
DELETE FROM queries WHERE created_at < '2024-10-05';
-- The same as a rollup of Tally's own, which needs no function and is always fresh.
CREATE MATERIALIZED VIEW searches WITH (rollup, levels = '5 minutes, 1 day') AS
SELECT app_id, time_bucket(timestamp) AS bucket, count(*) AS searches, hll_add_agg(hll_hash_text(user_id)) AS users, topn_add_agg(query) AS top
FROM queries GROUP BY app_id, bucket;
INSERT INTO queries (app_id, timestamp, query, user_id) SELECT 'app ' || i % 4, timestamp '2024-10-01' + i * interval '97 seconds', 'q' || i * i % 31, 'u' || i * 13 % 77 FROM generate_series(0, 1999) i;
SELECT sum(searches), hll_cardinality(sum(users))::bigint AS users FROM searches WHERE app_id = 'app 1';
SELECT (topn(topn_union_agg(top), 3)).* FROM searches WHERE app_id = 'app 2';
DROP MATERIALIZED VIEW searches;
DROP TABLE queries, queries_5min, queries_1day;
