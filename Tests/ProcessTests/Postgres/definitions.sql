-- Definitions, and what they mean for rows, views and numbers afterwards: definitions.out is what psql printed with a PostgreSQL 15 behind it.
\set VERBOSITY default
-- Keys of columns that are added to rows: all rows have the default.
CREATE TABLE filled (id int PRIMARY KEY, v int);
INSERT INTO filled VALUES (1, 1), (2, 2);
ALTER TABLE filled ADD COLUMN c int DEFAULT 5 UNIQUE;
ALTER TABLE filled ADD COLUMN d int UNIQUE;
ALTER TABLE filled ADD COLUMN e text DEFAULT 'it''s', ADD UNIQUE (v, e);
UPDATE filled SET v = 2;
ALTER TABLE filled DROP CONSTRAINT filled_v_e_key;
UPDATE filled SET v = 2;
ALTER TABLE filled ADD COLUMN f text DEFAULT 'it''s', ADD UNIQUE (v, f);
SELECT * FROM filled ORDER BY id;
-- A key that is added takes nothing from those that are there.
CREATE TABLE named (id int NOT NULL, CONSTRAINT old UNIQUE (id));
ALTER TABLE named ADD PRIMARY KEY (id);
CREATE TABLE several (a int CONSTRAINT u UNIQUE CONSTRAINT p PRIMARY KEY, b int UNIQUE UNIQUE, c int UNIQUE CONSTRAINT n UNIQUE);
CREATE TABLE one (id int CONSTRAINT kept UNIQUE PRIMARY KEY);
SELECT conrelid::regclass, conname, contype FROM pg_constraint WHERE conrelid IN ('named'::regclass, 'several'::regclass, 'one'::regclass)
  ORDER BY 1, 2;
-- The text of a CHECK ends in a comment.
CREATE TABLE checked (x int, y int);
INSERT INTO checked VALUES (1, 1);
ALTER TABLE checked ADD CONSTRAINT positive CHECK (y > 0 -- more than nothing
  );
INSERT INTO checked VALUES (1, -1);
-- What gives another value each time is computed once where its value is used several times.
CREATE FUNCTION nothing(x float8) RETURNS float8 LANGUAGE sql AS 'SELECT x - x';
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x + x';
SELECT nothing(random()) FROM generate_series(1, 3);
CREATE SEQUENCE counted;
SELECT twice(nextval('counted')::int), twice(nextval('counted')::int);
SELECT nextval('counted');
SELECT count(x), count(DISTINCT x) FROM (
  SELECT CASE floor(random() * 3) WHEN 0 THEN 'a' WHEN 1 THEN 'b' WHEN 2 THEN 'c' END AS x FROM generate_series(1, 500)) AS q;
SELECT count(*) FROM (SELECT nullif(floor(random() * 2), 0) AS x FROM generate_series(1, 500)) AS q WHERE x = 0;
-- The last numbers of a sequence in one statement; sequences in schemas.
CREATE SEQUENCE short MAXVALUE 3;
SELECT nextval('short'), nextval('short'), nextval('short');
SELECT nextval('short');
CREATE SCHEMA side;
CREATE SEQUENCE side.short START 10;
SELECT nextval('side.short');
SET search_path = side, public;
SELECT nextval('short');
CREATE SEQUENCE own;
SELECT nextval('side.own');
ALTER SEQUENCE short RESTART 20;
SELECT nextval('side.short');
DROP SEQUENCE short, side.own;
SELECT nextval('short');
RESET search_path;
-- Names of columns that have none.
SELECT '-infinity'::timestamptz::date, 1::int::text, CASE WHEN true THEN 1 ELSE '2'::int END, true, 'a'::text::varchar(3), NULL::int,
  greatest(1, 2), least(1, 2), (ARRAY[1, 2])[1], (ARRAY[1, 2])[1:1], ARRAY[1];
-- A view keeps the columns that * was when it was made.
CREATE TABLE base (id int PRIMARY KEY, v int);
INSERT INTO base VALUES (1, 10), (2, 20);
CREATE VIEW starred AS SELECT *, 1 AS one FROM base;
CREATE VIEW nested AS SELECT q.*, x.v AS "Other" FROM (SELECT * FROM base) AS q JOIN base AS x USING (id);
CREATE VIEW joined AS SELECT * FROM base JOIN (SELECT id, v AS w FROM base) AS o USING (id);
CREATE VIEW above AS SELECT s.*, count(*) OVER () AS n FROM starred AS s;
ALTER TABLE base ADD COLUMN z int DEFAULT 77;
ALTER TABLE base ADD COLUMN w int DEFAULT 78;
SELECT * FROM starred ORDER BY id;
SELECT * FROM nested ORDER BY id;
SELECT * FROM joined ORDER BY id;
SELECT * FROM above ORDER BY id;
-- It follows names.
CREATE VIEW followed AS
  SELECT v, base.v + 1 AS next, (SELECT max(b.v) FROM base AS b WHERE b.v <= base.v) AS most
  FROM base WHERE v > 0 AND EXISTS (SELECT 1 FROM (SELECT v FROM base) AS i WHERE i.v = base.v) ORDER BY v;
ALTER TABLE base RENAME COLUMN v TO "V 2";
SELECT * FROM followed;
SELECT * FROM above ORDER BY id;
ALTER TABLE base RENAME TO ground;
SELECT * FROM followed;
SELECT * FROM nested ORDER BY id;
ALTER TABLE ground SET SCHEMA side;
SELECT * FROM followed;
SELECT * FROM above ORDER BY id;
ALTER VIEW starred RENAME TO shining;
ALTER VIEW shining RENAME COLUMN one TO uno;
ALTER VIEW shining RENAME COLUMN nope TO uno;
ALTER VIEW shining RENAME COLUMN id TO uno;
SELECT * FROM above ORDER BY id;
SELECT * FROM shining ORDER BY id;
UPDATE side.ground SET "V 2" = "V 2" + 1 WHERE id = 1;
SELECT * FROM followed;
-- A name means what it meant where the view was made.
CREATE TABLE side.here (t text);
INSERT INTO side.here VALUES ('side');
CREATE TABLE here (t text);
INSERT INTO here VALUES ('public');
SET search_path = side, public;
CREATE VIEW public.found AS SELECT t, (SELECT h.t FROM public.here AS h) AS other FROM here WHERE here.t <> '';
RESET search_path;
SELECT * FROM found;
DROP TABLE here;
DROP VIEW found;
DROP TABLE here;
-- Times without an offset are those of the session that wrote them.
SET timezone = 'Europe/Berlin';
CREATE TABLE zoned (id int PRIMARY KEY, ts timestamptz DEFAULT '2021-07-01 12:00' CHECK (ts >= '2020-01-01'));
INSERT INTO zoned VALUES (1, '2020-01-01 00:30');
CREATE VIEW early AS SELECT id FROM zoned WHERE ts < '2020-01-01 01:00' OR ts IN ('2019-01-01', timestamptz '2018-01-01');
INSERT INTO zoned (id) VALUES (2);
ALTER TABLE zoned ALTER ts SET DEFAULT '2022-01-01';
RESET timezone;
SET timezone = 'UTC';
INSERT INTO zoned (id) VALUES (3);
INSERT INTO zoned VALUES (4, '2019-12-31 23:10+00');
INSERT INTO zoned VALUES (5, '2019-12-31 22:10+00');
SELECT * FROM zoned ORDER BY id;
SELECT * FROM early ORDER BY id;
-- Details of rows are cut at 64 bytes of whole characters, marks apart from their letters.
CREATE TABLE marks (t text, n int CHECK (n > 0));
INSERT INTO marks VALUES (repeat(E'e\u0301', 40), 0);
-- Patterns that are columns, of every kind of text.
CREATE TABLE pat (t text, v varchar(5), c char(3), n name);
INSERT INTO pat VALUES ('A_', 'A%', 'Ab', 'Ab');
SELECT 'Ab' LIKE t, 'Ab' LIKE v, 'Ab' LIKE c, t LIKE v, v LIKE t, v NOT ILIKE t, c LIKE v, c LIKE t, n LIKE v, n NOT LIKE c FROM pat;
SELECT c LIKE 'Ab', c LIKE 'Ab ', c ILIKE 'ab', c ~ 'b$', c ~ 'b $', c !~* 'B$', 'Ab'::char(4) LIKE 'Ab_', t ~ c, length(c) FROM pat;
DROP TABLE pat;
SELECT right('abc', -2147483648), left('abc', -2147483648), right('abc', -2147483647);
