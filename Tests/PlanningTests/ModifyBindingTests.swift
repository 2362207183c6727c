// ModifyBindingTests.swift — constraints, sequences, UPDATE, DELETE, ON CONFLICT and RETURNING: errors as PostgreSQL 15 tells them, and
// plans.
import Model
import SQL
import Testing

@testable import Planning

/// statement | SQLSTATE | message | detail | hint | position, as a running PostgreSQL 15 answered over `KeyedCatalog.definitions`.
private let refusals = """
  create table z (a int primary key, b int primary key)|42P16|multiple primary keys for table "z" are not allowed|||42
  create table z (a int, primary key (b))|42703|column "b" named in key does not exist|||24
  create table z (a int, primary key (a, a))|42701|column "a" appears twice in primary key constraint|||24
  create table z (a int, unique (a, a))|42701|column "a" appears twice in unique constraint|||24
  create table z (a int, constraint c check (a > 0), constraint c check (a > 1))|42710|check constraint "c" already exists|||
  create table z (a int check (b > 0))|42703|column "b" does not exist|||30
  create table z (a int check (a))|42804|argument of CHECK must be type boolean, not type integer|||30
  create table z (a int check (count(*) > 0))|42803|aggregate functions are not allowed in check constraints|||30
  create table z (a int check ((select 1) > 0))|0A000|cannot use subquery in check constraint|||30
  create table z (a json primary key)|42704|data type json has no default operator class for access method "btree"||You must \
  specify an operator class for the index or define a default operator class for the data type.|
  create table z (a serial default 1)|42601|multiple default values specified for column "a" of table "z"|||
  create table z (a text generated always as identity)|22023|identity column type must be smallint, integer, or bigint|||
  create table z (a int default 1 generated always as identity)|42601|both default and identity specified for column "a" of table "z"|||33
  create table z (a serial[])|0A000|array of serial is not implemented|||19
  create sequence k|42P07|relation "k" already exists|||
  create sequence s increment 0|22023|INCREMENT must not be zero|||
  create sequence s as text|22023|sequence type must be smallint, integer, or bigint|||
  create sequence s minvalue 10 maxvalue 5|22023|MINVALUE (10) must be less than MAXVALUE (5)|||
  create sequence s minvalue 10 start 5|22023|START value (5) cannot be less than MINVALUE (10)|||
  create sequence s maxvalue 10 start 50|22023|START value (50) cannot be greater than MAXVALUE (10)|||
  create sequence s as smallint maxvalue 100000|22023|MAXVALUE (100000) is out of range for sequence data type smallint|||
  create sequence s cache 0|22023|CACHE (0) must be greater than zero|||
  create sequence s start 1 start 2|42601|conflicting or redundant options|||27
  create sequence s owned by k.zz|42703|column "zz" of relation "k" does not exist|||
  create sequence s owned by zz.a|42P01|relation "zz" does not exist|||
  alter sequence zz restart|42P01|relation "zz" does not exist|||
  alter sequence k restart|42809|"k" is not a sequence|||
  drop sequence zz|42P01|sequence "zz" does not exist|||
  drop sequence k|42809|"k" is not a sequence||Use DROP TABLE to remove a table.|
  drop sequence g_id_seq|2BP01|cannot drop sequence g_id_seq because other objects depend on it|default value for column id of \
  table g depends on sequence g_id_seq|Use DROP ... CASCADE to drop the dependent objects too.|
  drop sequence g_a_seq|2BP01|cannot drop sequence g_a_seq because column a of table g requires it||You can drop column a of \
  table g instead.|
  update zz set a = 1|42P01|relation "zz" does not exist|||8
  update k set zz = 1|42703|column "zz" of relation "k" does not exist|||14
  update k set n = 1, n = 2|42601|multiple assignments to same column "n"|||
  update k set n = 'x'|22P02|invalid input syntax for type bigint: "x"|||18
  update k set n = zz|42703|column "zz" does not exist|||18
  update k set n = k.zz|42703|column k.zz does not exist|||18
  update k as q set n = k.n|42P01|invalid reference to FROM-clause entry for table "k"||Perhaps you meant to reference the table \
  alias "q".|23
  update k set n = true|42804|column "n" is of type bigint but expression is of type boolean||You will need to rewrite or cast \
  the expression.|18
  update k set (n, price) = (1)|0A000|source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression|||28
  update k set (n, price) = (1, 2, 3)|42601|number of columns does not match number of values|||27
  update k set (n, price) = (select 1)|42601|number of columns does not match number of values|||27
  update k set (n, price) = (select 1, 2, 3)|42601|number of columns does not match number of values|||27
  update k set n = count(*)|42803|aggregate functions are not allowed in UPDATE|||18
  update k set n = row_number() over ()|42P20|window functions are not allowed in UPDATE|||18
  update k set n = 1 where count(*) > 1|42803|aggregate functions are not allowed in WHERE|||26
  update k set n = 1 from k|42712|table name "k" specified more than once|||
  update k set n = 1 from o k|42712|table name "k" specified more than once|||
  update k set n = 1 from o where tenant = 1|42702|column reference "tenant" is ambiguous|||33
  update k set n = 1 returning zz|42703|column "zz" does not exist|||30
  update k set n = 1 returning count(*)|42803|aggregate functions are not allowed in RETURNING|||30
  update k set n = 1 where n|42804|argument of WHERE must be type boolean, not type bigint|||26
  update g set a = 5|428C9|column "a" can only be updated to DEFAULT|Column "a" is an identity column defined as GENERATED ALWAYS.||
  update k set n = o.x|42P01|missing FROM-clause entry for table "o"|||18
  delete from zz|42P01|relation "zz" does not exist|||13
  delete from k where zz = 1|42703|column "zz" does not exist|||21
  delete from k using o where tenant = 1|42702|column reference "tenant" is ambiguous|||29
  delete from k using k|42712|table name "k" specified more than once|||
  delete from k returning zz|42703|column "zz" does not exist|||25
  insert into zz values (1)|42P01|relation "zz" does not exist|||13
  insert into k values (1, 2) on conflict (n) do nothing|42P10|there is no unique or exclusion constraint matching the ON \
  CONFLICT specification|||
  insert into k values (1, 2) on conflict (zz) do nothing|42703|column "zz" does not exist|||41
  insert into k values (1, 2) on conflict on constraint zz do nothing|42704|constraint "zz" for table "k" does not exist|||
  insert into k values (1, 2) on conflict do update set n = 1|42601|ON CONFLICT DO UPDATE requires inference specification or \
  constraint name||For example, ON CONFLICT (column_name).|29
  insert into k values (1, 2) on conflict (tenant, id) do update set n = n + 1|42702|column reference "n" is ambiguous|||72
  insert into k values (1, 2) on conflict (tenant, id) do update set zz = 1|42703|column "zz" of relation "k" does not exist|||68
  insert into k values (1, 2) on conflict (tenant, id) do update set n = excluded.zz|42703|column excluded.zz does not exist|||72
  insert into k values (1, 2) on conflict (tenant, id) do update set n = 1 where n|42702|column reference "n" is ambiguous|||80
  insert into k as q values (1, 2) on conflict (tenant, id) do update set n = k.n|42P01|invalid reference to FROM-clause entry \
  for table "k"||Perhaps you meant to reference the table alias "q".|77
  insert into k values (1, 2) returning zz|42703|column "zz" does not exist|||39
  insert into k values (1, 2) returning excluded.n|42P01|missing FROM-clause entry for table "excluded"|||39
  insert into g (a, t) values (5, 'x')|428C9|cannot insert a non-DEFAULT value into column "a"|Column "a" is an identity column \
  defined as GENERATED ALWAYS.|Use OVERRIDING SYSTEM VALUE to override.|
  insert into g (id, a, t) select 1, 2, 'x'|428C9|cannot insert a non-DEFAULT value into column "a"|Column "a" is an identity \
  column defined as GENERATED ALWAYS.|Use OVERRIDING SYSTEM VALUE to override.|
  insert into k (tenant, id, tenant) values (1, 2, 3)|42701|column "tenant" specified more than once|||28
  insert into k values (1, 2, 'a', 'x')|22P02|invalid input syntax for type bigint: "x"|||34
  """

@Test(arguments: refusals.split(separator: "\n").map { String($0) }) func errorsArePostgresOwn(_ line: String) throws {
  let parts = line.split(separator: "|", omittingEmptySubsequences: false).map { String($0) }
  let error = try KeyedCatalog.failure(parts[0])
  #expect(error?.sqlState == parts[1])
  #expect(error?.message == parts[2])
  #expect(error?.detail ?? "" == parts[3])
  #expect(error?.hint ?? "" == parts[4])
  #expect(error?.position.map { String($0) } ?? "" == parts[5])
}
