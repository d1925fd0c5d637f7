"""Around every statement: the statement log, the request a monitor sees, and injected faults."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from runbook.sandbox.contract import INJECTED, Cancelled, ConnectionCut, LanguageSession, SqlError
from runbook.sandbox.errors import error
from runbook.sandbox.instance import clock
from runbook.sandbox.instance.faults import Fault, Faults
from runbook.sandbox.instance.journal import StatementLog, without_secrets
from runbook.sandbox.instance.sessions import Entry, Request, command_of

LOGGED_CHARACTERS = 4000


class Corrupter(Protocol):
    """How the ``corrupt`` fault finds and changes its row; the instance implements it."""

    def target(self, entry: Entry) -> str:
        """Name of the database the statement concerned."""

    def strike(self, entry: Entry, write: Callable[..., None]) -> None:
        """Change one row in each database that waits in ``entry.corrupt``."""


class StatementScope:
    """The context manager that :meth:`Instance.statement` returns. ``lie``: do nothing, answer success."""

    def __init__(self, entry: Entry, text: str, log: StatementLog, faults: Faults, corrupt: Corrupter) -> None:
        self._entry = entry
        self._text = text
        self._shown = without_secrets(text)[:LOGGED_CHARACTERS]
        self._log = log
        self._faults = faults
        self._corrupt = corrupt
        self._outer: Request | None = None
        self._strike_after: list[Fault] = []
        self.lie = False

    @property
    def _session(self) -> LanguageSession:
        return self._entry.session

    def __enter__(self) -> StatementScope:
        self._outer = self._entry.request
        request = Request(self._text, command_of(self._text))
        self._entry.request = request
        self._entry.last_start, self._entry.last_text = request.started, self._text
        self._write("start")
        try:
            for fault in self._faults.hits(self._text):
                self._write("fault", fault=fault.kind, fault_id=fault.id)
                self._strike(fault, request)
        except BaseException as problem:
            self._finish(problem)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if problem is None and self._strike_after:
            self._entry.corrupt.append(self._corrupt.target(self._entry))
        if self._entry.corrupt and self._session.trancount == 0:
            self._corrupt.strike(self._entry, self._write)
        self._finish(problem)

    def _finish(self, problem: BaseException | None) -> None:
        self._entry.request = self._outer
        self._entry.last_end = clock.now()
        self._write("end", **_outcome(problem))

    def _write(self, event: str, **more: object) -> None:
        session = self._session
        who = {
            "spid": session.spid,
            "login": session.login,
            "app": session.app,
            "host": session.host,
            "db": session.database,
        }
        self._log.write(who, self._shown, {"event": event, **more})

    def _strike(self, fault: Fault, request: Request) -> None:
        if fault.kind in ("slow", "hang"):
            request.wait_type = "SANDBOX_FAULT"
            self._session.wait(fault.seconds if fault.kind == "slow" else None)
            request.wait_type = None
        elif fault.kind == "fail":
            raise SqlError(INJECTED, "sandbox: injected failure", 16)
        elif fault.kind == "drop":
            raise ConnectionCut
        elif fault.kind == "kill":
            os._exit(9)
        elif fault.kind == "disk-full":
            _fill_disk(request, self._session.database)
        elif fault.kind == "lie":
            self.lie = request.lie = True
        else:
            self._strike_after.append(fault)


def _fill_disk(request: Request, database: str) -> None:
    """Statements that write files of their own meet the full disk while writing; others when they need space."""
    if re.match(r"\s*(BACKUP|RESTORE|CREATE\s+DATABASE)\b", request.text, re.IGNORECASE):
        request.disk_full = True
        return
    raise error(1105, "dbo.SORT temporary run storage", database)


def _outcome(problem: BaseException | None) -> dict[str, object]:
    if problem is None:
        return {"outcome": "ok"}
    if isinstance(problem, SqlError):
        return {"outcome": "error", "error": problem.number}
    if isinstance(problem, Cancelled):
        return {"outcome": "killed" if problem.killed else "cancelled"}
    if isinstance(problem, ConnectionCut):
        return {"outcome": "cut"}
    return {"outcome": "crashed", "detail": repr(problem)}
