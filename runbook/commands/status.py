"""``runbook status`` and ``runbook runs``: where a run stands, from any terminal, at once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from runbook.commands.guards import Seen, watching
from runbook.errors import UsageError
from runbook.events import RECORD_ONLY, Kind
from runbook.home import Home
from runbook.journal.log import fold
from runbook.journal.reading import Row, SqliteReader, unknown
from runbook.runview import RunView, StepView
from runbook.states import RunState

SHOWN_KINDS = tuple(kind.value for kind in RECORD_ONLY if kind is not Kind.NOTE)


class Reader(Protocol):
    """What reading a journal takes."""

    def rows(self, run_id: str, after: int = 0, *, without: Sequence[str] = ()) -> list[Row]: ...
    def run_ids(self) -> list[str]: ...
    def head(self, run_id: str) -> tuple[int, str, int] | None: ...
    def lease(self, run_id: str) -> Any: ...
    def close(self) -> None: ...


def open_reader(home: Home) -> Reader:
    """The journal, for reading only; SQLite through the standard library, others through SQLAlchemy."""
    if home.journal_file:
        return SqliteReader(home.journal_file)
    from runbook.journal.store import open_for_reading  # noqa: PLC0415

    return open_for_reading(home.journal_url)


LOOK_BACK = 20
"""Runs, and last rows of each, that are looked at for the one that is meant when none is named."""


def _ending(reader: Reader, run_id: str) -> str:
    head = reader.head(run_id)
    rows = reader.rows(run_id, max(0, head[0] - LOOK_BACK)) if head else []
    ended = [row for row in rows if row.kind in (Kind.RUN_FINISHED, Kind.LOSS_ACCEPTED)][-1:]
    return next((json.loads(row.body)["ending"] for row in ended if row.kind == Kind.RUN_FINISHED), "")


def find_run(reader: Reader, given: str | None) -> str:
    """The run meant: an id, the beginning of one, or the newest; one that was refused while another was under way is
    not what anybody means."""
    ids = reader.run_ids()
    if given is None:
        if not ids:
            raise UsageError(
                "there is no run yet",
                hint="Begin one with: runbook execute PLAN; one whose journal is lost: runbook recover.",
            )
        meant = next((one for one in ids[: -LOOK_BACK - 1 : -1] if _ending(reader, one) != RunState.REFUSED), ids[-1])
        return ids[-1] if _ending(reader, meant) else meant
    found = [run_id for run_id in ids if run_id == given] or [run_id for run_id in ids if run_id.startswith(given)]
    if not found:
        raise unknown(given)
    if len(found) > 1:
        raise UsageError(f"{len(found)} runs called {given}", hint="Give more of the id; runbook runs lists them.")
    return found[0]


def which(home: Home, given: str | None) -> str:
    """As :func:`find_run`, for who has no journal open yet; nothing is created."""
    reader = open_reader(home)
    try:
        return find_run(reader, given)
    finally:
        reader.close()


@dataclass(frozen=True)
class Status:
    """A run as ``status --json`` gives it; instants are ISO text in UTC."""

    view: RunView
    live: bool
    owner: str
    guards: tuple[Seen, ...] = ()
    """Who watches; nobody does once it has ended."""
    executors: tuple[tuple[int, str], ...] = ()
    """Fencing number and owner of everybody who ever drove it, in their order."""

    @property
    def state(self) -> RunState:
        """With ``interrupted`` for a run under way whose executor is gone."""
        state = self.view.state
        gone = state in (RunState.RUNNING, RunState.REVERTING) and not self.live
        return RunState.INTERRUPTED if gone else state

    @property
    def reason(self) -> str:
        """Why it stands there."""
        view = self.view
        return view.declared or view.held or view.turned_back or view.hold_requested

    def to_json(self) -> dict[str, Any]:
        """The documented schema (docs/json.md)."""
        view = self.view
        return {
            "run": view.run_id,
            "plan": view.plan_name,
            "state": self.state.value,
            "reason": self.reason,
            "opened_at": _iso(view.opened_at),
            "closes_at": _iso(view.closes_at),
            "turn_back_at": None if view.pivot_at or view.ending else _iso(view.turn_back_at),
            "pivot_at": _iso(view.pivot_at),
            "ended_at": _iso(view.ended_at),
            "declared": bool(view.declared),
            "gate": view.gate,
            "accepted_loss": view.accepted,
            "executor": self.owner if self.live else None,
            "executors": [{"fence": fence, "owner": owner} for fence, owner in self.executors],
            "guards": [guard.to_json() for guard in self.guards],
            "findings": view.findings,
            "steps": [self._step(identity, step) for identity, step in view.steps.items()],
        }

    def _step(self, identity: str, step: StepView) -> dict[str, Any]:
        node = self.view.graph[identity]
        return {
            "id": identity,
            "phase": node.phase,
            "state": step.state.value,
            "started_at": _iso(step.started_at or step.looking_at),
            "ended_at": _iso(step.ended_at),
            "attempts": step.attempts,
            "budget_s": node.do_budget,
            "undo_budget_s": node.undo_budget,
            "why": step.why,
            "hint": step.hint,
        }


def status(home: Home, run: str | None, now: datetime) -> Status:
    """Read one run."""
    reader = open_reader(home)
    try:
        run_id = find_run(reader, run)
        return _status(home, reader, run_id, now)
    finally:
        reader.close()


def runs(home: Home, now: datetime) -> list[Status]:
    """Read all runs, oldest first."""
    reader = open_reader(home)
    try:
        return [_status(home, reader, run_id, now) for run_id in reader.run_ids()]
    finally:
        reader.close()


def _status(home: Home, reader: Reader, run_id: str, now: datetime) -> Status:
    from runbook.journal.lease import Process, is_live  # noqa: PLC0415
    from runbook.journal.store import LeaseRow  # noqa: PLC0415

    with _nothing_to_collect():
        rows = reader.rows(run_id, without=SHOWN_KINDS)
        view = fold(rows)
    found = reader.lease(run_id)
    lease = None if found is None else LeaseRow(*found)
    live = is_live(lease, now, Process.here())
    acting = (lease.host, lease.pid) if lease and live else None
    guards = () if view.ending else watching(home, run_id, rows, acting)
    executors = tuple((row.fence, row.actor) for row in rows if row.kind == Kind.EXECUTOR_STARTED)
    return Status(view, live, lease.owner if lease else "", guards, executors)


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """What is read stays; looking through it for garbage again and again takes longer than reading it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
