"""A name, an id or a token may come back with another database behind it: nothing kept for the former one is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.sandbox.contract import LanguageSession, LoginRequest
from runbook.sandbox.instance.instance import open_instance
from tests.unit.sandbox.test_language_support import Answer, Client, FakeInstance

PASSWORD = "Sandbox.Aa1"
DIAL = (
    "CREATE FUNCTION dbo.dial(@n int) RETURNS @t TABLE (n int{more}) AS BEGIN INSERT @t VALUES (@n{value}); RETURN END"
)


class Server:
    """An instance without a wire."""

    def __init__(self, directory: Path) -> None:
        self.instance = open_instance(directory, "NEW", password=PASSWORD)
        self.backups = directory
        self.sa = self.connect()

    def connect(self, database: str = "master") -> LanguageSession:
        """A session of sa."""
        return self.instance.login(LoginRequest("sa", PASSWORD, database), lambda: None).session  # type: ignore[return-value]

    def run(self, sql: str, session: LanguageSession | None = None) -> list[list[tuple[object, ...]]]:
        """A batch that must not fail; its result sets."""
        answer = Answer()
        (session or self.sa).batch(sql, answer)
        assert answer.errors == [], [(e.number, e.message) for e in answer.errors]
        return answer.sets

    def back_up(self, name: str, *more: str) -> None:
        """A database with one table whose object id every other database gives out as well, backed up and dropped."""
        self.run(f"CREATE DATABASE {name}")
        self.run(f"USE {name}; {'; '.join(more)}; USE master")
        self.run(f"BACKUP DATABASE {name} TO DISK = N'{self.backups}/{name}.bak'")
        self.run(f"DROP DATABASE {name}")

    def restore(self, *names: str) -> None:
        """Restore databases, in this order."""
        for name in names:
            self.run(f"RESTORE DATABASE {name} FROM DISK = N'{self.backups}/{name}.bak'")

    def drop(self, *names: str) -> None:
        """Drop databases."""
        for name in names:
            self.run(f"DROP DATABASE {name}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    found.instance.stop()


@pytest.fixture
def two(server: Server) -> Server:
    """Backups of two databases: their first tables have one object id and different columns."""
    server.back_up("crm", "CREATE TABLE dbo.person (id int, name nvarchar(20))", "INSERT dbo.person VALUES (1, N'crm')")
    server.back_up("web", "CREATE TABLE dbo.visit (id int)", "INSERT dbo.visit VALUES (7)")
    return server


@pytest.mark.parametrize("reader", ["the same session", "an idle session", "a new session"])
def test_another_database_takes_the_id(two: Server, reader: str) -> None:
    """Restored in another order, from the same backups: the tokens of the catalogs are the same, the ids are not."""
    query = "SELECT name FROM crm.dbo.person"
    two.restore("crm", "web")
    idle = two.connect()
    for session in (two.sa, idle):
        assert two.run(query, session) == [[("crm",)]]
        assert two.run("SELECT id FROM web.dbo.visit", session) == [[(7,)]]
    two.drop("crm", "web")
    two.restore("web", "crm")
    session = {"the same session": two.sa, "an idle session": idle}.get(reader) or two.connect()
    assert two.run(query, session) == [[("crm",)]]
    assert two.run("SELECT id FROM web.dbo.visit", session) == [[(7,)]]


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE crm.dbo.person SET name = N'new'", "SELECT name FROM crm.dbo.person WHERE name = N'new'"),
        ("INSERT crm.dbo.person VALUES (2, N'new')", "SELECT name FROM crm.dbo.person WHERE id = 2"),
        ("DELETE crm.dbo.person", "SELECT 'new' WHERE NOT EXISTS (SELECT 1 FROM crm.dbo.person)"),
        (
            "IF EXISTS (SELECT 1 FROM crm.dbo.person WHERE name = N'crm') UPDATE crm.dbo.person SET name = N'new'",
            "SELECT name FROM crm.dbo.person WHERE name = N'new'",
        ),
    ],
)
def test_changes_reach_the_database_that_is_named(two: Server, statement: str, check: str) -> None:
    """Kept plans of changes as well: the database that has the id now stays as it was."""
    two.restore("crm", "web")
    two.run(statement)
    two.drop("crm", "web")
    two.restore("web", "crm")
    two.run(statement)
    assert two.run(check) == [[("new",)]]
    assert two.run("SELECT id FROM web.dbo.visit") == [[(7,)]]


def test_restored_again_with_another_schema(two: Server) -> None:
    """The same name and id, another content: columns, module texts and catalog views are those of the new one."""
    two.restore("crm")
    idle = two.connect()
    queries = ("SELECT * FROM crm.dbo.person", "SELECT name FROM crm.sys.columns WHERE object_id > 1000 ORDER BY 1")
    for query in queries:
        two.run(query, idle)
    two.run("USE crm; ALTER TABLE dbo.person ADD mail nvarchar(20); USE master")
    two.run(f"BACKUP DATABASE crm TO DISK = N'{two.backups}/crm2.bak'")
    for backup, names in (("crm", 2), ("crm2", 3), ("crm", 2)):
        two.drop("crm")
        two.run(f"RESTORE DATABASE crm FROM DISK = N'{two.backups}/{backup}.bak'")
        for session in (idle, two.sa):
            assert len(two.run(queries[0], session)[0][0]) == names
            assert len(two.run(queries[1], session)[0]) == names


def test_an_open_transaction_reads_what_came_instead(two: Server) -> None:
    """A session that has read, without a lock, goes on reading the database that has the name now."""
    two.restore("crm")
    reader = two.connect()
    two.run("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRAN; SELECT name FROM crm.dbo.person", reader)
    two.drop("crm")
    two.restore("crm")
    two.run("UPDATE crm.dbo.person SET name = N'again'")
    assert two.run("SELECT name FROM crm.dbo.person", reader) == [[("again",)]]
    two.run("COMMIT", reader)
    assert two.run("SELECT name FROM crm.dbo.person", reader) == [[("again",)]]


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_database_replaced_between_binding_and_reading(
    two: Server, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """The names of a statement are bound again when a database changes before it is held."""
    two.restore("crm", "web")
    reader = two.connect()
    real, seen = two.instance.using, []

    @contextlib.contextmanager
    def using(session: LanguageSession, name: str) -> Iterator[object]:
        if session is reader and name == "crm":
            seen.append(name)
            if len(seen) == moment:
                two.drop("crm", "web")
                two.restore("web", "crm")
                two.run("UPDATE crm.dbo.person SET name = N'new'")
        with real(session, name) as found:
            yield found

    monkeypatch.setattr(two.instance, "using", using)
    query = "SELECT p.name, q.name FROM crm.dbo.person p JOIN crm.dbo.person q ON p.id = q.id"
    assert two.run(query, reader) == [[("new", "new")]]
    assert len(seen) >= moment


def test_identity_insert_ends_with_its_database(two: Server) -> None:
    """SET IDENTITY_INSERT is for the table it was said of, and not in the way once that table is gone."""
    two.back_up("shop", "CREATE TABLE dbo.bill (id int IDENTITY, n int)")
    two.restore("shop")
    two.run("SET IDENTITY_INSERT shop.dbo.bill ON; INSERT shop.dbo.bill (id, n) VALUES (5, 5)")
    two.drop("shop")
    two.run("CREATE DATABASE other; USE other; CREATE TABLE dbo.list (id int IDENTITY); USE master")
    two.run("SET IDENTITY_INSERT other.dbo.list ON; SET IDENTITY_INSERT other.dbo.list OFF")
    two.restore("shop")
    answer = Answer()
    two.sa.batch("INSERT shop.dbo.bill (id, n) VALUES (5, 5)", answer)
    assert answer.numbers == [544]


def test_two_servers_in_one_process(tmp_path: Path) -> None:
    """A plan that depends on no database is not taken from one server to another: the name in it is a server's."""
    numbers = []
    for name in ("OLD", "NEW"):
        instance = open_instance(tmp_path / name, name, password=PASSWORD)
        answer = Answer()
        session = instance.login(LoginRequest("sa", PASSWORD), lambda: None).session
        session.batch("SELECT name FROM OLD.master.sys.databases", answer)
        numbers.append(answer.numbers)
        instance.stop()
    assert numbers == [[], [7202]]


# --- session tables, functions and types -------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path: Path) -> FakeInstance:
    return FakeInstance(tmp_path)


def test_temporary_tables_of_one_name_in_two_sessions(fake: FakeInstance) -> None:
    """A kept plan of one session never reads through the columns of another session's table."""
    one, other = Client(fake), Client(fake)
    one.ok("CREATE TABLE #t (a int, b int, c int)")
    one.ok("INSERT #t VALUES (1, 2, 3)")
    other.ok("CREATE TABLE #t (c int, a int)")
    other.ok("INSERT #t VALUES (30, 10)")
    for _ in range(2):
        assert one.rows("SELECT a, c FROM #t") == [(1, 3)]
        assert other.rows("SELECT a, c FROM #t") == [(10, 30)]


def test_filled_functions_of_two_databases(fake: FakeInstance) -> None:
    """Functions with one object id and different columns, called from one session."""
    client = Client(fake)
    client.ok(DIAL.format(more="", value=""))
    Client(fake, "Other").ok(DIAL.format(more=", m nvarchar(9)", value=", N'm'"))
    for _ in range(2):
        assert client.rows("SELECT * FROM Contacts.dbo.dial(1)") == [(1,)]
        assert client.rows("SELECT * FROM Other.dbo.dial(2)") == [(2, "m")]


def test_a_type_that_changes(fake: FakeInstance) -> None:
    """A statement that depends on a database by a type only is bound again too."""
    client = Client(fake)
    client.ok("CREATE TYPE dbo.code FROM char(2)")
    assert client.rows("SELECT CAST('abc' AS dbo.code)") == [("ab",)]
    client.ok("DROP TYPE dbo.code; CREATE TYPE dbo.code FROM char(3)")
    assert client.rows("SELECT CAST('abc' AS dbo.code)") == [("abc",)]


def test_a_function_that_changes_its_schema(fake: FakeInstance) -> None:
    """Same database, same id, same text: names inside are sought where the function is now."""
    client = Client(fake)
    client.ok("CREATE SCHEMA a")
    client.ok("CREATE TABLE a.t (n int); CREATE TABLE dbo.t (n int); INSERT a.t VALUES (1); INSERT dbo.t VALUES (2)")
    client.ok("CREATE FUNCTION a.f() RETURNS int AS BEGIN DECLARE @n int = (SELECT MAX(n) FROM t); RETURN @n END")
    assert client.value("SELECT a.f()") == 1
    client.ok("ALTER SCHEMA dbo TRANSFER a.f")
    assert client.value("SELECT dbo.f()") == 2
