# Talks to a coordinator through one driver: drivers.py DRIVER HOST PORT. Prints one line a check; exit 77 when the driver is not there.
import datetime as dt, decimal, sys, threading, time
driver, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
utc = dt.timezone.utc
def check(what, got, expected):
    if got != expected: sys.exit(f"{driver}: {what}: got {got!r}, expected {expected!r}")
    print(f"{what}: ok")
T = dt.datetime(2024, 2, 29, 12, 34, 56, 789000, tzinfo=utc)

def psycopg2_():
    import psycopg2, psycopg2.extras, psycopg2.extensions
    c = psycopg2.connect(host=host, port=port, user="app", dbname="tally")
    k = c.cursor()
    k.execute("SELECT %s, %s, %s, %s, %s, %s", (1, "ä'x", True, None, decimal.Decimal("1.50"), 2.5))
    check("parameters", k.fetchone(), (1, "ä'x", True, None, decimal.Decimal("1.50"), decimal.Decimal("2.5")))
    k.execute("INSERT INTO drv VALUES (%s, %s, %s)", ("psycopg2", T, 1)); check("count", k.rowcount, 1)
    c.rollback()
    k.execute("SELECT count(*) FROM drv WHERE app = 'psycopg2'"); check("rollback", k.fetchone(), (0,))
    k.execute("INSERT INTO drv VALUES (%s, %s, %s)", ("psycopg2", T, 1))
    psycopg2.extras.execute_values(k, "INSERT INTO drv VALUES %s", [("psycopg2", T, i) for i in range(2, 101)])
    k.executemany("INSERT INTO drv2 VALUES (%s, %s)", [("psycopg2", i) for i in range(3)])
    c.commit()
    k.execute("SELECT count(*), sum(n), max(ts) FROM drv WHERE app = %s", ("psycopg2",)); check("commit", k.fetchone(), (100, decimal.Decimal(5050), T))
    k.execute("SELECT count(*) FROM drv2"); check("two tables", k.fetchone(), (3,))
    s = c.cursor(name="cur"); s.itersize = 7
    s.execute("SELECT n FROM drv WHERE app = 'psycopg2' ORDER BY n"); check("server-side cursor", [r[0] for r in s], list(range(1, 101)))
    s.close(); c.commit()
    k.execute("DELETE FROM drv WHERE app = 'psycopg2' AND n <= 10"); check("delete", k.rowcount, 10)
    c.rollback()
    k.execute("DELETE FROM drv WHERE app = 'psycopg2' AND n <= 5"); check("delete", k.rowcount, 5)
    c.commit()
    k.execute("SELECT count(*) FROM drv WHERE app = 'psycopg2'"); check("delete committed", k.fetchone(), (95,))
    c.commit()
    c.autocommit = True
    try: k.execute("SELECT nope FROM drv")
    except psycopg2.errors.UndefinedColumn as e: check("error", (e.pgcode, e.diag.statement_position), ("42703", "8"))
    t = threading.Timer(0.3, c.cancel); t.start()
    try:
        k.execute("SET statement_timeout = '20s'"); k.execute("SELECT count(*) FROM drv a"); 
    except psycopg2.errors.QueryCanceled: pass
    t.join()
    k.execute("DELETE FROM drv WHERE app = 'psycopg2' AND n <= 10"); check("delete", k.rowcount, 5)
    c.close()

def psycopg_():
    import psycopg
    with psycopg.connect(host=host, port=port, user="app", dbname="tally") as c:
        r = c.execute("SELECT %s::int, %s::text, %s::boolean, %s::bigint, %s::numeric, %s::float8, %s::timestamptz, %s::date, %s::interval",
            (1, "ä'x", True, None, decimal.Decimal("1.50"), 2.5, T, dt.date(2024, 2, 29), dt.timedelta(days=1, seconds=3))).fetchone()
        check("parameters", r, (1, "ä'x", True, None, decimal.Decimal("1.50"), 2.5, T, dt.date(2024, 2, 29), dt.timedelta(days=1, seconds=3)))
        k = c.cursor(binary=True)
        r = k.execute("SELECT %b::int, %b::text, %b::timestamptz, %b::numeric", (1, "x", T, decimal.Decimal("12345.678"))).fetchone()
        check("binary", r, (1, "x", T, decimal.Decimal("12345.678")))
        c.commit()
        with c.transaction():
            c.execute("INSERT INTO drv VALUES (%s, %s, %s)", ("psycopg", T, 1))
            try:
                with c.transaction():
                    c.execute("INSERT INTO drv VALUES (%s, %s, %s)", ("psycopg", T, 2))
                    raise RuntimeError
            except RuntimeError: pass
        c.cursor().executemany("INSERT INTO drv VALUES (%s, %s, %s)", [("psycopg", T, i) for i in range(10, 20)])
        c.commit()
        check("savepoint", c.execute("SELECT count(*) FROM drv WHERE app = 'psycopg'").fetchone(), (11,))
        for i in range(8): r = c.execute("SELECT count(*) FROM drv WHERE app = %s", ("psycopg",), prepare=True).fetchone()
        check("prepared", r, (11,))
        c.commit()
        with c.pipeline():
            a = c.execute("SELECT 1"); b = c.execute("SELECT %s::int + 1", (41,)); d = c.execute("SELECT count(*) FROM drv WHERE app = %s", ("psycopg",))
            check("pipeline", (a.fetchone(), b.fetchone(), d.fetchone()), ((1,), (42,), (11,)))
        with c.cursor(name="s") as s:
            s.itersize = 3
            s.execute("SELECT n FROM drv WHERE app = %s ORDER BY n", ("psycopg",)); check("server-side cursor", [r[0] for r in s], [1] + list(range(10, 20)))
        try: c.execute("SELEC 1")
        except psycopg.errors.SyntaxError as e: check("error", e.sqlstate, "42601")
        c.rollback()

def asyncpg_():
    import asyncio, asyncpg
    async def main():
        c = await asyncpg.connect(host=host, port=port, user="app", database="tally")
        r = await c.fetchrow("SELECT $1::int, $2::text, $3::boolean, $4::bigint, $5::numeric, $6::float8, $7::timestamptz, $8::date, $9::interval",
            1, "ä'x", True, None, decimal.Decimal("1.50"), 2.5, T, dt.date(2024, 2, 29), dt.timedelta(days=1, seconds=3))
        check("parameters", tuple(r), (1, "ä'x", True, None, decimal.Decimal("1.50"), 2.5, T, dt.date(2024, 2, 29), dt.timedelta(days=1, seconds=3)))
        async with c.transaction():
            check("insert", await c.execute("INSERT INTO drv VALUES ($1, $2, $3)", "asyncpg", T, 5), "INSERT 0 1")
        await c.executemany("INSERT INTO drv VALUES ($1, $2, $3)", [("asyncpg", T, i) for i in range(10)])
        check("executemany", await c.fetchval("SELECT count(*) FROM drv WHERE app = $1", "asyncpg"), 11)
        p = await c.prepare("SELECT n FROM drv WHERE app = $1 AND n > $2 ORDER BY n")
        check("prepared", [x["n"] for x in await p.fetch("asyncpg", 7)], [8, 9])
        async with c.transaction():
            check("cursor", [x["n"] async for x in c.cursor("SELECT n FROM drv WHERE app = $1 ORDER BY n", "asyncpg", prefetch=2)], sorted([5] + list(range(10))))
        await c.executemany("INSERT INTO drv VALUES ($1, $2, $3)", [("portal", T, i) for i in range(1000)])
        async with c.transaction():
            # Execute messages of ten rows each on one portal.
            rows = [x["n"] async for x in c.cursor("SELECT n FROM drv WHERE app = $1 ORDER BY n", "portal", prefetch=10)]
            check("portal of ten", rows, list(range(1000)))
        try: await c.fetch("SELECT * FROM nope")
        except asyncpg.exceptions.UndefinedTableError as e: check("error", e.sqlstate, "42P01")
        try: await c.execute("SELECT count(*) FROM drv", timeout=5)
        except asyncio.TimeoutError: pass
        await c.close()
    asyncio.run(main())

def pg8000_():
    import pg8000.dbapi
    c = pg8000.dbapi.connect(host=host, port=port, user="app", database="tally")
    k = c.cursor()
    k.execute("SELECT %s, %s, %s", (1, "x", None)); check("parameters", [str(v) for v in k.fetchone()], ["1", "x", "None"])
    k.execute("INSERT INTO drv VALUES (%s, %s, %s)", ("pg8000", T, 1)); c.commit()
    k.execute("SELECT count(*), max(ts) FROM drv WHERE app = %s", ("pg8000",)); check("commit", tuple(k.fetchone()), (1, T))
    try: k.execute("SELECT nope FROM drv")
    except pg8000.dbapi.DatabaseError as e: check("error", e.args[0]["C"], "42703")
    c.rollback(); c.close()

def sqlalchemy_():
    import sqlalchemy as sa
    e = sa.create_engine(f"postgresql+psycopg2://app@{host}:{port}/tally")
    with e.connect() as c: check("select", c.execute(sa.text("SELECT count(*) FROM drv WHERE app = :a"), {"a": "nobody"}).scalar(), 0)
    with e.begin() as c: c.execute(sa.text("INSERT INTO drv VALUES (:a, :t, :n)"), [{"a": "sqlalchemy", "t": T, "n": i} for i in range(3)])
    with e.connect() as c: check("insert", c.execute(sa.text("SELECT count(*) FROM drv WHERE app = 'sqlalchemy'")).scalar(), 3)

try: globals()[driver + "_"]()
except ImportError as missing:
    print(missing); sys.exit(77)
