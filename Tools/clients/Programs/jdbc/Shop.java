// Shop.java — what an application does through pgjdbc, and what it was told, as a transcript (Tools/clients/programs compares two of them).
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

public class Shop {
  interface Step { void run() throws Exception; }

  static void say(String text) { System.out.println(text); }

  static void part(String title, Connection c, Step step) throws Exception {
    say("# " + title);
    try {
      step.run();
    } catch (SQLException e) {
      fail(e);
      if (!c.isClosed() && !c.getAutoCommit()) c.rollback();
    }
  }

  static void fail(SQLException e) {
    for (SQLException one = e; one != null; one = one.getNextException()) {
      if (one instanceof BatchUpdateException) { say("batch failed: " + one.getSQLState()); continue; }
      String place = "";
      if (one instanceof PSQLException p && p.getServerErrorMessage() != null)
        place = " at " + p.getServerErrorMessage().getPosition() + " hint " + p.getServerErrorMessage().getHint()
            + " constraint " + p.getServerErrorMessage().getConstraint() + " detail " + p.getServerErrorMessage().getDetail();
      say("error " + one.getSQLState() + " " + one.getMessage().split("\n")[0] + place);
    }
  }

  static Connection open(String... more) throws SQLException {
    Properties p = new Properties();
    p.setProperty("user", System.getenv("PGUSER"));
    p.setProperty("password", System.getenv("PGPASSWORD"));
    p.setProperty("ApplicationName", "shop");
    for (int i = 0; i < more.length; i += 2) p.setProperty(more[i], more[i + 1]);
    return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
        + System.getenv("PGDATABASE"), p);
  }

  /** All rows of a result, with the names and types of its columns. */
  static void show(ResultSet r) throws SQLException {
    ResultSetMetaData m = r.getMetaData();
    StringBuilder head = new StringBuilder();
    for (int i = 1; i <= m.getColumnCount(); i++)
      head.append(i > 1 ? " | " : "").append(m.getColumnLabel(i)).append(":").append(m.getColumnTypeName(i)).append("(")
          .append(m.getPrecision(i)).append(",").append(m.getScale(i)).append(")");
    say(head.toString());
    while (r.next()) {
      StringBuilder row = new StringBuilder();
      for (int i = 1; i <= m.getColumnCount(); i++) {
        Object value = r.getObject(i);
        String text = value instanceof byte[] b ? java.util.HexFormat.of().formatHex(b) : String.valueOf(r.getString(i));
        row.append(i > 1 ? " | " : "").append(text).append(value == null ? "" : "/" + value.getClass().getSimpleName());
      }
      say(row.toString());
    }
    r.close();
  }

  static void query(Connection c, String sql) throws SQLException {
    try (Statement s = c.createStatement()) { show(s.executeQuery(sql)); }
  }

  static int update(Connection c, String sql) throws SQLException {
    try (Statement s = c.createStatement()) { return s.executeUpdate(sql); }
  }

  /** Some columns of a metadata result; what is a server's own (numbers, owners) is left out. */
  interface Rows { ResultSet get() throws SQLException; }

  static void metadata(Rows rows, String... columns) {
    try (ResultSet r = rows.get()) {
      while (r.next()) {
        StringBuilder row = new StringBuilder();
        for (String column : columns) row.append(column).append("=").append(r.getString(column)).append(" ");
        say(row.toString().trim());
      }
    } catch (SQLException e) { fail(e); }
  }

  static String create = "CREATE TABLE jdbc_orders (tenant bigint NOT NULL, id bigint NOT NULL, small smallint, whole integer, price numeric(12,2),"
      + " note text DEFAULT 'none', code varchar(20), at timestamptz, local timestamp, day date, took interval, doc jsonb, raw bytea,"
      + " key uuid, tags text[], counts bigint[], paid boolean, share double precision, part real, PRIMARY KEY (tenant, id))";
  static String insert = "INSERT INTO jdbc_orders VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

  static void bind(Connection c, PreparedStatement s, long tenant, long id) throws SQLException {
    s.setLong(1, tenant);
    s.setLong(2, id);
    s.setShort(3, (short) -7);
    s.setInt(4, 2147483647);
    s.setBigDecimal(5, new BigDecimal("12345678.90"));
    s.setString(6, "näive \"quoted\", 'x' \\ and\ttab ☃");
    s.setString(7, "A-" + id);
    s.setObject(8, OffsetDateTime.parse("2026-02-28T23:59:59.123456+02:00"));
    s.setObject(9, LocalDateTime.parse("2026-02-28T23:59:59.999999"));
    s.setObject(10, LocalDate.parse("2024-02-29"));
    s.setObject(11, new PGInterval("1 year 2 mons 3 days 04:05:06.789"));
    PGobject doc = new PGobject();
    doc.setType("jsonb");
    doc.setValue("{\"b\": [1, 2.50, null], \"a\": \"☃\"}");
    s.setObject(12, doc);
    s.setBytes(13, new byte[] {0, 1, (byte) 0xff, 10, 92});
    s.setObject(14, UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"));
    s.setArray(15, c.createArrayOf("text", new String[] {"a,b", null, "q\"x", ""}));
    s.setArray(16, c.createArrayOf("bigint", new Long[] {1L, null, -9223372036854775808L}));
    s.setBoolean(17, true);
    s.setDouble(18, 0.1);
    s.setFloat(19, 1.5f);
  }

  public static void main(String[] arguments) throws Exception {
    try (Connection c = open("sslmode", "require")) {
      say("# over TLS");
      query(c, "SELECT current_user, current_database()");
      say(c.getMetaData().getDatabaseProductName() + " " + c.getMetaData().getDatabaseMajorVersion());
    }
    try (Connection c = open("password", "wrong")) { say("let in"); } catch (SQLException e) { fail(e); }
    Connection c = open();
    part("schema", c, () -> {
      update(c, "DROP TABLE IF EXISTS jdbc_orders");
      say("created " + update(c, create));
      query(c, "SELECT create_distributed_table('jdbc_orders', 'tenant')");
      update(c, "CREATE INDEX jdbc_orders_day ON jdbc_orders (day)");
      update(c, "COMMENT ON TABLE jdbc_orders IS 'what was ordered'");
      update(c, "COMMENT ON COLUMN jdbc_orders.price IS 'in euros'");
      update(c, "CREATE VIEW jdbc_paid AS SELECT tenant, id, price FROM jdbc_orders WHERE paid");
    });
    part("every type, first as text, then as binary", c, () -> {
      PreparedStatement s = c.prepareStatement(insert);
      for (int i = 1; i <= 8; i++) { bind(c, s, i % 3, i); s.executeUpdate(); }
      s.setLong(1, 9);
      s.setLong(2, 9);
      int[] types = {Types.SMALLINT, Types.INTEGER, Types.NUMERIC, Types.VARCHAR, Types.VARCHAR, Types.TIMESTAMP_WITH_TIMEZONE, Types.TIMESTAMP,
          Types.DATE, Types.OTHER, Types.OTHER, Types.BINARY, Types.OTHER, Types.ARRAY, Types.ARRAY, Types.BOOLEAN, Types.DOUBLE, Types.REAL};
      for (int i = 0; i < types.length; i++) s.setNull(i + 3, types[i]);
      say("inserted " + s.executeUpdate());
      PreparedStatement q = c.prepareStatement("SELECT * FROM jdbc_orders WHERE tenant = ? AND id = ?");
      for (int i = 1; i <= 7; i++) {
        q.setLong(1, 1);
        q.setLong(2, 7);
        ResultSet r = q.executeQuery();
        if (i == 1 || i == 7) show(r);
        else {
          r.next();
          Array tags = r.getArray("tags");
          if (i == 6) say(java.util.Arrays.toString((Object[]) tags.getArray()) + " " + r.getTimestamp("at").toInstant() + " " + r.getObject("local",
              LocalDateTime.class) + " " + r.getObject("key", UUID.class) + " " + r.getBigDecimal("price").scale() + " " + r.getObject("took"));
        }
      }
      q.setLong(1, 9);
      q.setLong(2, 9);
      show(q.executeQuery());
      ResultSetMetaData m = q.getMetaData();
      for (int i = 1; i <= m.getColumnCount(); i++)
        say(m.getTableName(i) + "." + m.getColumnName(i) + " " + m.getColumnTypeName(i) + " " + m.getColumnClassName(i) + " " + m.isNullable(i) + " "
            + m.isAutoIncrement(i) + " " + m.getColumnDisplaySize(i));
      java.sql.ParameterMetaData pm = c.prepareStatement(insert).getParameterMetaData();
      StringBuilder types2 = new StringBuilder();
      for (int i = 1; i <= pm.getParameterCount(); i++) types2.append(pm.getParameterTypeName(i)).append(" ");
      say(types2.toString());
    });
    part("parameters of queries", c, () -> {
      String[] texts = {"SELECT count(*) FROM jdbc_orders WHERE price > ? AND note LIKE ? AND day BETWEEN ? AND ? AND id = ANY (?)"};
      PreparedStatement s = c.prepareStatement(texts[0]);
      for (int i = 0; i < 6; i++) {
        s.setBigDecimal(1, new BigDecimal("1.5"));
        s.setString(2, "n%");
        s.setObject(3, LocalDate.parse("2024-01-01"));
        s.setDate(4, java.sql.Date.valueOf("2024-12-31"));
        s.setArray(5, c.createArrayOf("bigint", new Long[] {1L, 2L, 3L}));
        ResultSet r = s.executeQuery();
        if (i == 0 || i == 5) show(r);
      }
      s = c.prepareStatement("SELECT date_trunc('hour', at) AS hour, sum(price), avg(share), max(took), bool_or(paid), count(DISTINCT code), array_agg(id ORDER BY id)"
          + " FROM jdbc_orders WHERE at > ? GROUP BY 1 ORDER BY 1 LIMIT ? OFFSET ?");
      s.setTimestamp(1, java.sql.Timestamp.from(OffsetDateTime.parse("2020-01-01T00:00:00Z").toInstant()));
      s.setInt(2, 10);
      s.setInt(3, 0);
      show(s.executeQuery());
      s = c.prepareStatement("SELECT doc->>'a', doc @> ?::jsonb, raw = ?, key = ? FROM jdbc_orders WHERE tenant = 1 AND id = 1");
      s.setString(1, "{\"a\": \"☃\"}");
      s.setBytes(2, new byte[] {0, 1, (byte) 0xff, 10, 92});
      s.setObject(3, UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"));
      show(s.executeQuery());
    });
    for (String rewritten : new String[] {"false", "true"})
      try (Connection d = open("reWriteBatchedInserts", rewritten)) {
        part("a batch, rewritten " + rewritten, d, () -> {
          d.setAutoCommit(false);
          PreparedStatement s = d.prepareStatement("INSERT INTO jdbc_orders (tenant, id, price, note) VALUES (?, ?, ?, ?)");
          for (int i = 0; i < 1000; i++) {
            s.setLong(1, 100 + i % 7);
            s.setLong(2, (rewritten.equals("true") ? 10000 : 20000) + i);
            s.setBigDecimal(3, new BigDecimal(i).movePointLeft(2));
            s.setString(4, "batch " + i);
            s.addBatch();
          }
          int[] counts = s.executeBatch();
          d.commit();
          say(counts.length + " of " + (rewritten.equals("true") ? "many" : java.util.Arrays.stream(counts).sum()));
          query(d, "SELECT count(*), sum(price) FROM jdbc_orders WHERE tenant >= 100");
          s.setLong(1, 100);
          s.setLong(2, 1);
          s.addBatch();
          s.addBatch();
          try { s.executeBatch(); } catch (BatchUpdateException e) { fail(e); }
          d.rollback();
          query(d, "SELECT count(*) FROM jdbc_orders WHERE tenant >= 100");
        });
      }
    part("COPY in and out", c, () -> {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < 100000; i++) text.append(1000 + i % 50).append(",").append(i).append(",").append(i % 100).append(".25,row ").append(i).append("\n");
      var copies = ((PGConnection) c).getCopyAPI();
      say("copied " + copies.copyIn("COPY jdbc_orders (tenant, id, price, note) FROM STDIN WITH (FORMAT csv)", new StringReader(text.toString())));
      query(c, "SELECT count(*), sum(price), sum(id), min(note), max(note) FROM jdbc_orders WHERE tenant >= 1000");
      StringWriter out = new StringWriter();
      say("out " + copies.copyOut("COPY (SELECT tenant, id, price, note FROM jdbc_orders WHERE tenant >= 1000 ORDER BY id LIMIT 3) TO STDOUT", out));
      say(out.toString().replace("\n", ";"));
      try {
        copies.copyIn("COPY jdbc_orders (tenant, id, price) FROM STDIN WITH (FORMAT csv)", new StringReader("1,1000001,5\n1,x,5\n"));
      } catch (SQLException e) { fail(e); }
      query(c, "SELECT count(*) FROM jdbc_orders WHERE id = 1000001");
    });
    part("100,000 rows by a cursor", c, () -> {
      c.setAutoCommit(false);
      try (PreparedStatement s = c.prepareStatement("SELECT id, price, note FROM jdbc_orders WHERE tenant >= 1000")) {
        s.setFetchSize(1000);
        ResultSet r = s.executeQuery();
        long rows = 0, ids = 0, length = 0;
        BigDecimal sum = BigDecimal.ZERO;
        while (r.next()) {
          rows++;
          ids += r.getLong(1);
          sum = sum.add(r.getBigDecimal(2));
          length += r.getString(3).length();
          // Others run beside the open portal.
          if (rows == 5000) query(c, "SELECT 'beside' AS x");
        }
        say(rows + " rows, ids " + ids + ", price " + sum + ", notes " + length);
      }
      c.commit();
      c.setAutoCommit(true);
    });
    part("errors", c, () -> {
      String[] texts = {"SELEC 1", "SELECT nothing FROM jdbc_orders", "SELECT * FROM jdbc_nowhere", "SELECT 1/0", "SELECT 'x'::int", "SELECT upperr('x')",
          "INSERT INTO jdbc_orders (tenant, id) VALUES (1, 1)", "INSERT INTO jdbc_orders (tenant) VALUES (1)", "SELECT note FROM jdbc_orders GROUP BY tenant",
          "INSERT INTO jdbc_orders (tenant, id, code) VALUES (1, 2000, 'longer than twenty characters')", "SELECT 99999999999::int", "LISTEN changes",
          "INSERT INTO jdbc_orders (tenant, id, day) VALUES (1, 2001, '2026-02-30')", "CREATE TABLE jdbc_orders (a int)"};
      for (String text : texts)
        try { say(text + ": " + update(c, text)); } catch (SQLException e) { say(text); fail(e); }
      PreparedStatement s = c.prepareStatement("SELECT count(*) FROM jdbc_orders WHERE tenant = ?");
      s.setString(1, "one");
      try { show(s.executeQuery()); } catch (SQLException e) { fail(e); }
    });
    part("time limits and cancelling", c, () -> {
      try (Statement s = c.createStatement()) {
        s.setQueryTimeout(1);
        s.execute("SELECT pg_sleep(20)");
      } catch (SQLException e) { fail(e); }
      try (Statement s = c.createStatement()) {
        s.execute("SET statement_timeout = 200");
        s.execute("SELECT pg_sleep(20)");
      } catch (SQLException e) { fail(e); }
      update(c, "RESET statement_timeout");
      query(c, "SELECT 'still here' AS x");
    });
    part("transactions", c, () -> {
      c.setAutoCommit(false);
      say("isolation " + c.getTransactionIsolation() + " read only " + c.isReadOnly());
      update(c, "INSERT INTO jdbc_orders (tenant, id, note) VALUES (500, 1, 'kept')");
      Savepoint point = c.setSavepoint("here");
      try { update(c, "INSERT INTO jdbc_orders (tenant, id, note) VALUES (500, 1, 'twice')"); } catch (SQLException e) { fail(e); }
      try { query(c, "SELECT 1 AS x"); } catch (SQLException e) { fail(e); }
      c.rollback(point);
      say("updated " + update(c, "UPDATE jdbc_orders SET note = 'kept well' WHERE tenant = 500 AND id = 1"));
      c.commit();
      say("deleted " + update(c, "DELETE FROM jdbc_orders WHERE tenant = 500"));
      c.rollback();
      query(c, "SELECT id, note FROM jdbc_orders WHERE tenant = 500");
      c.commit();
      c.setReadOnly(true);
      try { update(c, "DELETE FROM jdbc_orders WHERE tenant = 500"); } catch (SQLException e) { fail(e); }
      c.rollback();
      c.setReadOnly(false);
      c.setAutoCommit(true);
      query(c, "SELECT count(*) FROM jdbc_orders WHERE tenant = 500");
    });
    part("upserts and generated keys", c, () -> {
      PreparedStatement s = c.prepareStatement("INSERT INTO jdbc_orders (tenant, id, note, whole) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, id) DO UPDATE"
          + " SET note = excluded.note, whole = jdbc_orders.whole + excluded.whole RETURNING id, note, whole");
      for (int i = 1; i <= 6; i++) {
        s.setLong(1, 600);
        s.setLong(2, i / 4);
        s.setString(3, "time " + i);
        s.setInt(4, i);
        show(s.executeQuery());
      }
      say("nothing " + update(c, "INSERT INTO jdbc_orders (tenant, id) VALUES (600, 1) ON CONFLICT DO NOTHING"));
      update(c, "DROP TABLE IF EXISTS jdbc_items");
      update(c, "CREATE TABLE jdbc_items (id bigserial PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now())");
      try (PreparedStatement g = c.prepareStatement("INSERT INTO jdbc_items (name) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
        for (String name : new String[] {"one", "two"}) {
          g.setString(1, name);
          g.executeUpdate();
          ResultSet keys = g.getGeneratedKeys();
          keys.next();
          say("key positive " + (keys.getLong(1) > 0) + " name " + keys.getString("name") + " made " + (keys.getTimestamp("made") != null));
        }
      }
      try (Statement u = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
        ResultSet r = u.executeQuery("SELECT id, name FROM jdbc_items ORDER BY name");
        r.last();
        say("scrolled to " + r.getRow());
        r.first();
        r.updateString("name", "uno");
        r.updateRow();
      } catch (SQLException e) { fail(e); }
      query(c, "SELECT name FROM jdbc_items ORDER BY name");
    });
    part("metadata", c, () -> {
      DatabaseMetaData m = c.getMetaData();
      metadata(() -> m.getTables(null, "public", "jdbc%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS");
      metadata(() -> m.getColumns(null, "public", "jdbc_orders", "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE",
          "REMARKS", "COLUMN_DEF", "ORDINAL_POSITION", "IS_NULLABLE", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN");
      metadata(() -> m.getColumns(null, "public", "jdbc_items", "%"), "COLUMN_NAME", "TYPE_NAME", "COLUMN_DEF", "IS_AUTOINCREMENT");
      metadata(() -> m.getPrimaryKeys(null, "public", "jdbc_orders"), "TABLE_NAME", "COLUMN_NAME", "KEY_SEQ", "PK_NAME");
      metadata(() -> m.getIndexInfo(null, "public", "jdbc_orders", false, true), "NON_UNIQUE", "INDEX_NAME", "TYPE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC");
      metadata(() -> m.getImportedKeys(null, "public", "jdbc_orders"), "FK_NAME");
      metadata(() -> m.getSchemas(null, "public"), "TABLE_SCHEM");
      metadata(() -> m.getCatalogs(), "TABLE_CAT");
      metadata(() -> m.getTableTypes(), "TABLE_TYPE");
      metadata(() -> m.getBestRowIdentifier(null, "public", "jdbc_orders", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME", "TYPE_NAME");
      metadata(() -> m.getColumnPrivileges(null, "public", "jdbc_items", "name"), "COLUMN_NAME", "PRIVILEGE");
      metadata(() -> m.getFunctions(null, "pg_catalog", "date_trunc"), "FUNCTION_NAME");
      say("types " + (m.getTypeInfo().next()) + " max name " + m.getMaxColumnNameLength() + " functions " + m.getStringFunctions().length());
    });
    part("as a pool does", c, () -> {
      say("valid " + c.isValid(2));
      update(c, "SET TIME ZONE 'Europe/Berlin'");
      query(c, "SELECT at, extract(hour FROM at) AS h FROM jdbc_orders WHERE tenant = 1 AND id = 1");
      update(c, "DISCARD ALL");
      query(c, "SHOW TIME ZONE");
      say("schema " + c.getSchema() + " catalog " + c.getCatalog());
      c.setSchema("public");
      query(c, "SELECT count(*) AS n FROM jdbc_orders WHERE tenant < 10");
      try (Statement s = c.createStatement()) {
        boolean isRows = s.execute("SELECT 1 AS a; INSERT INTO jdbc_items (name) VALUES ('three'); SELECT 2 AS b");
        while (true) {
          if (isRows) show(s.getResultSet());
          else if (s.getUpdateCount() < 0) break;
          else say("count " + s.getUpdateCount());
          isRows = s.getMoreResults();
        }
      }
      update(c, "TRUNCATE jdbc_items");
      update(c, "DROP VIEW jdbc_paid");
      update(c, "DROP TABLE jdbc_orders, jdbc_items");
    });
    c.close();
    say("closed " + c.isClosed());
  }
}
