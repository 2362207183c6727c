// shop.js — what an application does through node-pg, and what it was told, as a transcript (Tools/clients/programs compares two of them).
'use strict';
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');

const say = (text) => console.log(text);
const options = (more) => ({
  host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER, password: process.env.PGPASSWORD,
  database: process.env.PGDATABASE, application_name: 'shop', ...more,
});
const show = (value) => {
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) return 'bytes ' + value.toString('hex');
  if (value instanceof Date) return 'date ' + value.toISOString();
  return JSON.stringify(value) + '/' + (Array.isArray(value) ? 'array' : typeof value);
};
const fail = (e) => say(e.code
  ? `error ${e.code} ${e.message} position ${e.position} hint ${e.hint} detail ${e.detail} table ${e.table} constraint ${e.constraint}`
  : `error ${e.message}`);
const query = async (c, text, values) => {
  try {
    const answers = await c.query(text, values);
    for (const answer of Array.isArray(answers) ? answers : [answers]) {
      say(`${answer.command} ${answer.rowCount} ${answer.fields.map((f) => `${f.name}:${f.dataTypeID}:${f.dataTypeModifier}:${f.tableID > 0}:${f.columnID}`).join(' ')}`);
      for (const row of answer.rows) say(Object.values(row).map(show).join(' | '));
    }
  } catch (e) { fail(e); }
};
const columns = 'tenant bigint NOT NULL, id bigint NOT NULL, small smallint, whole integer, price numeric(12,2), note text, code varchar(20),'
  + ' at timestamptz, local timestamp, day date, took interval, doc jsonb, raw bytea, key uuid, tags text[], counts bigint[], paid boolean,'
  + ' share double precision, part real, PRIMARY KEY (tenant, id)';

const main = async () => {
  say('# over TLS');
  const secure = new Client(options({ ssl: { rejectUnauthorized: false } }));
  await secure.connect();
  await query(secure, 'SELECT current_user, current_database()');
  await secure.end();
  const bad = new Client(options({ password: 'wrong' }));
  try { await bad.connect(); } catch (e) { fail(e); }
  const c = new Client(options());
  c.on('notice', (n) => say(`notice ${n.code} ${n.message}`));
  await c.connect();

  say('# schema');
  await query(c, 'DROP TABLE IF EXISTS node_orders');
  await query(c, `CREATE TABLE node_orders (${columns})`);
  await query(c, "SELECT create_distributed_table('node_orders', 'tenant')");
  await query(c, 'CREATE INDEX node_orders_day ON node_orders (day)');

  say('# every type, both ways');
  const order = (id) => [id % 2, id, -7, 2147483647, '12345678.90', 'näive "quoted", \'x\' \\ and\ttab ☃', `A-${id}`, new Date('2026-02-28T23:59:59.123+02:00'),
    '2026-02-28 23:59:59.999999', '2024-02-29', '1 year 2 mons 3 days 04:05:06.789', { b: [1, 2.5, null], a: '☃' }, Buffer.from([0, 1, 255, 10, 92]),
    '00112233-4455-6677-8899-aabbccddeeff', ['a,b', null, 'q"x', ''], [1, null, '-9223372036854775808'], true, 0.1, 1.5];
  const insert = `INSERT INTO node_orders VALUES (${order(1).map((_, at) => `$${at + 1}`).join(',')})`;
  for (let id = 1; id <= 3; id++) await query(c, { name: 'insert', text: insert }, order(id));
  await query(c, { name: 'insert', text: insert }, [9, 9, ...new Array(17).fill(null)]);
  for (const id of [1, 9]) await query(c, 'SELECT * FROM node_orders WHERE tenant = $1 AND id = $1', [id]);
  await query(c, 'SELECT * FROM node_orders WHERE id = 1');
  await query(c, 'SELECT count(*), sum(price), avg(share), max(took), array_agg(id ORDER BY id) FROM node_orders WHERE id = ANY ($1) AND note LIKE $2 LIMIT $3',
    [[1, 3], 'n%', 5]);
  await query(c, "SELECT doc->>'a' AS a, doc @> $1 AS b, raw = $2 AS c, key = $3 AS d FROM node_orders WHERE tenant = 1 AND id = 1",
    [{ a: '☃' }, Buffer.from([0, 1, 255, 10, 92]), '00112233-4455-6677-8899-aabbccddeeff']);
  await query(c, { text: 'SELECT tenant, id, whole, at, day FROM node_orders WHERE tenant = 1 AND id = 1', rowMode: 'array' });

  say('# 100,000 rows by inserts of many rows, read back');
  for (let from = 0; from < 100000; from += 1000) {
    const values = [];
    const rows = [];
    for (let at = from; at < from + 1000; at++) {
      values.push(1000 + at % 50, at, `${at % 100}.25`, `row ${at}`);
      rows.push(`($${values.length - 3},$${values.length - 2},$${values.length - 1},$${values.length})`);
    }
    const told = await c.query(`INSERT INTO node_orders (tenant, id, price, note) VALUES ${rows.join(',')}`, values);
    if (told.rowCount !== 1000) say(`inserted ${told.rowCount}`);
  }
  await query(c, 'SELECT count(*), sum(price), sum(id), min(note), max(note) FROM node_orders WHERE tenant >= 1000');
  await c.query('BEGIN');
  const cursor = c.query(new Cursor('SELECT id, price, note FROM node_orders WHERE tenant >= $1', [1000]));
  let [n, ids, letters] = [0, 0n, 0];
  for (let rows = await cursor.read(1000); rows.length > 0; rows = await cursor.read(1000)) {
    for (const row of rows) { n += 1; ids += BigInt(row.id); letters += row.note.length + row.price.length; }
  }
  await cursor.close();
  await c.query('COMMIT');
  say(`${n} rows by a cursor, ids ${ids}, letters ${letters}`);
  n = 0; ids = 0n;
  for await (const row of c.query(new QueryStream('SELECT id FROM node_orders WHERE tenant >= 1000', [], { batchSize: 777 }))) { n += 1; ids += BigInt(row.id); }
  say(`${n} rows by a stream, ids ${ids}`);
  const early = c.query(new Cursor('SELECT id FROM node_orders WHERE tenant >= 1000 ORDER BY id'));
  say(`first ${(await early.read(2)).map((row) => row.id)}`);
  await early.close();
  await query(c, "SELECT 'after a cursor closed early' AS x");

  say('# errors');
  for (const text of ['SELEC 1', 'SELECT nothing FROM node_orders', 'SELECT * FROM nowhere', 'SELECT 1/0', "SELECT 'x'::int", "SELECT upperr('x')",
    'INSERT INTO node_orders (tenant, id) VALUES (1, 1)', 'INSERT INTO node_orders (tenant) VALUES (1)', 'SELECT note FROM node_orders GROUP BY tenant',
    "INSERT INTO node_orders (tenant, id, code) VALUES (1, 2000, 'longer than twenty characters')", 'LISTEN changes', 'SELECT 1 AS a; SELECT 2 AS b; SELECT 1/0',
    'SELECT $1']) {
    say(text);
    await query(c, text);
  }
  await query(c, 'SELECT count(*) FROM node_orders WHERE tenant = $1', ['one']);
  await query(c, 'SELECT $1::int + $2', [1]);
  await query(c, '');

  say('# time limits and cancelling');
  const limited = new Client(options({ statement_timeout: 200 }));
  await limited.connect();
  await query(limited, 'SELECT pg_sleep(20)');
  await limited.end();
  const waiting = new Client(options());
  await waiting.connect();
  const slept = waiting.query('SELECT pg_sleep(20)').catch((e) => e);
  while ((await c.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = $2 AND query LIKE $3',
    [waiting.processID, 'active', '%pg_sleep%'])).rowCount === 0);
  const { rows: [{ ended }] } = await c.query('SELECT pg_cancel_backend($1) AS ended', [waiting.processID]);
  say(`cancelled ${ended}`);
  fail(await slept);
  await query(waiting, "SELECT 'still here' AS x");
  await waiting.end();

  say('# transactions');
  for (const text of ['BEGIN', "INSERT INTO node_orders (tenant, id, note) VALUES (500, 1, 'kept')", 'SAVEPOINT here',
    "INSERT INTO node_orders (tenant, id, note) VALUES (500, 1, 'twice')", 'SELECT 1', 'ROLLBACK TO here',
    "UPDATE node_orders SET note = 'kept well' WHERE tenant = 500 AND id = 1 RETURNING note, id", 'COMMIT', 'BEGIN READ ONLY',
    'DELETE FROM node_orders WHERE tenant = 500', 'ROLLBACK', 'SELECT note FROM node_orders WHERE tenant = 500']) await query(c, text);
  for (const at of [1, 2, 3]) {
    await query(c, 'INSERT INTO node_orders (tenant, id, note, whole) VALUES ($1, 1, $2, $3) ON CONFLICT (tenant, id) DO UPDATE SET note = excluded.note,'
      + ' whole = node_orders.whole + excluded.whole RETURNING id, note, whole', [600, `time ${at}`, at]);
  }

  say('# a pool');
  const pool = new Pool(options({ max: 4 }));
  const counts = await Promise.all([...Array(40).keys()].map((at) =>
    pool.query({ name: 'counting', text: 'SELECT count(*)::int AS n FROM node_orders WHERE tenant = $1', values: [1000 + at] })));
  say(`forty of four: ${counts.reduce((sum, one) => sum + one.rows[0].n, 0)}, connections ${pool.totalCount}`);
  await pool.end();
  await query(c, 'DISCARD ALL');
  await query(c, 'DROP TABLE node_orders');
  await c.end();
};
main().catch((e) => { fail(e); console.log(e.stack); process.exit(1); });
