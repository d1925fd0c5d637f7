"""One rehearsed night: real processes on throwaway servers, a person where one is needed, and a look at the end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Semaphore

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import picture
from runbook.adapters.web import HttpWeb
from runbook.cancel import CancelToken
from runbook.commands.audit import verify
from runbook.commands.status import Status
from runbook.commands.status import status as read_status
from runbook.errors import Refused, RunbookError, UsageError
from runbook.failpoints import GUARD_VARIABLE, LOG, VARIABLE
from runbook.home import Home
from runbook.plan.gates import CommandGate, FileGate
from runbook.plan.load import load_plan
from runbook.plan.models import Plan
from runbook.plan.sections import FileRepoint
from runbook.rehearsal import commands
from runbook.rehearsal.commands import Stopped
from runbook.rehearsal.judging import Observed, World
from runbook.rehearsal.measuring import overdue
from runbook.rehearsal.place import said
from runbook.rehearsal.providing import Made, Provider, Wanted
from runbook.rehearsal.rewriting import rewrite
from runbook.rehearsal.scenarios import Scenario
from runbook.rehearsal.starting import Preloaded, Started
from runbook.states import RunState, StepState

LEASE = "5"
"""Seconds of a lease where an executor is killed: a guard need not wait longer."""
POLL = 0.1
GUARD_SECONDS = 60.0
"""How long a guard gets to begin, after an executor is gone, before a person is called."""
MOST_CALLS = 2
PROBE_SECONDS = 60.0
"""A command that looks gets so long."""
ITSELF = "this is a rehearsal"
ENDINGS = frozenset({RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED})


@dataclass
class Stage:
    """What all nights of a rehearsal share."""

    plan: Plan
    text: str
    provider: Provider
    wanted: Mapping[str, Wanted]
    rehearsal: Path
    files: Path
    """The plan's files as they were when the rehearsal began."""
    template: Path
    starter: Preloaded
    stop: Event
    """Set when the rehearsal itself is to end."""
    room: Semaphore
    """Nights that may be at work; one that waits for its turn-back point leaves its room to another."""
    patience: float = 600.0
    """Seconds a command gets beyond its window."""
    refuse_own: Callable[[Mapping[str, Made]], None] = field(default=lambda _: None)


class NotPlayed(Exception):
    """What a night is played on does not come up: a server, the copy of the application."""


class OwnServer(Refused):
    """A throwaway server is one of the plan's own: nothing goes on."""


class Night:
    """One scenario in a directory of its own."""

    def __init__(self, stage: Stage, scenario: Scenario, directory: Path, window: float) -> None:
        self._stage, self._scenario, self._window = stage, scenario, window
        self.directory = directory
        self.home = Home(directory / "home", f"sqlite:///{directory / 'home' / 'journal.db'}")
        self._clock = SystemClock()
        self._struck = directory / "struck"
        self._codes: list[int] = []
        self._has_room = False
        self._changed = ""
        """Table in which a row was changed."""
        self.made: Mapping[str, Made] = {}
        self.port = 0
        """Of the copy of the application."""

    @contextmanager
    def standing(self) -> Iterator[Observed]:
        """Set it up, let it happen, look; its servers and the application stay for the length of the block, then
        everything of it but its files is ended. NotPlayed when it cannot be set up."""
        application = None
        self._take_room()
        try:
            plan, application, before = self._set_up_or_not()
            began = self._clock.monotonic()
            self._happen(plan)
            observed = self._observe(plan, before, self._clock.monotonic() - began)
            self._leave_room()  # it only stands there from now on
            yield observed
        finally:
            if application:
                application.end()
            self._stage.provider.discard(self.home.directory)
            self._leave_room()

    def _take_room(self) -> None:
        self._stage.room.acquire()
        self._has_room = True
        if self._stage.stop.is_set():
            self._leave_room()
            raise Stopped

    def _leave_room(self) -> None:
        if self._has_room:
            self._has_room = False
            self._stage.room.release()

    # --- before ------------------------------------------------------------------------------------------------

    def _set_up_or_not(self) -> tuple[Plan, commands.Application | None, bytes | None]:
        try:
            return self._set_up()
        except OwnServer:
            raise
        except RunbookError as error:
            raise NotPlayed(error.message) from error
        except OSError as error:
            raise NotPlayed(said(error)) from error

    def _set_up(self) -> tuple[Plan, commands.Application | None, bytes | None]:
        stage = self._stage
        self.home.directory.mkdir(parents=True)
        stage.provider.copy(stage.template / "home", self.home.directory)
        self.made = stage.provider.start(self.home.directory, stage.wanted)
        stage.refuse_own(self.made)
        self.port = port = commands.free_port()
        entries = {role: made.entry for role, made in self.made.items()}
        rewritten = rewrite(stage.plan, stage.text, entries, port, stage.provider.exchange)
        path = rewritten.write(self.directory / "plan", stage.files)
        application = self._application(path.parent, port)
        plan = load_plan(path)
        return plan, application, _clients(plan)

    def _application(self, directory: Path, port: int) -> commands.Application | None:
        plan, facts = self._stage.plan, self.directory / "servers"
        commands.write_facts(facts, plan, self.made)
        env = commands.environment(self._stage.rehearsal, self.home.directory)
        for words in plan.rehearsal.prepare:
            filled = commands.filled(words, plan, facts, port)
            commands.run(filled, directory, env, "rehearsal.prepare", self._stage.stop)
        known = plan.rehearsal.application
        return (
            commands.Application(commands.filled(known.run, plan, facts, port), directory, env, port) if known else None
        )

    # --- the night ---------------------------------------------------------------------------------------------

    def _happen(self, plan: Plan) -> None:
        one = self._scenario
        armed = {VARIABLE: one.failpoints, GUARD_VARIABLE: one.guard_failpoints, LOG: str(self._struck)}
        words = ["execute", str(plan.path), "--window", f"{self._window:.0f}s", "--yes", "--unrehearsed", ITSELF]
        self._type(words, armed, hangs=one.interrupted)
        for _ in range(MOST_CALLS if one.called or one.guarded else 0):
            if one.guard_failpoints:
                self._await_strike()
            elif one.guarded and not one.called:
                self._await_guard()
            state = self._state()
            if state is None or state in ENDINGS:
                return
            self._type(["resume"], {}, hangs=False)

    def _type(self, words: list[str], more: Mapping[str, str], *, hangs: bool) -> None:
        """What a person types, to its end."""
        guard = [] if self._scenario.guarded else ["--no-guard"]
        lease = {"RUNBOOK_LEASE": LEASE} if self._scenario.guarded else {}
        env = commands.environment(self._stage.rehearsal, self.home.directory, {**lease, **more})
        out = self.directory / f"said-{len(self._codes)}.txt"
        try:
            started = self._stage.starter.start([*words, *guard], self.directory, env, out)
        except OSError as error:
            raise NotPlayed(str(error)) from error
        self._codes.append(self._ended(started, hangs=hangs))

    def _ended(self, process: Started, *, hangs: bool) -> int:
        give_up_at = self._clock.monotonic() + self._window + self._stage.patience
        while (code := process.poll()) is None:
            if self._stage.stop.is_set() or self._clock.monotonic() > give_up_at:
                process.kill()
                process.wait()
            elif self._scenario.corrupts and _stands_still(process.pid):
                self._change_a_row()
                process.send_signal(signal.SIGCONT)
            elif self._scenario.short and self._struck.exists():
                self._leave_room()
            elif hangs and self._struck.exists():
                hangs = False
                for _ in range(2):  # the first stops at the next safe point, the second interrupts what runs
                    process.send_signal(signal.SIGINT)
                    Event().wait(1.0)
            Event().wait(POLL)
        if self._stage.stop.is_set():
            raise Stopped
        return code

    def _change_a_row(self) -> None:
        """Where nobody sees it, unless it is looked for."""
        if self._stage.plan.target and not self._changed:
            with suppress(RunbookError):  # then the night goes well, and its verdict is that nothing happened
                self._changed = picture.change_a_row(self.made[self._stage.plan.target].target, self._scenario.corrupts)

    def _await_guard(self) -> None:
        """Until the run has ended, or nobody has been at work on it for too long."""
        idle_since = self._clock.monotonic()
        while not self._stage.stop.is_set():
            found = self._status()
            if found is None or found.view.ending or found.view.held:
                return
            if found.live:
                idle_since = self._clock.monotonic()
            if self._clock.monotonic() - idle_since > GUARD_SECONDS:
                return
            Event().wait(POLL)
        raise Stopped

    def _await_strike(self) -> None:
        """Until the guard has met its end too, or had time enough for it: a person who is quicker would save it."""
        for _ in range(int(GUARD_SECONDS / POLL)):
            if self._has_struck():
                return
            if self._stage.stop.is_set():
                raise Stopped
            Event().wait(POLL)

    # --- after -------------------------------------------------------------------------------------------------

    def _status(self) -> Status | None:
        try:
            return read_status(self.home, None, self._clock.now())
        except UsageError:
            return None

    def _state(self) -> RunState | None:
        found = self._status()
        return found.state if found else None

    def _observe(self, plan: Plan, before: bytes | None, seconds: float) -> Observed:
        found = self._status()
        if found is None:
            return Observed(tuple(self._codes), None, self._last_words(), "", False, "", World({}), seconds=seconds)
        view = found.view
        back_at = view.ended_at
        late = (back_at - view.closes_at).total_seconds() if back_at and not view.pivot_at else 0.0
        return Observed(
            tuple(self._codes),
            found.state,
            found.reason or self._refusal(found) * (found.state is RunState.REFUSED),
            self._step(found),
            self._has_struck(),
            self._record(),
            self._world(plan, before) if found.state in ENDINGS else World({}),
            max(0.0, late),
            tuple(overdue(self.home)),
            seconds,
            frozenset(identity for identity, step in view.steps.items() if step.state is StepState.UNDONE),
        )

    def _step(self, found: Status) -> str:
        view = found.view
        wrong = [*view.stuck, *view.bad]
        return ", ".join(wrong) or self._scenario.step

    def _refusal(self, found: Status) -> str:
        """What checks found, in their own words."""
        steps = found.view.steps
        return "; ".join(filter(None, (steps[one].why for one in found.view.bad))) or self._last_words()

    def _has_struck(self) -> bool:
        if self._scenario.corrupts:
            return bool(self._changed)
        one = self._scenario
        wanted = len([part for part in f"{one.failpoints};{one.guard_failpoints}".split(";") if part])
        struck = self._struck.read_text(encoding="utf-8").splitlines() if self._struck.exists() else []
        return len(struck) >= wanted

    def _record(self) -> str:
        try:
            return "; ".join(str(one.problem) for one in verify(self.home) if not one.ok)
        except RunbookError as error:
            return error.message

    def _last_words(self) -> str:
        said = (self.directory / f"said-{len(self._codes) - 1}.txt").read_text(encoding="utf-8", errors="replace")
        return next((line for line in said.splitlines() if line.startswith("error")), said.strip()[-300:])

    def _world(self, plan: Plan, before: bytes | None) -> World:
        try:
            servers = {role: picture.take(made.target) for role, made in self.made.items()}
        except RunbookError as error:
            return World({}, unreadable=error.message)
        return World(servers, self._is_closed(plan), dict(_wrong_pages(plan)), self._clients_go(plan, before))

    def _is_closed(self, plan: Plan) -> bool:
        gate = plan.gate
        if isinstance(gate, FileGate):
            return Path(gate.path).exists()
        return isinstance(gate, CommandGate) and self._probed(plan, gate.probe) != 1

    def _probed(self, plan: Plan, probe: Sequence[str]) -> int:
        """Exit code of a command that looks, run as the night's own were; -9 when it does not end."""
        env = commands.environment(self._stage.rehearsal, self.home.directory)
        try:
            done = subprocess.run(  # noqa: S603 - the plan says that its commands may be run
                list(probe), cwd=plan.directory, env=env, check=False, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=PROBE_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        return done.returncode

    def _clients_go(self, plan: Plan, before: bytes | None) -> str:
        """By the file that the plan replaces text in; a command is asked."""
        if plan.repoint is None:
            found = self._status()
            return "new" if found and found.state is RunState.UPGRADED else "old"
        if not isinstance(plan.repoint, FileRepoint):
            code = self._probed(plan, plan.repoint.probe)
            return {0: "new", 1: "old"}.get(code, f"(the probe ended with {code})")
        found_now = _clients(plan)
        if found_now == before:
            return "old"
        return "new" if found_now == _replaced(plan.repoint, before or b"", plan, self.made) else "elsewhere"


def _stands_still(pid: int) -> bool:
    """By SIGSTOP."""
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "T"
    return False


def _clients(plan: Plan) -> bytes | None:
    if not isinstance(plan.repoint, FileRepoint):
        return None
    with suppress(OSError):
        return plan.repoint.path.read_bytes()
    return None


def _replaced(repoint: FileRepoint, before: bytes, plan: Plan, made: Mapping[str, Made]) -> bytes:
    text = before.decode("utf-8", "surrogateescape")
    places: dict[str, str] = {}
    for role, name in (("source", plan.source), ("target", plan.target)):
        if name is not None:
            places |= {f"{{{role}.{key}}}": str(made[name].facts[key]) for key in ("host", "port")}
    for pair in repoint.replace:
        old, new = pair.from_, pair.to
        for place, value in places.items():
            old, new = old.replace(place, value), new.replace(place, value)
        text = text.replace(old, new)
    return text.encode("utf-8", "surrogateescape")


def _wrong_pages(plan: Plan) -> Mapping[str, str]:
    web, wrong = HttpWeb(CancelToken(SystemClock())), {}
    for probe in getattr(plan.gate, "probes", ()):
        answer = web.get(probe.url)
        if answer.status != probe.open.status or (probe.open.contains or "") not in answer.body:
            wrong[probe.url] = f"status {answer.status}"
    return wrong
