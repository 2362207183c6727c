-- Prepared statements whose plans are kept: they follow every change, made by this session or by another (\!). plans.out is what psql printed
-- with a PostgreSQL 15 behind it, where create_distributed_table does nothing. Each statement runs often enough to be kept before it changes.
\set VERBOSITY default
CREATE TABLE ev (app int, id int, at timestamptz, note text DEFAULT 'first', PRIMARY KEY (app, id));
SELECT create_distributed_table('ev', 'app');
INSERT INTO ev VALUES (1, 1, '2026-03-29 00:30:00+00', 'a'), (1, 2, '2026-03-29 02:30:00+00', 'b'), (2, 1, NULL, NULL), (3, 7, '2026-01-01 12:00:00+00', 'c');
-- Values choose shards, and NULL chooses none.
PREPARE one (int, int) AS SELECT note FROM ev WHERE app = $1 AND id = $2;
EXECUTE one (1, 1);
EXECUTE one (1, 2);
EXECUTE one (3, 7);
EXECUTE one (NULL, 7);
EXECUTE one (2, 1);
EXECUTE one (4, 4);
PREPARE maybe (int, text) AS SELECT app, id FROM ev WHERE ($1 IS NULL OR app = $1) AND ($2 IS NULL OR note = $2) ORDER BY 1, 2;
EXECUTE maybe (NULL, NULL);
EXECUTE maybe (1, NULL);
EXECUTE maybe (NULL, 'c');
EXECUTE maybe (1, 'c');
EXECUTE maybe (NULL, NULL);
PREPARE whole AS SELECT count(*), min(note) FROM ev;
EXECUTE whole;
EXECUTE whole;
EXECUTE whole;
PREPARE page (int, int) AS SELECT app, id FROM ev ORDER BY app DESC, id LIMIT $1 OFFSET $2;
EXECUTE page (2, 0);
EXECUTE page (2, 1);
EXECUTE page (1, 3);
EXECUTE page (NULL, 2);
EXECUTE page (0, NULL);
EXECUTE page (9223372, 1);
-- Rows change, by prepared statements too.
PREPARE put (int, int, text) AS INSERT INTO ev (app, id, at, note) VALUES ($1, $2, now(), $3)
  ON CONFLICT (app, id) DO UPDATE SET note = ev.note || excluded.note RETURNING note;
EXECUTE put (5, 1, 'x');
EXECUTE put (5, 1, 'y');
EXECUTE put (5, 1, 'z');
EXECUTE put (5, 2, NULL);
PREPARE add (int, int, text) AS INSERT INTO ev (app, id, note) VALUES ($1, $2, $3);
EXECUTE add (6, 1, 'p');
EXECUTE add (6, 2, 'q');
EXECUTE add (6, 2, 'q');
EXECUTE add (6, 3, 'r');
EXECUTE add (NULL, 2, 'n');
PREPARE move (int, text) AS UPDATE ev SET note = $2, at = NULL WHERE app = $1 RETURNING id, note;
EXECUTE move (6, 's');
EXECUTE move (5, 't');
EXECUTE move (NULL, 'u');
EXECUTE move (5, NULL);
PREPARE drop_row (int, int) AS DELETE FROM ev WHERE app = $1 AND id = $2;
EXECUTE drop_row (6, 1);
EXECUTE drop_row (6, 2);
EXECUTE drop_row (6, 2);
EXECUTE drop_row (6, NULL);
EXECUTE whole;
-- The zone is the session's at the time.
PREPARE told AS SELECT id, at, at::date, extract(hour FROM at) FROM ev WHERE app = 1 AND at >= '2026-03-29 00:00+00' ORDER BY id;
EXECUTE told;
EXECUTE told;
SET TimeZone = 'Europe/Berlin';
EXECUTE told;
EXECUTE told;
SET TimeZone = 'America/New_York';
EXECUTE told;
RESET TimeZone;
SET TimeZone = 'UTC';
EXECUTE told;
-- Definitions of another session.
PREPARE all_columns AS SELECT app, id, note FROM ev WHERE app = 1 ORDER BY id;
EXECUTE all_columns;
EXECUTE all_columns;
\! psql -X -q -c "ALTER TABLE ev ADD COLUMN more int DEFAULT 9"
EXECUTE all_columns;
EXECUTE add (7, 1, 'p');
EXECUTE add (7, 2, 'p');
SELECT more FROM ev WHERE app = 7;
\! psql -X -q -c "ALTER TABLE ev ALTER COLUMN note SET DEFAULT 'second'"
PREPARE defaults (int) AS INSERT INTO ev (app, id) VALUES (8, $1) RETURNING note;
EXECUTE defaults (1);
EXECUTE defaults (2);
EXECUTE defaults (3);
\! psql -X -q -c "ALTER TABLE ev ALTER COLUMN note SET DEFAULT 'third'"
EXECUTE defaults (4);
\! psql -X -q -c "ALTER TABLE ev ADD CHECK (id < 100)"
EXECUTE defaults (5);
EXECUTE defaults (500);
EXECUTE add (8, 600, 'x');
\! psql -X -q -c "ALTER TABLE ev ALTER COLUMN note SET NOT NULL"
UPDATE ev SET note = '' WHERE note IS NULL;
\! psql -X -q -c "ALTER TABLE ev ALTER COLUMN note SET NOT NULL"
EXECUTE add (9, 1, NULL);
EXECUTE add (9, 1, 'ok');
-- A view and a function replaced.
CREATE VIEW shown AS SELECT app, id FROM ev WHERE id < 2;
PREPARE of_view (int) AS SELECT * FROM shown WHERE app = $1 ORDER BY 2;
EXECUTE of_view (1);
EXECUTE of_view (1);
EXECUTE of_view (8);
\! psql -X -q -c "CREATE OR REPLACE VIEW shown AS SELECT app, id FROM ev WHERE id >= 2"
EXECUTE of_view (1);
EXECUTE of_view (8);
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
PREPARE of_function (int) AS SELECT twice(id), twice($1) FROM ev WHERE app = 1 ORDER BY 1;
EXECUTE of_function (4);
EXECUTE of_function (5);
EXECUTE of_function (6);
\! psql -X -q -c "CREATE OR REPLACE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 20'"
EXECUTE of_function (4);
-- Names are looked up along the search path of the time.
CREATE SCHEMA other;
CREATE TABLE other.ev (app int, id int, note text);
INSERT INTO other.ev VALUES (1, 1, 'other');
SET search_path = other, public;
EXECUTE all_columns;
EXECUTE one (1, 1);
RESET search_path;
EXECUTE one (1, 1);
DROP VIEW shown;
\! psql -X -q -c "ALTER TABLE ev RENAME TO gone" -c "CREATE TABLE ev (app int, id int, note text)" -c "INSERT INTO ev VALUES (1, 1, 'new')"
EXECUTE one (1, 1);
EXECUTE whole;
-- Types of parameters; what fails for some values only.
PREPARE by_type AS SELECT $1::text || '!', 10 / $2::int;
EXECUTE by_type ('a', 2);
EXECUTE by_type ('b', 5);
EXECUTE by_type ('c', 0);
EXECUTE by_type ('d', NULL);
EXECUTE by_type ('e', 3);
PREPARE by_bigint (bigint) AS SELECT $1 + 1;
EXECUTE by_bigint (9223372036854775806);
EXECUTE by_bigint (1);
PREPARE by_int (int) AS SELECT $1 + 1;
EXECUTE by_int (1);
EXECUTE by_int (2147483647);
EXECUTE by_int (2);
-- What differs from call to call, and from session to session.
PREPARE drawn AS SELECT count(DISTINCT r) FROM (SELECT random() AS r FROM generate_series(1, 5)) s;
EXECUTE drawn;
EXECUTE drawn;
EXECUTE drawn;
CREATE SEQUENCE s;
PREPARE next AS SELECT nextval('s');
EXECUTE next;
EXECUTE next;
EXECUTE next;
PREPARE moments AS SELECT now() >= $1::timestamptz, now() - now();
SELECT now() AS t \gset
EXECUTE moments (:'t');
EXECUTE moments (:'t');
EXECUTE moments (:'t');
PREPARE set_to AS SELECT current_setting('application_name');
SET application_name = 'a';
EXECUTE set_to;
SET application_name = 'b';
EXECUTE set_to;
EXECUTE set_to;
-- Inside of a transaction, and after its end.
PREPARE inside (int) AS SELECT note FROM ev WHERE app = $1;
EXECUTE inside (1);
EXECUTE inside (1);
BEGIN;
INSERT INTO ev VALUES (1, 2, 'staged');
EXECUTE inside (1);
UPDATE ev SET note = 'changed' WHERE id = 2;
EXECUTE inside (1);
ROLLBACK;
EXECUTE inside (1);
DISCARD PLANS;
EXECUTE inside (1);
DEALLOCATE inside;
EXECUTE inside (1);
