"""shop.py — what an application does through ADBC, and what it was told, as a transcript (Tools/clients/programs compares two of them)."""
import datetime
import decimal
import os

import adbc_driver_postgresql.dbapi as adbc
import pyarrow
import pyarrow.compute


def address(password=None, more=""):
    part = {name: os.environ["PG" + name.upper()] for name in ("host", "port", "user", "password", "database")}
    return (f"postgresql://{part['user']}:{(password or part['password']).replace(' ', '%20')}@{part['host']}:{part['port']}/{part['database']}{more}")


def fail(error):
    print("error", getattr(error, "sqlstate", None), str(error).split("\n")[0].replace("\n", " "))


def query(cursor, text, values=None):
    try:
        cursor.execute(text, values)
        if not cursor.description:
            return print("done")
        table = cursor.fetch_arrow_table()
        print(", ".join(f"{field.name}:{field.type}" for field in table.schema))
        for row in table.to_pylist():
            print(" | ".join(f"{value!r}" for value in row.values()))
    except Exception as error:
        fail(error)


COLUMNS = ("tenant bigint NOT NULL, id bigint NOT NULL, small smallint, whole integer, price numeric(12,2), note text, code varchar(20),"
           " at timestamptz, local timestamp, day date, took interval, doc jsonb, raw bytea, key uuid, tags text[], counts bigint[], paid boolean,"
           " share double precision, part real, PRIMARY KEY (tenant, id)")


def objects(node, depth=0):
    """The tree of get_objects, without what belongs to a server itself."""
    for key in ("catalog_name", "db_schema_name", "table_name", "column_name"):
        if key in node:
            more = {k: node[k] for k in ("table_type", "xdbc_type_name", "xdbc_nullable", "ordinal_position", "remarks") if k in node}
            print("  " * depth + f"{key} {node[key]} {more}")
    for constraint in node.get("table_constraints") or []:
        print("  " * depth + f"  constraint {constraint['constraint_name']} {constraint['constraint_type']} {constraint['constraint_column_names']}")
    for key in ("catalog_db_schemas", "db_schema_tables", "table_columns"):
        # In which order they come is the server's affair.
        for child in sorted(node.get(key) or [], key=lambda child: str(child.get("table_name") or child.get("ordinal_position"))):
            objects(child, depth + 1)


def main():
    print("# over TLS")
    with adbc.connect(address(more="?sslmode=require")) as secure, secure.cursor() as cursor:
        query(cursor, "SELECT current_user::text AS u, current_database()::text AS d")
        info = secure.adbc_get_info()
        print(info["vendor_name"], info["vendor_version"][:2])
    try:
        adbc.connect(address("wrong"))
    except Exception as error:
        print("error", error.sqlstate, "password authentication failed" in str(error))
    connection = adbc.connect(address(more="?sslmode=disable"), autocommit=True)
    cursor = connection.cursor()
    print("# schema")
    for text in ("DROP TABLE IF EXISTS adbc_orders", "DROP TABLE IF EXISTS adbc_ingested", f"CREATE TABLE adbc_orders ({COLUMNS})"):
        query(cursor, text)
    cursor.executescript("SELECT create_distributed_table('adbc_orders', 'tenant')")
    print("# every type, both ways")
    query(cursor, """INSERT INTO adbc_orders VALUES (1, 1, -7, 2147483647, 12345678.90, 'näive "quoted" ☃', 'A-1', '2026-02-28 23:59:59.123456+02',
        '2026-02-28 23:59:59.999999', '2024-02-29', '1 year 2 mons 3 days 04:05:06.789', '{"b": [1, 2.50, null], "a": "☃"}', '\\x0001ff0a5c',
        '00112233-4455-6677-8899-aabbccddeeff', '{"a,b",NULL,""}', '{1,NULL,-9223372036854775808}', true, 0.1, 1.5)""")
    query(cursor, "INSERT INTO adbc_orders (tenant, id) VALUES (9, 9)")
    for tenant in (1, 9):
        query(cursor, "SELECT * FROM adbc_orders WHERE tenant = $1", (tenant,))
    stamp = datetime.datetime(2026, 2, 28, 21, 59, 59, 123456, datetime.timezone.utc)
    values = pyarrow.table({
        "a": pyarrow.array([20, 21], pyarrow.int64()), "b": pyarrow.array([-7, None], pyarrow.int16()), "c": ["text", None],
        "d": pyarrow.array([stamp, None], pyarrow.timestamp("us", "UTC")), "e": pyarrow.array([datetime.date(2024, 2, 29), None], pyarrow.date32()),
        "f": pyarrow.array([b"\0\1\xff", None], pyarrow.binary()), "g": pyarrow.array([True, None]), "h": pyarrow.array([0.1, None]),
        "i": pyarrow.array([[1, 2], None], pyarrow.list_(pyarrow.int64())), "j": pyarrow.array([["x", None], None], pyarrow.list_(pyarrow.string()))})
    try:
        cursor.executemany("INSERT INTO adbc_orders (tenant, id, small, note, at, day, raw, paid, share, counts, tags)"
                           " VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", values)
        print("inserted", cursor.rowcount)
    except Exception as error:
        fail(error)
    query(cursor, "SELECT tenant, small, note, at, day, raw, paid, share, counts, tags FROM adbc_orders WHERE tenant IN (20, 21) ORDER BY tenant")
    query(cursor, "SELECT count(*), sum(price), avg(share), max(note), array_agg(id ORDER BY id) AS ids FROM adbc_orders WHERE id > $1 AND note LIKE $2", (0, "%☃"))
    query(cursor, "SELECT $1 + 1 AS n, $2 AS t, $3 AS f", (41, "text", 2.5))
    print("# 100,000 rows ingested, read back")
    big = pyarrow.table({
        "tenant": pyarrow.array([1000 + at % 50 for at in range(100000)], pyarrow.int64()), "id": pyarrow.array(range(100000), pyarrow.int64()),
        "note": [f"row {at}" if at % 9 else None for at in range(100000)], "share": [at / 4 for at in range(100000)],
        "at": pyarrow.array([at * 1_000_000 for at in range(100000)], pyarrow.timestamp("us", "UTC")),
        "raw": [bytes([at % 256]) for at in range(100000)]})
    try:
        print("ingested", cursor.adbc_ingest("adbc_orders", big, mode="append"))
        print("made", cursor.adbc_ingest("adbc_ingested", big, mode="create"))
        print("made of batches", cursor.adbc_ingest("adbc_ingested", big.to_reader(10000), mode="append"))
    except Exception as error:
        fail(error)
    query(cursor, "SELECT count(*), sum(id)::text, sum(share), min(note), max(note), max(at) FROM adbc_orders WHERE tenant >= 1000")
    query(cursor, "SELECT count(*), sum(id)::text, count(note) FROM adbc_ingested")
    cursor.execute("SELECT id, note, share, at FROM adbc_orders WHERE tenant >= 1000")
    rows = ids = batches = 0
    reader = cursor.fetch_record_batch()
    for batch in reader:
        rows, ids, batches = rows + batch.num_rows, ids + pyarrow.compute.sum(batch["id"]).as_py(), batches + 1
    print(rows, "rows, ids", ids, reader.schema.to_string().replace("\n", " "))
    print("# metadata")
    for node in connection.adbc_get_objects(depth="all", catalog_filter=os.environ["PGDATABASE"], db_schema_filter="public",
                                            table_name_filter="adbc%").read_all().to_pylist():
        objects(node)
    print(connection.adbc_get_table_schema("adbc_orders").to_string().replace("\n", " "))
    try:
        connection.adbc_get_table_schema("nowhere")
    except Exception as error:
        fail(error)
    print("tables", [kind for kind in connection.adbc_get_table_types() if kind in ("table", "view")])
    print("# errors")
    for text in ("SELEC 1", "SELECT nothing FROM adbc_orders", "SELECT * FROM nowhere", "SELECT 1/0", "SELECT 'x'::int", "SELECT upperr('x')",
                 "INSERT INTO adbc_orders (tenant, id) VALUES (1, 1)", "INSERT INTO adbc_orders (tenant) VALUES (1)", "LISTEN changes"):
        print(text)
        query(cursor, text)
    try:
        cursor.adbc_ingest("adbc_orders", pyarrow.table({"tenant": [1], "id": [1]}), mode="append")
        print("twice")
    except Exception as error:
        fail(error)
    try:
        cursor.adbc_ingest("adbc_orders", pyarrow.table({"tenant": [1], "nothing": [1]}), mode="append")
    except Exception as error:
        fail(error)
    print("# transactions")
    with adbc.connect(address(more="?sslmode=disable")) as block, block.cursor() as inner:
        query(inner, "INSERT INTO adbc_orders (tenant, id, note) VALUES (500, 1, 'kept')")
        query(inner, "SELECT note FROM adbc_orders WHERE tenant = 500")
        block.rollback()
        query(inner, "SELECT note FROM adbc_orders WHERE tenant = 500")
        inner.adbc_ingest("adbc_orders", pyarrow.table({"tenant": [500], "id": [2], "note": ["ingested"]}), mode="append")
        query(inner, "UPDATE adbc_orders SET note = 'kept well' WHERE tenant = 500 AND id = 2")
        block.commit()
        query(inner, "SELECT note FROM adbc_orders WHERE tenant = 500")
    query(cursor, "INSERT INTO adbc_orders (tenant, id, whole) VALUES (600, 1, 5) ON CONFLICT (tenant, id) DO UPDATE SET whole = excluded.whole RETURNING id, whole")
    query(cursor, "SET statement_timeout = 200")
    query(cursor, "SELECT pg_sleep(20)")
    query(cursor, "RESET statement_timeout")
    query(cursor, "DROP TABLE adbc_orders")
    query(cursor, "DROP TABLE adbc_ingested")
    cursor.close()
    connection.close()


main()
