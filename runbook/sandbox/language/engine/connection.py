"""A session's SQLite connection: main is memory, database files are attached."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from runbook.sandbox.contract import Cancelled, Database, SqlError
from runbook.sandbox.language.catalog.catalog import Catalog
from runbook.sandbox.language.engine import collate, specs
from runbook.sandbox.language.engine.locks import deadlock
from runbook.sandbox.language.functions import aggregates
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.storage import keep_log, read_catalog, value

_OPERATIONS = 20_000
_STATEMENTS = 300
_catalogs: OrderedDict[str, Catalog] = OrderedDict()
_CATALOGS = 64
_numbers = itertools.count(1)
_files: dict[tuple[str, int], int] = {}
Params = dict[str, Any] | tuple[Any, ...]


class Engine:
    """SQL on SQLite, with its errors turned into those of SQL Server."""

    def __init__(self, spid: int, is_cancelled: Callable[[], bool]) -> None:
        self.spid = spid
        self.is_cancelled = is_cancelled
        self.connection = apsw.Connection(":memory:", statementcachesize=_STATEMENTS)
        connection = self.connection
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.set_busy_handler(self._busy)
        connection.set_progress_handler(is_cancelled, _OPERATIONS)
        register(connection)
        self.attached: dict[int, str] = {}
        self._replaced: list[str] = []
        self._slow: set[str] = set()

    def _busy(self, count: int) -> bool:
        """Another connection of this process checkpoints or copies: a short wait."""
        if self.is_cancelled() or count > 2_000:
            return False
        time.sleep(min(0.01, 0.0005 * (count + 1)))
        return True

    def function(self, name: str, function: Callable[..., Any], *, deterministic: bool = False) -> None:
        """Register a function that belongs to the session."""
        self.connection.create_scalar_function(name, function, -1, deterministic=deterministic)

    # -- files

    def attach(self, database: Database) -> str:
        """The schema name of a database file. A file that replaces another gets a name that no file ever had."""
        name = schema_name(database)
        if self._slow and not self.connection.in_transaction:
            self._relax()
        if self.attached.get(database.id) == name:
            return name
        if database.id in self.attached:
            self._replaced.append(self.attached.pop(database.id))
        self._let_go()
        with self.errors():
            self.connection.execute(f"ATTACH ? AS {name}", (database.path,))
            keep_log(self.connection, name)
        self.attached[database.id] = name
        self._slow.add(name)
        return name

    def _relax(self) -> None:
        """No sync at every commit (the log keeps its order without it). SQLite takes this outside transactions only."""
        for name in self._slow:
            self.connection.execute(f"PRAGMA {name}.synchronous=NORMAL")
        self._slow.clear()

    def _let_go(self) -> None:
        """Detach files that were replaced; one that the open transaction has read waits for a later time."""
        waiting = []
        for name in self._replaced:
            self._slow.discard(name)
            try:
                self.connection.execute(f"DETACH {name}")
            except apsw.SQLError:
                waiting.append(name)
        self._replaced = waiting

    def catalog(self, name: str) -> Catalog:
        """The catalog of an attached file, as this connection sees it now."""
        with self.errors():
            token = str(value(self.connection, f"SELECT value FROM {name}.sys_meta WHERE key='token'"))
            found = _catalogs.get(token)
            if found is None:
                found = read_catalog(self.connection, name)
                _catalogs[found.token] = found
                while len(_catalogs) > _CATALOGS:
                    _catalogs.popitem(last=False)
        return found

    # -- statements

    def execute(self, sql: str, params: Params = ()) -> apsw.Cursor:
        """Start a statement; its rows are read from the cursor inside :meth:`errors`."""
        with self.errors():
            return self.connection.execute(sql, params)

    def rows(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a statement."""
        with self.errors():
            return self.connection.execute(sql, params).fetchall()

    def value(self, sql: str, params: Params = ()) -> Any:
        """First column of the first row, None without rows."""
        with self.errors():
            row = self.connection.execute(sql, params).fetchone()
            return None if row is None else row[0]

    def change(self, sql: str, params: Params = ()) -> int:
        """Run a statement that writes; gives the number of rows."""
        with self.errors():
            before = self.connection.total_changes()
            self.connection.execute(sql, params).fetchall()
            return int(self.connection.total_changes() - before)

    def change_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement once for each row of parameters."""
        with self.errors():
            self.connection.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite has a transaction open."""
        return bool(self.connection.in_transaction)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into SqlError; an interrupt becomes Cancelled."""
        try:
            yield
        except apsw.InterruptError:
            raise Cancelled from None
        except apsw.ConstraintError as error:
            raise ConstraintFailed(str(error)) from None
        except apsw.BusyError:
            raise deadlock(self.spid) from None
        except apsw.FullError:
            raise SqlError(
                1105,
                "Could not allocate space for object because the filegroup is full. Create disk space by "
                "deleting unneeded files.",
                17,
                2,
            ) from None
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError) as error:
            raise SqlError(824, f"SQL Server detected a logical consistency-based I/O error: {error}.", 24, 2) from None
        except UnicodeEncodeError:
            raise unsupported("half of a surrogate pair in a string") from None
        except apsw.ReadOnlyError:
            raise SqlError(3906, "Failed to update the database because the database is read-only.") from None
        except (apsw.SQLError, apsw.TooBigError, apsw.RangeError, apsw.MismatchError) as error:
            raise translated(str(error)) from error

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        self.connection.close(True)


def schema_name(database: Database) -> str:
    """Under which name every connection of this process attaches a file: two files never have the same one.

    Ids of databases are given out again, and a restored copy has the token of the catalog it was copied from: text
    of statements that is kept names this file and none that came before or after it.
    """
    file = (database.path, database.generation)
    number = _files.get(file)
    if number is None:
        number = _files.setdefault(file, next(_numbers))
    return f"d{database.id}_{number}"


class ConstraintFailed(SqlError):
    """A unique index refused a row; the caller knows its T-SQL name."""

    def __init__(self, text: str) -> None:
        super().__init__(2627, text, 14)


def translated(text: str) -> SqlError:
    """What SQLite said, in the words of SQL Server where it means an error of the query."""
    if "integer overflow" in text:
        return SqlError(8115, "Arithmetic overflow error converting expression to data type bigint.", 16, 2)
    if "too many" in text or "Expression tree is too large" in text or "parser stack overflow" in text:
        return SqlError(8623, "The query processor ran out of internal resources and could not produce a query plan.")
    if "string or blob too big" in text:
        return SqlError(7102, "Attempt to grow LOB beyond maximum allowed size of 2147483647 bytes.")
    return SqlError(50996, f"sandbox: the storage engine refused a statement: {text}")


def register(connection: apsw.Connection) -> None:
    """Everything a connection needs that does not depend on a session."""
    collate.register(connection)
    specs.register(connection)
    aggregates.register(connection)
