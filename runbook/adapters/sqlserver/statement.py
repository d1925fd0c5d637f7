"""One statement from sending to certainty: recorded, cancellable, and never left running unnoticed.

The statement runs on a thread of its own, so that the caller can always act: when it is cancelled, the server is asked
to stop (attention); what has not stopped after :attr:`Patience.attention` seconds is killed from a second connection;
and the call does not return before the server has confirmed that nothing runs any more. Without that, a way back would
start while the way forward still goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import NoReturn

from runbook.adapters.sqlserver.connection import Answer, Connection, Connector
from runbook.adapters.sqlserver.diagnostics import Failure, diagnose
from runbook.adapters.sqlserver.driver import odbc
from runbook.adapters.sqlserver.tsql import session as text
from runbook.errors import Cancelled, RunbookError, ServerError
from runbook.ports import Cancellation, Recorder

ATTENTIONS = (0.5, 0.5)
"""Shares of the time until the next: the first may come before the statement has reached the server. No more of them:
unixODBC's SQLCancel (2.3.11: function_entry) frees the list of messages that the statement's own thread fills when the
statement ends in that very moment, and with it ends the process; its guard or ``resume`` goes on."""
ALREADY_GONE = frozenset({6101, 6106})
"""KILL of a session that is no more."""


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, a statement that should end is given."""

    attention: float = 2.0
    """Until it is killed."""
    kill: float = 60.0
    """Until it is reported as still running; a rollback takes its time."""
    idle: float = 1.0
    """Until a session that runs nothing counts as ended although it is still there."""
    look: float = 0.05
    """Between two looks."""


PATIENCE = Patience()


class Runner:
    """Sends statements of one executor to one server."""

    def __init__(
        self,
        connector: Connector,
        cancellation: Cancellation,
        recorder: Recorder,
        patience: Patience = PATIENCE,
    ) -> None:
        self.connector = connector
        self.role = connector.role
        self.cancellation = cancellation
        self._recorder = recorder
        self._patience = patience

    def run(
        self, connection: Connection, sql: str, *, effect: bool, shown: str = "", max_rows: int | None = None
    ) -> Answer:
        """Run a batch to its end. ``shown`` is the text for the record where ``sql`` holds a secret.

        Raises Failure with SQL Server's number, Cancelled when the work should stop and the server has confirmed that
        nothing runs any more, ServerError in doubt when it has not.
        """
        self.cancellation.checkpoint()
        shown = shown or sql
        with self._recorder.statement(self.role, shown, effect=effect, session=str(connection.session_id)) as record:
            attempt = Attempt(connection, sql, max_rows)
            with self.cancellation.interrupting(attempt.stop):
                self._wait(attempt, shown)
                if not attempt.ended_by_itself:  # inside the block: leaving it may raise Cancelled
                    self._end(attempt, shown)
                    record.outcome("ended on the server")
            if not attempt.ended_by_itself:
                self._raise_cancelled()
            answer = self._answer_of(attempt, shown, effect)
            if answer.messages:
                record.outcome(last_message(answer))
            return answer

    def _wait(self, attempt: Attempt, shown: str) -> None:
        attempt.start()
        try:
            attempt.changed.wait()
        except BaseException:  # this thread is told to go: not before the server has stopped
            attempt.stop()
            self._end(attempt, shown)
            raise

    def _answer_of(self, attempt: Attempt, shown: str, effect: bool) -> Answer:
        error = attempt.error
        if error is None:
            return attempt.answer
        if not isinstance(error, odbc().Error):
            raise error
        diagnosis = diagnose(error)
        if diagnosis.in_doubt and effect:  # the client is cut off; the server may not know it yet
            self._end(attempt, shown)
        raise Failure(self.role, diagnosis, shown, in_doubt=diagnosis.in_doubt and effect) from None

    def _end(self, attempt: Attempt, shown: str) -> None:
        """Return once the server runs the statement no more; raise ServerError when that cannot be found out."""
        if attempt.ended.is_set() and not attempt.sent:
            return
        if not attempt.interrupt(self._patience.attention):
            self._kill(attempt, shown)
        attempt.ended.wait(self._patience.look)
        attempt.connection.close()
        self._beside(shown, lambda second: self._wait_until_gone(second, attempt, shown))

    def _kill(self, attempt: Attempt, shown: str) -> None:
        connection = attempt.connection
        sql = text.kill(*_named(connection))
        try:
            self._beside(shown, lambda second: second.run(sql), recorded=sql)
        except Failure as e:
            if e.number not in ALREADY_GONE:
                raise

    def _wait_until_gone(self, second: Connection, attempt: Attempt, shown: str) -> None:
        """An idle session is given a moment to disappear as well: it may hold a place in a single-user database."""
        pause, idle = Event(), 0
        for _ in range(max(1, round(self._patience.kill / self._patience.look))):
            rows = second.run(text.requests_of(*_named(attempt.connection))).dicts()
            idle = 0 if any(row["command"] for row in rows) else idle + 1
            if not rows or idle * self._patience.look > self._patience.idle:
                return
            pause.wait(self._patience.look)  # the work was told to stop; this wait is how it stops
        self._still_running(attempt, shown)

    def _beside(self, shown: str, act: Callable[[Connection], object], recorded: str = "") -> object:
        """Act on a second connection, whatever the cancellation says."""
        try:
            second = self.connector.open_once()
        except RunbookError as e:
            raise ServerError(
                f"{self.role}: a statement may be still running on the server: {e.message}",
                statement=shown,
                in_doubt=True,
                hint=e.hint,
            ) from None
        try:
            if not recorded:
                return act(second)
            with self._recorder.statement(self.role, recorded, effect=True, session=str(second.session_id)):
                return act(second)
        except odbc().Error as e:
            raise Failure(self.role, diagnose(e), shown, in_doubt=True) from None
        finally:
            second.close()

    def _still_running(self, attempt: Attempt, shown: str) -> NoReturn:
        number = attempt.connection.session_id
        raise ServerError(
            f"{self.role}: session {number} was killed and is still running on the server",
            statement=shown,
            in_doubt=True,
            hint=f"Look at session {number} in sys.dm_exec_requests; when it rolls back, wait for its end.",
        )

    def _raise_cancelled(self) -> NoReturn:
        self.cancellation.checkpoint()  # knows the reason
        raise Cancelled("the statement was told to stop")


class Attempt:
    """A statement on its way, on a thread of its own."""

    def __init__(self, connection: Connection, sql: str, max_rows: int | None) -> None:
        self.connection = connection
        self.sql = sql
        self.answer = Answer()
        self.error: BaseException | None = None
        self.changed = Event()
        self.ended = Event()
        self.stopped = Event()
        self._max_rows = max_rows
        self._answered = False
        self.sent = False

    def start(self) -> None:
        """Send it."""
        Thread(target=self._work, name=f"sql-{self.connection.session_id}", daemon=True).start()

    def stop(self) -> None:
        """Say that it should end; called from any thread, returns at once."""
        self.stopped.set()
        self.changed.set()

    def interrupt(self, seconds: float) -> bool:
        """Ask the server to end it, several times in that span; whether it ended.

        Asked on a thread of its own: a driver may wait for the answer of a server that gives none.
        """
        Thread(target=self._ask, args=(seconds,), name=f"cancel-{self.connection.session_id}", daemon=True).start()
        return self.ended.wait(seconds)

    def _ask(self, seconds: float) -> None:
        for share in ATTENTIONS:
            self.connection.cancel()
            if self.ended.wait(seconds * share):
                return

    @property
    def ended_by_itself(self) -> bool:
        """It ran to its end, well or not, before anybody wanted it stopped: its answer can be believed."""
        return self._answered

    def _work(self) -> None:
        try:
            if not self.stopped.is_set():
                self.sent = True
                self.answer = self.connection.run(self.sql, self._max_rows)
        except BaseException as e:  # noqa: BLE001 - handed to the thread that waits
            self.error = e
        finally:
            self._answered = not self.stopped.is_set()
            self.ended.set()
            self.changed.set()


def _named(connection: Connection) -> tuple[int, str]:
    return connection.session_id, connection.login_time


def last_message(answer: Answer) -> str:
    """The last thing the server said, without the driver's prefix."""
    return answer.messages[-1].rpartition("]")[2].strip()
