"""Judges how a rehearsed night ended, by what is there and not by what the run says of itself. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook.adapters.sqlserver.picture import Picture
from runbook.errors import JournalUnwritable, Refused, UsageError
from runbook.plan.sections import Carry
from runbook.ports import Login
from runbook.rehearsal.scenarios import Ending, Scenario
from runbook.states import RunState
from runbook.toolkit.principals import OF_EVERY_SERVER, is_local, with_default

RIGHT, ELSEWHERE, BETWEEN, NOT_PLAYED = 0, 10, 20, 30
"""What ``rehearse`` exits with: every ending was right; one was another than it should be, with the system in service
on a proven setup; one needed a person, or was neither old nor new; one could not be played at all."""
UNBEGUN = {UsageError.exit_code, Refused.exit_code, JournalUnwritable.exit_code}
"""What ``execute`` ends with before it has opened a run; then nothing was touched."""
Tables = Mapping[tuple[str, str], tuple[int, str]]
"""As a picture has them."""
SEVERITY = (RIGHT, NOT_PLAYED, ELSEWHERE, BETWEEN)
"""The worst last: what was played and ended wrong tells more than what was not played."""
EXPECTED: Mapping[Ending, RunState] = {
    Ending.NEW: RunState.UPGRADED,
    Ending.OLD: RunState.REVERTED,
    Ending.REFUSED: RunState.REFUSED,
    Ending.HELD: RunState.UPGRADED,
}


@dataclass(frozen=True)
class World:
    """What is there, looked at from outside. Pictures by the plan's names of the servers."""

    servers: Mapping[str, Picture]
    gate_closed: bool = False
    pages: Mapping[str, str] = field(default_factory=dict)
    """Probes of the plan that do not show what they must in service -> what they show."""
    clients: str = "old"
    """Where the repointed file sends them: ``old``, ``new``, or what it says instead."""
    unreadable: str = ""
    """Why a server could not be looked at."""


@dataclass(frozen=True)
class Observed:
    """A night that is over. ``codes``: exit codes of the commands, in their order; ``state`` None: there is no run."""

    codes: tuple[int, ...]
    state: RunState | None
    reason: str
    step: str
    """Of what went wrong, or was made to."""
    struck: bool
    record: str
    """Why ``audit verify`` does not accept the record, empty when it does."""
    world: World
    late: float = 0.0
    """Seconds after the window closed at which the system was back, 0 when in time."""
    overdue: tuple[str, ...] = ()
    """Ways back that took longer than their budget."""
    seconds: float = 0.0
    undone: frozenset[str] = frozenset()
    """Steps that were put back, as the run says."""


@dataclass(frozen=True)
class Verdict:
    """How a scenario came out. ``wrong`` is empty when everything was as it had to be."""

    scenario: Scenario
    code: int
    ending: str
    seconds: float
    proof: str
    step: str = ""
    wrong: tuple[str, ...] = ()
    undone: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The documented schema."""
        return {
            "scenario": self.scenario.name,
            "family": self.scenario.family.value,
            "expected": self.scenario.ending.value,
            "ending": self.ending,
            "right": self.code == RIGHT,
            "code": self.code,
            "seconds": round(self.seconds, 1),
            "step": self.step or None,
            "proof": self.proof,
            "wrong": list(self.wrong),
        }


@dataclass(frozen=True)
class Measure:
    """What there was before any night, and which of the servers is which."""

    source: str
    target: str | None
    databases: tuple[str, ...]
    before: Mapping[str, Picture]
    upgraded: Tables | None = None
    """Where scripts change the data: the tables as the night forward left them; None: they must be as before."""
    carry: Carry = field(default_factory=Carry)
    """What goes along to the new server; the plan's owner takes care of the rest."""


def judge(scenario: Scenario, night: Observed, measure: Measure) -> Verdict:
    """Everything about one night."""
    if night.state is None and set(night.codes) <= UNBEGUN:
        return not_played(scenario, f"no run was opened: {night.reason}", night.seconds)
    if night.state not in (RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED):
        where = night.state.value if night.state else "no run"
        wrong = (f"{where}: {night.reason}" if night.reason else where,)
        return Verdict(scenario, BETWEEN, where, night.seconds, "a person is needed", night.step, wrong)
    if night.world.unreadable:
        wrong = (f"it ended {night.state}, and what is there cannot be looked at: {night.world.unreadable}",)
        return Verdict(scenario, BETWEEN, "not in service", night.seconds, "", night.step, wrong)
    setup = "new" if night.state is RunState.UPGRADED else "old"
    between = [*_in_service(night.world, setup), *(_new if setup == "new" else _old)(night.world, measure)]
    if night.record:
        between.append(f"the record does not hold: {night.record}")
    elsewhere = list(_not_as_expected(scenario, night))
    code = BETWEEN if between else ELSEWHERE if elsewhere else RIGHT
    ending = "neither old nor new" if between else _named(scenario, night)
    proof = "" if between else _proof(night, measure, setup)
    both = (*between, *elsewhere)
    return Verdict(scenario, code, ending, night.seconds, proof, night.step, both, night.undone)


def not_played(scenario: Scenario, why: str, seconds: float) -> Verdict:
    """The night did not begin: it shows nothing, neither good nor bad."""
    return Verdict(scenario, NOT_PLAYED, "not played", seconds, "", "", (why,))


def _named(scenario: Scenario, night: Observed) -> str:
    held = scenario.ending is Ending.HELD and night.state is RunState.UPGRADED and night.codes[:1] != (0,)
    found = {RunState.UPGRADED: Ending.NEW, RunState.REVERTED: Ending.OLD, RunState.REFUSED: Ending.REFUSED}
    return Ending.HELD.value if held else found[night.state or RunState.REFUSED].value


def _not_as_expected(scenario: Scenario, night: Observed) -> Iterator[str]:
    expected = EXPECTED[scenario.ending]
    if not night.struck:
        yield "what was to go wrong did not happen: this night shows nothing"
    early = scenario.early and scenario.ending is Ending.OLD and night.state is RunState.REFUSED
    if night.state is not expected and not early:
        yield f"it ended {night.state}, not {expected}: {night.reason or 'no reason is on record'}"
    elif scenario.ending is Ending.HELD and night.codes[:1] == (0,):
        yield "nobody was called although a step after the pivot went wrong"
    if night.late and not (night.overdue and scenario.step and not scenario.alone):
        over = f"; longer than their budgets: {', '.join(night.overdue)}" if night.overdue else ""
        yield f"the system was back {night.late:.1f} s after the window closed{over}"


def _in_service(world: World, setup: str) -> Iterator[str]:
    if world.gate_closed:
        yield "the gate is closed"
    for url, shown in world.pages.items():
        yield f"{url} does not show what it must in service: {shown}"
    if world.clients != setup:
        yield f"clients are sent to {world.clients}, and the {setup} setup is in service"


def _old(world: World, measure: Measure) -> Iterator[str]:
    """Every server exactly as before."""
    for role, before in measure.before.items():
        yield from _same(role, before, world.servers[role])


def _new(world: World, measure: Measure) -> Iterator[str]:
    serving = measure.target or measure.source
    found, before = world.servers[serving], measure.before[measure.source]
    wanted = dict(before.tables) if measure.target or measure.upgraded is None else dict(measure.upgraded)
    if measure.target or measure.upgraded is not None:
        changed = {key for key, what in wanted.items() if before.tables.get(key) != what}
        yield from _tables(
            serving, _counted(_of(measure, wanted), changed), _counted(_of(measure, found.tables), changed)
        )
    for name in measure.databases:
        if found.databases.get(name) != before.databases.get(name):
            yield f"{serving}: {name} is {found.databases.get(name)}, not {before.databases.get(name)}"
    yield from _jobs(serving, _wanted_jobs(measure), found.jobs)
    wanted_logins = _wanted_logins(measure, found.databases)
    missing = sorted(set(wanted_logins) - set(found.logins))
    if missing:
        yield f"{serving}: logins are missing: {', '.join(missing)}"
    if measure.target:  # scripts may change them
        yield from _logins(serving, wanted_logins, found.logins)
        source = world.servers[measure.source]
        yield from (
            f"{measure.source}: {name} can still be written to: {source.databases[name][0]}"
            for name in measure.databases
            if name in source.databases and source.databases[name][0] == "ONLINE"
        )


def _wanted_logins(measure: Measure, databases: Iterable[str]) -> dict[str, Login]:
    """Those the serving server must have: its own as they were, and those that are carried to it."""
    source = measure.before[measure.source]
    if not measure.target:
        return dict(source.logins)
    there = measure.before[measure.target].logins
    known = {name.casefold() for name in there}
    return {**there} | {
        name: with_default(login, databases)
        for name, login in source.logins.items()
        if measure.carry.logins and name.casefold() not in known and not is_local(login, source.machine)
    }


def _wanted_jobs(measure: Measure) -> dict[str, bool]:
    """The same for jobs, and whether they are enabled."""
    source = measure.before[measure.source].jobs
    if not measure.target:
        return dict(source)
    there = measure.before[measure.target].jobs
    known = {name.casefold(): name for name in there}
    return {**there} | {
        known.get(name.casefold(), name): enabled
        for name, enabled in source.items()
        if measure.carry.jobs and name not in OF_EVERY_SERVER
    }


def _counted(tables: Tables, changed: Collection[tuple[str, str]]) -> Tables:
    """Tables that scripts change hold the time of the night, and more that is of one night only: their rows count."""
    return {key: (rows, "" if key in changed else digest) for key, (rows, digest) in tables.items()}


def _of(measure: Measure, tables: Tables) -> Tables:
    return {(database, table): found for (database, table), found in tables.items() if database in measure.databases}


def _same(role: str, before: Picture, found: Picture) -> Iterator[str]:
    for name in sorted({*before.databases, *found.databases}):
        if found.databases.get(name) != before.databases.get(name):
            yield f"{role}: {name} is {found.databases.get(name, 'gone')}, not {before.databases.get(name, 'absent')}"
    yield from _tables(role, before.tables, found.tables)
    yield from _jobs(role, before.jobs, found.jobs)
    yield from (f"{role}: the job {name} is there, it was not" for name in found.jobs if name not in before.jobs)
    if others := set(before.logins) ^ set(found.logins):
        yield f"{role}: other logins: {', '.join(sorted(others))}"
    yield from _logins(role, before.logins, found.logins)


def _tables(role: str, before: Tables, found: Tables) -> Iterator[str]:
    for key in sorted({*before, *found}):
        if before.get(key) == found.get(key):
            continue
        rows = [str(side[key][0]) if key in side else "no" for side in (before, found)]
        yield f"{role}: {'.'.join(key)} is not as it was ({rows[0]} rows before, {rows[1]} now)"


def _jobs(role: str, before: Mapping[str, bool], found: Mapping[str, bool]) -> Iterator[str]:
    for name, enabled in before.items():
        if found.get(name) is not enabled:
            now = {True: "enabled", False: "disabled", None: "missing"}[found.get(name)]
            yield f"{role}: the job {name} is {now}, it was {'enabled' if enabled else 'disabled'}"


def _logins(role: str, before: Mapping[str, Login], found: Mapping[str, Login]) -> Iterator[str]:
    """Those of one name that are not the same: who they are, what they may do, and how they get in."""
    for name in sorted(before.keys() & found.keys()):
        if different := list(_different(before[name], found[name])):
            yield f"{role}: the login {name} {', '.join(different)}"


def _different(before: Login, found: Login) -> Iterator[str]:
    if found.kind != before.kind or (found.kind == "S" and found.sid.lower() != before.sid.lower()):
        yield "has another SID"  # of Windows principals Windows says it
    if before.password_hash and found.password_hash and found.password_hash != before.password_hash:
        yield "has another password"
    if found.is_disabled != before.is_disabled:
        yield f"is {'disabled' if found.is_disabled else 'enabled'}, it was not"
    if found.default_database != before.default_database:
        yield f"has another default database ({found.default_database}, before: {before.default_database})"
    if set(found.roles) != set(before.roles):
        roles = [" ".join(one.roles) or "none" for one in (found, before)]
        yield f"has other server roles ({roles[0]}, before: {roles[1]})"
    if (found.check_policy, found.check_expiration) != (before.check_policy, before.check_expiration):
        yield "has another password policy"


def _proof(night: Observed, measure: Measure, setup: str) -> str:
    serving = (measure.target or measure.source) if setup == "new" else measure.source
    tables = _of(measure, night.world.servers[serving].tables)
    rows = sum(count for count, _ in tables.values())
    jobs = len(measure.before[measure.source].jobs)
    late = f"; back {night.late:.1f} s late" if night.late else ""
    changed = " as the night forward left them" if setup == "new" and measure.target is None else " as before"
    return f"{rows} rows of {len(tables)} tables{changed}, {jobs} jobs, gate open, record holds{late}"
