-- The raw table: one row a search.
CREATE TABLE queries (
  id          bigserial,
  app_id      text NOT NULL,
  "timestamp" timestamptz NOT NULL,
  query       text NOT NULL,
  user_id     text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
SELECT create_distributed_table('queries', 'app_id');
