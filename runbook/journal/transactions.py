"""One transaction after another on the journal's database, each as often as it takes.

On SQLite a write is an immediate transaction, made durable before it is reported; when the disk is full, the room that
was kept for this moment is used up and the write tried again. On a server, one that is away is asked again for a while,
and when the answer to a commit is lost, the journal is looked at before anything is said about it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from runbook import failpoints
from runbook.errors import FencedOut, JournalCorrupt, JournalUnwritable, Refused, RunbookError
from runbook.journal import database
from runbook.journal.reserve import Reserve

T = TypeVar("T")

_NOT_OURS = frozenset({"42P01", "42703", "42S02", "42S22"})
"""SQL states of a table or column that is not there, on PostgreSQL and SQL Server."""


class _Lost(JournalUnwritable):
    """The server went away, or asks to be asked again. ``in_doubt`` when a commit was not answered."""

    in_doubt = False


class Transactions:
    """Reads and writes with a cursor of the driver. ``pressed`` as in :class:`runbook.journal.store.Store`."""

    patience = 30.0
    """Seconds for which a server that is away is asked again."""

    def __init__(self, url: str, *, reading: bool) -> None:
        self.pressed = ""
        self._given_up = False
        """The server was waited for in vain: until it answers again nobody else waits as long."""
        self._meets: Exception | None = None
        self._lock = threading.Lock()
        self._held: Any = None
        self._reading = reading
        self._engine = database.connect(url, reading=reading)
        self.dialect: Any = self._engine.dialect
        self._sqlite = self.dialect.name == "sqlite"
        file = database.file_of(self._engine.url)
        self._reserve = None if file is None or reading else Reserve(file)

    def prepare(self, schema: ModuleType) -> bool:
        """Make tables and reserve where they are missing; for who only reads, say whether there are any."""
        if self._reading:
            return bool(schema.exists(self._engine))
        database.refuse_unfit(self._engine)
        if self._is_made(schema):
            return self._with_reserve()
        try:
            schema.create(self._engine)
        except DBAPIError as error:
            if not self._gave_up_room(error.orig):
                raise
            schema.create(self._engine)
            self._press()
        return self._with_reserve()

    def _is_made(self, schema: ModuleType) -> bool:
        """Whether a file has every table. Found out by reading alone: a process that stands still in the middle of a
        write must not keep out the one that is to end it."""
        if not self._sqlite:
            return False
        asked = "SELECT name FROM sqlite_master WHERE type = 'table'"
        try:
            return set(schema.metadata.tables) <= {
                row[0] for row in self._once(lambda at: at.execute(asked).fetchall())
            }
        except RunbookError:  # said by whoever makes them
            return False

    def _with_reserve(self) -> bool:
        if self._reserve and not self.pressed and not self._reserve.make():
            self._press("nearly full")
        return True

    @property
    def unreserved(self) -> str:
        """See :class:`runbook.journal.store.Store`."""
        return self._reserve.missing if self._reserve else ""

    def read(self, work: Callable[[Any], T]) -> T:
        """What ``work`` finds with a cursor; it may be called more than once."""
        return self._patiently(lambda: self._once(work))

    def write(self, work: Callable[[Any], bool], is_there: Callable[[Any], bool], said: str = "") -> bool:
        """Carry out a transaction that finds out itself whether it may still be done (False: it may not, and nothing
        of it is left); ``is_there`` looks for what it writes; ``said``: for failpoints. After a commit without an
        answer it is tried again: when it is then refused, it may be its own first try that it met."""
        doubt = False

        def attempt() -> bool:
            nonlocal doubt
            try:
                return self._once(self._met(work, said), writing=True) or (doubt and self._once(is_there))
            except _Lost as error:
                doubt = doubt or error.in_doubt
                raise
            except FencedOut:
                if doubt and self._once(is_there):
                    return True
                raise

        return self._patiently(attempt)

    def close(self) -> None:
        """Let go of the connection."""
        if self._held is not None:
            self._held.close()
            self._held = None
        self._engine.dispose()

    # --- failpoints: what the disk does there, it does as the driver would say it ------------------------------------

    def _met(self, work: Callable[[Any], T], said: str) -> Callable[[Any], T]:
        """The work, or the disk that it meets."""
        if not said:
            return work
        full, self._meets = self._meets, None
        try:
            failpoints.reach("journal.before-append", said)
        except OSError as error:
            full = self._as_driver_says(error)

        if full is None:
            return work
        met = full

        def fail(_cursor: Any) -> T:
            raise met

        return fail

    def reach_after(self, said: str) -> None:
        """The rows are there; a disk that is full from now on is met by the next ones."""
        try:
            failpoints.reach("journal.after-append", said)
        except OSError as error:
            self._meets = self._as_driver_says(error)

    def _as_driver_says(self, error: OSError) -> Exception:
        said: Exception = self.dialect.loaded_dbapi.OperationalError(error.strerror)
        if self._sqlite:
            said.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[attr-defined]
        return said

    # --- once --------------------------------------------------------------------------------------------------------

    def _once(self, work: Callable[[Any], T], *, writing: bool = False) -> T:
        """Call ``work`` in a transaction of its own that is rolled back when the answer is False. What SQLAlchemy adds
        to each statement costs more than the durable write itself, and this is on the path of every step."""
        with self._lock:
            connection, cursor, committing = self._connected(), None, False
            try:
                cursor = connection.cursor()
                if writing and self._sqlite:
                    cursor.execute("BEGIN IMMEDIATE")
                found = work(cursor)
                if found is False:
                    connection.rollback()
                else:
                    committing = writing
                    if writing:
                        failpoints.reach("journal.before-commit")
                    connection.commit()
            except BaseException as error:
                self._give_up(connection, cursor, error, committing)
                raise
            finally:
                if cursor is not None:
                    cursor.close()
                if not self._sqlite:
                    connection.close()
            return found

    def _connected(self) -> Any:
        """The connection of the pool; for a file it is kept, that of a server may have to be made anew."""
        if self._held is not None:
            return self._held
        try:
            connection = self._engine.raw_connection()
        except (SQLAlchemyError, self.dialect.loaded_dbapi.Error) as error:
            raise self._problem(error, lost=not self._sqlite) from error
        if self._sqlite:
            self._held = connection
        return connection

    def _give_up(self, connection: Any, cursor: Any, error: BaseException, committing: bool) -> None:
        """Roll back; JournalError for what the driver raised."""
        raised: type[Exception] = self.dialect.loaded_dbapi.Error
        gone = isinstance(error, raised) and self.dialect.is_disconnect(error, connection, cursor)
        try:
            if not gone:
                connection.rollback()
        except raised:
            gone = True
        if gone:
            connection.invalidate(error)
            self._held = None
        if isinstance(error, raised):
            again = not self._sqlite and (gone or database.state_of(error) in database.TRY_AGAIN)
            raise self._problem(error, lost=again, in_doubt=gone and committing) from error

    def _problem(self, error: BaseException, *, lost: bool, in_doubt: bool = False) -> RunbookError:
        said = database.unwritable(error, on_server=not self._sqlite)
        if lost:
            found = _Lost(said.message, hint=said.hint)
            found.in_doubt = in_doubt
            return found
        if database.state_of(error) in _NOT_OURS:
            return JournalCorrupt(
                f"what is there is not a journal: {database.first_line(error)}",
                hint="Name the right one with --journal or RUNBOOK_JOURNAL.",
            )
        return said

    # --- as often as it takes ----------------------------------------------------------------------------------------

    def _patiently(self, attempt: Callable[[], T]) -> T:
        if not self._sqlite:
            return self._until_the_server_is_back(attempt)
        try:
            return attempt()
        except JournalUnwritable as error:
            if not self._gave_up_room(error.__cause__):
                raise
        found = attempt()
        self._press()
        return found

    def _gave_up_room(self, error: BaseException | None) -> bool:
        return self._reserve is not None and self._reserve.give_up_for(error)

    def _press(self, how: str = "full") -> None:
        self.pressed = f"the disk under the journal is {how} ({database.file_of(self._engine.url)})"

    def _until_the_server_is_back(self, attempt: Callable[[], T]) -> T:
        waited_long_enough = stop_after_delay(self.patience)
        again = Retrying(
            retry=retry_if_exception_type(_Lost),
            stop=lambda state: self._given_up or waited_long_enough(state),
            wait=wait_exponential(multiplier=0.05, max=1),
            reraise=True,
        )
        try:
            found = again(attempt)
        except _Lost as error:
            self._given_up = True
            if self._reading:
                raise Refused(
                    error.message.replace("cannot be written", "cannot be read"),
                    hint="Check the server behind RUNBOOK_JOURNAL or --journal.",
                ) from error
            raise JournalUnwritable(error.message, hint=error.hint) from error.__cause__
        self._given_up = False
        return found
