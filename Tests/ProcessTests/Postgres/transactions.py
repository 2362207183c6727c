# Transactions of several sessions through psycopg2: transactions.py HOST PORT. Prints one line a check; exit 77 without psycopg2.
import sys, threading, time
host, port = sys.argv[1], int(sys.argv[2])
try: import psycopg2, psycopg2.errors as pe
except ImportError: print("psycopg2 is not installed"); sys.exit(77)
def check(what, got, expected):
    if got != expected: sys.exit(f"{what}: got {got!r}, expected {expected!r}")
    print(f"{what}: ok")
def connect(autocommit=False):
    c = psycopg2.connect(host=host, port=port, user="app", dbname="tally")
    c.autocommit = autocommit
    return c
def run(c, sql, *values):
    k = c.cursor(); k.execute(sql, values or None)
    return k.fetchall() if k.description else k.rowcount
def fails(c, error, sql, *values):
    try: run(c, sql, *values)
    except error as e: return e.pgcode
    sys.exit(f"{sql}: does not fail")

a, b, other = connect(), connect(), connect(True)
# Two tables, several shards: all or none, and seen by nobody else before.
run(a, "INSERT INTO ev SELECT 'k' || i, i FROM generate_series(1, 50) i"); run(a, "INSERT INTO ev2 VALUES ('k1', 1)")
check("own rows", run(a, "SELECT count(*), sum(n) FROM ev"), [(50, 1275)])
check("hidden", run(other, "SELECT count(*) FROM ev"), [(0,)])
a.rollback()
check("rolled back", run(a, "SELECT count(*) FROM ev"), [(0,)])
run(a, "INSERT INTO ev SELECT 'k' || i, i FROM generate_series(1, 50) i"); run(a, "INSERT INTO ev2 VALUES ('k1', 1)")
a.commit()
check("committed", run(other, "SELECT (SELECT count(*) FROM ev), (SELECT count(*) FROM ev2)"), [(50, 1)])
# Savepoints, and errors between them.
run(a, "DELETE FROM ev WHERE n > 40"); run(a, "SAVEPOINT one")
run(a, "INSERT INTO ev VALUES ('s', 1000)"); run(a, "SAVEPOINT two"); run(a, "INSERT INTO ev2 VALUES ('s', 1)")
check("within", run(a, "SELECT (SELECT count(*) FROM ev), (SELECT count(*) FROM ev2)"), [(41, 2)])
fails(a, pe.DivisionByZero, "SELECT 1/0")
check("aborted", fails(a, pe.InFailedSqlTransaction, "SELECT 1"), "25P02")
run(a, "ROLLBACK TO two")
check("back to two", run(a, "SELECT (SELECT count(*) FROM ev), (SELECT count(*) FROM ev2)"), [(41, 1)])
run(a, "ROLLBACK TO one"); run(a, "INSERT INTO ev2 VALUES ('t', 2)"); a.commit()
check("savepoints", run(other, "SELECT (SELECT count(*) FROM ev), (SELECT count(*) FROM ev2)"), [(40, 2)])
# One message is one transaction.
check("message", fails(other, pe.DivisionByZero, "INSERT INTO ev VALUES ('m', 1); INSERT INTO ev VALUES ('m2', 2); SELECT 1/0"), "22012")
check("none of it", run(other, "SELECT count(*) FROM ev WHERE app LIKE 'm%'"), [(0,)])
run(other, "INSERT INTO ev VALUES ('m', 1); INSERT INTO ev VALUES ('m2', 2)")
check("all of it", run(other, "SELECT count(*) FROM ev WHERE app LIKE 'm%'"), [(2,)])

# Rows that are changed by key: acc has (app PRIMARY KEY, n).
run(other, "INSERT INTO acc SELECT 'k' || i, 0 FROM generate_series(1, 20) i")
run(a, "UPDATE acc SET n = n + 1 WHERE app = 'k1'")
check("own change", run(a, "SELECT n FROM acc WHERE app = 'k1'"), [(1,)])
check("not yet", run(other, "SELECT n FROM acc WHERE app = 'k1'"), [(0,)])
done = []
t = threading.Thread(target=lambda: done.append(run(b, "UPDATE acc SET n = n + 10 WHERE app = 'k1'"))); t.start()
time.sleep(0.3); check("waits", done, [])
a.commit(); t.join(); b.commit()
check("both count", run(other, "SELECT n FROM acc WHERE app = 'k1'"), [(11,)])
# The limits of waiting.
run(a, "SELECT * FROM acc WHERE app = 'k1' FOR UPDATE"); run(b, "SET lock_timeout = '300ms'")
check("lock timeout", fails(b, pe.LockNotAvailable, "UPDATE acc SET n = 0 WHERE app = 'k1'"), "55P03"); b.rollback()
check("nowait", fails(b, pe.LockNotAvailable, "SELECT * FROM acc WHERE app = 'k1' FOR UPDATE NOWAIT"), "55P03"); b.rollback()
check("lock nowait", fails(b, pe.LockNotAvailable, "LOCK TABLE acc IN EXCLUSIVE MODE NOWAIT"), "55P03"); b.rollback()
run(other, "SET lock_timeout = '300ms'")
check("lock timeout alone", fails(other, pe.LockNotAvailable, "UPDATE acc SET n = 0 WHERE app = 'k1'"), "55P03"); run(other, "SET lock_timeout = 0")
a.rollback(); run(b, "LOCK TABLE acc IN EXCLUSIVE MODE NOWAIT"); b.rollback(); run(b, "SET lock_timeout = 0"); b.commit()
# Each holds what the other wants: one of them is told.
def both(c, first, second, out):
    try: run(c, "UPDATE acc SET n = n + 1 WHERE app = %s", first); barrier.wait(); run(c, "UPDATE acc SET n = n + 1 WHERE app = %s", second); c.commit(); out.append("ok")
    except pe.SerializationFailure: c.rollback(); out.append("40001")
for first, second in [("k2", "k3"), ("k4", "k9"), ("k5", "k12")]:
    before = dict(run(other, "SELECT app, n FROM acc")); out = []
    barrier = threading.Barrier(2)
    def guarded(c, x, y):
        try: both(c, x, y, out)
        except threading.BrokenBarrierError: c.rollback(); out.append("alone")
    barrier = threading.Barrier(2, timeout=2)
    ts = [threading.Thread(target=guarded, args=x) for x in [(a, first, second), (b, second, first)]]
    [x.start() for x in ts]; [x.join() for x in ts]
    after = dict(run(other, "SELECT app, n FROM acc"))
    check(f"crossed {first} {second}", [after[k] - before[k] for k in (first, second)], [out.count("ok")] * 2)
# Counting by many, each in its own way, repeated on 40001: nothing is lost, nothing twice.
def count(seed, tries=25):
    c = connect()
    for i in range(tries):
        while True:
            try:
                if (seed + i) % 2:
                    n = run(c, "SELECT n FROM acc WHERE app = 'k7' FOR UPDATE")[0][0]
                    run(c, "UPDATE acc SET n = %s WHERE app = 'k7'", n + 1)
                else: run(c, "INSERT INTO acc VALUES ('k7', 1) ON CONFLICT (app) DO UPDATE SET n = acc.n + 1")
                run(c, "INSERT INTO ev2 VALUES ('counted', 1)"); c.commit(); break
            except pe.SerializationFailure: c.rollback()
    c.close()
ts = [threading.Thread(target=count, args=(s,)) for s in range(4)]
[x.start() for x in ts]; [x.join() for x in ts]
check("counted", run(other, "SELECT (SELECT n FROM acc WHERE app = 'k7'), (SELECT count(*) FROM ev2 WHERE app = 'counted')"), [(100, 100)])
# LOCK of an append-only table waits for its writers and holds up none.
run(a, "INSERT INTO ev VALUES ('lock', 1)")
seen = []
def locked(): run(b, "LOCK TABLE ev IN EXCLUSIVE MODE"); seen.append(run(b, "SELECT count(*) FROM ev WHERE app = 'lock'")); b.commit()
t = threading.Thread(target=locked); t.start(); time.sleep(0.3); check("lock waits", seen, [])
a.commit(); t.join(); check("lock saw", seen, [[(1,)]])
# A client that goes leaves nothing, and holds nothing.
run(a, "UPDATE acc SET n = -1 WHERE app = 'k1'"); a.close()
check("free again", run(other, "UPDATE acc SET n = n + 1 WHERE app = 'k1' RETURNING n"), [(12,)])

# Definitions of a block: seen by it alone until COMMIT; who is second with a name fails there, with all of its block.
a = connect()
for c in (a, b): c.rollback(); run(c, "SET lock_timeout = '1s'"); c.commit()
run(a, "CREATE TABLE made (x int PRIMARY KEY)"); run(a, "INSERT INTO made VALUES (1)")
check("unseen", fails(other, pe.UndefinedTable, "SELECT * FROM made"), "42P01")
run(b, "CREATE TABLE made (x int)"); run(b, "INSERT INTO made VALUES (2)"); run(b, "INSERT INTO ev2 VALUES ('second', 1)")
a.commit()
try: b.commit(); sys.exit("two tables of one name")
except pe.DuplicateTable: b.rollback()
check("first wins", run(other, "SELECT x, (SELECT count(*) FROM ev2 WHERE app = 'second') FROM made"), [(1, 0)])
gone = connect(); run(gone, "CREATE TABLE left_behind (x int)"); run(gone, "INSERT INTO left_behind VALUES (1)"); gone.close()
check("left by a client", fails(other, pe.UndefinedTable, "SELECT * FROM left_behind"), "42P01")
run(a, "CREATE TABLE spread (app text, n int)"); run(a, "SELECT create_distributed_table('spread', 'app')")
run(a, "INSERT INTO spread SELECT 'k' || i, i FROM generate_series(1, 50) i"); a.commit()
check("distributed in a block", run(other, "SELECT count(*) FROM spread"), [(50,)])
check("not drafted", fails(a, pe.FeatureNotSupported, "CREATE TABLE more (x int); ALTER TABLE spread ADD COLUMN m int"), "0A000"); a.rollback()
run(a, "INSERT INTO made VALUES (5)"); run(a, "DROP TABLE made"); a.commit()
check("written and dropped", fails(other, pe.UndefinedTable, "SELECT * FROM made"), "42P01")
# Rows that refer to others hold them, and the other way round.
run(other, "CREATE TABLE p (x int PRIMARY KEY); CREATE TABLE c (x int REFERENCES p)"); run(other, "INSERT INTO p VALUES (1), (2)")
run(a, "INSERT INTO c VALUES (1)")
check("referred to", fails(b, pe.LockNotAvailable, "DELETE FROM p WHERE x = 1"), "55P03"); b.rollback(); a.commit()
check("still", fails(b, pe.ForeignKeyViolation, "DELETE FROM p WHERE x = 1"), "23503"); b.rollback()
run(a, "DELETE FROM p WHERE x = 2")
check("going", fails(b, pe.LockNotAvailable, "INSERT INTO c VALUES (2)"), "55P03"); b.rollback(); a.commit()
check("went", fails(b, pe.ForeignKeyViolation, "INSERT INTO c VALUES (2)"), "23503"); b.rollback()
