"""``runbook recover``: rebuild a run in this journal from its second places.

What a copy can lack. Before any effect every row that changes the state of the run is at the second place, with all
rows before it. A copy taken while that place answered therefore lacks, at its end, only statements of steps that it
knows to be started, and outcomes after which nothing was touched; a resume finds both by looking. A copy made while the
place did *not* answer can lack the beginning of steps, and with it what was there before them. The markers on the
instances tell the two apart: they name the row of each claim, and the newest row when the place stopped taking rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from runbook.claiming import ACCEPTED
from runbook.errors import (
    AlreadyRunning,
    HostError,
    JournalCorrupt,
    NotPermitted,
    Refused,
    RunbookError,
    ServerError,
    Unreachable,
)
from runbook.events import Draft, Kind
from runbook.executor import Executor, refuse_changed
from runbook.journal.copying import Place
from runbook.journal.lease import Process, is_live
from runbook.journal.log import RunLog, fold
from runbook.journal.reading import Row
from runbook.journal.store import LeaseRow, Store
from runbook.journal.whole import first_break, first_problem, read_whole
from runbook.marker import Instance, Marker
from runbook.plan.load import load_plan
from runbook.plan.models import Plan
from runbook.runview import RunView

SERVER = "server"


class Reachable(Instance, Protocol):
    """A server whose marker is read."""

    def missing_permissions(self) -> tuple[str, ...]: ...


class Searchable(Protocol):
    """Where copies and markers of a plan are; the world of an executor has it."""

    def copies(self, where: Path | str, source_name: str = "") -> Place: ...
    def instance(self, name: str, server_name: str) -> Reachable: ...


@dataclass
class Found:
    """What there is of a run, before anything is written."""

    run_id: str
    plan: Plan
    rows: Sequence[Row]
    places: Mapping[str, int]
    """Place -> how many rows it has."""
    here: int
    """How many of them this journal has."""
    markers: Mapping[str, Marker] = field(default_factory=dict)
    """Server -> its marker, where that names this run."""
    silent: Sequence[str] = ()
    """What could not be asked, and why."""

    @property
    def fence(self) -> int:
        """The highest fencing number anybody knows of."""
        known = [row.fence for row in self.rows] + [marker.fence for marker in self.markers.values()]
        return max(known)

    @property
    def lost(self) -> dict[str, int]:
        """Server -> the newest row it knows of, where the copies do not have it."""
        seen = {name: max(marker.position, marker.behind) for name, marker in self.markers.items()}
        return {name: row for name, row in seen.items() if row > len(self.rows)}

    @property
    def view(self) -> RunView:
        """The run as the rows tell it."""
        return fold(self.rows)

    def to_json(self) -> dict[str, Any]:
        """The documented schema (docs/json.md)."""
        return {
            "run": self.run_id,
            "rows": len(self.rows),
            "rows_before": self.here,
            "hash": self.rows[-1].hash,
            "places": dict(self.places),
            "lost": self.lost,
            "not_asked": list(self.silent),
            "state": self.view.state.value,
        }


def find(executor: Executor, plan_path: Path, run: str | None, sources: Sequence[str], *, accept_gap: bool) -> Found:
    """Look for copies of a run, compare them with each other, with this journal and with what the instances have seen.

    Without ``run`` the newest that is found. Refused when nothing is found, two copies disagree, this journal has other
    or more rows, or rows are missing and that is not accepted; JournalCorrupt for a copy that does not hold.
    """
    plan = load_plan(plan_path)
    world = cast(Searchable, executor.world(plan))
    with Search(world, plan) as search:
        search.ask(_chosen(plan, sources))
        run_id = search.which(run)
        copies = search.rows(run_id)
    if not copies:
        raise Refused(f"the copy of run {run_id} is empty", hint="Name another one with --from.")
    rows = _longest(copies)
    view = fold(rows)
    refuse_changed(view, plan)
    here = _here(executor, run_id, rows)
    markers, unheard = _markers(world, view, rows)
    counts = {name: len(rows) for name, rows in copies.items()}
    found = Found(run_id, plan, rows, counts, here, markers, [*search.silent, *unheard])
    if found.lost and not accept_gap:
        raise _gap(found)
    return found


def rebuild(executor: Executor, found: Found) -> None:
    """Write what this journal lacks; from then on it accepts nobody with a fencing number that was used before."""
    store = executor.store
    if found.here < len(found.rows) and not store.append(found.rows[found.here :], expected=found.here, fence=None):
        raise Refused(f"run {found.run_id} was written to meanwhile", hint="Look at it with runbook status.")
    _raise_fence(executor, found)
    log = RunLog.load(store, found.run_id, actor=executor.actor, now=executor.now)
    where = " and ".join(found.places)
    text = f"rebuilt from {where}: {len(found.rows)} rows, {found.here} of which were here"
    accepted = sorted({found.markers[name].row_hash for name in found.lost})
    if accepted:
        text += f"; a person accepted that rows up to {max(found.lost.values())} are lost"
    log.buffer(Draft(Kind.NOTE, None, {"text": text, "finding": True, ACCEPTED: accepted}))
    log.flush()


def _raise_fence(executor: Executor, found: Found) -> None:
    store, run_id = executor.store, found.run_id
    head, before = store.head(run_id), store.lease(run_id)
    fence = max(found.fence, head.fence if head else 0, before.fence if before else 0)
    here, at = Process.here(), executor.now().isoformat(timespec="microseconds")
    lease = LeaseRow(run_id, executor.actor, here.host, here.pid, here.token, fence, at, 0.0, 1)
    if head and head.fence >= fence:
        return
    if not store.take_lease(lease, before=before):
        raise AlreadyRunning(f"run {run_id} was taken up meanwhile", hint="Watch it with: runbook status.")


# --- where copies are ----------------------------------------------------------------------------------------------


def _chosen(plan: Plan, sources: Sequence[str]) -> list[Path | str]:
    """What was named; else the source server, and the directory of the plan."""
    if sources:
        return [SERVER if source == SERVER else Path(source).absolute() for source in sources]
    return [SERVER, plan.journal_copy] if isinstance(plan.journal_copy, Path) else [SERVER]


class Search:
    """The places that answer, with the runs they know; closed at the end of the block."""

    def __init__(self, world: Searchable, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._open = ExitStack()
        self._known: dict[str, tuple[Place, list[str]]] = {}
        self.silent: list[str] = []
        """What could not be asked, and why."""

    def __enter__(self) -> Search:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ask(self, chosen: Sequence[Path | str]) -> None:
        """Ask each; the first error counts when none answers."""
        errors: list[RunbookError] = []
        for where in chosen:
            place = self._world.copies(where)
            self._open.callback(place.close)
            try:
                if where == SERVER:
                    _demand_permission(self._world.instance(self._plan.source, ""))
                self._known[place.name] = place, place.run_ids()
            except OSError as error:
                errors.append(Unreachable(f"{place.name}: {error.strerror or error}"))
            except HostError as error:
                errors.append(Unreachable(error.message, hint=error.hint))
            except RunbookError as error:
                errors.append(error)
        if errors and not self._known:
            raise errors[0]
        self.silent = [error.message for error in errors]

    def which(self, given: str | None) -> str:
        """The run that is meant: the newest, or the one whose id begins so."""
        ids = sorted({run_id for _, known in self._known.values() for run_id in known})
        where = ", ".join(self._known)
        if not ids:
            raise Refused(
                f"no copy of any run is at {where}",
                hint="Name the place with --from server or --from PATH; a run that ended reverted took its copy away.",
            )
        if given is None:
            return ids[-1]
        found = [run_id for run_id in ids if run_id == given] or [run_id for run_id in ids if run_id.startswith(given)]
        if len(found) != 1:
            what = "no copy of run" if not found else f"{len(found)} runs called"
            raise Refused(f"{what} {given} at {where}", hint=f"What is there: {', '.join(ids)}.")
        return found[0]

    def rows(self, run_id: str) -> dict[str, list[Row]]:
        """What each place that knows the run has of it; JournalCorrupt for one that does not hold."""
        copies = {name: place.rows(run_id) for name, (place, known) in self._known.items() if run_id in known}
        for name, rows in copies.items():
            _demand_whole(name, rows)
        return {name: rows for name, rows in copies.items() if rows}


def _demand_permission(instance: Reachable) -> None:
    """Who may not look would be told that nothing is there."""
    if missing := instance.missing_permissions():
        raise NotPermitted(
            f"{instance.role}: the login is no member of {', '.join(missing)}, it cannot see the copy in msdb",
            hint="Use the login of the run, or name another place with --from PATH.",
        )


# --- whether they hold ---------------------------------------------------------------------------------------------


def _demand_whole(name: str, rows: Sequence[Row]) -> None:
    problem = first_break(rows)
    if problem:
        raise JournalCorrupt(
            f"the copy at {name} does not hold: {problem}",
            hint="Nothing was written. Name another copy with --from, and keep this one for whoever looks into it.",
        )


def _longest(copies: Mapping[str, Sequence[Row]]) -> Sequence[Row]:
    """One that is only shorter does not disagree."""
    best = max(copies, key=lambda name: len(copies[name]))
    for name, rows in copies.items():
        differing = _first_difference(rows, copies[best])
        if differing:
            raise Refused(
                f"the copies at {name} and {best} disagree from row {differing} on",
                hint="Two executors wrote different histories of this run. Decide which place is right and name it "
                "alone with --from; the record of the other one is still needed to know what it did.",
            )
    return copies[best]


def _first_difference(one: Sequence[Row], other: Sequence[Row]) -> int:
    """Number of the first row that both have and that differs; 0: none."""
    return next((a.n for a, b in zip(one, other, strict=False) if a != b), 0)


def _here(executor: Executor, run_id: str, rows: Sequence[Row]) -> int:
    """How many rows this journal has, if they are the first of those found."""
    store: Store = executor.store
    lease = store.lease(run_id)
    if lease is not None and is_live(lease, executor.now(), Process.here()):
        raise AlreadyRunning(f"run {run_id} is in the hands of {lease.owner}", hint="There is nothing to recover.")
    whole = read_whole(store, run_id)
    problem = first_problem(whole) if whole.before or whole.rows else ""
    if problem:
        raise JournalCorrupt(
            f"what this journal has of run {run_id} does not hold: {problem}",
            hint="Move this journal away (keep it), or name another one with --journal, and recover into that.",
        )
    differing = _first_difference(whole.rows, rows)
    if differing:
        raise Refused(
            f"this journal and the copy disagree about run {run_id} from row {differing} on",
            hint="Nothing was written. Recover into another journal (--journal) and compare the two.",
        )
    if len(whole.rows) > len(rows):
        raise Refused(
            f"this journal has {len(whole.rows)} rows of run {run_id}, the copy {len(rows)}: nothing to recover",
            hint=f"Go on with: runbook resume {run_id}.",
        )
    return len(whole.rows)


def _markers(world: Searchable, view: RunView, rows: Sequence[Row]) -> tuple[dict[str, Marker], list[str]]:
    """What the instances have seen of the run."""
    found: dict[str, Marker] = {}
    unheard: list[str] = []
    for name, known in view.opening["servers"].items():
        try:
            marker = world.instance(name, known["name"]).marker()
        except (Unreachable, ServerError) as error:
            unheard.append(error.message)
            continue
        if marker and marker.run_id == view.run_id:
            _demand_same_history(name, marker, rows)
            found[name] = marker
    return found, unheard


def _demand_same_history(name: str, marker: Marker, rows: Sequence[Row]) -> None:
    if marker.position <= len(rows) and rows[marker.position - 1].hash != marker.row_hash:
        raise Refused(
            f"the copy and what {name} has seen disagree about row {marker.position} of run {marker.run_id}",
            hint=f"Executor {marker.fence} ({marker.owner}) acted there with another history: look for its journal.",
        )


def _gap(found: Found) -> Refused:
    name, seen = max(found.lost.items(), key=lambda item: item[1])
    return Refused(
        f"rows are missing: the last one found of run {found.run_id} is {len(found.rows)}, {name} knows of row {seen}",
        hint="The second place took no rows for a while: steps begun since row "
        f"{len(found.rows)} are unknown, and so is what was there before them. Look for the journal itself or a newer "
        "copy (--from PATH). Only when there is none: --accept-gap, and compare the servers by hand before you resume.",
    )


def told(found: Found) -> Iterator[str]:
    """What was found, for a person."""
    for name, count in found.places.items():
        yield f"{name}: {count} rows"
    for what in found.silent:
        yield f"not asked: {what}"
    yield f"this journal: {found.here} rows"
    for name, seen in found.lost.items():
        yield f"LOST: {name} knows of row {seen}; steps begun since row {len(found.rows)} are unknown"
    view = found.view
    yield f"run {found.run_id} of plan {view.plan_name}, {view.state.value}, last hash {found.rows[-1].hash}"
