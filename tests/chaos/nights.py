"""Generated mailer nights: the real steps and ways back on the fakes of servers, gate and pointer, in virtual time.

Users write at any moment at which the server lets them: every row that was committed must be in the database that
serves at the end, or, where somebody came past the closed gate, in a backup beside that the record names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from runbook.errors import AlreadyRunning, RunbookError
from runbook.executor import Executor, Kinds
from runbook.journal.log import fold
from runbook.plan.models import Plan
from runbook.ports import RecoveryModel
from runbook.registry import step_kinds, undo_kinds
from runbook.runview import RunView
from runbook.states import RunState
from runbook.testing import FakeServices, Moment, World, differences, mailer_plan
from runbook.testing.backups import somebody_backs_up_the_log
from runbook.testing.content import sample_content
from runbook.testing.disk import Settings
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.instance import Instance
from runbook.testing.model import sample_job
from runbook.testing.store import MemoryStore
from tests.chaos.graphs import MOST_PROCESSES, PATIENCE, Told
from tests.chaos.story import Life
from tests.chaos.switches import Broken
from tests.chaos.turns import Machine, Turns, TurnWorkers

KINDS = Kinds(step_kinds(), undo_kinds())
NAMES = ("Contacts", "Campaigns", "Archive", "Billing", "Audit", "Events")


@dataclass(frozen=True)
class Database:
    """One database of the old server."""

    name: str
    rows: int
    tables: int
    simple: bool


@dataclass(frozen=True)
class Wrong:
    """A fault. It lies in wait for a statement, or, with ``moment``, strikes what comes next from there."""

    where: str
    kind: str
    match: str = ""
    times: int = 1
    seconds: float = 0.0
    moment: int = -1

    def words(self) -> str:
        """One line."""
        when = f"from moment {self.moment}" if self.moment >= 0 else f"at {self.match}"
        return (
            f"{self.where}: {self.kind} {when}, {self.times} times{f', {self.seconds:.0f} s' if self.seconds else ''}"
        )


@dataclass(frozen=True)
class Meanwhile:
    """What others do: at a moment of the world (durable writes and effects, counted), or after a row of the journal."""

    what: str
    """``write``, ``administrator writes``, ``log backup``, ``clock``."""
    database: str = ""
    moment: int = -1
    after: str = ""
    number: float = 0.0

    def words(self) -> str:
        """One line."""
        when = f"at moment {self.moment}" if self.moment >= 0 else f"after {self.after}"
        return f"{when}: {self.what} {self.database}{f' {self.number:+.0f} s' if self.number else ''}"


@dataclass(frozen=True)
class Night:
    """All of it."""

    strategy: str
    databases: tuple[Database, ...]
    jobs: tuple[bool, ...]
    window: float
    workers: int = 8
    wrongs: tuple[Wrong, ...] = ()
    meanwhile: tuple[Meanwhile, ...] = ()
    lives: tuple[Life, ...] = ()
    lingering: bool = False
    seconds: float = 0.1
    order: int = 0

    def words(self) -> Iterator[str]:
        """What happens, line by line."""
        yield f"{self.strategy}, a window of {self.window:.0f} s, {self.workers} workers, {len(self.jobs)} jobs"
        for one in self.databases:
            yield f"  {one.name}: {one.tables} tables of {one.rows} rows{', SIMPLE' if one.simple else ''}"
        if self.lingering:
            yield "  servers go on with what a dead process told them"
        for listed in (self.wrongs, self.meanwhile, self.lives):
            yield from (f"  {one.words()}" for one in listed)

    def smaller(self) -> Iterator[Night]:
        """The same with one piece left out."""
        for name in ("wrongs", "lives", "meanwhile", "jobs"):
            listed = getattr(self, name)
            for at in range(len(listed)):
                yield replace(self, **{name: (*listed[:at], *listed[at + 1 :])})
        if len(self.databases) > 1:
            yield replace(self, databases=self.databases[:-1])
        if self.lingering:
            yield replace(self, lingering=False)
        if self.workers > 1:
            yield replace(self, workers=1)


# --- drawing one -----------------------------------------------------------------------------------------------------

SPOTS = {
    "side-by-side": (
        "seed-backup",
        "seed-restore",
        "restrict-database",
        "drain-sessions",
        "restore-logs",
        "cut-database",
        "restore-tail",
        "recover-database",
        "release-database",
    ),
    "scripts": ("backup-database", "restrict-database", "create-snapshot", "run-scripts", "release-database"),
}
STATEMENTS = {
    "side-by-side": (
        ("old", "BACKUP DATABASE"),
        ("new", "RESTORE DATABASE"),
        ("old", "BACKUP LOG"),
        ("new", "RESTORE LOG"),
        ("new", "WITH RECOVERY"),
        ("old", "WITH RECOVERY"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("new", "MULTI_USER"),
        ("new", "LOGIN"),
        ("new", "job"),
        ("old", "job"),
        ("new", "DROP"),
        ("old", "DIFFERENTIAL"),
        ("old", "ONLINE"),
        ("old", "OFFLINE"),
        ("new", "CHECKDB"),
    ),
    "scripts": (
        ("old", "BACKUP DATABASE"),
        ("old", "SNAPSHOT"),
        ("old", "ALTER TABLE"),
        ("old", "UPDATE"),
        ("old", "RESTRICTED_USER"),
        ("old", "MULTI_USER"),
        ("old", "job"),
        ("old", "RESTORE"),
        ("old", "CHECKDB"),
    ),
}
AROUND = (("gate", "close"), ("gate", "open"), ("pointer", "forward"), ("pointer", "back"), ("gate", ""), ("web", ""))
SERVER_KINDS = ("fail", "fail", "hang", "slow", "lie", "lost", "drop", "disk-full", "kill")
AROUND_KINDS = {"gate": ("fail", "hang", "slow", "lie", "lost", "drop"), "web": ("fail", "hang", "slow")}


def generate(draw: Random) -> Night:
    """One night."""
    strategy = draw.choice(("side-by-side", "side-by-side", "scripts"))
    count = draw.choice((1, 1, 2, 2, 3, 4, 6))
    simple = draw.random() < 0.4
    databases = tuple(
        Database(name, draw.choice((0, 1, 5, 20)), draw.randint(1, 4), simple and draw.random() < 0.5)
        for name in NAMES[:count]
    )
    moments = 110 + 110 * count
    return Night(
        strategy,
        (replace(databases[0], rows=max(1, databases[0].rows)), *databases[1:]),
        tuple(draw.random() < 0.7 for _ in range(draw.choice((0, 0, 1, 3)))),
        window=draw.choice((150.0, 300.0, 300.0, 600.0)),
        workers=draw.choice((1, 3, 8)),
        wrongs=tuple(_wrong(draw, strategy, moments) for _ in range(draw.choice((0, 0, 1, 1, 2, 3)))),
        meanwhile=tuple(_meanwhile(draw, strategy, databases, moments) for _ in range(draw.choice((0, 1, 2, 4, 8)))),
        lives=tuple(_life(draw, moments) for _ in range(draw.choice((0, 0, 1, 1, 2, 3, 4)))),
        lingering=draw.random() < 0.3,
        seconds=draw.choice((0.1, 0.1, 0.5)),
        order=draw.randrange(2**32),
    )


def _wrong(draw: Random, strategy: str, moments: int) -> Wrong:
    around = draw.random() < 0.2
    where, match = draw.choice(AROUND if around else STATEMENTS[strategy])
    if around and strategy == "scripts" and where == "pointer":
        where, match = "gate", "open"
    kind = draw.choice(AROUND_KINDS.get(where, AROUND_KINDS["gate"]) if around else SERVER_KINDS)
    if (where, match) == ("new", "WITH RECOVERY") and draw.random() < 0.3:
        kind = "corrupt"
    times = draw.choice((1, 1, 1, 2, 4))
    moment = draw.randrange(moments) if kind != "corrupt" and draw.random() < 0.4 else -1
    return Wrong(
        where, kind, "" if moment >= 0 else match, times, draw.choice((5.0, 40.0)) if kind == "slow" else 0.0, moment
    )


def _meanwhile(draw: Random, strategy: str, databases: tuple[Database, ...], moments: int) -> Meanwhile:
    what = draw.choice(("write", "write", "write", "write", "administrator writes", "log backup", "clock"))
    database = draw.choice(databases).name
    number = draw.choice((-3600.0, -30.0, 30.0, 3600.0)) if what == "clock" else draw.choice((0.0, 0.0, 1.0))
    if what != "clock" and draw.random() < 0.6:
        return Meanwhile(what, database, after=f"step-done({draw.choice(SPOTS[strategy])}[{database}])", number=number)
    return Meanwhile(what, database if what != "clock" else "", moment=draw.randrange(moments), number=number)


def _life(draw: Random, moments: int) -> Life:
    gap = draw.choice((3.0, 16.0, 16.0, 20.0, 60.0, 2000.0))
    return Life("cut", draw.randrange(draw.choice((10, 60, moments))), gap=gap)


# --- the world -------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A row that somebody committed."""

    text: str
    role: str
    database: str
    past_the_gate: bool
    """Written behind the gate, where only what is kept beside can be promised when the run goes back."""


class ChaosWorld(World):
    """The usual world, filled as the night says, on a clock that threads share."""

    def __init__(self, night: Night) -> None:
        super().__init__()
        self.night = night
        self.clock: Turns = Turns(Random(night.order))
        self.tried: Counter[str] = Counter()
        self.rows: list[Row] = []
        self.count = 0
        self.opened = False
        self.lingering = night.lingering
        self.partial_files = night.lingering
        self.waiting = list(night.meanwhile)
        self.later_faults = [one for one in night.wrongs if one.moment >= 0]
        old = self.add_server("old", "OLDSQL", 2019)
        self._fill(old)
        if night.strategy == "side-by-side":
            self.add_server("new", "NEWSQL", 2022)
        for one in night.wrongs:
            if one.moment < 0:
                self.fault(one.where, one.kind, one.match, times=one.times, seconds=one.seconds)
        self.usual_seconds = night.seconds

    def duration(self, where: str, name: str, key: str, default: float = 0.1) -> float:
        """Effects take as long as this night says."""
        found = super().duration(where, name, key, default)
        return self.usual_seconds if default > 0 and found == default else found

    def _fill(self, instance: Instance) -> None:
        super()._fill(instance)
        wanted = {one.name: one for one in self.night.databases}
        for name in list(instance.databases):
            found = instance.databases[name]
            if found.name not in wanted:
                del instance.databases[name]
        instance.clients = [client for client in instance.clients if client.database in wanted]
        level = instance.major * 10
        for one in wanted.values():
            model = RecoveryModel.SIMPLE if one.simple else RecoveryModel.FULL
            content = sample_content(one.name, one.rows, one.tables)
            found = instance.find(one.name)
            if found is None:
                settings = Settings(recovery_model=model, compatibility_level=level, owner_sid="0x0A03")
                instance.create_database(one.name, content, settings)
                instance.connect(one.name, reconnects=True)
            else:
                found.content = content
                found.set(recovery_model=model)
        instance.jobs.clear()
        for number, enabled in enumerate(self.night.jobs):
            instance.add_job(sample_job(f"job {number}", self.night.databases[0].name, enabled=enabled))
        self.site.databases = tuple(wanted)

    # --- moments -----------------------------------------------------------------------------------------------------

    def effect(self, name: str, moment: Moment = Moment.BEFORE) -> None:
        """See World; others act in between, and the process may lose its power."""
        machine = self.clock.machine
        if machine is self.clock.world or not self.opened:
            super().effect(name, moment)
            return
        self.check_power(self.generation)
        self.count += 1
        self._others(name)
        super().effect(name, moment)
        machine.moments += 1
        life = getattr(machine, "life", None)
        if life is not None and life.moment + 1 == machine.moments:
            self.tried["power cut"] += 1
            self.cut_power(f"{moment} {name}")

    def cut_power(self, why: str = "the plug was pulled") -> None:
        """All threads of the process."""
        self.trace.append(f"   power cut {why}")
        self.clock.cut_power()
        super().cut_power(why)

    def _others(self, name: str) -> None:
        due = [one for one in self.waiting if (one.after and one.after in name) or one.moment == self.count]
        for one in due:
            self.waiting.remove(one)
            self._happens(one)
        for wrong in [one for one in self.later_faults if one.moment <= self.count]:
            self.later_faults.remove(wrong)
            self.fault(wrong.where, wrong.kind, "", times=wrong.times, seconds=wrong.seconds)

    def _happens(self, one: Meanwhile) -> None:
        if one.what == "clock":
            self.tried["clock forward" if one.number > 0 else "clock back"] += 1
            self.clock.step(one.number)
        elif one.what == "log backup":
            self._backs_up(one)
        else:
            self.somebody_writes(one.database, privileged=one.what != "write")

    def _backs_up(self, one: Meanwhile) -> None:
        try:
            place = "/exchange" if one.number else "/backup"
            somebody_backs_up_the_log(self.servers["old"], one.database, f"{place}/theirs-{self.count}.trn")
        except RunbookError:
            return
        self.tried["log backup by somebody else"] += 1

    def somebody_writes(self, database: str, *, privileged: bool) -> None:
        """Where the application is pointed to, or, for an administrator, wherever it is open."""
        text = f"w:{len(self.rows)}"
        for role in [self.pointed_at()] if not privileged else list(self.servers):
            instance = self.servers.get(role)
            if instance is None or instance.down:
                continue
            found = instance.find(database)
            if found is None or any(mark.endswith("half ") for mark in found.content.definitions.values()):
                continue  # the fake of a batch under way forgets what others write meanwhile; a server does not
            if not instance.usable(found, privileged=privileged) or not found.insert(text):
                continue
            past = self.site.page is not None and (role == "new" or self.night.strategy == "scripts")
            self.rows.append(Row(text, role, database, past))
            self.tried["row written by an administrator" if privileged else "row written by a user"] += 1
            self.trace.append(
                f"   {role}: {text} written into {database}{' by an administrator' if privileged else ''}"
            )
            return


# --- telling it ------------------------------------------------------------------------------------------------------


@cache
def _plan(strategy: str, databases: tuple[str, ...], workers: int) -> Plan:
    keep = TemporaryDirectory()
    _kept.append(keep)
    return mailer_plan(Path(keep.name), strategy, databases=databases, more=f"limits: {{workers: {workers}}}\n")


_kept: list[Any] = []


class Teller:
    """Lets one night happen and judges it."""

    def __init__(self, night: Night) -> None:
        self.night = night
        self.world = ChaosWorld(night)
        self.clock = self.world.clock
        self.plan = _plan(night.strategy, tuple(one.name for one in night.databases), night.workers)
        self.store = MemoryStore(self._durable, lambda: self.world.check_power(self.world.generation))
        self.before = self.world.content("old")
        self.data = self.world.data("old")
        self.told = Told(tried=self.world.tried, trace=self.world.trace)
        self.lives = list(night.lives)
        self.run_id = ""
        self.count = 0
        self.mended = False
        self.errors = 0
        self.silent: list[tuple[float, float, int]] = []

    def _durable(self, where: str) -> None:
        self.world.effect(f"journal: {where}", Moment.BEFORE if where.startswith("before") else Moment.AFTER)

    def executor(self) -> Executor:
        """A new process's."""
        return Executor(
            self.store,
            self.clock,
            KINDS,
            lambda plan: FakeServices(self.world, plan),
            lambda _limit: TurnWorkers(self.clock),
            heartbeat=False,
        )

    def tell(self) -> Told:
        """From the opening to the ending."""
        try:
            self._tell()
        except Broken as error:
            self.told.broken.append(str(error))
        except Exception as error:  # noqa: BLE001  (a journal that cannot be read back is a finding as well)
            self.told.broken.append(f"{type(error).__name__}: {error}")
        finally:
            self.clock.close()
        for fault in self.world.faults:
            self.world.tried[f"{fault.where}: {fault.kind}"] += len(fault.hits)
        return self.told

    def _tell(self) -> None:
        try:
            self.run_id = self.executor().open_run(self.plan, self.night.window)
        except RunbookError as error:
            self.told.ending = "refused at opening"
            self.world.trace.append(f"   refused: {error}")
            self._old()
            return
        self.world.opened = True
        self.opened = self.clock.monotonic()
        while not self._one_life():
            if self.count > MOST_PROCESSES:
                raise Broken("it never comes to an end, however often it is resumed")
        self._judge()

    def _one_life(self) -> bool:
        self.count += 1
        life = self.lives.pop(0) if self.lives else None
        machine = self._boot(life)
        left = max(self.opened + self.night.window - self.clock.monotonic(), 0.0) + PATIENCE
        patience = self.clock.later(left, lambda: self._end_by_hand(machine))
        self.clock.await_news(machine)
        patience.cancel()
        if machine.dead or isinstance(machine.error, PowerCut):
            self._next(life.gap if life else 20.0)
            return False
        return self._after(machine, life)

    def _boot(self, life: Life | None) -> Machine:
        def work() -> object:
            executor = self.executor()
            machine.executor = executor  # type: ignore[attr-defined]
            return executor.drive(self.run_id, self.plan)

        machine = self.clock.boot(f"process {self.count}", work)
        machine.life = life  # type: ignore[attr-defined]
        return machine

    def _after(self, machine: Machine, life: Life | None) -> bool:
        error = machine.error
        if isinstance(error, AlreadyRunning):
            if life:
                self.lives.insert(0, life)
            self._next(5.0 if self.count < 20 else 300.0)
            return False
        if isinstance(error, RunbookError):
            self.errors += 1
            if self.errors > 20:
                raise Broken(f"nobody can take it up: {error}")
            self._mend()
            self._next(20.0)
            return False
        if error is not None:
            raise error if isinstance(error, ImpossibleWorld) else Broken(f"a process ended with {error!r}")
        if machine.result is RunState.HELD:
            self._held()
            return False
        if machine.result in (RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED):
            return True
        self._next(20.0)
        return False

    def _next(self, gap: float) -> None:
        began = self.clock.monotonic()
        rows = len(self.store.rows(self.run_id))
        self.world.next_process()
        self.clock.advance(gap)
        self.silent.append((began, self.clock.monotonic(), rows))

    def _held(self) -> None:
        """A person mends what is wrong; a further executor must be able to end it."""
        view = self.view
        self.world.trace.append(f"   held: {view.held}; a person mends everything")
        if self.mended:
            raise Broken(f"held although all is mended: {view.held}")
        if not any(fault.hits for fault in self.world.faults):
            raise Broken(f"held without a reason: {view.held}")
        self.told.ending = "held"
        self._mend()
        self._next(60.0)

    def _mend(self) -> None:
        self.mended = True
        self.world.later_faults.clear()
        for fault in self.world.faults:
            fault.times = len(fault.hits)
        for role, instance in self.world.servers.items():
            if instance.down:
                self.world.start_server(role)

    def _end_by_hand(self, machine: Machine) -> None:
        executor = getattr(machine, "executor", None)
        if machine.ended:
            return
        self.world.tried["ended by a person, long after the window"] += 1
        self.world.trace.append(f"   a person ends {machine.name}")
        self._mend()
        if executor is not None and executor.engine is not None:
            executor.engine.stop("a person ends it", at_once=True)
        self.clock.later(60.0, lambda: self._kill(machine))

    def _kill(self, machine: Machine) -> None:
        """What does not end when it is told to."""
        if not machine.ended and not machine.dead:
            self.world.tried["killed by a person, since it did not end"] += 1
            self.world.trace.append(f"   a person kills {machine.name}")
            self.world.dead = True
            self.clock.cut_power(machine)

    @property
    def view(self) -> RunView:
        """The run, read back."""
        return fold(self.store.rows(self.run_id))

    # --- the judgement -----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        view = self.view
        if view.ending is None:
            return
        for role, instance in self.world.servers.items():
            if instance.down:  # killed by the world, not by the run
                self.world.start_server(role)
        held = "held, then " if self.told.ending == "held" else ""
        self.told.ending = f"{held}{view.ending}"
        if view.ending is RunState.UPGRADED:
            self._new()
        else:
            self._old()
        self._rows(view)

    def _old(self) -> None:
        found = differences(
            _stripped(self.before, self.world.rows), _stripped(self.world.content("old"), self.world.rows)
        )
        if found:
            self.told.broken.append(f"the old setup is not as it was: {found[:4]}")
        self._serves("old")

    def _new(self) -> None:
        if self.night.strategy == "scripts":
            self._serves("old")
            return
        self._serves("new")
        rows, now = self.world.rows, self.world.content("new")
        found = differences(
            {name: _plain(one, name, rows) for name, one in self.data.items()},
            {name: _plain(one, name, rows) for name, one in self.world.data("new").items()},
        )
        found += differences(self.before["jobs"], now["jobs"], "jobs")
        if any(self.world.content("old")["jobs"].values()):
            found.append("jobs are enabled on both servers")
        for one in self.night.databases:
            before, after = self.before["databases"][one.name], now["databases"][one.name]
            keys = ("state", "access", "owner")
            found += differences({key: before[key] for key in keys}, {key: after[key] for key in keys}, one.name)
        if found:
            self.told.broken.append(f"the new setup is not whole: {found[:4]}")

    def _serves(self, role: str) -> None:
        if self.world.public() != role:
            self.told.broken.append(f"users meet {self.world.public()!r}, not {role!r}")

    def _rows(self, view: RunView) -> None:
        """No committed row is lost."""
        serving = "new" if self.night.strategy == "side-by-side" and view.ending is RunState.UPGRADED else "old"
        data = self.world.data(serving)
        named = "\n".join([*view.findings, *(row.body for row in self.store.rows(self.run_id))])
        for row in self.world.rows:
            if row.text in _texts(data[row.database]):
                continue
            kept = [path for path, texts in self._files(row.database) if row.text in texts and path in named]
            if row.past_the_gate and kept:
                self.world.tried["row that slipped in, kept beside"] += 1
                continue
            self.told.broken.append(f"a row is lost: {row}, which is in {kept or 'no file that is named'}")

    def _files(self, database: str) -> Iterator[tuple[str, set[str]]]:
        for shelf in self.world.disk.places.values():
            for path, made in shelf.backups.items():
                if made.database.lower() == database.lower():
                    yield path, _texts(made.content.plain())


def _texts(content: Any) -> set[str]:
    return {str(row[-1]) for rows in content["tables"].values() for row in rows}


def _plain(content: Any, name: str, rows: list[Row]) -> Any:
    """Without what others wrote meanwhile, which is looked at row by row."""
    tables = {
        table: [row for row in found if not str(row[-1]).startswith("w:")] for table, found in content["tables"].items()
    }
    written = any(row.database == name for row in rows)
    positions = {key: value for key, value in content["positions"].items() if not written}
    return {**content, "tables": tables, "positions": positions}


def _stripped(content: Any, rows: list[Row]) -> Any:
    return {**content, "databases": {name: _plain(one, name, rows) for name, one in content["databases"].items()}}


def tell(night: Night) -> Told:
    """One night."""
    return Teller(night).tell()
