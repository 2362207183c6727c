// pq.go — what an application does through database/sql and lib/pq, and what it was told, as a transcript (Tools/clients/programs compares two of them).
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
)

func fail(err error) {
	var told *pq.Error
	if errors.As(err, &told) {
		say("error %s %s position %s hint %q detail %q table %q constraint %q", told.Code, told.Message, told.Position, told.Hint, told.Detail, told.Table,
			told.Constraint)
	} else {
		say("error %v", err)
	}
}

type runner interface {
	Query(string, ...interface{}) (*sql.Rows, error)
	Exec(string, ...interface{}) (sql.Result, error)
}

func query(db runner, text string, values ...interface{}) {
	rows, err := db.Query(text, values...)
	if err != nil {
		fail(err)
		return
	}
	defer rows.Close()
	types, _ := rows.ColumnTypes()
	for rows.Next() {
		row := make([]interface{}, len(types))
		for i := range row {
			row[i] = new(interface{})
		}
		if err := rows.Scan(row...); err != nil {
			say("cannot read: %v", err)
		}
		texts := []string{}
		for i, value := range row {
			texts = append(texts, types[i].DatabaseTypeName()+" "+show(*value.(*interface{})))
		}
		say("%s", strings.Join(texts, " | "))
	}
	if rows.Err() != nil {
		fail(rows.Err())
	}
}

func exec(db runner, text string, values ...interface{}) {
	result, err := db.Exec(text, values...)
	if err != nil {
		fail(err)
		return
	}
	count, _ := result.RowsAffected()
	say("ok, %d", count)
}

func must(err error) {
	if err != nil {
		say("failed: %v", err)
		os.Exit(1)
	}
}

func open(more string) *sql.DB {
	db, err := sql.Open("postgres", environment(more))
	must(err)
	return db
}

func main() {
	say("# over TLS")
	secure := open("sslmode=require")
	query(secure, "SELECT current_user, current_database()")
	must(secure.Close())
	bad, _ := sql.Open("postgres", strings.Replace(environment("sslmode=disable"), "correct", "wrong", 1))
	fail(bad.Ping())
	for _, kind := range []string{"sslmode=disable", "sslmode=disable binary_parameters=yes"} {
		db := open(kind)
		say("# schema, %s", kind)
		must(db.Ping())
		exec(db, "DROP TABLE IF EXISTS pq_orders")
		exec(db, "CREATE TABLE pq_orders ("+columns+")")
		exec(db, "SELECT create_distributed_table('pq_orders', 'tenant')")

		say("# every type, both ways")
		insert, err := db.Prepare("INSERT INTO pq_orders VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)")
		must(err)
		at, _ := time.Parse(time.RFC3339, "2026-02-28T23:59:59.123456+02:00")
		for id := int64(1); id <= 3; id++ {
			result, err := insert.Exec(id%2, id, int16(-7), 2147483647, "12345678.90", "näive \"quoted\", 'x' \\ and\ttab ☃", fmt.Sprint("A-", id), at,
				time.Date(2026, 2, 28, 23, 59, 59, 999999000, time.UTC), "2024-02-29", "1 year 2 mons 3 days 04:05:06.789", `{"b": [1, 2.50, null], "a": "☃"}`,
				[]byte{0, 1, 255, 10, 92}, "00112233-4455-6677-8899-aabbccddeeff", pq.Array([]sql.NullString{{String: "a,b", Valid: true}, {}, {Valid: true}}),
				pq.Array([]int64{1, -9223372036854775808}), true, 0.1, float32(1.5))
			if err != nil {
				fail(err)
			} else {
				count, _ := result.RowsAffected()
				say("inserted %d", count)
			}
		}
		nothing := make([]interface{}, 19)
		nothing[0], nothing[1] = int64(9), int64(9)
		_, err = insert.Exec(nothing...)
		say("nulls %v", err)
		for _, id := range []int64{1, 9} {
			query(db, "SELECT * FROM pq_orders WHERE tenant = $1 AND id = $1", id)
		}
		var tags []sql.NullString
		var counts []int64
		must(db.QueryRow("SELECT tags, counts FROM pq_orders WHERE id = 1").Scan(pq.Array(&tags), pq.Array(&counts)))
		say("%v %v", tags, counts)
		query(db, "SELECT count(*), sum(price), max(at), array_agg(id ORDER BY id) FROM pq_orders WHERE id = ANY ($1) AND note LIKE $2 AND at > $3 LIMIT $4",
			pq.Array([]int64{1, 3}), "n%", at.AddDate(-1, 0, 0), 5)

		say("# 100,000 rows by COPY, read back")
		tx, err := db.Begin()
		must(err)
		copied, err := tx.Prepare(pq.CopyIn("pq_orders", "tenant", "id", "price", "note", "raw"))
		must(err)
		for i := 0; i < 100000; i++ {
			_, err = copied.Exec(1000+i%50, i, fmt.Sprintf("%d.25", i%100), fmt.Sprint("row ", i), []byte{byte(i)})
			must(err)
		}
		_, err = copied.Exec()
		must(err)
		must(copied.Close())
		query(tx, "SELECT count(*) AS inside FROM pq_orders WHERE tenant >= 1000")
		must(tx.Commit())
		query(db, "SELECT count(*), sum(price), sum(id), min(note), max(note) FROM pq_orders WHERE tenant >= 1000")
		tx, _ = db.Begin()
		copied, err = tx.Prepare(pq.CopyIn("pq_orders", "tenant", "id", "day"))
		must(err)
		copied.Exec(1, 777, "2026-01-01")
		copied.Exec(1, 778, "2026-02-30")
		_, err = copied.Exec()
		fail(err)
		tx.Rollback()
		query(db, "SELECT count(*) AS none FROM pq_orders WHERE id = 777 AND tenant = 1")
		rows, err := db.Query("SELECT id, price, note, raw FROM pq_orders WHERE tenant >= 1000")
		must(err)
		var n, ids, letters int64
		for rows.Next() {
			var id int64
			var price, note string
			var raw []byte
			must(rows.Scan(&id, &price, &note, &raw))
			n, ids, letters = n+1, ids+id, letters+int64(len(note)+len(price)+int(raw[0]))
		}
		say("%d rows, ids %d, letters %d, %v", n, ids, letters, rows.Err())

		say("# errors")
		for _, text := range wrong {
			text = strings.Replace(text, "%s", "pq_orders", 1)
			say("%s", text)
			exec(db, text)
		}
		query(db, "SELECT count(*) FROM pq_orders WHERE tenant = $1", "one")
		results, err := db.Query("SELECT 1 AS a; SELECT 2 AS b")
		must(err)
		for more := true; more; more = results.NextResultSet() {
			for results.Next() {
				var value int
				must(results.Scan(&value))
				say("%d", value)
			}
		}

		say("# time limits and cancelling")
		limited, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		_, err = db.ExecContext(limited, "SELECT pg_sleep(20)")
		cancel()
		fail(err)
		exec(db, "SELECT count(*) FROM pq_orders")

		say("# transactions")
		tx, _ = db.Begin()
		exec(tx, "INSERT INTO pq_orders (tenant, id, note) VALUES (500, 1, 'kept')")
		exec(tx, "SAVEPOINT here")
		exec(tx, "INSERT INTO pq_orders (tenant, id, note) VALUES ($1, 1, 'twice')", 500)
		exec(tx, "SELECT 1")
		exec(tx, "ROLLBACK TO here")
		query(tx, "UPDATE pq_orders SET note = $1 WHERE tenant = 500 AND id = 1 RETURNING note, id", "kept well")
		must(tx.Commit())
		tx, err = db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelReadCommitted})
		must(err)
		exec(tx, "DELETE FROM pq_orders WHERE tenant = 500")
		say("%v", tx.Commit())
		for i := int64(1); i <= 3; i++ {
			query(db, "INSERT INTO pq_orders (tenant, id, note, whole) VALUES ($1, 1, $2, $3) ON CONFLICT (tenant, id) DO UPDATE SET note = excluded.note,"+
				" whole = pq_orders.whole + excluded.whole RETURNING id, note, whole", 600, fmt.Sprint("time ", i), i)
		}
		exec(db, "DISCARD ALL")
		exec(db, "DROP TABLE pq_orders")
		must(db.Close())
	}
}
