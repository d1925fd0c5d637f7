"""INSERT, UPDATE, DELETE, MERGE, constraints, triggers, OUTPUT."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.sandbox.test_language_support import Client, FakeInstance


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A session in an empty database."""
    made = Client(FakeInstance(tmp_path))
    yield made
    made.session.close()


def test_identity_counts_and_is_seen(client: Client) -> None:
    """SCOPE_IDENTITY is the last value of this scope, also when a trigger inserts elsewhere."""
    client.ok("CREATE TABLE a(id int IDENTITY(10,5), v int); CREATE TABLE log(id int IDENTITY(1000,1), v int)")
    client.ok("CREATE TRIGGER tr ON a AFTER INSERT AS INSERT log(v) SELECT v FROM inserted")
    found = client.rows(
        "INSERT a(v) VALUES (1),(2),(3); SELECT SCOPE_IDENTITY(), @@IDENTITY, IDENT_CURRENT('a'), @@ROWCOUNT"
    )
    assert found == [(Decimal(20), Decimal(1002), Decimal(20), 3)]
    assert client.rows("SELECT id FROM a ORDER BY id") == [(10,), (15,), (20,)]


def test_identity_insert(client: Client) -> None:
    """544 without it, 545 with it and no value; a high value moves the counter, a low one does not."""
    client.ok("CREATE TABLE a(id int IDENTITY, v int)")
    assert client.fails("INSERT a(id, v) VALUES (5, 1)") == [544]
    assert client.fails("SET IDENTITY_INSERT a ON; INSERT a(v) VALUES (1)") == [545]
    client.ok(
        "SET IDENTITY_INSERT a ON; INSERT a(id, v) VALUES (50, 1), (7, 2); SET IDENTITY_INSERT a OFF; INSERT a(v) VALUES (3)"
    )
    assert client.rows("SELECT id FROM a ORDER BY id") == [(7,), (50,), (51,)]
    assert client.fails("UPDATE a SET id = 1") == [8102]


def test_identity_order_follows_order_by(client: Client) -> None:
    """INSERT ... SELECT ... ORDER BY gives identity values in that order."""
    client.ok("CREATE TABLE s(v int); INSERT s VALUES (3),(1),(2); CREATE TABLE a(id int IDENTITY, v int)")
    client.ok("INSERT a(v) SELECT v FROM s ORDER BY v DESC")
    assert client.rows("SELECT id, v FROM a ORDER BY id") == [(1, 3), (2, 2), (3, 1)]


def test_defaults(client: Client) -> None:
    """Missing columns, DEFAULT and DEFAULT VALUES take the default."""
    client.ok("CREATE TABLE a(i int DEFAULT 7, s varchar(10) DEFAULT 'x' + 'y', n int NULL)")
    client.ok("INSERT a DEFAULT VALUES; INSERT a(n) VALUES (1); INSERT a(i, s) VALUES (DEFAULT, 'q'), (2, DEFAULT)")
    assert client.rows("SELECT i, s, n FROM a") == [(7, "xy", None), (7, "xy", 1), (7, "q", None), (2, "xy", None)]
    client.ok("UPDATE a SET i = DEFAULT WHERE i = 2")
    assert client.value("SELECT COUNT(*) FROM a WHERE i = 7") == 4


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("INSERT t(k, n) VALUES (NULL, 1)", 515),
        ("INSERT t(n) VALUES (1)", 515),
        ("INSERT t(k, n) SELECT NULL, 1", 515),
        ("UPDATE t SET k = NULL", 515),
        ("INSERT t(k, n) VALUES (1, 5)", 2627),
        ("INSERT t(k, n) VALUES (9, 9), (9, 8)", 2627),
        ("INSERT t(k, n) SELECT 1, 1", 2627),
        ("UPDATE t SET k = 1 WHERE k = 2", 2627),
        ("INSERT t(k, u) VALUES (8, 'A  ')", 2601),
        ("INSERT t(k, u) VALUES (8, NULL), (9, NULL)", 2601),
        ("INSERT t(k, n) VALUES (8, -1)", 547),
        ("UPDATE t SET n = -1 WHERE k = 1", 547),
        ("INSERT t(k, s) VALUES (8, 'toolong')", 2628),
        ("INSERT t(k, s) SELECT 8, 'toolong'", 2628),
        ("UPDATE t SET s = 'toolong'", 2628),
        ("INSERT t(k, n) VALUES (8, 99999999999)", 8115),
        ("INSERT t(k, n) VALUES (8, 'x')", 245),
        ("INSERT t(k, n) VALUES (8)", 109),
        ("INSERT t(k) VALUES (8, 9)", 110),
        ("INSERT t VALUES (8)", 213),
        ("INSERT t(k, k) VALUES (8, 9)", 264),
        ("INSERT t(nope) VALUES (8)", 207),
        ("INSERT nope(k) VALUES (8)", 208),
        ("INSERT t(k, c) VALUES (8, 1)", 271),
        ("UPDATE t SET c = 1", 271),
        ("INSERT t(k, d) VALUES (8, '2024-02-30')", 241),
        ("INSERT t(k, b) VALUES (8, 'x')", 257),
        ("INSERT sys.tables(name) VALUES ('x')", 259),
    ],
)
def test_refused_rows(client: Client, sql: str, number: int) -> None:
    """The statement fails with its number and changes nothing, not even its good rows."""
    client.ok(
        "CREATE TABLE t(k int NOT NULL CONSTRAINT pk PRIMARY KEY, n int CONSTRAINT ck CHECK (n >= 0), s varchar(3), u varchar(10),"
        " c AS k * 2, d date, b varbinary(10)); CREATE UNIQUE INDEX ux ON t(u); INSERT t(k, n, u) VALUES (1, 1, 'a'), (2, 2, 'b')"
    )
    before = client.rows("SELECT * FROM t ORDER BY k")
    assert client.fails(sql) == [number]
    assert client.rows("SELECT * FROM t ORDER BY k") == before


def test_messages_name_what_was_broken(client: Client) -> None:
    """Texts carry constraint, table, column and key as SQL Server writes them."""
    client.ok(
        "CREATE TABLE p(id int PRIMARY KEY); CREATE TABLE t(k int CONSTRAINT pk PRIMARY KEY, p int CONSTRAINT fk REFERENCES p(id))"
    )
    client.ok("INSERT t VALUES (1, NULL)")
    texts = [
        client.run(sql).errors[0].message
        for sql in ("INSERT t VALUES (1, NULL)", "INSERT t VALUES (2, 5)", "INSERT t VALUES (NULL, NULL)")
    ]
    assert texts == [
        "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (1).",
        'The INSERT statement conflicted with the FOREIGN KEY constraint "fk". The conflict occurred in database "Contacts", table'
        " \"dbo.p\", column 'id'.",
        "Cannot insert the value NULL into column 'k', table 'Contacts.dbo.t'; column does not allow nulls. INSERT fails.",
    ]
    texts = [
        client.run(sql).errors[0].message for sql in ("INSERT t SELECT 1, NULL", "INSERT t VALUES (7,NULL),(7,NULL)")
    ]
    assert [text.rsplit("value is ", 1)[1] for text in texts] == ["(1).", "(7)."]


def test_unique_keys_are_checked_at_the_end_of_the_statement(client: Client) -> None:
    """Keys may be shifted among rows."""
    client.ok("CREATE TABLE t(k int PRIMARY KEY, v int UNIQUE); INSERT t VALUES (1,10),(2,20),(3,30)")
    client.ok("UPDATE t SET k = k + 1; UPDATE t SET v = 40 - v")
    assert client.rows("SELECT k, v FROM t ORDER BY k") == [(2, 30), (3, 20), (4, 10)]


def test_foreign_keys_within_one_statement(client: Client) -> None:
    """A self-reference is checked at the end of the statement."""
    client.ok("CREATE TABLE t(id int PRIMARY KEY, parent int REFERENCES t(id))")
    client.ok("INSERT t VALUES (2, 1), (1, NULL), (3, 2)")
    assert client.fails("DELETE t WHERE id = 2") == [547]
    assert client.fails("INSERT t VALUES (9, 8)") == [547]
    client.ok("DELETE t")
    assert client.value("SELECT COUNT(*) FROM t") == 0


def test_cascades(client: Client) -> None:
    """CASCADE, SET NULL and SET DEFAULT follow the parent, over several levels, and fire triggers."""
    client.ok(
        "CREATE TABLE a(id int PRIMARY KEY); CREATE TABLE b(id int PRIMARY KEY, a int REFERENCES a(id) ON DELETE CASCADE ON UPDATE CASCADE);"
        "CREATE TABLE c(id int PRIMARY KEY, b int REFERENCES b(id) ON DELETE CASCADE);"
        "CREATE TABLE n(id int PRIMARY KEY, a int REFERENCES a(id) ON DELETE SET NULL ON UPDATE SET NULL);"
        "CREATE TABLE d(id int PRIMARY KEY, a int DEFAULT 1 REFERENCES a(id) ON DELETE SET DEFAULT); CREATE TABLE log(what varchar(20), n int);"
        "INSERT a VALUES (1),(2),(3); INSERT b VALUES (10,2),(11,2),(12,3); INSERT c VALUES (100,10),(101,12);"
        "INSERT n VALUES (1,2),(2,3); INSERT d VALUES (1,2)"
    )
    client.ok("CREATE TRIGGER tr ON c AFTER DELETE AS INSERT log SELECT 'c', COUNT(*) FROM deleted")
    client.ok("UPDATE a SET id = 30 WHERE id = 3")
    assert client.rows("SELECT a FROM b ORDER BY id") == [(2,), (2,), (30,)]
    client.ok("DELETE a WHERE id = 2")
    assert client.rows("SELECT id FROM b") == [(12,)]
    assert client.rows("SELECT id FROM c") == [(101,)]
    assert client.rows("SELECT a FROM n ORDER BY id") == [(None,), (None,)]
    assert client.rows("SELECT a FROM d") == [(1,)]
    assert client.rows("SELECT what, n FROM log") == [("c", 1)]


def test_disabled_constraints(client: Client) -> None:
    """NOCHECK lets rows in; WITH CHECK CHECK finds them; a constraint that is not trusted says so."""
    client.ok(
        "CREATE TABLE p(id int PRIMARY KEY); CREATE TABLE t(p int CONSTRAINT fk REFERENCES p(id), n int CONSTRAINT ck CHECK (n > 0))"
    )
    client.ok("ALTER TABLE t NOCHECK CONSTRAINT ALL; INSERT t VALUES (9, -1)")
    assert client.fails("ALTER TABLE t WITH CHECK CHECK CONSTRAINT ck") == [547]
    assert client.fails("ALTER TABLE t WITH CHECK CHECK CONSTRAINT fk") == [547]
    client.ok("ALTER TABLE t CHECK CONSTRAINT ALL")
    assert client.fails("INSERT t VALUES (NULL, -1)") == [547]
    assert client.rows("SELECT is_disabled, is_not_trusted FROM sys.check_constraints") == [(False, True)]
    client.ok("DELETE t; ALTER TABLE t WITH CHECK CHECK CONSTRAINT ALL")
    assert client.rows("SELECT is_disabled, is_not_trusted FROM sys.foreign_keys") == [(False, False)]


def test_output(client: Client) -> None:
    """OUTPUT shows old and new values, to the client and INTO a table."""
    client.ok("CREATE TABLE t(id int IDENTITY, v int, c AS v * 2); CREATE TABLE kept(id int, old int, new int)")
    assert client.rows("INSERT t(v) OUTPUT inserted.id, inserted.v, inserted.c VALUES (5),(6)") == [
        (1, 5, 10),
        (2, 6, 12),
    ]
    assert client.rows("UPDATE t SET v = v + 1 OUTPUT deleted.v, inserted.v, inserted.c") == [(5, 6, 12), (6, 7, 14)]
    client.ok("UPDATE t SET v = v * 10 OUTPUT inserted.id, deleted.v, inserted.v INTO kept(id, old, new) WHERE id = 2")
    assert client.rows("SELECT * FROM kept") == [(2, 7, 70)]
    assert client.rows("DELETE t OUTPUT deleted.* WHERE id = 1") == [(1, 6, 12)]
    client.ok(
        "DECLARE @x TABLE(id int, v int); INSERT t(v) OUTPUT inserted.id, inserted.v INTO @x VALUES (8); SELECT * FROM @x"
    )
    client.ok("CREATE TRIGGER tr ON t AFTER INSERT AS RETURN")
    assert client.fails("INSERT t(v) OUTPUT inserted.v VALUES (1)") == [334]


def test_update_with_joins(client: Client) -> None:
    """UPDATE and DELETE with FROM, aliases, subqueries, TOP, compound assignment and variables."""
    client.ok(
        "CREATE TABLE t(id int PRIMARY KEY, v int); CREATE TABLE s(id int, d int); INSERT t VALUES (1,1),(2,2),(3,3); INSERT s VALUES (1,10),(3,30),(3,30)"
    )
    client.ok("UPDATE x SET v += s.d FROM t x JOIN s ON s.id = x.id")
    assert client.rows("SELECT v FROM t ORDER BY id") == [(11,), (2,), (33,)]
    client.ok(
        "UPDATE t SET v = s.d FROM s WHERE s.id = t.id AND t.id = 1; UPDATE t SET v = (SELECT MAX(d) FROM s) WHERE id = 2"
    )
    assert client.rows("SELECT v FROM t ORDER BY id") == [(10,), (30,), (33,)]
    assert client.value("DECLARE @v int; UPDATE t SET @v = v = v + 1 WHERE id = 1; SELECT @v") == 11
    client.ok("DELETE x FROM t AS x LEFT JOIN s ON s.id = x.id WHERE s.id IS NULL; DELETE TOP (1) FROM t")
    assert client.value("SELECT COUNT(*) FROM t") == 1
    client.ok("WITH c AS (SELECT 3 AS id) DELETE t FROM t JOIN c ON c.id = t.id")
    assert client.value("SELECT COUNT(*) FROM t") == 0


def test_triggers_fire(client: Client) -> None:
    """AFTER triggers see inserted and deleted, once a statement, also for no rows; UPDATE(column) tells what was set."""
    client.ok(
        "CREATE TABLE t(id int, a int, b int); CREATE TABLE log(n int IDENTITY, what varchar(30), old int, new int)"
    )
    client.ok(
        "CREATE TRIGGER tr ON t AFTER INSERT, UPDATE, DELETE AS BEGIN SET NOCOUNT ON;"
        " INSERT log(what, old, new) SELECT CASE WHEN UPDATE(b) THEN 'b' ELSE '-' END, (SELECT SUM(a) FROM deleted), (SELECT SUM(a) FROM inserted) END"
    )
    client.ok(
        "INSERT t VALUES (1,1,1),(2,2,2); UPDATE t SET a = a + 10; UPDATE t SET b = 0 WHERE id = 2; DELETE t; DELETE t"
    )
    assert client.rows("SELECT what, old, new FROM log ORDER BY n") == [
        ("b", None, 3), ("-", 3, 23), ("b", 12, 12), ("-", 23, None), ("-", None, None),
    ]  # fmt: skip


def test_a_trigger_that_fails_undoes_the_statement(client: Client) -> None:
    """An error or ROLLBACK in a trigger takes the statement with it and ends the batch."""
    client.ok("CREATE TABLE t(id int)")
    client.ok(
        "CREATE TRIGGER tr ON t AFTER INSERT AS IF EXISTS(SELECT 1 FROM inserted WHERE id < 0) BEGIN RAISERROR('no', 16, 1); ROLLBACK END"
    )
    answer = client.run("INSERT t VALUES (1); INSERT t VALUES (-1); SELECT 'not reached'")
    assert answer.numbers == [50000, 3609]
    assert answer.sets == []
    assert client.rows("SELECT id FROM t") == [(1,)]
    client.ok("ALTER TABLE t DISABLE TRIGGER ALL; INSERT t VALUES (-1); ALTER TABLE t ENABLE TRIGGER tr")
    assert client.fails("INSERT t VALUES (-1)") == [50000, 3609]


def test_throw_in_a_trigger(client: Client) -> None:
    """THROW in a trigger: caught by the caller, everything undone."""
    client.ok("CREATE TABLE t(id int)")
    client.ok("CREATE TRIGGER tr ON t AFTER INSERT AS THROW 50010, 'never', 1")
    assert client.rows(
        "BEGIN TRY INSERT t VALUES (1) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_PROCEDURE() END CATCH"
    ) == [(50010, "tr")]
    assert client.value("SELECT COUNT(*) FROM t") == 0


def test_instead_of_triggers(client: Client) -> None:
    """INSTEAD OF triggers replace the statement, on tables and views."""
    client.ok("CREATE TABLE t(id int PRIMARY KEY, v varchar(10))")
    client.ok("CREATE VIEW w AS SELECT id, v FROM t")
    client.ok("CREATE TRIGGER tr ON w INSTEAD OF INSERT AS INSERT t SELECT id, UPPER(v) FROM inserted")
    client.ok("INSERT w(id, v) VALUES (1, 'a'), (2, 'b'); INSERT w SELECT 3, 'c'")
    assert client.rows("SELECT v FROM t ORDER BY id") == [("A",), ("B",), ("C",)]
    client.ok(
        "CREATE TRIGGER td ON t INSTEAD OF DELETE AS UPDATE t SET v = 'gone' FROM t JOIN deleted d ON d.id = t.id"
    )
    client.ok("DELETE t WHERE id = 2")
    assert client.value("SELECT v FROM t WHERE id = 2") == "gone"


def test_nested_triggers(client: Client) -> None:
    """A trigger's statements fire other triggers; it does not fire itself."""
    client.ok("CREATE TABLE a(i int); CREATE TABLE b(i int); CREATE TABLE c(i int, lvl int)")
    client.ok(
        "CREATE TRIGGER ta ON a AFTER INSERT AS BEGIN INSERT b SELECT i FROM inserted; INSERT a SELECT i + 100 FROM inserted END"
    )
    client.ok("CREATE TRIGGER tb ON b AFTER INSERT AS INSERT c SELECT i, TRIGGER_NESTLEVEL() FROM inserted")
    client.ok("INSERT a VALUES (1)")
    assert client.rows("SELECT i FROM a ORDER BY i") == [(1,), (101,)]
    assert client.rows("SELECT i, lvl FROM c") == [(1, 2)]


def test_merge(client: Client) -> None:
    """All clauses, their conditions, OUTPUT with $action, and 8672."""
    client.ok(
        "CREATE TABLE t(id int PRIMARY KEY, v varchar(10)); CREATE TABLE s(id int, v varchar(10)); INSERT t VALUES (1,'a'),(2,'b'),(3,'c'); INSERT s VALUES (2,'B'),(3,'del'),(4,'new')"
    )
    found = client.rows(
        "MERGE t AS x USING s AS y ON x.id = y.id WHEN MATCHED AND y.v = 'del' THEN DELETE WHEN MATCHED THEN UPDATE SET v = y.v "
        "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (y.id, y.v) WHEN NOT MATCHED BY SOURCE THEN UPDATE SET v = 'orphan' "
        "OUTPUT $action, inserted.id, deleted.id, deleted.v;"
    )
    assert sorted(found, key=str) == sorted(
        [("UPDATE", 2, 2, "b"), ("DELETE", None, 3, "c"), ("INSERT", 4, None, None), ("UPDATE", 1, 1, "a")], key=str
    )
    assert client.rows("SELECT * FROM t ORDER BY id") == [(1, "orphan"), (2, "B"), (4, "new")]
    client.ok("INSERT s VALUES (2, 'twice')")
    assert client.fails("MERGE t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v;") == [8672]


def test_insert_exec(client: Client) -> None:
    """The rows of a procedure go into a table."""
    client.ok("CREATE PROCEDURE p AS SELECT 1 AS a, N'x' AS b UNION ALL SELECT 2, N'y'")
    client.ok("CREATE TABLE t(a int, b nvarchar(5)); INSERT t EXEC p; INSERT t EXEC('SELECT 3, ''z''')")
    assert client.rows("SELECT * FROM t ORDER BY a") == [(1, "x"), (2, "y"), (3, "z")]


def test_select_into(client: Client) -> None:
    """The new table takes types, nullability and the identity property."""
    client.ok(
        "CREATE TABLE t(id int IDENTITY, s nvarchar(20) NOT NULL, d decimal(9,3)); INSERT t(s, d) VALUES ('a', 1.5),('b', NULL)"
    )
    client.ok(
        "SELECT id, s, d, d * 2 AS twice, 1 AS one INTO copy FROM t WHERE id > 1; INSERT copy(s, one) VALUES ('c', 2)"
    )
    assert client.rows("SELECT * FROM copy ORDER BY id") == [(2, "b", None, None, 1), (3, "c", None, None, 2)]
    assert client.rows("SELECT name, is_nullable, is_identity FROM sys.columns WHERE object_id = OBJECT_ID('copy')") == [
        ("id", False, True), ("s", False, False), ("d", True, False), ("twice", True, False), ("one", False, False),
    ]  # fmt: skip
    assert client.fails("SELECT 1 AS a INTO copy") == [2714]
    assert client.fails("SELECT 1 INTO other") == [1038]


def test_temporary_tables(client: Client) -> None:
    """They belong to the session, those of a procedure end with it; table variables outlive a rollback."""
    client.ok("CREATE TABLE #t(id int IDENTITY PRIMARY KEY, v int); INSERT #t(v) VALUES (1),(2)")
    assert client.rows("SELECT id, v FROM #t") == [(1, 1), (2, 2)]
    client.ok(
        "CREATE PROCEDURE p AS BEGIN CREATE TABLE #inner(a int); INSERT #inner SELECT v FROM #t; SELECT COUNT(*) FROM #inner END"
    )
    assert client.value("EXEC p") == 2
    assert client.fails("SELECT * FROM #inner") == [208]
    assert (
        client.value(
            "DECLARE @t TABLE(a int); BEGIN TRAN; INSERT @t VALUES (1); INSERT #t(v) VALUES (9); ROLLBACK; SELECT COUNT(*) FROM @t"
        )
        == 1
    )
    assert client.value("SELECT COUNT(*) FROM #t") == 2
    assert Client(client.instance).fails("SELECT * FROM #t") == [208]
    assert client.value("SELECT OBJECT_ID('tempdb..#t')") is not None


def test_rowversion(client: Client) -> None:
    """Every change gives a new, higher value."""
    client.ok("CREATE TABLE t(id int, rv rowversion); INSERT t(id) VALUES (1),(2)")
    first = [r[0] for r in client.rows("SELECT rv FROM t ORDER BY id")]
    client.ok("UPDATE t SET id = id WHERE id = 1")
    second = [r[0] for r in client.rows("SELECT rv FROM t ORDER BY id")]
    assert first[0] < first[1] < second[0]
    assert first[1] == second[1]
    assert client.value("SELECT @@DBTS") == second[0]
    assert client.fails("INSERT t VALUES (1, 0x01)") == [273]


def test_sequences(client: Client) -> None:
    """Values come in order, in defaults too; the end of the range is an error unless it cycles."""
    client.ok(
        "CREATE SEQUENCE s AS int START WITH 5 INCREMENT BY 2 MAXVALUE 9; CREATE TABLE t(id int DEFAULT (NEXT VALUE FOR s), v int)"
    )
    client.ok("INSERT t(v) VALUES (1),(2)")
    assert client.rows("SELECT id FROM t ORDER BY id") == [(5,), (7,)]
    assert client.value("SELECT NEXT VALUE FOR s") == 9
    assert client.fails("SELECT NEXT VALUE FOR s") == [11728]
    client.ok("ALTER SEQUENCE s RESTART WITH 6 CYCLE MINVALUE 1")
    assert client.rows("SELECT NEXT VALUE FOR s AS n, v FROM t ORDER BY v") == [(6, 1), (8, 2)]
    assert client.value("SELECT CAST(current_value AS int) FROM sys.sequences WHERE name = 's'") == 8


def test_computed_columns(client: Client) -> None:
    """Computed columns follow their inputs, can be indexed, and name columns behind them."""
    client.ok("CREATE TABLE t(c AS a + b PERSISTED, a int, b int, n AS CAST(a AS nvarchar(10)) + N'!')")
    client.ok("INSERT t(a, b) VALUES (1, 2); UPDATE t SET a = 5; CREATE INDEX ix ON t(c)")
    assert client.rows("SELECT c, n FROM t") == [(7, "5!")]
    assert client.rows("SELECT name, definition, is_persisted FROM sys.computed_columns") == [
        ("c", "(a + b)", True), ("n", "(CAST(a AS nvarchar(10)) + N'!')", False),
    ]  # fmt: skip


def test_many_literal_rows(client: Client) -> None:
    """A thousand rows of literals are converted, checked and written; 1,001 are refused."""
    client.ok(
        "CREATE TABLE t(i int NOT NULL, s nvarchar(20), d decimal(10,2), m money, f float, dt datetime, b bit, x varbinary(8))"
    )
    row = "({i}, N'ü{i}', {i}.5, {i}, 1.5, '2024-01-01', 1, 0x0{d})"
    client.ok("INSERT t VALUES " + ",".join(row.format(i=i, d=i % 10) for i in range(1000)))
    assert client.rows("SELECT COUNT(*), SUM(d), SUM(m), MAX(s), MIN(dt) FROM t")[0][:3] == (
        1000,
        Decimal("500000.00"),
        Decimal("499500.0000"),
    )
    assert client.fails("INSERT t(i) VALUES " + ",".join(f"({i})" for i in range(1001))) == [10738]
    assert client.fails("INSERT t(i, s) VALUES (1, 'a'), (2, '" + "x" * 21 + "')") == [2628]
    assert client.fails("INSERT t(i) VALUES (1), (NULL)") == [515]
    assert client.value("SELECT COUNT(*) FROM t") == 1000


def test_truncate(client: Client) -> None:
    """All rows go, the identity begins anew, no trigger fires; a referenced table is refused."""
    client.ok(
        "CREATE TABLE t(id int IDENTITY PRIMARY KEY, v int); INSERT t(v) VALUES (1),(2); TRUNCATE TABLE t; INSERT t(v) VALUES (3)"
    )
    assert client.rows("SELECT id FROM t") == [(1,)]
    client.ok("CREATE TABLE c(t int REFERENCES t(id))")
    assert client.fails("TRUNCATE TABLE t") == [4712]


def test_case_and_accents_in_keys(client: Client) -> None:
    """Keys fold case and trailing blanks, not accents; a binary collation folds nothing but blanks."""
    client.ok("CREATE TABLE t(s nvarchar(10) PRIMARY KEY); INSERT t VALUES (N'é'), (N'e')")
    assert client.fails("INSERT t VALUES (N'É')") == [2627]
    assert client.rows("SELECT s FROM t WHERE s = N'E '") == [("e",)]
    client.ok("CREATE TABLE b(s varchar(10) COLLATE Latin1_General_BIN2 PRIMARY KEY); INSERT b VALUES ('a'), ('A')")
    assert client.value("SELECT COUNT(*) FROM b WHERE s = 'a'") == 1
    client.ok("CREATE TABLE g(s varchar(10)); INSERT g VALUES ('x'), ('X'), ('x ')")
    assert client.value("SELECT COUNT(DISTINCT s) FROM g") == 1
    assert len(client.rows("SELECT s, COUNT(*) FROM g GROUP BY s")) == 1
    assert client.fails("SELECT * FROM t JOIN b ON b.s = t.s") == [468]


def test_order_of_strings(client: Client) -> None:
    """Signs before digits before letters, case and accents only in ties."""
    client.ok(
        "CREATE TABLE t(s nvarchar(10)); INSERT t VALUES (N'b'),(N'B1'),(N'a'),(N'_'),(N'1'),(N'Ä'),(N'z'),(N'A2')"
    )
    assert [r[0] for r in client.rows("SELECT s FROM t ORDER BY s")] == ["_", "1", "a", "Ä", "A2", "b", "B1", "z"]
    assert client.rows("SELECT MIN(s), MAX(s) FROM t") == [("_", "z")]
    assert client.value("SELECT COUNT(*) FROM t WHERE s < N'B'") == 5
