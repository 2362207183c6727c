// pgx.go — what an application does through pgx 4, and what it was told, as a transcript (Tools/clients/programs compares two of them).
package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var ctx = context.Background()

func fail(err error) {
	var told *pgconn.PgError
	if errors.As(err, &told) {
		say("error %s %s position %d hint %q detail %q table %q constraint %q", told.Code, told.Message, told.Position, told.Hint, told.Detail,
			told.TableName, told.ConstraintName)
	} else if pgconn.Timeout(err) {
		say("error: out of time")
	} else {
		say("error %T", err)
	}
}

type asker interface {
	Query(context.Context, string, ...interface{}) (pgx.Rows, error)
}

func query(c asker, sql string, values ...interface{}) {
	rows, err := c.Query(ctx, sql, values...)
	if err != nil {
		fail(err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			say("cannot read: %v", err)
			return
		}
		texts := []string{}
		for _, value := range row {
			texts = append(texts, show(value))
		}
		say("%s", strings.Join(texts, " | "))
	}
	if rows.Err() != nil {
		fail(rows.Err())
		return
	}
	say("%s", rows.CommandTag())
}

func exec(c *pgx.Conn, sql string, values ...interface{}) {
	tag, err := c.Exec(ctx, sql, values...)
	if err != nil {
		fail(err)
		return
	}
	say("%s", tag)
}

func must(err error) {
	if err != nil {
		say("failed: %v", err)
		os.Exit(1)
	}
}

func numeric(text string) pgtype.Numeric {
	var n pgtype.Numeric
	must(n.Set(text))
	return n
}

func order(tenant, id int64) []interface{} {
	at, _ := time.Parse(time.RFC3339, "2026-02-28T23:59:59.123456+02:00")
	none := (*string)(nil)
	a, b := "a,b", ""
	one, least := int64(1), int64(-9223372036854775808)
	return []interface{}{tenant, id, int16(-7), int32(2147483647), numeric("12345678.90"), "näive \"quoted\", 'x' \\ and\ttab ☃", fmt.Sprint("A-", id), at,
		time.Date(2026, 2, 28, 23, 59, 59, 999999000, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		pgtype.Interval{Months: 14, Days: 3, Microseconds: 14706789000, Status: pgtype.Present}, map[string]interface{}{"a": "☃", "b": []interface{}{1, 2.5, nil}},
		[]byte{0, 1, 255, 10, 92}, [16]byte{0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255}, []*string{&a, none, &b},
		[]*int64{&one, nil, &least}, true, 0.1, float32(1.5)}
}

func main() {
	say("# over TLS")
	secure, err := pgx.Connect(ctx, environment("sslmode=require"))
	must(err)
	query(secure, "SELECT current_user::text, current_database()::text")
	say("version %s", strings.Fields(secure.PgConn().ParameterStatus("server_version"))[0][:2])
	must(secure.Close(ctx))
	_, err = pgx.Connect(ctx, strings.Replace(environment("sslmode=disable"), "correct", "wrong", 1))
	fail(err)
	c, err := pgx.Connect(ctx, environment("sslmode=disable application_name=shop"))
	must(err)

	say("# schema")
	exec(c, "DROP TABLE IF EXISTS pgx_orders")
	exec(c, "CREATE TABLE pgx_orders ("+columns+")")
	exec(c, "SELECT create_distributed_table('pgx_orders', 'tenant')")
	exec(c, "CREATE INDEX pgx_orders_day ON pgx_orders (day)")

	say("# every type, both ways")
	insert := "INSERT INTO pgx_orders VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)"
	for id := int64(1); id <= 5; id++ {
		exec(c, insert, order(id%2, id)...)
	}
	nothing := make([]interface{}, 19)
	nothing[0], nothing[1] = int64(9), int64(9)
	exec(c, insert, nothing...)
	for _, id := range []int64{1, 9} {
		query(c, "SELECT * FROM pgx_orders WHERE tenant = $1 AND id = $1", id)
	}
	described, err := c.Prepare(ctx, "described", "SELECT tenant, price, tags, count(*) OVER () AS n FROM pgx_orders WHERE id = ANY ($1) AND day > $2 LIMIT $3")
	must(err)
	for _, field := range described.Fields {
		say("%s %d %d %d of a table: %v column %d", field.Name, field.DataTypeOID, field.DataTypeSize, field.TypeModifier, field.TableOID != 0, field.TableAttributeNumber)
	}
	say("%v", described.ParamOIDs)
	query(c, "described", []int64{1, 3}, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), 10)
	query(c, "SELECT sum(price), avg(share), max(took), count(DISTINCT code), array_agg(id ORDER BY id) FROM pgx_orders WHERE price > $1", numeric("1.5"))
	query(c, "SELECT doc->>'a', doc @> $1, raw = $2, key = $3 FROM pgx_orders WHERE tenant = 1 AND id = 1", map[string]string{"a": "☃"},
		[]byte{0, 1, 255, 10, 92}, "00112233-4455-6677-8899-aabbccddeeff")
	query(c, "SELECT * FROM pgx_orders WHERE id = 1", pgx.QuerySimpleProtocol(true))

	say("# 100,000 rows by CopyFrom, read back")
	count, err := c.CopyFrom(ctx, pgx.Identifier{"pgx_orders"}, []string{"tenant", "id", "price", "note", "at", "tags", "key", "took"},
		pgx.CopyFromSlice(100000, func(i int) ([]interface{}, error) {
			return []interface{}{int64(1000 + i%50), int64(i), pgtype.Numeric{Int: big.NewInt(int64(i%100)*100 + 25), Exp: -2, Status: pgtype.Present},
				fmt.Sprint("row ", i), time.Unix(int64(i), 0), []string{"x", fmt.Sprint(i)}, [16]byte{byte(i)},
				pgtype.Interval{Microseconds: int64(i), Status: pgtype.Present}}, nil
		}))
	if err != nil {
		fail(err)
	}
	say("copied %d", count)
	query(c, "SELECT count(*), sum(price), sum(id), min(note), max(note), max(at), sum(took)::text FROM pgx_orders WHERE tenant >= 1000")
	_, err = c.CopyFrom(ctx, pgx.Identifier{"pgx_orders"}, []string{"tenant", "id"}, pgx.CopyFromRows([][]interface{}{{int64(1), int64(777)}, {int64(1), int64(1)}}))
	fail(err)
	_, err = c.CopyFrom(ctx, pgx.Identifier{"pgx_orders"}, []string{"tenant", "nothing"}, pgx.CopyFromRows([][]interface{}{{int64(1), int64(777)}}))
	fail(err)
	query(c, "SELECT count(*) FROM pgx_orders WHERE id = 777 AND tenant = 1")
	rows, err := c.Query(ctx, "SELECT id, price, note, tags FROM pgx_orders WHERE tenant >= 1000")
	must(err)
	var n, ids, letters int64
	for rows.Next() {
		var id int64
		var price float64
		var note string
		var tags []string
		must(rows.Scan(&id, &price, &note, &tags))
		n, ids, letters = n+1, ids+id, letters+int64(len(note)+len(tags[1]))
	}
	say("%d rows, ids %d, letters %d, %v", n, ids, letters, rows.Err())
	var out strings.Builder
	tag, err := c.PgConn().CopyTo(ctx, &out, "COPY (SELECT tenant, id, price, note FROM pgx_orders WHERE tenant >= 1000 ORDER BY id LIMIT 3) TO STDOUT WITH (FORMAT csv, HEADER)")
	say("%s %v %q", tag, err, out.String())

	say("# a batch in one Sync")
	batch := &pgx.Batch{}
	for i := 0; i < 200; i++ {
		batch.Queue("INSERT INTO pgx_orders (tenant, id, note) VALUES ($1, $2, $3)", int64(2000+i%3), int64(i), fmt.Sprint("batch ", i))
	}
	batch.Queue("SELECT count(*) FROM pgx_orders WHERE tenant >= 2000")
	results := c.SendBatch(ctx, batch)
	var affected int64
	for i := 0; i < 200; i++ {
		tag, err := results.Exec()
		must(err)
		affected += tag.RowsAffected()
	}
	var counted int64
	must(results.QueryRow().Scan(&counted))
	say("%d inserted, %d read in the same batch, %v", affected, counted, results.Close())
	batch = &pgx.Batch{}
	batch.Queue("INSERT INTO pgx_orders (tenant, id) VALUES (3000, 1)")
	batch.Queue("INSERT INTO pgx_orders (tenant, id) VALUES (3000, 1)")
	fail(c.SendBatch(ctx, batch).Close())
	query(c, "SELECT count(*) FROM pgx_orders WHERE tenant = 3000")

	say("# errors")
	for _, text := range wrong {
		text = strings.Replace(text, "%s", "pgx_orders", 1)
		say("%s", text)
		exec(c, text)
	}
	query(c, "SELECT 1 / $1::int", 0)
	_, err = c.Exec(ctx, "SELECT count(*) FROM pgx_orders WHERE tenant = $1", "one")
	say("a wrong argument: %v", err != nil)
	multi := c.PgConn().Exec(ctx, "SELECT 1 AS a; SELECT 2 AS b; SELECT 1/0; SELECT 3")
	for multi.NextResult() {
		r := multi.ResultReader()
		for r.NextRow() {
			say("%s", r.Values()[0])
		}
	}
	fail(multi.Close())

	say("# time limits and cancelling")
	limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	d, err := pgx.Connect(ctx, environment("sslmode=disable"))
	must(err)
	_, err = d.Exec(limited, "SELECT pg_sleep(20)")
	cancel()
	fail(err)
	exec(c, "SET statement_timeout = 200")
	exec(c, "SELECT pg_sleep(20)")
	exec(c, "RESET statement_timeout")
	go func() {
		time.Sleep(300 * time.Millisecond)
		c.PgConn().CancelRequest(ctx)
	}()
	exec(c, "SELECT pg_sleep(20)")
	query(c, "SELECT 'still here'::text")

	say("# transactions")
	tx, err := c.Begin(ctx)
	must(err)
	query(tx, "INSERT INTO pgx_orders (tenant, id, note) VALUES (500, 1, 'kept')")
	inner, err := tx.Begin(ctx)
	must(err)
	query(inner, "INSERT INTO pgx_orders (tenant, id, note) VALUES (500, 1, 'twice')")
	query(inner, "SELECT 1")
	must(inner.Rollback(ctx))
	query(tx, "UPDATE pgx_orders SET note = 'kept well' WHERE tenant = 500 AND id = 1 RETURNING note, id")
	must(tx.Commit(ctx))
	tx, _ = c.Begin(ctx)
	query(tx, "DELETE FROM pgx_orders WHERE tenant = 500")
	must(tx.Rollback(ctx))
	query(c, "SELECT note FROM pgx_orders WHERE tenant = 500")
	tx, _ = c.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	query(tx, "DELETE FROM pgx_orders WHERE tenant = 500")
	say("%v", tx.Commit(ctx))
	for i := int64(1); i <= 3; i++ {
		query(c, "INSERT INTO pgx_orders (tenant, id, note, whole) VALUES ($1, 1, $2, $3) ON CONFLICT (tenant, id) DO UPDATE SET note = excluded.note,"+
			" whole = pgx_orders.whole + excluded.whole RETURNING id, note, whole", int64(600), fmt.Sprint("time ", i), i)
	}

	say("# a pool")
	pool, err := pgxpool.Connect(ctx, environment("sslmode=disable pool_max_conns=4"))
	must(err)
	done := make(chan int64)
	for i := 0; i < 8; i++ {
		go func(i int64) {
			var n int64
			for k := int64(0); k < 20; k++ {
				var one int64
				if pool.QueryRow(ctx, "SELECT count(*) FROM pgx_orders WHERE tenant = $1 AND id >= $2", 1000+i, k).Scan(&one) == nil {
					n += one
				}
			}
			done <- n
		}(int64(i))
	}
	var sum int64
	for i := 0; i < 8; i++ {
		sum += <-done
	}
	say("eight of four: %d, connections %d", sum, pool.Stat().TotalConns())
	pool.Close()
	exec(c, "DISCARD ALL")
	exec(c, "DROP TABLE pgx_orders")
	must(c.Close(ctx))
}
