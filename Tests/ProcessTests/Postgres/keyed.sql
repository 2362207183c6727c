-- Keyed tables, constraints, sequences, UPDATE, ON CONFLICT, RETURNING: keyed.out is what psql printed with a PostgreSQL 15 behind it, where
-- create_distributed_table does nothing.
\set VERBOSITY default
CREATE TABLE counts (app int, day date, device varchar(8), n bigint DEFAULT 0, price numeric(8,2), note text,
  PRIMARY KEY (app, day, device), CHECK (n >= 0), CONSTRAINT cheap CHECK (price < 1000));
SELECT create_distributed_table('counts', 'app');
\d counts
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-01-01', 'phone', 3), (1, '2026-01-01', 'tablet', 5), (2, '2026-01-01', 'phone', 7);
INSERT INTO counts (app, day, device) VALUES (1, '2026-01-01', 'phone');
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-01-01', 'phone', -1);
INSERT INTO counts (app, day) VALUES (1, '2026-01-01');
INSERT INTO counts (app, day, device, price) VALUES (1, '2026-01-02', 'phone', 5000);
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-01-01', 'phone', 10)
  ON CONFLICT (app, day, device) DO UPDATE SET n = counts.n + excluded.n RETURNING n, note;
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-01-01', 'phone', 10)
  ON CONFLICT (day, device, app) DO UPDATE SET n = 0 WHERE counts.n > 100 RETURNING *;
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-01-01', 'phone', 1), (1, '2026-01-03', 'phone', 1) ON CONFLICT DO NOTHING RETURNING day, n;
INSERT INTO counts (app, day, device, n) VALUES (1, '2026-02-01', 'phone', 1), (1, '2026-02-01', 'phone', 2)
  ON CONFLICT ON CONSTRAINT counts_pkey DO UPDATE SET n = excluded.n;
INSERT INTO counts AS c (app, day, device) VALUES (1, '2026-01-01', 'phone') ON CONFLICT (app, day, device) DO UPDATE SET note = c.device || '!' RETURNING c.note;
-- What RETURNING cannot compute leaves nothing changed.
UPDATE counts SET n = 0 WHERE app = 1 RETURNING 1 / n;
INSERT INTO counts (app, day, device, n) VALUES (9, '2026-01-01', 'phone', 0) RETURNING 1 / n;
SELECT app, day, device, n, note FROM counts ORDER BY 1, 2, 3;
UPDATE counts SET n = n + 1, note = 'x' WHERE app = 1 AND device = 'phone' AND day < '2026-01-02';
UPDATE counts SET n = n * 2;
UPDATE counts SET (n, note) = (n + 1, upper(note)) WHERE app = 1 AND day = '2026-01-01' AND device = 'phone' RETURNING n, note;
UPDATE counts SET n = -5 WHERE app = 2;
UPDATE counts SET device = 'much too long';
UPDATE counts SET device = 'phone' WHERE app = 1 AND device = 'tablet';
UPDATE counts SET n = DEFAULT WHERE app = 2 RETURNING n;
UPDATE counts SET nothing = 1;
UPDATE counts AS c SET n = counts.n;
CREATE TABLE changes (app int, day date, device text, more int);
SELECT create_distributed_table('changes', 'app');
INSERT INTO changes VALUES (1, '2026-01-01', 'phone', 100), (2, '2026-01-01', 'phone', 200), (3, '2026-01-01', 'phone', 300);
UPDATE counts c SET n = n + h.more FROM changes h WHERE h.app = c.app AND h.day = c.day AND h.device = c.device;
SELECT app, day, device, n FROM counts ORDER BY 1, 2, 3;
UPDATE counts SET n = (SELECT max(more) FROM changes) WHERE app = 2 RETURNING app, n;
UPDATE counts SET note = 'in' WHERE (app, day) IN (SELECT app, day FROM changes);
INSERT INTO counts (app, day, device, n) SELECT app, day, device, sum(more) FROM changes GROUP BY 1, 2, 3
  ON CONFLICT (app, day, device) DO UPDATE SET n = counts.n + excluded.n;
SELECT app, day, device, n, note FROM counts ORDER BY 1, 2, 3;
DELETE FROM counts USING changes h WHERE h.app = counts.app AND h.app = 3 RETURNING counts.app, n;
DELETE FROM counts WHERE n > (SELECT avg(more) FROM changes) AND app = 2;
DELETE FROM counts WHERE app = 1 AND day = '2026-01-03' RETURNING *;
SELECT count(*) FROM counts;
-- Sequences.
CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL UNIQUE, made int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10));
\d items
INSERT INTO items (name) VALUES ('a'), ('b') RETURNING id, name, made;
INSERT INTO items (name) VALUES ('a');
INSERT INTO items (name) VALUES (NULL);
INSERT INTO items (made, name) VALUES (1, 'c');
INSERT INTO items (id, name, made) OVERRIDING SYSTEM VALUE VALUES (50, 'c', 1) RETURNING *;
INSERT INTO items DEFAULT VALUES;
SELECT currval('items_id_seq') > 2 AS later, lastval() > 0 AS any;
SELECT pg_get_serial_sequence('items', 'id'), pg_get_serial_sequence('items', 'made'), pg_get_serial_sequence('items', 'name');
CREATE SEQUENCE s INCREMENT BY 5 MINVALUE 2 MAXVALUE 14 START 4;
SELECT nextval('s'), nextval('s');
SELECT currval('s');
SELECT nextval('s');
SELECT nextval('s');
SELECT setval('s', 4), setval('s', 9, false);
SELECT nextval('s');
SELECT setval('s', 99);
ALTER SEQUENCE s RESTART WITH 2 CYCLE;
SELECT nextval('s') FROM generate_series(1, 5);
SELECT currval('nothing');
DROP SEQUENCE items_id_seq;
DROP SEQUENCE s;
SELECT nextval('s');
-- What the catalogs say.
SELECT conname, contype, conkey, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('counts'::regclass, 'items'::regclass) ORDER BY 1;
SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('counts', 'items') ORDER BY 1;
SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints
  WHERE table_name IN ('counts', 'items') AND constraint_name NOT LIKE '%not_null' ORDER BY 1, 2;
SELECT constraint_name, column_name, ordinal_position FROM information_schema.key_column_usage WHERE table_name = 'counts' ORDER BY 3;
SELECT column_name, column_default, is_nullable, is_identity, identity_generation FROM information_schema.columns WHERE table_name = 'items' ORDER BY ordinal_position;
SELECT sequence_name, data_type, start_value, increment FROM information_schema.sequences ORDER BY 1;
-- What an error is about, in fields of its own.
CREATE FUNCTION subject(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  s text; t text; c text; n text; d text;
BEGIN
  EXECUTE sql;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME, n = CONSTRAINT_NAME, d = PG_DATATYPE_NAME;
  RETURN concat_ws('/', SQLSTATE, s, t, c, n, d);
END $$;
SELECT subject('INSERT INTO counts (app, day, device) VALUES (1, ''2026-01-01'', ''phone'')');
SELECT subject('INSERT INTO counts (app, day, device) SELECT app, day, device FROM changes');
SELECT subject('INSERT INTO counts (app, day) VALUES (1, ''2026-01-01'')');
SELECT subject('UPDATE counts SET n = -5 WHERE app = 1');
SELECT subject('UPDATE counts SET price = 5000 WHERE app = 1');
SELECT subject('INSERT INTO items (name) VALUES (NULL)');
SELECT subject('INSERT INTO items (name) SELECT NULL::text');
SELECT subject('ALTER TABLE counts ALTER price SET NOT NULL');
SELECT subject('ALTER TABLE counts ADD CONSTRAINT few CHECK (n < 0)');
SELECT subject('SELECT 1 / 0');
DO $$ BEGIN
  RAISE EXCEPTION 'mine' USING SCHEMA = 's', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'n', DATATYPE = 'd', ERRCODE = '23505';
EXCEPTION WHEN unique_violation THEN
  DECLARE n text; d text; BEGIN
    GET STACKED DIAGNOSTICS n = CONSTRAINT_NAME, d = PG_DATATYPE_NAME;
    RAISE NOTICE '% %', n, d;
  END;
END $$;
DROP FUNCTION subject;
PREPARE up AS UPDATE counts SET n = $1, note = $2 WHERE app = $3 RETURNING app, n, note;
EXECUTE up (1, 'prepared', 2);
DROP TABLE counts, changes, items;
SELECT relname FROM pg_class WHERE relname LIKE 'items%' ORDER BY 1;
-- Equal values that are written differently are one key, one group and one match.
CREATE TABLE forms (app int, j jsonb, a numeric[], c char(4), s interval[], UNIQUE (app, j), UNIQUE (app, a));
SELECT create_distributed_table('forms', 'app');
INSERT INTO forms VALUES (1, '{"a": 1.50, "b": "1.50"}', '{1.0,2}', 'x', '{24:00}'), (2, '[1.0]', '{3.00}', 'y', '{1 mon}');
INSERT INTO forms VALUES (1, '{"a": 1.5, "b": "1.50"}', '{9}');
INSERT INTO forms VALUES (1, '{"a": 1.5, "b": "1.5"}', '{1,2.00}');
INSERT INTO forms VALUES (1, '{"a": 1.5, "b": "1.5"}', '{1,2.01}', 'x ', '{1 day}'), (2, '1', '{}', 'y', '{30 days}') RETURNING app, c;
SELECT c, count(*), count(DISTINCT s) FROM forms GROUP BY c ORDER BY c;
SELECT count(*) FROM (SELECT DISTINCT v FROM (VALUES ('1'::jsonb), ('1.0'), ('1.00'), ('[0.0]'), ('[0]'), ('"1.0"')) AS x (v)) AS d;
SELECT count(*) FROM (SELECT '{1}'::numeric[] UNION SELECT '{1.0}' UNION SELECT '{1.01}') AS u;
SELECT f.app FROM forms f JOIN (VALUES ('[1]'::jsonb), ('{"a": 1.500, "b": "1.50"}')) AS v (j) ON v.j = f.j ORDER BY 1;
SELECT app FROM forms WHERE j IN (SELECT '[1.000]'::jsonb);
SELECT app, (SELECT count(*) FROM forms o WHERE o.s = f.s) FROM forms f WHERE j = '1.0';
DROP TABLE forms;
