"""How the parts of the adapter ask and tell one server: reads with retries, effects sent once.

What changes something gets a connection of its own; reads share idle sessions where some are kept (:mod:`.idle`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from runbook.adapters.sqlserver.connection import Answer, Connection, Connector
from runbook.adapters.sqlserver.diagnostics import Failure, is_known_undone, is_transient
from runbook.adapters.sqlserver.idle import Idle
from runbook.adapters.sqlserver.statement import PATIENCE, Patience, Runner
from runbook.adapters.sqlserver.tsql import session as text
from runbook.ports import Cancellation, Recorder

ATTEMPTS = 4
PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two attempts: doubled each time."""
HOME = "master"
"""Where idle sessions stay."""
T = TypeVar("T")


class Client:
    """One server, for one executor of a run."""

    def __init__(
        self,
        connector: Connector,
        cancellation: Cancellation,
        recorder: Recorder,
        patience: Patience = PATIENCE,
        idle: Idle | None = None,
    ) -> None:
        self.role = connector.role
        self.connector = connector
        self.cancellation = cancellation
        self._idle = idle
        self.check: Callable[[Session], None] | None = None
        """Asked on every session that is opened to change something, before it does."""
        self.runner = Runner(connector, cancellation, recorder, patience)

    def read(self, sql: str, database: str | None = None) -> Answer:
        """Read, in master or in a database. Transient errors are tried again."""
        return self.read_all([sql], database)[0]

    def read_all(self, batches: Sequence[str], database: str | None = None) -> list[Answer]:
        """Read several batches on one connection."""
        *others, last = batches
        if database is not None and self._idle is not None:
            last = f"{last};\n{text.use(HOME)}"  # on the way, or it would be a batch of its own

        def attempt() -> list[Answer]:
            with self.reading(database, returns=True) as session:
                return [session.read(sql) for sql in (*others, last)]

        return self.repeat_read(attempt)

    def effect(self, sql: str, database: str | None = None, *, shown: str = "") -> Answer:
        """Send a statement that changes something. Tried again only when the server says that it did nothing."""

        def attempt() -> Answer:
            with self.inside(database) as session:
                return session.effect(sql, shown=shown)

        return self.repeat_undone(attempt)

    def repeat_read(self, attempt: Callable[[], T]) -> T:
        """Do what changes nothing, and again after a transient error."""
        return self._again(is_transient, attempt)

    def repeat_undone(self, attempt: Callable[[], T]) -> T:
        """Do it, and again when the server is known to have done nothing (a lost deadlock and the like)."""
        return self._again(is_known_undone, attempt)

    def _again(self, worth_it: Callable[[BaseException], bool], attempt: Callable[[], T]) -> T:
        try:
            return attempt()  # what repeats takes longer than most statements; most need no second try
        except Failure as error:
            if not worth_it(error):
                raise
        self.cancellation.sleep(PAUSE)
        retrying = Retrying(
            retry=retry_if_exception(worth_it),
            stop=stop_after_attempt(ATTEMPTS - 1),
            wait=wait_exponential(multiplier=2 * PAUSE, max=LONGEST_PAUSE),
            sleep=self.cancellation.sleep,
            reraise=True,
        )
        return retrying(attempt)

    @contextmanager
    def reading(self, database: str | None = None, *, returns: bool = False) -> Iterator[Session]:
        """A session for reads that leave nothing behind in it, in master or in a database; ``returns``: the last one
        goes back to master by itself."""
        if self._idle is None:
            with self.inside(database, checked=False) as session:
                yield session
            return
        connection = self._idle.take() or self.connector.open()
        try:
            session = Session(self.runner, connection)
            if database is not None:
                session.read(text.use(database))
            yield session
            if database is not None and not returns:
                session.read(text.use(HOME))
        except BaseException as error:
            if not _is_answer(error):
                self._idle.forget()
            elif database is None:
                self._idle.give_back(connection)
                raise
            connection.close()
            raise
        self._idle.give_back(connection)

    @contextmanager
    def inside(self, database: str | None = None, *, checked: bool = True) -> Iterator[Session]:
        """A session of its own for several statements, in master or in a database; ``checked``: see :attr:`check`."""
        with self.connector.connection() as connection:
            session = Session(self.runner, connection)
            if self.check and checked:
                self.check(session)
            if database is not None:
                session.read(text.use(database))
            yield session


class Session:
    """A connection on which several statements run one after the other."""

    def __init__(self, runner: Runner, connection: Connection) -> None:
        self._runner = runner
        self.connection = connection

    def read(self, sql: str, max_rows: int | None = None) -> Answer:
        """Run a batch that changes nothing."""
        return self._runner.run(self.connection, sql, effect=False, max_rows=max_rows)

    def effect(self, sql: str, *, shown: str = "", max_rows: int | None = None) -> Answer:
        """Run a batch that changes something."""
        return self._runner.run(self.connection, sql, effect=True, shown=shown, max_rows=max_rows)


def _is_answer(error: BaseException) -> bool:
    """The server refused something, as it refuses it to every session: nothing is wrong with those that are idle."""
    return isinstance(error, Failure) and not error.diagnosis.in_doubt and not error.diagnosis.is_transient


def optional(value: Any) -> str:
    """Text of a nullable column."""
    return "" if value is None else str(value)
