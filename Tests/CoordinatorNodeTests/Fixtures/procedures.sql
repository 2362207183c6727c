--- scalar sql function
CREATE FUNCTION add2(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b';
SELECT add2(1, 2), add2(b => 5, a => 1);
SELECT add2(x, 10) FROM generate_series(1, 3) x;
SELECT add2('4', 5);
SELECT add2(1.5, 2);
DROP FUNCTION add2(int, int);
SELECT add2(1, 2);
--- positional arguments, strict, defaults
CREATE FUNCTION half(numeric, int DEFAULT 2) RETURNS numeric AS $$ SELECT round($1 / $2, 2) $$ LANGUAGE sql IMMUTABLE STRICT;
SELECT half(10), half(10, 4), half(NULL), half(9, NULL);
DROP FUNCTION half;
--- standard bodies
CREATE FUNCTION twice(x bigint) RETURNS bigint LANGUAGE sql RETURN x * 2;
CREATE FUNCTION three(x bigint) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT x * 3; END;
SELECT twice(21), three(7);
DROP FUNCTION twice; DROP FUNCTION three;
--- overloads
CREATE FUNCTION kind(int) RETURNS text LANGUAGE sql AS $$ SELECT 'int' $$;
CREATE FUNCTION kind(text) RETURNS text LANGUAGE sql AS $$ SELECT 'text' $$;
SELECT kind(1), kind('a'::text), kind('x');
DROP FUNCTION kind;
DROP FUNCTION kind(int);
DROP FUNCTION kind(text);
--- sets and tables
CREATE FUNCTION squares(n int) RETURNS TABLE (i int, sq int) LANGUAGE sql AS 'SELECT x, x * x FROM generate_series(1, n) x';
SELECT * FROM squares(3);
SELECT s.sq + 1 FROM squares(3) s WHERE s.i > 1;
SELECT (squares(2)).*;
CREATE FUNCTION upto(n int) RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP
    RETURN NEXT i;
  END LOOP;
  RETURN QUERY SELECT 100;
  RETURN;
END $$;
SELECT * FROM upto(2);
SELECT upto(1);
SELECT sum(u) FROM upto(4) u;
DROP FUNCTION squares; DROP FUNCTION upto;
--- out arguments
CREATE FUNCTION span(a int, OUT lo int, OUT hi int) LANGUAGE plpgsql AS $$
BEGIN
  lo := a - 1;
  hi := a + 1;
END $$;
SELECT * FROM span(5);
SELECT span(5);
SELECT (span(7)).hi;
CREATE FUNCTION one(OUT x text) AS $$ BEGIN x := 'only'; END $$ LANGUAGE plpgsql;
SELECT one();
DROP FUNCTION span; DROP FUNCTION one;
--- control flow
CREATE FUNCTION collatz(n bigint) RETURNS int LANGUAGE plpgsql AS $$
DECLARE steps int := 0;
BEGIN
  WHILE n <> 1 LOOP
    IF n % 2 = 0 THEN
      n := n / 2;
    ELSE
      n := 3 * n + 1;
    END IF;
    steps := steps + 1;
  END LOOP;
  RETURN steps;
END;
$$;
SELECT collatz(27);
DROP FUNCTION collatz;
DO $$
DECLARE total int := 0; word text;
BEGIN
  <<outer>>
  FOR i IN 1..4 LOOP
    FOR j IN REVERSE 4..1 BY 2 LOOP
      CONTINUE outer WHEN i = 2;
      EXIT outer WHEN i = 4;
      total := total + i * j;
    END LOOP;
  END LOOP;
  RAISE NOTICE 'total %, 100%%', total;
  CASE total WHEN 1, 2 THEN word := 'few'; WHEN 24 THEN word := 'two dozen'; ELSE word := 'other'; END CASE;
  RAISE NOTICE '%', word;
  CASE WHEN total > 100 THEN word := 'big'; ELSE NULL; END CASE;
  LOOP
    total := total - 1;
    EXIT WHEN total < 20;
  END LOOP;
  RAISE NOTICE 'total % found %', total, found;
END $$;
DO $$ BEGIN CASE 3 WHEN 1 THEN NULL; END CASE; END $$;
--- recursion
CREATE FUNCTION fact(n numeric) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
  IF n <= 1 THEN RETURN 1; END IF;
  RETURN n * fact(n - 1);
END $$;
SELECT fact(20);
CREATE FUNCTION fib(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RETURN CASE WHEN n < 2 THEN n ELSE fib(n - 1) + fib(n - 2) END;
END $$;
SELECT fib(10);
DROP FUNCTION fact; DROP FUNCTION fib;
--- variables
DO $$
<<top>>
DECLARE a int := 1; b CONSTANT text := 'b'; c text; d numeric(5,2) := 3.14159; e varchar(3); f int NOT NULL := 7; g a%TYPE; z ALIAS FOR a;
BEGIN
  DECLARE a int := 2;
  BEGIN
    RAISE NOTICE '% % % % % %', a, top.a, z, b, c, d;
  END;
  z := 10;
  g := 3.7;
  RAISE NOTICE '% %', a, g;
  f := NULL;
END $$;
DO $$ DECLARE e varchar(3); BEGIN e := 'abcd'; END $$;
DO $$ DECLARE n int; BEGIN n := 'abc'; END $$;
DO $$ DECLARE n int; BEGIN n := '12'; RAISE NOTICE '%', n + 1; END $$;
DO $$ DECLARE a int[] := '{1,2}'; x int; BEGIN
  a[2] := 20; a[4] := 40;
  RAISE NOTICE '% %', a, a[2];
  FOREACH x IN ARRAY ARRAY[5, 6] LOOP RAISE NOTICE 'x %', x; END LOOP;
END $$;
--- records
DO $$
DECLARE r record; s record;
BEGIN
  SELECT 1 AS x, 'one' AS y INTO r;
  RAISE NOTICE '% %', r.x, r.y;
  r.x := 5;
  s := r;
  RAISE NOTICE '%', s.x + 1;
  FOR r IN SELECT i, i * i AS sq FROM generate_series(1, 3) i LOOP
    RAISE NOTICE '% %', r.i, r.sq;
  END LOOP;
  RAISE NOTICE '%', r.nothing;
END $$;
DO $$ DECLARE r record; BEGIN RAISE NOTICE '%', r.x; END $$;
--- into
DO $$
DECLARE a int; b text;
BEGIN
  SELECT i, i::text || '!' INTO a, b FROM generate_series(7, 9) i ORDER BY i;
  RAISE NOTICE '% % %', a, b, FOUND;
  SELECT i INTO a FROM generate_series(1, 3) i WHERE i > 5;
  RAISE NOTICE '% %', a, FOUND;
  SELECT i INTO STRICT a FROM generate_series(1, 3) i WHERE i = 2;
  BEGIN
    SELECT i INTO STRICT a FROM generate_series(1, 3) i;
  EXCEPTION WHEN too_many_rows THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM;
  END;
  SELECT i INTO STRICT a FROM generate_series(1, 3) i WHERE i = 9;
END $$;
DO $$ BEGIN SELECT 1; END $$;
DO $$ BEGIN PERFORM 1 FROM generate_series(1, 2); IF FOUND THEN RAISE NOTICE 'found'; END IF; END $$;
--- dynamic
DO $$
DECLARE n int; t text := 'generate_series';
BEGIN
  EXECUTE format('SELECT count(*) FROM %I(1, $1)', t) INTO n USING 5;
  RAISE NOTICE '%', n;
  EXECUTE 'SELECT $1 || $2' INTO t USING 'a'::text, 'b'::text;
  RAISE NOTICE '%', t;
  FOR n IN EXECUTE 'SELECT x FROM generate_series($1, $2) x' USING 2, 3 LOOP RAISE NOTICE 'n %', n; END LOOP;
  EXECUTE NULL;
END $$;
--- raise
DO $$ BEGIN RAISE INFO 'info %', 1; RAISE WARNING 'careful'; RAISE DEBUG 'unseen'; RAISE LOG 'unseen'; RAISE NOTICE 'null is %', NULL::text; END $$;
DO $$ BEGIN RAISE EXCEPTION 'bad %', 7 USING HINT = 'be good', DETAIL = 'it was ' || 'bad'; END $$;
DO $$ BEGIN RAISE 'plain'; END $$;
DO $$ BEGIN RAISE division_by_zero; END $$;
DO $$ BEGIN RAISE SQLSTATE '22012' USING MESSAGE = 'own words'; END $$;
DO $$ BEGIN RAISE; END $$;
DO $$ BEGIN ASSERT 1 > 2, 'one is not greater'; END $$;
DO $$ BEGIN ASSERT 1 > 2; END $$;
--- exceptions
DO $$
DECLARE m text; s text; d text; h text;
BEGIN
  BEGIN
    RAISE EXCEPTION 'inner' USING ERRCODE = 'P0123', DETAIL = 'de', HINT = 'hi';
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, s = RETURNED_SQLSTATE, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % % %', m, s, d, h;
  END;
  BEGIN
    PERFORM 1 / 0;
  EXCEPTION
    WHEN unique_violation THEN RAISE NOTICE 'no';
    WHEN data_exception THEN RAISE NOTICE 'class 22: %', SQLERRM;
  END;
  BEGIN
    BEGIN
      RAISE EXCEPTION 'again';
    EXCEPTION WHEN OTHERS THEN RAISE;
    END;
  EXCEPTION WHEN raise_exception THEN RAISE NOTICE 'got % %', SQLSTATE, SQLERRM;
  END;
  BEGIN
    RAISE EXCEPTION 'not mine' USING ERRCODE = 'ZZ001';
  EXCEPTION WHEN division_by_zero THEN NULL;
  END;
END $$;
--- context of errors
CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n = 0 THEN
    RAISE EXCEPTION 'bottom';
  END IF;
  RETURN deep(n - 1);
END $$;
SELECT deep(0);
CREATE FUNCTION noreturn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
SELECT noreturn();
DROP FUNCTION deep; DROP FUNCTION noreturn;
DO $$ DECLARE x int; y int := 0; BEGIN x := 1/y; END $$;
DO $$ DECLARE y int := 0; BEGIN IF 1/y = 1 THEN NULL; END IF; END $$;
DO $$ DECLARE y int := 0; BEGIN PERFORM 1/y; END $$;
DO $$ DECLARE y int := 0; x int; BEGIN SELECT 1/y INTO x; END $$;
DO $$ DECLARE y text := 'a'; x int; BEGIN x := y; END $$;
DO $$ DECLARE x int; BEGIN EXECUTE 'SELECT 1/0' INTO x; END $$;
DO $$ DECLARE x int; BEGIN EXECUTE 'SELECT nope' INTO x; END $$;
CREATE FUNCTION e() RETURNS int LANGUAGE plpgsql AS $$ DECLARE y int := 0; BEGIN RETURN 1/y; END $$;
DO $$ DECLARE v int; BEGIN v := e(); END $$;
DO $$ BEGIN PERFORM e(); END $$;
DO $$ DECLARE v int; BEGIN v := nothing; END $$;
CREATE FUNCTION s2(a int) RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 1/a $$;
SELECT s2(0);
DO $$ BEGIN FOR i IN 1..e() LOOP NULL; END LOOP; END $$;
DO $$ DECLARE x int; BEGIN x := g FROM generate_series(3,3) g; RAISE NOTICE '%', x; x := g FROM generate_series(3,2) g; RAISE NOTICE '%', x; END $$;
DROP FUNCTION e; DROP FUNCTION s2;
--- bodies that are wrong
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN x := 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ DECLARE c CONSTANT int := 1; BEGIN c := 2; RETURN c; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXIT; RETURN 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', 1; RETURN 1; END $$;
CREATE FUNCTION bad() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN NEXT 1; END $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE sql AS $$ SELECT 'a'::text, 2 $$;
CREATE FUNCTION bad() RETURNS int LANGUAGE sql AS $$ SELECT nothing FROM nowhere $$;
CREATE FUNCTION bad() LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION bad() RETURNS int AS 'SELECT 1';
--- procedures
CREATE PROCEDURE double(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN x := x * 2; END $$;
CALL double(21);
DO $$ DECLARE v int := 4; BEGIN CALL double(v); RAISE NOTICE 'v %', v; END $$;
CREATE PROCEDURE hello(name text DEFAULT 'world') AS $$ BEGIN RAISE NOTICE 'hello %', name; COMMIT; END $$ LANGUAGE plpgsql;
CALL hello();
CALL hello('you');
SELECT hello();
CALL missing(1);
CALL double('x');
DROP FUNCTION hello;
DROP PROCEDURE hello; DROP PROCEDURE double(int);
--- variable conflicts and shadowing
CREATE FUNCTION pick(x int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE r int;
BEGIN
  SELECT x INTO r FROM generate_series(1, 3) x;
  RETURN r;
END $$;
SELECT pick(2);
CREATE OR REPLACE FUNCTION pick(x int) RETURNS int LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE r int;
BEGIN
  SELECT x INTO r FROM generate_series(5, 7) x;
  RETURN r + pick.x;
END $$;
SELECT pick(2);
CREATE OR REPLACE FUNCTION pick(x int) RETURNS int LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE r int;
BEGIN
  SELECT x INTO r FROM generate_series(5, 7) x;
  RETURN r;
END $$;
SELECT pick(2);
DROP FUNCTION pick;
--- replacing and dropping
CREATE FUNCTION rep(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION rep(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1';
CREATE OR REPLACE FUNCTION rep(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1';
SELECT rep(1);
CREATE OR REPLACE FUNCTION rep(a int) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
CREATE OR REPLACE FUNCTION rep(b int) RETURNS int LANGUAGE sql AS 'SELECT b';
DROP FUNCTION rep(text);
DROP FUNCTION IF EXISTS rep(text);
DROP FUNCTION IF EXISTS other;
DROP PROCEDURE rep(int);
DROP FUNCTION rep(int);
--- void and expressions of calls
CREATE FUNCTION shout(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%!', upper(t); END $$;
SELECT shout('hey');
CREATE FUNCTION len(t text) RETURNS int LANGUAGE plpgsql STRICT AS $$ BEGIN RAISE NOTICE 'asked'; RETURN length(t); END $$;
SELECT len('abc') + len('de'), len(NULL);
SELECT CASE WHEN false THEN len('zzz') ELSE 0 END;
SELECT coalesce(1, len('abc'));
DO $$ BEGIN IF len('abcd') = 4 AND len('x') = 1 THEN RAISE NOTICE 'yes'; END IF; END $$;
DROP FUNCTION shout; DROP FUNCTION len;
--- transaction control
DO $$ BEGIN FOR i IN 1..2 LOOP RAISE NOTICE '%', i; COMMIT; END LOOP; ROLLBACK; END $$;
CREATE FUNCTION ends() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
SELECT ends();
DROP FUNCTION ends;
--- procedures of one name, called from a block
CREATE PROCEDURE twice(INOUT a int, INOUT b int) LANGUAGE plpgsql AS $$ BEGIN a := a * 2; b := b * 2; END $$;
CREATE PROCEDURE twice(a text, INOUT b text) LANGUAGE plpgsql AS $$ BEGIN b := a || a; END $$;
DO $$ DECLARE t text := 'x'; v text; n int := 3; m int := 4; BEGIN
  CALL twice(t, v);
  RAISE NOTICE '% %', t, v;
  CALL twice(n, m);
  RAISE NOTICE '% %', n, m;
  CALL twice(b => v, a => t);
  RAISE NOTICE '% %', t, v;
END $$;
--- a field of a set is every row's
CREATE FUNCTION pairs() RETURNS TABLE (a int, b text) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT g, g::text || '!' FROM generate_series(1, 3) AS g; END $$;
SELECT (pairs()).b;
SELECT (pairs()).a AS first;
DROP FUNCTION pairs;
--- functions that views and defaults call stay
CREATE FUNCTION thrice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 3';
CREATE VIEW uses AS SELECT thrice(2) AS n;
DROP FUNCTION thrice(int);
DROP VIEW uses;
CREATE TABLE takes (a int DEFAULT thrice(4));
DROP FUNCTION thrice;
ALTER TABLE takes ALTER a DROP DEFAULT;
DROP FUNCTION thrice;
DROP TABLE takes;
