-- A session of psql against a coordinator; session.out is what it must print. Table ev (app text, ts timestamptz, n bigint) is empty.
INSERT INTO ev VALUES ('a', '2024-01-01', 1), ('b', '2024-01-02 03:04:05.678', 2), ('ä', NULL, NULL);
SELECT * FROM ev ORDER BY app;
\a \t
SELECT app, n FROM ev WHERE app = 'b';
\a \t
-- Errors with places, in the text as it was sent.
SELECT count(*) FROM nope;
SELECT app,
       m FROM ev;
SELECT 'ä', nope FROM ev;
SELEC 1;
SELECT 'unfinished;
';
INSERT INTO ev VALUES (NULL, '2024-01-01', 1);
SELECT $1;
SELECT 1 \; SELECT 2 \; SELECT nope \; SELECT 3;
\set VERBOSITY verbose
CREATE INDEX ON ev (n);
CHECKPOINT;
COMMENT ON ROLE app IS 'x';
\set VERBOSITY default
-- Transaction blocks: all at COMMIT, or nothing, and a block reads what it wrote.
BEGIN;
INSERT INTO ev VALUES ('c', '2024-01-03', 3);
SELECT 1 AS still_reads;
SELECT count(*) FROM ev;
ROLLBACK;
BEGIN;
INSERT INTO ev VALUES ('c', '2024-01-03', 3);
SAVEPOINT one;
INSERT INTO ev VALUES ('d', '2024-01-04', 4);
ROLLBACK TO one;
INSERT INTO ev SELECT 'e', '2024-01-05', 5;
RELEASE one;
SELECT now() = now() AS same;
COMMIT;
SELECT app, n FROM ev ORDER BY app;
BEGIN;
DELETE FROM ev WHERE n > 1;
SELECT count(*) FROM ev;
SELECT 1;
ROLLBACK;
BEGIN;
SAVEPOINT one;
DELETE FROM ev;
ROLLBACK TO one;
DELETE FROM ev WHERE n = 5;
INSERT INTO ev VALUES ('z', NULL, 1);
ROLLBACK;
BEGIN;
DELETE FROM ev WHERE n = 5;
COMMIT;
SELECT app, n FROM ev ORDER BY app;
BEGIN;
CREATE TABLE made (a text);
ROLLBACK;
DROP TABLE made;
BEGIN;
CREATE TABLE made (a text);
COMMIT;
DROP TABLE made;
BEGIN;
TRUNCATE ev;
INSERT INTO ev VALUES ('f', NULL, 1);
SELECT * FROM ev;
DELETE FROM ev;
ROLLBACK;
INSERT INTO ev VALUES ('f', NULL, 1) \; INSERT INTO ev VALUES ('g', NULL, 2) \; SELECT 1/0;
SELECT n FROM ev WHERE app IN ('f', 'g') FOR UPDATE;
LOCK ev;
BEGIN READ ONLY;
INSERT INTO ev VALUES ('f', NULL, 1);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
COMMIT;
START TRANSACTION;
COMMIT AND CHAIN;
ABORT;
-- Settings.
SET statement_timeout = '7s';
SHOW statement_timeout;
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
DELETE FROM ev;
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
SET default_transaction_isolation = 'repeatable read';
SELECT 1;
RESET default_transaction_isolation;
SET TIME ZONE 'UTC';
SHOW TIME ZONE;
SET TIME ZONE -3;
SET my.own = -5;
SHOW my.own;
RESET ALL;
SHOW statement_timeout;
SHOW nothing;
SHOW TRANSACTION ISOLATION LEVEL;
SET tally.read = 'session';
SELECT count(*) FROM ev;
SET tally.read = 'sometimes';
SELECT count(*) FROM ev;
RESET tally.read;
-- Prepared statements.
PREPARE p (text, int) AS SELECT app, n + $2 AS n FROM ev WHERE app = $1;
EXECUTE p('a', 40 + 1);
EXECUTE p('a', 'x');
EXECUTE p('a', true);
EXECUTE p('a');
PREPARE i AS INSERT INTO ev VALUES ($1, $2, $3);
EXECUTE i('g', '2024-01-07', -7);
PREPARE i AS SELECT 1;
DEALLOCATE ALL;
EXECUTE p('a', 1);
-- Cursors.
BEGIN;
DECLARE c CURSOR FOR SELECT app, n FROM ev ORDER BY app;
FETCH 2 FROM c;
MOVE c;
FETCH NEXT FROM c;
FETCH PRIOR FROM c;
ROLLBACK;
BEGIN;
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT app FROM ev ORDER BY app;
FETCH ABSOLUTE 3 FROM c;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
DECLARE d CURSOR FOR SELECT 1;
\set FETCH_COUNT 2
SELECT app FROM ev ORDER BY app;
\unset FETCH_COUNT
-- What there is nothing to do for, and what there is not.
VACUUM ev;
ANALYZE;
LISTEN x;
UNLISTEN *;
DISCARD ALL;
