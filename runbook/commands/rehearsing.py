"""``runbook rehearse``: the plan on throwaway servers, both ways and everything that can go wrong, side by side."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import picture
from runbook.app import build_executor
from runbook.errors import HostError, Refused, RunbookError
from runbook.home import Home
from runbook.plan.fingerprint import Fingerprint, diff, fingerprint
from runbook.plan.load import load_plan
from runbook.plan.models import Plan, Server
from runbook.plan.types import SYSTEM_DATABASES
from runbook.rehearsal import certificate, choosing, commands, measuring
from runbook.rehearsal.clearing import clear
from runbook.rehearsal.commands import Stopped
from runbook.rehearsal.judging import Measure, Tables, Verdict, judge, not_played
from runbook.rehearsal.nights import Night, NotPlayed, OwnServer, Stage
from runbook.rehearsal.onsandbox import server_name
from runbook.rehearsal.place import Place, needing, refuse_inside
from runbook.rehearsal.providing import Made, Wanted
from runbook.rehearsal.reaper import reaping
from runbook.rehearsal.reports import AS_IT_IS, Report
from runbook.rehearsal.rewriting import Rewritten, refuse_unfit, rewrite
from runbook.rehearsal.scenarios import BACK, FAULTS, FORWARD, Ending, Family, Scenario, chosen, mixed, scenarios
from runbook.rehearsal.starting import Preloaded
from runbook.step import Sizes

SHORT_RESERVE = 5.0
"""Seconds of reserve that a short window has at least; see Window.reserve_for."""
PLAN = "plan"
"""Directory of the plan's files beside the filled servers."""
NO_PORT = 1
"""Where nothing answers: the plan is only compiled."""
MOST_WAITING = 16
"""Nights that may wait for their turn-back point, besides those that are at work."""


@dataclass(frozen=True)
class Wish:
    """What of it is wanted."""

    on: str = "sandbox"
    only: tuple[str, ...] = ()
    faults: tuple[str, ...] = tuple(family.value for family in FAULTS)
    accepts_licence: bool = False
    """A person accepted SQL Server's licence for containers."""
    grow: int = 0
    """Both nights once more with so many times the rows, to tell what depends on sizes; 0: not."""
    jobs: int = 0
    """Nights at work at a time; 0: one more than this machine has cores."""

    @property
    def whole(self) -> bool:
        """Nothing is left out by choice."""
        return not self.only and set(self.faults) >= {family.value for family in FAULTS}


@dataclass(frozen=True)
class Opened:
    """Filled throwaway servers, and what nights on them are judged by."""

    place: Place
    stage: Stage
    measure: Measure
    not_rehearsed: tuple[str, ...]


FORWARD_NIGHT = Scenario(FORWARD, Family.NIGHT, Ending.NEW)


@dataclass
class Rehearsal:
    """One rehearsal, from the seed to the verdicts. ``told`` is called with each verdict as it is known, the how many
    of how many it is."""

    home: Home
    plan_path: Path
    wish: Wish
    told: Callable[[Verdict, int, int], None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None
    stop: Event = field(default_factory=Event)

    is_filling: bool = field(default=False, init=False)
    """Throwaway servers are being filled: nobody looks at ``stop`` then."""

    def __post_init__(self) -> None:
        refuse_inside(self.home)
        self._clock = SystemClock()
        self._plan = load_plan(self.plan_path)
        refuse_unfit(self._plan)
        self._text = self.plan_path.read_text(encoding="utf-8-sig")
        self._provider = choosing.provider(self._plan, self.wish.on, accepts_licence=self.wish.accepts_licence)
        self._wanted: dict[str, Wanted] = {}
        for server_of_plan in self._plan.servers.values():
            self._wanted[server_of_plan.name] = self._want(server_of_plan)
        room = self._provider.room(self._wanted)
        self._most = room or 1000
        self._jobs = min(self._most, self.wish.jobs or 1 + (os.cpu_count() or 1))
        self._short = 0.0
        self._ended, self._total = itertools.count(1), 1
        self._upgraded: Tables | None = None
        if not (self._plan.rehearsal.seed or self._plan.rehearsal.scripts):
            raise Refused(
                "the plan does not say what throwaway servers are filled with",
                hint="Add rehearsal.seed (a command) or rehearsal.scripts (T-SQL files) to it; see docs/rehearse.md.",
            )
        self._refuse_missing_scripts()

    def _want(self, server: Server) -> Wanted:
        if server.version is None:
            raise Refused(
                f"the plan does not say which version {server.name} is",
                hint=f"Add servers.{server.name}.expect.version: a rehearsal takes a throwaway server of that version.",
            )
        name = server.expect.server_name or (server.url.host if server.url.scheme == "sandbox" else "")
        taken = [one.server_name for one in self._wanted.values()]
        wanted = Wanted(server.name, server_name(name, server.name, taken), server.version)
        self._provider.refuse_unfit(wanted)
        return wanted

    def _refuse_missing_scripts(self) -> None:
        """Before the seed: it may take hours."""
        for path in self._plan.rehearsal.scripts:
            if not path.is_file():
                raise Refused(
                    f"rehearsal.scripts: there is no file {path}", hint="Correct its name; it is beside the plan."
                )

    # --- the course of it --------------------------------------------------------------------------------------

    def rehearse(self) -> Report:
        """Everything that is wanted. Refused when it cannot begin or the plan is refused; nothing is left running."""
        began, at, mark = self._clock.monotonic(), self._clock.now(), fingerprint(self._plan)
        with self.opened() as opened:
            if changed := self._changed(mark):  # the nights' copies of its files were made by now
                raise Refused(f"the plan was changed while throwaway servers were filled: {'; '.join(changed)}",
                              hint=AS_IT_IS)  # fmt: skip
            report = replace(self._report(opened, mark.digest, at, began), changed=self._changed(mark))
        return self._kept(report)  # now that what it took of the disk is free again

    def _kept(self, report: Report) -> Report:
        """It goes on record; whoever waited for it is told what came of it, also where that fails."""
        try:
            if report.is_kept:
                certificate.write(self.home, report.identity, report.to_json())
        except HostError as error:
            return replace(report, unkept=error.message)
        return report

    def _changed(self, mark: Fingerprint) -> tuple[str, ...]:
        """What is another one in the plan, or in the files it names, since that fingerprint was taken."""
        try:
            return tuple(diff(mark, fingerprint(load_plan(self.plan_path))))
        except RunbookError as error:
            return (error.message,)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Throwaway servers are filled, and nights can be played; nothing of it is left afterwards."""
        with needing(self.home):
            yield from self._opened()

    def _opened(self) -> Iterator[Opened]:
        clear(self.home, self.say)
        place = Place.new(self.home, self._clock.new_id(), self._provider.name)
        environment = commands.environment(place.directory, place.template / "home")
        with reaping(place):
            try:
                with self._provider.working(environment), closing(Preloaded(environment)) as starter:
                    with self._filling():
                        rewritten, before = self._seed(place)
                    names = tuple(database.name for database in self._plan.databases)
                    measure = Measure(self._plan.source, self._plan.target, names, before, carry=self._plan.carry)
                    stage = Stage(self._plan, self._text, self._provider, self._wanted, place.directory,
                                  place.template / PLAN, place.template, starter, self.stop, Semaphore(self._jobs),
                                  refuse_own=self._refuse_own)  # fmt: skip
                    yield Opened(place, stage, measure, tuple(dict.fromkeys(rewritten.not_rehearsed)))
            finally:
                place.clean(self._provider)

    @contextmanager
    def _filling(self) -> Iterator[None]:
        self.is_filling = True
        try:
            if self.stop.is_set():
                raise Stopped
            yield
        finally:
            self.is_filling = False

    def _report(self, opened: Opened, digest: str, at: datetime, began: float) -> Report:
        place = opened.place
        verdicts = list(self._nights(opened))
        measured = {}
        if {FORWARD, BACK} <= {one.scenario.name for one in verdicts if not one.code}:
            measured = measuring.measured(_home(place, FORWARD), _home(place, BACK))
            if self.wish.grow:
                measured["grown"] = self._grown(opened, verdicts)
        left_out = list(opened.not_rehearsed)
        if self._plan.strategy == "scripts":
            left_out.append("wrong data after the upgrade: scripts change data, only the checks of the plan judge it")
        evidence = place.directory / "evidence"
        return Report(
            place.directory.name, self._plan.name, digest, self.wish.on, at, self._clock.monotonic() - began,
            tuple(verdicts), tuple(left_out), self.wish.whole, measured, str(evidence) if evidence.is_dir() else "",
        )  # fmt: skip

    def _seed(self, place: Place) -> tuple[Rewritten, Mapping[str, picture.Picture]]:
        """Fill the throwaway servers once; returns the plan of the rehearsal and what they hold before any night."""
        home, rehearsal, plan = place.template / "home", self._plan.rehearsal, self._plan
        home.mkdir(parents=True)
        made = self._provider.start(home, self._wanted)
        self._refuse_own(made)
        entries = {role: one.entry for role, one in made.items()}
        rewritten = rewrite(plan, self._text, entries, NO_PORT, self._provider.exchange)
        self._compiled = build_executor(Home(home, "sqlite://")).compiled(self._laid_out(place, rewritten), Sizes())
        every = [node.id for node in self._compiled.graph]
        listed = self._listed(every)  # a name that is none need not wait for the seed
        self._total = 1 + sum(one.name != FORWARD for one in listed)
        facts, where = place.template / "servers", place.template / "seed"
        where.mkdir()
        commands.write_facts(facts, plan, made)
        if rehearsal.seed:
            self.say("filling throwaway servers")
            words = commands.filled(rehearsal.seed, plan, facts, 0)
            commands.run(words, where, commands.environment(place.directory, home), "rehearsal.seed", self.stop)
        for path in rehearsal.scripts:
            commands.run_script(made[plan.source], path)
        self._refuse_unseeded(picture.names(made[plan.source].target))
        picture.keep_still(made[plan.source].target, [database.name for database in plan.databases])
        before = {role: picture.take(one.target) for role, one in made.items()}
        self._laid_out(place, rewritten)  # once more: the seed may have made files of the plan
        self._provider.stop(home)
        return rewritten, before

    def _laid_out(self, place: Place, rewritten: Rewritten) -> Plan:
        return load_plan(rewritten.write(place.template / PLAN))

    def _refuse_unseeded(self, found: set[str]) -> None:
        missing = [one.name for one in self._plan.databases if one.name not in found]
        if missing:
            raise Refused(
                f"rehearsal.seed and scripts made no database {', '.join(missing)} on {self._plan.source}",
                hint=f"They have to make every database that the plan names, spelled like that; there are "
                f"{', '.join(sorted(found - SYSTEM_DATABASES)) or 'none'}.",
            )

    def _listed(self, effects: Collection[str]) -> list[Scenario]:
        """``effects``: steps that have something to do, so that it can go wrong in the middle."""
        moved = [self._plan.databases[0].name] if self._plan.strategy == "side-by-side" else []
        every = scenarios(self._compiled.graph, effects, self._plan.on_loss, moved)
        return chosen(every, self.wish.only, self.wish.faults)

    # --- the nights --------------------------------------------------------------------------------------------

    def _nights(self, opened: Opened) -> Iterator[Verdict]:
        """First forward, by which the others are set up and measured, and back; then the faults, side by side."""
        verdict = self._play(opened, FORWARD_NIGHT)
        yield verdict
        if verdict.code:
            self.say("the night forward went wrong: the others would show nothing")
            return
        effects = measuring.effective(_home(opened.place, FORWARD))
        listed = [one for one in self._listed(effects) if one.name != FORWARD]
        self._total = 1 + len(listed)
        for one in (one for one in listed if one.alone):
            yield self._play(opened, one)
        rest = [one for one in listed if not one.alone]
        with ThreadPoolExecutor(min(self._most, self._jobs + MOST_WAITING), thread_name_prefix="night") as pool:
            found = {pool.submit(self._play, opened, one): one for one in mixed(rest)}
            try:
                verdicts = {found[done].name: done.result() for done in as_completed(found)}
            except BaseException:
                self.stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        yield from (verdicts[one.name] for one in rest)

    def _grown(self, opened: Opened, verdicts: list[Verdict]) -> dict[str, Any] | None:
        """Both nights once more, with more in every database; what that took, None when they ended wrong."""
        self.say(f"both nights once more with {self.wish.grow} times the rows")
        template, names = opened.place.night("grown"), ("forward-grown", "back-grown")
        with self._filling():
            before = self._filled_more(opened, template / "home")
        larger = replace(
            opened, stage=replace(opened.stage, template=template), measure=replace(opened.measure, before=before)
        )
        self._total += len(names)
        for name, night in zip(names, (FORWARD_NIGHT, self.back()), strict=True):
            verdicts.append(self._play(larger, replace(night, name=name)))
            if verdicts[-1].code:
                return None
        return measuring.measured(*(_home(opened.place, name) for name in names))

    def _filled_more(self, opened: Opened, home: Path) -> Mapping[str, picture.Picture]:
        self._provider.copy(opened.place.template / "home", home)
        made = self._provider.start(home, self._wanted)
        self._refuse_own(made)
        for database in opened.measure.databases:
            picture.grow(made[self._plan.source].target, database, self.wish.grow)
        before = {role: picture.take(one.target) for role, one in made.items()}
        self._provider.stop(home)
        return before

    def _play(self, opened: Opened, one: Scenario) -> Verdict:
        began = self._clock.monotonic()
        try:
            with self.standing(opened, one) as (verdict, _):
                pass
        except NotPlayed as problem:
            verdict = not_played(one, str(problem), self._clock.monotonic() - began)
            opened.place.keep(opened.place.night(one.name))
        if not one.alone:
            shutil.rmtree(opened.place.night(one.name), ignore_errors=True)
        self.told(verdict, next(self._ended), self._total)
        return verdict

    @contextmanager
    def standing(self, opened: Opened, one: Scenario) -> Iterator[tuple[Verdict, Night]]:
        """A night, judged; its servers and the application are there for as long as the block takes."""
        if self.stop.is_set():
            raise Stopped
        directory = opened.place.night(one.name)
        directory.mkdir(parents=True)
        night = Night(opened.stage, one, directory, self._window(one))
        with night.standing() as observed:
            is_forward = one.alone and one.ending is Ending.NEW
            verdict = judge(one, observed, replace(opened.measure, upgraded=None if is_forward else self._upgraded))
            if is_forward:
                self._remember_forward(_home(opened.place, one.name), observed.world.servers, observed.seconds)
            if verdict.code:
                opened.place.keep(directory)
            yield verdict, night

    @property
    def room(self) -> int:
        """How many nights may stand at a time."""
        return self._most

    def back(self) -> Scenario:
        """The night with the way back, as it is made from the plan; once the one forward was played."""
        return next(one for one in scenarios(self._compiled.graph, (), self._plan.on_loss, ()) if one.name == BACK)

    def _window(self, one: Scenario) -> float:
        return self._short if one.short else self._plan.window.length.total_seconds()

    def _remember_forward(self, home: Home, servers: Mapping[str, picture.Picture], seconds: float) -> None:
        """What later nights are measured by."""
        if self._plan.target is None and servers:
            self._upgraded = servers[self._plan.source].tables
        stated = self._plan.window.reserve
        reserve = stated.total_seconds() if stated is not None else SHORT_RESERVE
        if servers:
            self._short = measuring.shortest_window(home, seconds, reserve)

    def _refuse_own(self, made: Mapping[str, Made]) -> None:
        """Nothing of the real system is ever touched: a throwaway server that is one of the plan's own ends it all."""
        real = {str((self.home.sandbox / one.url.host).resolve()) for one in self._plan.servers.values()
                if one.url.scheme == "sandbox"}  # fmt: skip
        addresses = {_address(one.url.host, one.url.port or 1433) for one in self._plan.servers.values()
                     if one.url.scheme == "mssql"}  # fmt: skip
        for role, one in made.items():
            if one.place in real or _address(str(one.facts["host"]), int(one.facts["port"])) in addresses:
                raise OwnServer(f"the throwaway server for {role} is one of the plan's own", hint="Report this.")


def _address(host: str, port: int) -> tuple[str, int]:
    try:
        return socket.gethostbyname(host), port
    except OSError:
        return host.lower(), port


def _home(place: Place, name: str) -> Home:
    directory = place.night(name) / "home"
    return Home(directory, f"sqlite:///{directory / 'journal.db'}")
