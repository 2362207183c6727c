-- Places of errors, floats in fewer digits, COPY of changes: corners.out is what psql printed with a PostgreSQL 15 behind it.
\set VERBOSITY default
CREATE TABLE base (id int PRIMARY KEY, v int, f float8, g real);
CREATE VIEW seen AS SELECT id FROM base;
CREATE SEQUENCE numbers;
-- What a query names has a place in the text; what any other statement names has none.
DROP TABLE nosuch;
DROP TABLE seen;
DROP TABLE base, nosuch;
DROP MATERIALIZED VIEW nosuch;
DROP VIEW nosuch;
DROP INDEX nosuch;
DROP SEQUENCE nosuch;
DROP SCHEMA nosuch;
DROP EXTENSION nosuch;
DROP FUNCTION nosuch(int);
TRUNCATE nosuch;
BEGIN;
LOCK TABLE nosuch;
ROLLBACK;
ALTER TABLE nosuch ADD COLUMN x int;
ALTER TABLE base ADD COLUMN x nosuch;
ALTER TABLE base ADD COLUMN x int DEFAULT 'a';
ALTER TABLE base ADD COLUMN x int DEFAULT nosuch;
ALTER TABLE base ALTER COLUMN v SET DEFAULT 'x';
ALTER TABLE base ALTER COLUMN v SET DEFAULT nosuch;
ALTER TABLE base ALTER COLUMN v TYPE nosuch;
ALTER TABLE base ADD PRIMARY KEY (v);
ALTER TABLE base ADD UNIQUE (nosuch);
ALTER TABLE base ADD CHECK (nosuch > 1);
ALTER TABLE base ADD CHECK (v);
ALTER TABLE base RENAME TO seen;
CREATE TABLE base (a int);
CREATE TABLE twice (a int, a int);
CREATE TABLE wrong (a nosuch);
CREATE TABLE wrong (a int DEFAULT nosuch);
CREATE TABLE wrong (a int, UNIQUE (nosuch));
CREATE VIEW seen AS SELECT 1;
CREATE VIEW wrong AS SELECT nosuch FROM base;
CREATE SEQUENCE other OWNED BY nosuch;
CREATE SCHEMA pg_own;
CREATE FUNCTION f(int) RETURNS nosuch LANGUAGE sql AS 'SELECT $1';
COPY nosuch TO STDOUT;
INSERT INTO nosuch VALUES (1);
UPDATE nosuch SET a = 1;
DELETE FROM nosuch;
-- Floats.
INSERT INTO base VALUES (1, 10, 0.1, 0.1), (2, 20, 1.0 / 3, 1.0 / 3), (3, 30, 123456789.123456789, 1234567.9), (4, 40, 1e20, 1e10),
  (5, 50, 1e-7, 1e-7), (6, 60, 'NaN', '-Infinity'), (7, 70, -0.0, 100000), (8, 80, 1e15, 999999.5), (9, 90, 99999999999999.95, 0.0001),
  (10, 100, 4.9406564584124654e-324, 1e-45), (11, 110, 1.7976931348623157e308, 3.4028235e38), (12, 120, 0.1 + 0.2::float8, NULL);
SELECT id, f, g FROM base ORDER BY id;
SET extra_float_digits = 0;
SELECT id, f, g FROM base ORDER BY id;
SELECT ARRAY[0.1::float8 + 0.2, NULL, 1.0::float8 / 3], ARRAY[1::real / 3];
COPY (SELECT f, g FROM base ORDER BY id) TO STDOUT (FORMAT csv);
SET extra_float_digits = -3;
SELECT id, f, g FROM base ORDER BY id;
SET extra_float_digits = -15;
SELECT f, g FROM base WHERE id IN (2, 3) ORDER BY id;
SET extra_float_digits = 3;
SELECT f, g FROM base WHERE id IN (2, 3) ORDER BY id;
SET extra_float_digits = 4;
RESET extra_float_digits;
-- COPY of rows that a change gives back.
COPY (INSERT INTO base VALUES (20, 1), (21, 2) RETURNING id, v + 1 AS w) TO STDOUT (FORMAT csv, HEADER);
COPY (UPDATE base SET v = v * 2 WHERE id >= 20 RETURNING v, 'a,b') TO STDOUT (FORMAT csv, FORCE_QUOTE (v));
COPY (UPDATE base SET v = 0 WHERE id >= 20 RETURNING v) TO STDOUT (FORMAT csv, FORCE_QUOTE (nosuch));
COPY (UPDATE base SET v = 1 / (v - 2) WHERE id >= 20 RETURNING v) TO STDOUT;
COPY (DELETE FROM base WHERE id > 20) TO STDOUT;
COPY (DELETE FROM base WHERE nosuch > 20 RETURNING id) TO STDOUT;
BEGIN READ ONLY;
COPY (DELETE FROM base WHERE id = 20 RETURNING id) TO STDOUT;
ROLLBACK;
BEGIN;
COPY (DELETE FROM base WHERE id = 20 RETURNING id) TO STDOUT;
ROLLBACK;
SELECT id, v FROM base WHERE id >= 20 ORDER BY id;
COPY (DELETE FROM base WHERE id >= 20 RETURNING id) TO STDOUT;
SELECT count(*) FROM base WHERE id >= 20;
