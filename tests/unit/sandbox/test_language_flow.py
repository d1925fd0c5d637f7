"""Variables, flow, errors, transactions, procedures, cursors, sessions side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from runbook.sandbox.contract import Cancelled, RpcParam, SqlType
from tests.unit.sandbox.test_language_support import Answer, Client, FakeInstance

INT, TEXT = SqlType("int"), SqlType("nvarchar", 4000)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A session in an empty database."""
    made = Client(FakeInstance(tmp_path))
    yield made
    made.session.close()


@pytest.fixture
def other(client: Client) -> Iterator[Client]:
    """A second session of the same instance."""
    made = Client(client.instance)
    yield made
    made.session.close()


def test_loops_and_jumps(client: Client) -> None:
    """WHILE, BREAK, CONTINUE, IF, GOTO."""
    sql = """DECLARE @i int = 0, @s varchar(50) = ''
    WHILE 1 = 1 BEGIN
        SET @i += 1
        IF @i % 2 = 0 CONTINUE
        IF @i > 7 BREAK
        SET @s = @s + CAST(@i AS varchar) + ','
    END
    again: SET @i -= 1
    IF @i > 5 GOTO again
    SELECT @s, @i"""
    assert client.rows(sql) == [("1,3,5,7,", 5)]


def test_a_variable_is_known_in_the_whole_batch(client: Client) -> None:
    """DECLARE counts where it stands in the text, not whether it ran; in a loop it keeps its value."""
    assert client.value("IF 1 = 0 DECLARE @x int = 5; SET @x = 3; SELECT @x") == 3
    assert client.rows(
        "DECLARE @i int = 0; WHILE @i < 3 BEGIN DECLARE @n int; SET @n = ISNULL(@n, 0) + 1; SET @i += 1 END SELECT @n"
    ) == [(3,)]
    assert client.fails("DECLARE @a int; DECLARE @a int") == [134]
    assert client.fails("SELECT @a; DECLARE @a int") == [137]


def test_select_into_variables(client: Client) -> None:
    """The last row counts; no row leaves the variable; values add up row by row."""
    client.ok("CREATE TABLE t(i int, s varchar(5)); INSERT t VALUES (2,'b'),(3,'c'),(1,'a')")
    assert client.rows(
        "DECLARE @s varchar(20) = '', @i int = 9; SELECT @s += s, @i = i FROM t ORDER BY i; SELECT @s, @i, @@ROWCOUNT"
    ) == [("abc", 3, 3)]
    assert (
        client.value(
            "DECLARE @s varchar(50); SELECT @s = COALESCE(@s + ',', '') + s FROM t WHERE i < 3 ORDER BY i DESC; SELECT @s"
        )
        == "b,a"
    )
    assert client.value("DECLARE @i int = 9; SELECT @i = i FROM t WHERE i > 5; SELECT @i") == 9
    assert client.value("DECLARE @i int = 9; SET @i = (SELECT i FROM t WHERE i > 5); SELECT @i") is None
    assert client.value("DECLARE @s varchar(2) = 'abcd'; SELECT @s") == "ab"


def test_an_error_ends_its_statement(client: Client) -> None:
    """The batch goes on, @@ERROR tells, and the next statement clears it."""
    client.ok("CREATE TABLE t(i int PRIMARY KEY)")
    answer = client.run("INSERT t VALUES (1),(1); SELECT @@ERROR, @@ROWCOUNT; SELECT @@ERROR; SELECT COUNT(*) FROM t")
    assert answer.numbers == [2627]
    assert answer.sets == [[(2627, 0)], [(0,)], [(0,)]]
    assert answer.messages == ["The statement has been terminated."]


def test_conversion_errors_end_the_batch(client: Client) -> None:
    """And roll the transaction back."""
    client.ok("CREATE TABLE t(i int)")
    answer = client.run("BEGIN TRAN; INSERT t VALUES (1); SELECT CAST('x' AS int); SELECT 'not reached'")
    assert answer.numbers == [245]
    assert answer.sets in ([], [[]])
    assert client.rows("SELECT @@TRANCOUNT, COUNT(*) FROM t") == [(0, 0)]


def test_unknown_names_end_the_scope(client: Client) -> None:
    """A missing table ends the batch; inside a procedure only the procedure."""
    assert client.run("SELECT 1; SELECT * FROM nope; SELECT 2").sets == [[(1,)]]
    client.ok("CREATE PROCEDURE p AS SELECT * FROM nope; SELECT 'not reached'")
    answer = client.run("EXEC p; SELECT 'reached'")
    assert answer.numbers == [208]
    assert answer.sets == [[("reached",)]]
    assert client.rows("BEGIN TRY EXEC p END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_PROCEDURE() END CATCH") == [
        (208, "p")
    ]
    answer = client.run("BEGIN TRY SELECT * FROM nope END TRY BEGIN CATCH SELECT 'not caught' END CATCH")
    assert answer.numbers == [208]
    assert answer.sets == []


def test_syntax_errors_stop_everything(client: Client) -> None:
    """Nothing of the batch runs, not even what stands before; the line is right."""
    answer = client.run("CREATE TABLE t(i int)\nSELECT FROM t\n")
    assert answer.numbers == [156]
    assert answer.errors[0].line == 2
    assert client.value("SELECT OBJECT_ID('t')") is None
    assert client.fails("SELEC 1") == [2812]
    assert client.fails("SELECT 1 +") == [102]
    assert client.fails("SELECT 'abc") == [105]
    assert client.fails("/* open") == [113]


def test_try_catch(client: Client) -> None:
    """The error's parts are seen; CATCH may throw on; TRY nests; after CATCH they are gone."""
    sql = """BEGIN TRY
        BEGIN TRY
            RAISERROR(N'first %s', 16, 3, 'x')
        END TRY
        BEGIN CATCH
            SELECT ERROR_NUMBER(), ERROR_MESSAGE(), ERROR_STATE(), ERROR_LINE(), @@ERROR;
            THROW
        END CATCH
    END TRY
    BEGIN CATCH
        SELECT ERROR_MESSAGE()
    END CATCH
    SELECT ERROR_NUMBER()"""
    assert client.ok(sql).sets == [[(50000, "first x", 3, 3, 50000)], [("first x",)], [(None,)]]


def test_throw_and_raiserror(client: Client) -> None:
    """THROW ends the batch, RAISERROR does not; severity 10 is a message."""
    answer = client.run(
        "RAISERROR('one', 16, 1); SELECT 1; RAISERROR('note %d', 10, 1, 5); THROW 50005, 'two', 2; SELECT 2"
    )
    assert answer.numbers == [50000, 50005]
    assert answer.sets == [[(1,)]]
    assert answer.messages == ["note 5"]
    assert answer.errors[1].state == 2
    assert client.fails("THROW 5, 'x', 1") == [35100]
    assert client.fails("THROW") == [10704]


def test_transactions_nest_by_count(client: Client) -> None:
    """Only the outermost COMMIT commits; ROLLBACK undoes all; savepoints undo a part."""
    client.ok("CREATE TABLE t(i int)")
    client.ok("BEGIN TRAN; INSERT t VALUES (1); BEGIN TRAN; INSERT t VALUES (2); COMMIT")
    assert client.value("SELECT @@TRANCOUNT") == 1
    client.ok("SAVE TRAN here; INSERT t VALUES (3); ROLLBACK TRAN here; INSERT t VALUES (4); COMMIT")
    assert client.rows("SELECT i FROM t") == [(1,), (2,), (4,)]
    client.ok("BEGIN TRAN; BEGIN TRAN; DELETE t; ROLLBACK")
    assert client.rows("SELECT @@TRANCOUNT, COUNT(*) FROM t") == [(0, 3)]
    assert client.fails("COMMIT") == [3902]
    assert client.fails("ROLLBACK") == [3903]


def test_definitions_roll_back(client: Client) -> None:
    """Tables, columns, indexes and procedures made in a transaction go with it."""
    client.ok(
        "CREATE TABLE t(i int); BEGIN TRAN; CREATE TABLE u(i int); ALTER TABLE t ADD j int; CREATE INDEX ix ON t(i); DROP TABLE u; EXEC('CREATE PROCEDURE p AS SELECT 1'); ROLLBACK"
    )
    assert client.rows("SELECT name FROM sys.objects") == [("t",)]
    assert client.rows("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('t')") == [("i",)]
    assert client.rows("SELECT name FROM sys.indexes") == [(None,)]


def test_xact_abort(client: Client) -> None:
    """Any run-time error ends the batch and the transaction; in TRY it dooms the transaction."""
    client.ok("CREATE TABLE t(i int PRIMARY KEY)")
    answer = client.run("SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (1); INSERT t VALUES (1); SELECT 'not reached'")
    assert answer.numbers == [2627]
    assert client.rows("SELECT @@TRANCOUNT, COUNT(*) FROM t") == [(0, 0)]
    sql = """BEGIN TRAN; BEGIN TRY INSERT t VALUES (1); SELECT 1/0 END TRY
    BEGIN CATCH SELECT XACT_STATE(); BEGIN TRY INSERT t VALUES (2) END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH ROLLBACK END CATCH
    SELECT @@TRANCOUNT"""
    assert [s for s in client.ok(sql).sets if s] == [[(-1,)], [(3930,)], [(0,)]]


def test_a_doomed_transaction_left_open(client: Client) -> None:
    """At the end of the batch it is rolled back, with 3998."""
    client.ok("CREATE TABLE t(i int)")
    answer = client.run(
        "SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY INSERT t VALUES (1); SELECT 1/0 END TRY BEGIN CATCH SELECT XACT_STATE() END CATCH"
    )
    assert answer.numbers == [3998]
    assert client.value("SELECT @@TRANCOUNT") == 0


def test_implicit_transactions(client: Client) -> None:
    """The first statement that touches a table opens one."""
    client.ok("CREATE TABLE t(i int); SET IMPLICIT_TRANSACTIONS ON")
    client.ok("INSERT t VALUES (1)")
    assert client.value("SELECT @@TRANCOUNT") == 1
    client.ok("ROLLBACK")
    assert client.value("SET IMPLICIT_TRANSACTIONS OFF; SELECT COUNT(*) FROM t") == 0


def test_procedures(client: Client) -> None:
    """Defaults, names, OUTPUT, RETURN, recursion, errors for wrong arguments."""
    client.ok(
        "CREATE PROCEDURE dbo.p @a int, @b nvarchar(10) = N'dflt', @o int = NULL OUTPUT AS SET @o = @a * 2; SELECT @a, @b; RETURN 7"
    )
    answer = client.ok("DECLARE @r int, @x int; EXEC @r = dbo.p 4, @o = @x OUTPUT; SELECT @r, @x")
    assert answer.sets == [[(4, "dflt")], [(7, 8)]]
    assert client.fails("EXEC p") == [201]
    assert client.fails("EXEC p 1, 'b', 3, 4") == [8144]
    assert client.fails("EXEC p @a = 1, @nope = 2") == [8145]
    assert client.fails("EXEC nope") == [2812]
    client.ok(
        "CREATE PROCEDURE deep @n int AS IF @n > 0 BEGIN DECLARE @m int = @n - 1; EXEC deep @m END ELSE SELECT @@NESTLEVEL"
    )
    assert client.value("EXEC deep 5") == 6
    assert client.fails("EXEC deep 50") == [217]


def test_set_options_end_with_the_procedure(client: Client) -> None:
    """NOCOUNT inside does not leak out."""
    client.ok("CREATE TABLE t(i int); EXEC('CREATE PROCEDURE p AS SET NOCOUNT ON; INSERT t VALUES (1)')")
    answer = client.ok("EXEC p; INSERT t VALUES (2)")
    assert answer.counts[-1] == 1


def test_dynamic_sql(client: Client) -> None:
    """Parameters in and out, a scope of its own for variables, USE inside is undone."""
    assert client.rows(
        "DECLARE @n int; EXEC sp_executesql N'SET @o = @i + 1', N'@i int, @o int OUTPUT', @i = 4, @o = @n OUTPUT; SELECT @n"
    ) == [(5,)]
    assert client.fails("DECLARE @v int = 1; EXEC('SELECT @v')") == [137]
    assert client.rows("EXEC('USE Other; SELECT DB_NAME()'); SELECT DB_NAME()") == [("Contacts",)]
    assert client.fails("EXEC sp_executesql 'SELECT 1'") == [214]
    assert client.fails("EXEC sp_executesql N'SELECT @a', N'@a int'") == [8178]


def test_scalar_functions(client: Client) -> None:
    """User functions run for each row, with defaults; recursion works."""
    client.ok(
        "CREATE FUNCTION dbo.twice(@x int, @plus int = 1) RETURNS int AS BEGIN DECLARE @r int = @x * 2; IF @r > 100 RETURN 100; RETURN @r + @plus END"
    )
    client.ok(
        "CREATE FUNCTION dbo.fact(@n bigint) RETURNS bigint AS BEGIN IF @n < 2 RETURN 1; RETURN @n * dbo.fact(@n - 1) END"
    )
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1),(2),(70)")
    assert client.rows("SELECT dbo.twice(i, DEFAULT), dbo.twice(i, 0) FROM t ORDER BY i") == [
        (3, 2),
        (5, 4),
        (100, 100),
    ]
    assert client.value("SELECT dbo.fact(10)") == 3628800


def test_table_functions_and_apply(client: Client) -> None:
    """Inline functions, CROSS and OUTER APPLY of the usual shapes, STRING_SPLIT."""
    client.ok(
        "CREATE TABLE c(id int, n varchar(5)); CREATE TABLE o(c int, v int); INSERT c VALUES (1,'a'),(2,'b'),(3,'c'); INSERT o VALUES (1,10),(1,20),(2,5)"
    )
    client.ok(
        "CREATE FUNCTION dbo.big(@c int, @min int) RETURNS TABLE AS RETURN (SELECT v, v * 2 AS w FROM o WHERE c = @c AND v >= @min)"
    )
    assert client.rows("SELECT v, w FROM dbo.big(1, 15)") == [(20, 40)]
    assert client.rows("SELECT c.n, f.v FROM c CROSS APPLY dbo.big(c.id, 5) f ORDER BY f.v") == [
        ("b", 5),
        ("a", 10),
        ("a", 20),
    ]
    assert client.rows(
        "SELECT c.n, x.m FROM c OUTER APPLY (SELECT MAX(v) AS m FROM o WHERE o.c = c.id) x ORDER BY c.n"
    ) == [("a", 20), ("b", 5), ("c", None)]
    assert client.rows(
        "SELECT c.n, x.v FROM c CROSS APPLY (SELECT TOP 1 v FROM o WHERE o.c = c.id ORDER BY v DESC) x ORDER BY c.n"
    ) == [("a", 20), ("b", 5)]
    assert client.rows("SELECT c.n, x.d FROM c CROSS APPLY (SELECT c.id * 10 AS d) x WHERE x.d > 10 ORDER BY c.n") == [
        ("b", 20),
        ("c", 30),
    ]
    assert client.rows(
        "SELECT c.id, v.k FROM c CROSS APPLY (VALUES (c.id), (c.id + 100)) v(k) WHERE c.id = 1 ORDER BY v.k"
    ) == [(1, 1), (1, 101)]
    assert client.rows("SELECT value FROM STRING_SPLIT('a,b,c', ',')") == [("a",), ("b",), ("c",)]
    assert client.rows("SELECT c.n, s.value FROM c CROSS APPLY STRING_SPLIT(c.n + '-x', '-') s WHERE c.id = 2") == [
        ("b", "b"),
        ("b", "x"),
    ]


def test_multi_statement_functions(client: Client) -> None:
    """Their table is filled before the query reads it."""
    client.ok(
        "CREATE FUNCTION dbo.nums(@n int) RETURNS @t TABLE(i int PRIMARY KEY, s varchar(5)) AS BEGIN DECLARE @i int = 1; WHILE @i <= @n BEGIN INSERT @t VALUES (@i, 'n'); SET @i += 1 END RETURN END"
    )
    assert client.rows("SELECT i FROM dbo.nums(3) ORDER BY i DESC") == [(3,), (2,), (1,)]
    assert client.value("DECLARE @k int = 4; SELECT SUM(a.i) FROM dbo.nums(@k) a JOIN dbo.nums(2) b ON b.i = a.i") == 3


def test_cursors(client: Client) -> None:
    """The usual loop, scrolling, and errors."""
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1),(2),(3)")
    sql = """DECLARE @i int, @s int = 0; DECLARE c CURSOR LOCAL FAST_FORWARD FOR SELECT i FROM t ORDER BY i
    OPEN c; FETCH NEXT FROM c INTO @i
    WHILE @@FETCH_STATUS = 0 BEGIN SET @s = @s * 10 + @i; FETCH NEXT FROM c INTO @i END
    CLOSE c; DEALLOCATE c; SELECT @s"""
    assert client.value(sql) == 123
    assert client.rows(
        "DECLARE c SCROLL CURSOR FOR SELECT i FROM t ORDER BY i; OPEN c; FETCH LAST FROM c; CLOSE c; DEALLOCATE c"
    ) == [(3,)]
    assert client.fails("OPEN nope") == [16916]
    assert client.fails("DECLARE c CURSOR LOCAL FOR SELECT i FROM t; FETCH NEXT FROM c") == [16917]


def test_table_parameters(client: Client) -> None:
    """A table type as a read-only parameter."""
    client.ok(
        "CREATE TYPE dbo.ids AS TABLE(id int PRIMARY KEY); EXEC('CREATE PROCEDURE p @t dbo.ids READONLY AS SELECT SUM(id) FROM @t')"
    )
    assert client.value("DECLARE @x dbo.ids; INSERT @x VALUES (1),(2); EXEC p @x") == 3
    client.ok("CREATE PROCEDURE bad @t dbo.ids READONLY AS DELETE @t")
    assert client.fails("DECLARE @x dbo.ids; EXEC bad @x") == [10700]


def test_use_and_three_part_names(client: Client) -> None:
    """Tables of another database by name; views and procedures run where they live."""
    client.ok(
        "USE Other; CREATE TABLE t(i int); INSERT t VALUES (7); EXEC('CREATE VIEW v AS SELECT i FROM t'); EXEC('CREATE PROCEDURE p AS SELECT DB_NAME(), i FROM t'); USE Contacts"
    )
    assert client.rows("SELECT * FROM Other.dbo.t") == [(7,)]
    assert client.rows("SELECT * FROM [Other]..v") == [(7,)]
    assert client.rows("EXEC Other.dbo.p") == [("Other", 7)]
    client.ok(
        "CREATE TABLE u(i int); INSERT u SELECT i FROM Other.dbo.t; INSERT Other.dbo.t SELECT i + 1 FROM u; CREATE SYNONYM s FOR Other.dbo.t"
    )
    assert client.rows("SELECT i FROM s ORDER BY i") == [(7,), (8,)]
    assert client.rows("SELECT name FROM Other.sys.tables") == [("t",)]
    assert client.fails("USE nope") == [911]
    assert client.fails("SELECT * FROM nope.dbo.t") == [911]
    assert client.run("USE Other").contexts == ["Other"]


def test_prepared_statements(client: Client) -> None:
    """sp_prepexec, sp_execute, sp_unprepare and sp_executesql as the drivers call them."""
    answer = client.rpc(
        "sp_prepexec",
        RpcParam("", INT, None, True),
        RpcParam("", TEXT, "@P1 int"),
        RpcParam("", TEXT, "SELECT @P1 + 1"),
        RpcParam("@P1", INT, 4),
    )
    assert answer.sets == [[(5,)]]
    handle = answer.outputs[""]
    assert client.rpc("sp_execute", RpcParam("", INT, handle), RpcParam("@P1", INT, 9)).sets == [[(10,)]]
    client.rpc("sp_unprepare", RpcParam("", INT, handle))
    assert client.rpc("sp_execute", RpcParam("", INT, handle)).numbers == [8179]
    out = client.rpc(
        "sp_executesql",
        RpcParam("", TEXT, "SET @o = @i * 2"),
        RpcParam("", TEXT, "@i int, @o int OUTPUT"),
        RpcParam("@i", INT, 4),
        RpcParam("@o", INT, None, True),
    )
    assert out.outputs == {"@o": 8}
    called = client.rpc(
        "sp_prepexecrpc",
        RpcParam("", INT, None, True),
        RpcParam("", TEXT, "sys.sp_executesql"),
        RpcParam("", TEXT, "SELECT @i * 3"),
        RpcParam("", TEXT, "@i int"),
        RpcParam("", INT, 4),
    )
    assert called.sets == [[(12,)]]


def test_procedure_by_rpc(client: Client) -> None:
    """Return status and output parameters; driver metadata calls."""
    client.ok("CREATE PROCEDURE p @a int, @o decimal(9,2) OUTPUT AS SET @o = @a / 4.0; RETURN 3")
    answer = client.rpc("dbo.p", RpcParam("@a", INT, 5), RpcParam("@o", SqlType("decimal", None, 9, 2), None, True))
    assert answer.outputs == {"@o": Decimal("1.25")}
    assert answer.status == 3
    rows = client.rpc("[sys].sp_datatype_info_100", RpcParam("", SqlType("smallint"), 93)).sets[0]
    assert [r[0] for r in rows][:2] == ["datetime2", "datetime"]
    assert client.rpc("sp_describe_undeclared_parameters", RpcParam("", TEXT, "x")).numbers == [2812]


def _background(run: object) -> threading.Thread:
    thread = threading.Thread(target=run)  # type: ignore[arg-type]
    thread.start()
    return thread


@pytest.mark.parametrize(
    "sql",
    [
        "WAITFOR DELAY '00:01:00'",
        "DECLARE @i int = 0; WHILE 1 = 1 SET @i = @i + 1 - 1",
        "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT COUNT(*) FROM n OPTION (MAXRECURSION 0)",
        "SELECT COUNT_BIG(*) FROM sys.all_columns a CROSS JOIN sys.all_columns b CROSS JOIN sys.all_columns c",
    ],
)
def test_cancel(client: Client, sql: str) -> None:
    """An attention ends whatever runs within moments, and the session goes on."""
    seen: list[object] = []

    def run() -> None:
        try:
            client.session.batch(sql, Answer())
        except Cancelled as cancelled:
            seen.append(cancelled.killed)

    thread = _background(run)
    time.sleep(0.4)
    begun = time.monotonic()
    client.session.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 1
    assert seen == [False]
    assert client.value("SELECT 1") == 1


def test_kill(client: Client, other: Client) -> None:
    """KILL ends the statement, rolls the transaction back and frees its locks."""
    client.ok("CREATE TABLE t(i int)")
    client.ok("BEGIN TRAN; INSERT t VALUES (1)")
    seen: list[object] = []

    def run() -> None:
        try:
            client.session.batch("WAITFOR DELAY '00:01:00'", Answer())
        except Cancelled as cancelled:
            seen.append(cancelled.killed)

    thread = _background(run)
    time.sleep(0.2)
    client.session.kill()
    thread.join(5)
    assert seen == [True]
    assert other.rows("INSERT t VALUES (2); SELECT i FROM t") == [(2,)]


def test_kill_of_an_idle_session(client: Client, other: Client) -> None:
    """It rolls back at once."""
    client.ok("CREATE TABLE t(i int)")
    client.ok("BEGIN TRAN; INSERT t VALUES (1)")
    client.session.kill()
    assert other.rows("INSERT t VALUES (2); SELECT i FROM t") == [(2,)]


def test_lock_timeout(client: Client, other: Client) -> None:
    """A writer waits for another transaction; LOCK_TIMEOUT ends that with 1222, a cancel too."""
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1)")
    client.ok("BEGIN TRAN; UPDATE t SET i = 2")
    begun = time.monotonic()
    assert other.fails("SET LOCK_TIMEOUT 200; UPDATE t SET i = 3") == [1222]
    assert 0.1 < time.monotonic() - begun < 2
    assert other.value("SELECT i FROM t") == 1
    thread = _background(lambda: other.run("SET LOCK_TIMEOUT -1; UPDATE t SET i = i + 10"))
    time.sleep(0.2)
    client.ok("COMMIT")
    thread.join(5)
    assert client.value("SELECT i FROM t") == 12


def test_deadlock(client: Client, other: Client) -> None:
    """Two transactions that wait for each other: one gets 1205 and is rolled back."""
    client.ok(
        "CREATE TABLE t(i int); INSERT t VALUES (0); USE Other; CREATE TABLE t(i int); INSERT t VALUES (0); USE Contacts"
    )
    client.ok("BEGIN TRAN; UPDATE Contacts.dbo.t SET i += 1")
    other.ok("BEGIN TRAN; UPDATE Other.dbo.t SET i += 1")
    numbers: list[int] = []
    thread = _background(lambda: numbers.extend(other.fails("UPDATE Contacts.dbo.t SET i += 1; COMMIT")))
    time.sleep(0.3)
    numbers += client.fails("UPDATE Other.dbo.t SET i += 1; COMMIT")
    thread.join(5)
    assert 1205 in numbers
    assert client.rows("SELECT a.i, b.i FROM Contacts.dbo.t a, Other.dbo.t b") == [(1, 1)]


def test_many_sessions_write(client: Client) -> None:
    """Nothing is lost when several sessions write the same table."""
    client.ok("CREATE TABLE t(id int IDENTITY PRIMARY KEY, n int); CREATE TABLE s(n int); INSERT s VALUES (0)")

    def run(number: int) -> None:
        worker = Client(client.instance)
        for _ in range(25):
            worker.ok(f"BEGIN TRAN; INSERT t(n) VALUES ({number}); UPDATE s SET n = n + 1; COMMIT")
        worker.session.close()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert client.rows("SELECT COUNT(*), COUNT(DISTINCT id), MAX(id), (SELECT n FROM s) FROM t") == [
        (150, 150, 150, 150)
    ]


def test_a_read_only_database(client: Client) -> None:
    """3906 for whatever writes, definitions too."""
    client.ok("CREATE TABLE t(i int)")
    client.instance.databases["contacts"].is_read_only = True
    assert client.fails("INSERT t VALUES (1)") == [3906]
    assert client.fails("CREATE TABLE u(i int)") == [3906]
    assert client.rows("SELECT COUNT(*) FROM t") == [(0,)]


def test_reset(client: Client) -> None:
    """sp_reset_connection: options, temporary tables, transaction, database."""
    client.ok(
        "CREATE TABLE t(i int); CREATE TABLE #x(i int); SET NOCOUNT ON; USE Other; BEGIN TRAN; INSERT Contacts.dbo.t VALUES (1)"
    )
    client.session.reset()
    assert client.rows("SELECT DB_NAME(), @@TRANCOUNT, COUNT(*) FROM t") == [("Contacts", 0, 0)]
    assert client.fails("SELECT * FROM #x") == [208]
    assert client.ok("INSERT t VALUES (1)").counts == [1]


def test_admin_statements_go_to_the_instance(client: Client) -> None:
    """Each with its own text, whatever follows it."""
    client.ok("BACKUP DATABASE [Contacts] TO DISK = N'x' WITH INIT, CHECKSUM SELECT 1")
    client.ok(
        "ALTER DATABASE [a] SET SINGLE_USER WITH ROLLBACK IMMEDIATE; ALTER DATABASE [a] SET RECOVERY FULL\nIF 1 = 1 KILL 55 ELSE DBCC CHECKDB(N'a') WITH NO_INFOMSGS"
    )
    client.ok(
        "CREATE LOGIN [x] WITH PASSWORD = N'p', CHECK_POLICY = OFF; GRANT VIEW SERVER STATE TO [x]; ALTER SERVER ROLE sysadmin ADD MEMBER [x]"
    )
    assert client.instance.admin_statements == [
        "BACKUP DATABASE [Contacts] TO DISK = N'x' WITH INIT, CHECKSUM",
        "ALTER DATABASE [a] SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        "ALTER DATABASE [a] SET RECOVERY FULL",
        "KILL 55",
        "CREATE LOGIN [x] WITH PASSWORD = N'p', CHECK_POLICY = OFF",
        "GRANT VIEW SERVER STATE TO [x]",
        "ALTER SERVER ROLE sysadmin ADD MEMBER [x]",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (SELECT 1 AS a, 2 AS b) t PIVOT (MAX(b) FOR a IN ([1])) p", "SELECT 1 AS a FOR JSON PATH", "SELECT a FROM (SELECT 1 AS a) t GROUP BY ROLLUP(a)",
        "EXECUTE AS USER = 'x'", "BULK INSERT t FROM 'x'", "CREATE TABLE t(a hierarchyid)", "CREATE TABLE t(a sql_variant)", "CREATE TABLE t(a int) WITH (MEMORY_OPTIMIZED = ON)",
        "CREATE TABLE ##g(i int)", "DECLARE c CURSOR DYNAMIC FOR SELECT 1", "SET ROWCOUNT 5", "SET ANSI_NULLS OFF", "SET DATEFIRST 1", "SELECT * FROM sys.dm_no_such_view",
        "CREATE COLUMNSTORE INDEX i ON t(a)", "SELECT CAST('<a/>' AS xml).value('(/a)[1]', 'int')", "SELECT FORMAT(GETDATE(), 'd')", "RECEIVE * FROM q", "CREATE PARTITION FUNCTION f(int) AS RANGE FOR VALUES (1)",
        "SELECT * FROM OPENROWSET('x', 'y', 'z')", "SELECT SERVERPROPERTY('ProductVersion')", "WAITFOR (RECEIVE 1)", "CREATE CERTIFICATE_X y",
    ],
)  # fmt: skip
def test_refused_by_name(client: Client, sql: str) -> None:
    """What the sandbox does not do is error 50999, never a guess."""
    assert client.fails(sql) == [50999]


def test_a_transaction_that_sees_one_state(client: Client, other: Client) -> None:
    """Under SNAPSHOT, REPEATABLE READ and SERIALIZABLE later commits of others stay unseen until the end."""
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1)")
    for level in ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE"):
        client.ok(f"SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRAN")
        before = client.value("SELECT SUM(i) FROM t")
        other.ok("INSERT t VALUES (5)")
        assert client.value("SELECT SUM(i) FROM t") == before
        assert client.fails("UPDATE t SET i = 0") == [1205]
        assert client.rows("SELECT @@TRANCOUNT, SUM(i) FROM t") == [(0, before + 5)]
    client.ok("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRAN; SELECT * FROM t")
    other.ok("INSERT t VALUES (7)")
    assert client.value("SELECT COUNT(*) FROM t WHERE i = 7; COMMIT") == 1


def test_hints_that_lock(client: Client, other: Client) -> None:
    """UPDLOCK holds writers off until the transaction ends."""
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1)")
    client.ok("BEGIN TRAN; SELECT i FROM t WITH (UPDLOCK, HOLDLOCK)")
    assert other.fails("SET LOCK_TIMEOUT 0; UPDATE t SET i = 2") == [1222]
    client.ok("UPDATE t SET i = i + 10; COMMIT; SELECT i FROM t WITH (XLOCK)")
    other.ok("UPDATE t SET i = i + 1")
    assert client.value("SELECT i FROM t") == 12
    assert client.fails("SELECT i FROM t WITH (READPAST)") == [50999]


def test_row_counts(client: Client) -> None:
    """Assignments count 1, flow and messages 0, a SELECT its rows."""
    client.ok("CREATE TABLE t(i int); INSERT t VALUES (1),(2)")
    found = client.ok(
        "DECLARE @i int; SELECT * FROM t; SELECT @@ROWCOUNT; SET @i = 5; SELECT @@ROWCOUNT; UPDATE t SET i = 3; PRINT 'x'; SELECT @@ROWCOUNT;"
        "DELETE t WHERE i = 9; SELECT @@ROWCOUNT; UPDATE t SET i = 4; IF @@ROWCOUNT = 2 SELECT @@ROWCOUNT; SELECT @i = i FROM t; SELECT @@ROWCOUNT"
    )
    assert [s[0][0] for s in found.sets[1:]] == [2, 1, 0, 0, 0, 2]


def test_only_the_chosen_branch_is_computed(client: Client) -> None:
    """CASE, COALESCE and IIF guard expressions that would fail."""
    assert client.rows(
        "SELECT CASE WHEN 1 = 1 THEN 0 ELSE 1 / 0 END, IIF(1 = 0, CAST('x' AS int), 7), COALESCE(1, 1 / 0)"
    ) == [(0, 7, 1)]
    sql = "DECLARE @s varchar(5) = 'x'; SELECT CASE WHEN ISNUMERIC(@s) = 1 THEN CAST(@s AS int) ELSE -1 END"
    assert client.value(sql) == -1
    client.ok("CREATE TABLE g(s varchar(5)); INSERT g VALUES ('1'), ('x')")
    assert client.rows("SELECT CASE WHEN ISNUMERIC(s) = 1 THEN CAST(s AS int) ELSE -1 END FROM g ORDER BY s") == [
        (1,),
        (-1,),
    ]


def test_views_and_new_columns(client: Client) -> None:
    """``SELECT *`` in a view keeps its columns until sp_refreshview."""
    client.ok("CREATE TABLE t(a int); INSERT t VALUES (1)")
    client.ok("CREATE VIEW v AS SELECT * FROM t")
    client.ok("ALTER TABLE t ADD b int")
    assert client.rows("SELECT * FROM v") == [(1,)]
    client.ok("EXEC sp_refreshview N'dbo.v'")
    assert client.rows("SELECT * FROM v") == [(1, None)]
    client.ok("ALTER TABLE t DROP COLUMN b")
    assert client.fails("SELECT * FROM v") == [4502]
    assert client.fails("EXEC sp_refreshview N'dbo.nope'") == [15165]


def test_characters_beyond_the_basic_plane(client: Client) -> None:
    """They count two in lengths of n-types, and none fits a varchar."""
    client.ok("CREATE TABLE t(s nvarchar(3), v varchar(5))")
    client.ok("INSERT t(s) VALUES (N'😀a'); INSERT t(v) VALUES ('日本'), (N'日')")
    assert client.fails("INSERT t(s) VALUES (N'😀😀')") == [2628]
    assert client.rows("SELECT s, v, LEN(s), DATALENGTH(s) FROM t") == [
        ("😀a", None, 3, 6),
        (None, "??", None, None),
        (None, "?", None, None),
    ]
