// transcript.go — what the programs in Go print their transcripts with.
package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"
)

func say(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

func environment(more string) string {
	return fmt.Sprintf("host=%s port=%s user=%s password='%s' dbname=%s %s", os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGUSER"),
		os.Getenv("PGPASSWORD"), os.Getenv("PGDATABASE"), more)
}

// show writes a value so that its type is seen.
func show(value interface{}) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case []byte:
		return "bytes " + hex.EncodeToString(v)
	case time.Time:
		return "time " + v.UTC().Format("2006-01-02T15:04:05.999999Z")
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return strings.ReplaceAll(fmt.Sprintf("%v/%T", v, v), "\n", " ")
	}
}

const columns = "tenant bigint NOT NULL, id bigint NOT NULL, small smallint, whole integer, price numeric(12,2), note text, code varchar(20)," +
	" at timestamptz, local timestamp, day date, took interval, doc jsonb, raw bytea, key uuid, tags text[], counts bigint[], paid boolean," +
	" share double precision, part real, PRIMARY KEY (tenant, id)"

var wrong = []string{"SELEC 1", "SELECT nothing FROM %s", "SELECT * FROM nowhere", "SELECT 1/0", "SELECT 'x'::int", "SELECT upperr('x')",
	"INSERT INTO %s (tenant, id) VALUES (1, 1)", "INSERT INTO %s (tenant) VALUES (1)", "SELECT note FROM %s GROUP BY tenant",
	"INSERT INTO %s (tenant, id, code) VALUES (1, 2000, 'longer than twenty characters')", "LISTEN changes", "SELECT 1; SELECT 2"}
