-- Style two: functions of your own, run by cron. Each run takes what arrived since the last one.
CREATE TABLE rollups_5min (
  app_id text NOT NULL,
  bucket timestamptz NOT NULL,
  searches bigint NOT NULL,
  users hll NOT NULL,
  top_queries topn NOT NULL,
  PRIMARY KEY (app_id, bucket)
);
SELECT create_distributed_table('rollups_5min', 'app_id', colocate_with => 'queries');
CREATE TABLE rollups_1day (
  app_id text NOT NULL,
  day timestamptz NOT NULL,
  searches bigint NOT NULL,
  users hll NOT NULL,
  top_queries topn NOT NULL,
  PRIMARY KEY (app_id, day)
);
SELECT create_distributed_table('rollups_1day', 'app_id', colocate_with => 'queries');

-- How far each rollup has come: numbers of raw rows, in a small local table.
CREATE TABLE rollups (
  name text PRIMARY KEY,
  source_sequence text NOT NULL,
  done_through bigint NOT NULL DEFAULT 0
);
INSERT INTO rollups (name, source_sequence) VALUES ('rollups_5min', 'queries_id_seq');

-- The next window of rows: above what is done, up to the last number that was given out. Whoever takes a window holds the rollup's row until
-- the transaction ends, so that two runs never share one. LOCK waits for writers that have numbers in the window and have not committed.
CREATE FUNCTION take_window(rollup text, OUT first_id bigint, OUT last_id bigint) LANGUAGE plpgsql AS $$
DECLARE
  counted_by text;
BEGIN
  SELECT r.done_through + 1, r.source_sequence INTO first_id, counted_by FROM rollups r WHERE r.name = rollup FOR UPDATE;
  IF NOT FOUND THEN
    RAISE 'there is no rollup %', rollup;
  END IF;
  LOCK TABLE queries IN EXCLUSIVE MODE;
  last_id := coalesce(pg_sequence_last_value(counted_by), 0);
  UPDATE rollups SET done_through = greatest(done_through, last_id) WHERE name = rollup;
END $$;

-- Adds what is new to the buckets of 5 minutes, and makes the days anew that it touched.
CREATE FUNCTION roll_up_searches(OUT first_id bigint, OUT last_id bigint) LANGUAGE plpgsql AS $$
BEGIN
  SELECT w.first_id, w.last_id INTO first_id, last_id FROM take_window('rollups_5min') w;
  IF first_id > last_id THEN
    RETURN;
  END IF;
  INSERT INTO rollups_5min
  SELECT app_id, time_bucket('5 minutes', "timestamp"), count(*), hll_add_agg(hll_hash_text(user_id)), topn_add_agg(query)
  FROM queries
  WHERE id BETWEEN first_id AND last_id
  GROUP BY 1, 2
  ON CONFLICT (app_id, bucket) DO UPDATE
  SET searches = rollups_5min.searches + excluded.searches,
      users = hll_union(rollups_5min.users, excluded.users),
      top_queries = topn_union(rollups_5min.top_queries, excluded.top_queries);
  INSERT INTO rollups_1day
  SELECT app_id, date_trunc('day', "timestamp"), count(*), hll_add_agg(hll_hash_text(user_id)), topn_add_agg(query)
  FROM queries
  WHERE id BETWEEN first_id AND last_id
  GROUP BY 1, 2
  ON CONFLICT (app_id, day) DO UPDATE
  SET searches = rollups_1day.searches + excluded.searches,
      users = hll_union(rollups_1day.users, excluded.users),
      top_queries = topn_union(rollups_1day.top_queries, excluded.top_queries);
END $$;

SELECT cron.schedule('roll up searches', '*/5 * * * *', 'SELECT roll_up_searches()');
