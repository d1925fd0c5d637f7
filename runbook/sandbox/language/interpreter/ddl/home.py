"""Where a table lives: in a database file with its catalog, or in the session (temporary tables, table variables)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.catalog.catalog import Catalog, constraints, fold, now
from runbook.sandbox.language.catalog.writer import Writer
from runbook.sandbox.language.interpreter.environment import SessionEnvironment
from runbook.sandbox.language.lexer import quote_name

if TYPE_CHECKING:
    from runbook.sandbox.language.interpreter.batches import Runner
    from runbook.sandbox.language.interpreter.frame import Frame


class DatabaseHome:
    """A database; used inside ``transactions.writing``."""

    def __init__(self, frame: Frame, database: str) -> None:
        self.frame = frame
        self.session = frame.session
        self.database, self.prefix, _ = self.session.open(database)
        self.writer = Writer(self.session.engine, self.prefix)
        self.engine = self.session.engine

    @property
    def dot(self) -> str:
        """The prefix of SQLite names."""
        return f"{self.prefix}."

    @property
    def catalog(self) -> Catalog:
        """The catalog with everything this transaction changed."""
        return self.engine.catalog(self.prefix)

    def new_id(self) -> int:
        """A new object id."""
        return self.writer.new_id()

    def save(self, table: m.Table) -> None:
        """Write a table model back."""
        table.modified = now()
        self.writer.put(table)

    def schema_id(self, name: str) -> int:
        """Id of a schema; error 2760."""
        found = self.catalog.schema(name)
        if found is None:
            raise SqlError(
                2760,
                f'The specified schema name "{name}" either does not exist or you do not have permission to use it.',
            )
        return found.id

    def check_free(self, schema: str, name: str) -> None:
        """Error 2714 when an object or constraint of that name exists."""
        catalog = self.catalog
        if catalog.find(schema, name) is not None or catalog.constraint(schema, name) is not None:
            raise taken(name)

    def constraint_free(self, schema_id: int, name: str) -> None:
        """Error 2714 for the name of a constraint."""
        self.check_free(self.catalog.schema_name(schema_id), name)


class SessionHome:
    """Temporary tables and table variables: SQLite's main database in memory, models kept by the session."""

    dot = ""
    database = ""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.session = frame.session
        self.engine = self.session.engine

    def new_id(self) -> int:
        """Ids of temporary objects are negative."""
        return -(1_000_000 + self.session.next_number())

    def save(self, table: m.Table) -> None:
        """The model is shared; nothing to write. Plans notice by the changed copy."""
        table.modified = now()
        for name, stored in list(self.session.temp_tables.items()):
            if stored.table is table:
                self.session.temp_tables[name] = StoredTable(stored.name, table)

    def constraint_free(self, _schema_id: int, _name: str) -> None:
        """Names of constraints of temporary tables never meet."""


Home = DatabaseHome | SessionHome


def taken(name: str) -> SqlError:
    """Error 2714."""
    return SqlError(2714, f"There is already an object named '{name}' in the database.", 16, 6)


def split_new(frame: Frame, parts: tuple[str, ...]) -> tuple[str, str, str]:
    """Database, schema and name of an object to create."""
    database, schema, name = SessionEnvironment(frame).split(parts)
    return database, schema or frame.schema, name


def find_object(frame: Frame, parts: tuple[str, ...], *kinds: type[Any]) -> tuple[str, Any] | None:
    """Database and model of an object of one of these kinds."""
    environment = SessionEnvironment(frame)
    database, schema, name = environment.split(parts)
    official, _, catalog = frame.session.open(database)
    for tried in (schema,) if schema else dict.fromkeys((frame.schema, "dbo")):
        found = catalog.find(tried, name)
        if found is not None and isinstance(found, kinds):
            return official, found
    return None


def find_table(frame: Frame, parts: tuple[str, ...]) -> tuple[Home, m.Table] | None:
    """Home and model of a table that may be temporary."""
    if parts[-1].startswith("#"):
        stored = frame.session.temp_table(parts[-1])
        return None if stored is None else (SessionHome(frame), stored.table)
    found = find_object(frame, parts, m.Table)
    if found is None:
        return None
    return DatabaseHome(frame, found[0]), found[1]


def table_label(home: Home, table: m.Table) -> str:
    """``db.schema.table`` for messages."""
    if isinstance(home, SessionHome):
        return f"tempdb.dbo.{table.name}"
    return f"{home.database}.{home.catalog.full_name(table)}"


def bracketed(text: str) -> str:
    """A definition in the parentheses SQL Server puts around it."""
    stripped = text.strip()
    while stripped.startswith("(") and _closes(stripped):
        stripped = stripped[1:-1].strip()
    number = stripped.lstrip("-+")
    if number.replace(".", "", 1).isdigit():
        return f"(({stripped}))"
    return f"({stripped})"


def _closes(text: str) -> bool:
    """Whether the first parenthesis is closed by the last character."""
    depth, quoted = 0, ""
    for i, char in enumerate(text):
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"":
            quoted = char
        elif char == "[":
            quoted = "]"
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return i == len(text) - 1
    return False


def find_constraint(table: m.Table, name: str) -> Any | None:
    """A constraint of a table by name."""
    folded = fold(name)
    return next((c for c in constraints(table) if fold(c.name) == folded), None)


def copy_table(table: m.Table) -> m.Table:
    """Catalogs are shared between sessions: change a copy."""
    found = m.from_dict(m.Table, m.to_dict(table))
    assert isinstance(found, m.Table)
    return found


def done(runner: Runner) -> None:
    """The end of a definition."""
    runner.session.state.settle()
    runner.sink.done()


__all__ = ["DatabaseHome", "Home", "SessionHome", "quote_name"]
