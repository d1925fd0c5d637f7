"""Everything outside the process: servers, disks, gate, pointer, time, and what goes wrong with them.

A test makes a ``World``, opens handles on it, lets the program act, pulls the plug, opens new handles on the same
world, and compares what is left. Nothing here is undone by the death of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runbook.ports import Cancellation, Login, RecoveryModel
from runbook.testing.clock import FakeClock
from runbook.testing.content import Content, sample_content
from runbook.testing.disk import FakeDisk, Settings
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.faults import Fault, Kind
from runbook.testing.instance import Instance
from runbook.testing.machine import Machine
from runbook.testing.model import sample_job
from runbook.testing.refusals import INJECTED

DEFAULT_DURATION = 0.1
"""Seconds an effect takes unless ``World.durations`` says otherwise; looking takes none."""
FOR_EVER = 10 * 86400.0
APP_LOGIN = "mailer_app"
"""Who the application logs in as."""


class Moment(StrEnum):
    """When, seen from an effect, the plug can be pulled."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


@dataclass(frozen=True)
class Effect:
    """One moment at which the plug can be pulled. ``name``: ``old: cut_tail[Contacts]``."""

    number: int
    name: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.name}"


@dataclass
class Site:
    """What users see: the gate's page, the pointer's file, the application behind both.

    The application works when it reaches all its databases as an ordinary user whose login fits the database user.
    """

    url: str = "http://127.0.0.1:8090"
    page: str | None = None
    """What stands where the maintenance page goes; None: nothing, users come in."""
    page_by: str = ""
    """The run that put it there; empty: somebody else."""
    troubles: tuple[str, ...] = ()
    """What would keep the gate from being closed."""
    config: str = "server = old\n"
    """The configuration file the pointer changes."""
    databases: tuple[str, ...] = ()
    """What the application needs; empty: all databases of the old server as the world began."""
    down: bool = False
    overrides: dict[str, tuple[int, str]] = field(default_factory=dict)
    """URL -> (status, body): the application answers this whatever the rest of the world says."""


BatchEffect = Callable[[Content], Content]
Answer = tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]


class World:
    """The world of one test; see the module's docstring and ``mailer`` for the usual one."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.disk = FakeDisk()
        self.servers: dict[str, Instance] = {}
        self.hosts: dict[str, Machine] = {}
        self.site = Site()
        self.trace: list[str] = []
        """What was sent, in order: ``old: BACKUP LOG Contacts WITH NORECOVERY``; what was refused or cut off ends in
        ``!927``, ``!cancelled``, ``!power cut``, ``!lost`` and so on."""
        self.effects: list[Effect] = []
        self.faults: list[Fault] = []
        self.durations: dict[str, float] = {}
        """Seconds by ``cut_tail[Contacts]``, ``old: cut_tail`` or ``cut_tail``; also for looks (``prove_table``)."""
        self.partial_files = False
        """A cut-off BACKUP leaves its unusable file behind (the machine lost power, not only the program)."""
        self.batches: dict[str, BatchEffect] = {}
        """T-SQL of a batch -> what it does; other batches leave a mark in the definitions."""
        self.answers: dict[str, Answer] = {}
        """Text of a query -> columns and rows."""
        self.commands: dict[tuple[str, ...], Callable[[], tuple[int, str]]] = {}
        """Argument list -> what it does, returning exit code and output."""
        self.lingering = False
        """The machine of the executor loses power: the server does not notice, and what it was told goes on to its end
        unless somebody ends the session (``end_sessions_of``). Otherwise it notices and stops at once."""
        self.generation = 0
        self.dead = False
        self._plug: Callable[[Effect], bool] | None = None

    # -- making it

    @classmethod
    def mailer(cls, old: int = 2019, new: int | None = 2022, *, platform: str = "Linux") -> World:
        """The usual world: Contacts and Campaigns (FULL) and Archive (SIMPLE) on ``old``, an empty ``new``, three
        logins, three jobs of which one is disabled, an application that is connected, an exchange directory."""
        world = cls()
        instance = world.add_server("old", "OLDSQL", old, platform=platform)
        world._fill(instance)
        if new is not None:
            world.add_server("new", "NEWSQL", new)
        return world

    def add_server(self, role: str, server_name: str, year: int, *, platform: str = "Linux") -> Instance:
        """A server with its own disk, ``/backup`` of its own and the common ``/exchange``."""
        instance = Instance(role, self.clock, self.disk, server_name, year, platform=platform)
        identity = instance.identity()
        instance.mounts = {
            identity.data_path.rstrip("/\\"): f"{role} data",
            identity.backup_path.rstrip("/\\"): f"{role} backup",
            "/backup": f"{role} backup",
            "/exchange": "exchange",
        }
        self.servers[role] = instance
        return instance

    def add_host(self, name: str) -> Machine:
        """A host with nothing on it."""
        self.hosts[name] = Machine(self.clock, name)
        return self.hosts[name]

    def _fill(self, instance: Instance) -> None:
        for name, sid in (("mailer_app", "0x0A01"), ("report_reader", "0x0A02"), ("old_admin", "0x0A03")):
            instance.logins[name] = Login(
                name=name,
                kind="S",
                sid=sid,
                password_hash=f"0x0200{sid[2:]}",
                default_database="master",
                is_disabled=name == "old_admin",
                check_policy=True,
                check_expiration=False,
            )
        level = instance.major * 10
        for name in ("Contacts", "Campaigns", "Archive"):
            model = RecoveryModel.SIMPLE if name == "Archive" else RecoveryModel.FULL
            options = {"TRUSTWORTHY": "ON", "BROKER": "ON"} if name == "Contacts" else {}
            settings = Settings(recovery_model=model, compatibility_level=level, owner_sid="0x0A03", options=options)
            instance.create_database(name, sample_content(name), settings)
            instance.connect(name, reconnects=True)
        for name, enabled in (("scheduled-sends", True), ("nightly-rollup", True), ("old-import", False)):
            instance.add_job(sample_job(name, "Campaigns", enabled=enabled))
        self.site.databases = ("Contacts", "Campaigns", "Archive")

    # -- the process and the plug

    def effect(self, name: str, moment: Moment = Moment.BEFORE) -> None:
        """A moment at which the plug can be pulled; also for durable writes of the program's own (a journal)."""
        self.check_power(self.generation)
        effect = Effect(len(self.effects), name, moment)
        self.effects.append(effect)
        if self._plug is not None and self._plug(effect):
            self.cut_power(str(effect))

    def pull_plug(self, at: int | None = None, *, name: str = "", moment: Moment | None = None) -> None:
        """Cut the power at the ``at``-th moment from now (0: the next), or at the next one of that name and moment."""
        first = len(self.effects)

        def due(effect: Effect) -> bool:
            if at is not None:
                return effect.number >= first + at
            return name in effect.name and moment in {None, effect.moment}

        self._plug = due

    def pull_plug_when(self, condition: Callable[[Effect], bool]) -> None:
        """Cut the power at the first moment for which the condition holds."""
        self._plug = condition

    def cut_power(self, why: str = "the plug was pulled") -> None:
        """The process dies here: raises PowerCut, and again whenever something of the dead process wants to act."""
        self.dead = True
        self._plug = None
        raise PowerCut(why)

    def check_power(self, generation: int) -> None:
        """Raise PowerCut in a process that is already dead (its ``finally`` blocks must change nothing)."""
        if self.dead or generation != self.generation:
            raise PowerCut("this process is dead")

    def next_process(self) -> None:
        """The old process is gone with its connections, locks and timers; a new one may open handles."""
        self.generation += 1
        self.dead = False
        self._plug = None
        self.clock.forget_timers()
        for instance in self.servers.values():
            instance.end_lock()
            instance.slots.clear()

    # -- time and faults

    def fault(
        self,
        where: str,
        kind: Kind | str,
        match: str = "",
        *,
        times: int = 1,
        seconds: float = 0.0,
        number: int = INJECTED,
    ) -> Fault:
        """Make something go wrong, as ``runbook sandbox fault`` does; returns it with its ``hits``."""
        fault = Fault(where, Kind(kind), match, times, seconds, number)
        self.faults.append(fault)
        return fault

    def fault_for(self, where: str, text: str, *, effect: bool) -> Fault | None:
        """The fault that strikes this statement."""
        return next((fault for fault in self.faults if fault.strikes(where, text, effect=effect)), None)

    def duration(self, where: str, name: str, key: str, default: float = DEFAULT_DURATION) -> float:
        """Seconds it takes, by the most exact entry of ``durations``."""
        keyed = f"{name}[{key}]"
        for entry in (f"{where}: {keyed}", keyed, f"{where}: {name}", name):
            if entry in self.durations:
                return self.durations[entry]
        return default

    def pass_time(self, seconds: float, cancellation: Cancellation) -> None:
        """Time passes in the middle of a call; timers fire, a cancellation is felt."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.clock.tick(end - self.clock.monotonic())
            cancellation.checkpoint()
        cancellation.checkpoint()

    def hang(self, what: str, cancellation: Cancellation) -> None:
        """It never ends by itself: time passes until a cancellation is felt."""
        end = self.clock.monotonic() + FOR_EVER
        while self.clock.monotonic() < end and self.clock.next_due() is not None:
            self.clock.tick(end - self.clock.monotonic())
            cancellation.checkpoint()
        raise ImpossibleWorld(f"hangs for ever, and nothing is left that would cancel it: {what}")

    def kill_server(self, role: str) -> None:
        """The server process dies: sessions end, unfinished work rolls back."""
        self.servers[role].die()

    def start_server(self, role: str, *, recovering: float = 0.0) -> None:
        """It is started again; databases that were open are RECOVERING for that many seconds."""
        self.servers[role].start(recovering)

    def beating_job(self, role: str, name: str, database: str, *, every: float = 5.0, lasts: float = 1.0) -> None:
        """An Agent job that runs ``every`` so often for ``lasts`` seconds and inserts a row each time, as long as it is
        enabled; the Agent is an administrator, so a restricted database does not stop it."""
        instance = self.servers[role]

        def beat() -> None:
            instance.run_job(name, database, lasts)
            self.clock.later(every, beat)

        self.clock.later(every, beat)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Something happens in the world in ``seconds``."""
        self.clock.later(seconds, lambda: void(action()))

    # -- people

    def users_write(
        self, role: str | None = None, database: str = "", *, privileged: bool = False, text: str = "slipped in"
    ) -> list[str]:
        """A client inserts a row into the first table of every database (or the one named) it gets into, on the server
        the pointer names; returns ``server Database table`` of each row that really was written."""
        instance = self.servers[role or self.pointed_at()]
        written = []
        for found in list(instance.databases.values()):
            wanted = not database or database.lower() == found.name.lower()
            if wanted and instance.usable(found, privileged=privileged) and found.insert(text):
                written.append(f"{instance.role} {found.name} {found.first_table}")
        return written

    def pointed_at(self) -> str:
        """The server the application uses, from its configuration file."""
        return self.site.config.split("server = ", 1)[-1].split("\n", 1)[0].strip()

    # -- comparing

    def content(self, role: str) -> dict[str, Any]:
        """Everything of a server that an untouched one would still have, as plain data: state, access, settings and
        content of its databases, jobs, logins. Log positions and backup history are not part of it."""
        instance = self.servers[role]
        return {
            "databases": {one.name: _plain_database(instance, one.name) for one in instance.databases.values()},
            "jobs": {job.definition.name: job.enabled for job in instance.jobs.values()},
            "logins": {login.name: login.is_disabled for login in instance.logins.values()},
        }

    def data(self, role: str) -> dict[str, Any]:
        """The content of the databases alone."""
        return {one.name: one.content.plain() for one in self.servers[role].databases.values() if not one.snapshot_of}

    def public(self) -> str:
        """What a user meets now: ``old``, ``new``, ``closed`` or ``broken``."""
        if self.site.page is not None:
            return "closed"
        return self.pointed_at() if self.application_works() else "broken"

    def application_works(self) -> bool:
        """True when the application reaches all its databases as an ordinary user."""
        instance = self.servers.get(self.pointed_at())
        if instance is None or instance.down or self.site.down:
            return False
        found = [instance.find(name) for name in self.site.databases]
        return all(one is not None and instance.usable(one) and instance.knows(APP_LOGIN, one) for one in found)


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    """What differs between two results of ``World.content``, one line each."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [*before, *(key for key in after if key not in before)]
        missing = object()
        return [
            line
            for key in keys
            for line in differences(before.get(key, missing), after.get(key, missing), f"{where}/{key}")
        ]
    return [] if before == after else [f"{where}: {_shown(before)} -> {_shown(after)}"]


def _shown(value: Any) -> str:
    return "nothing" if type(value) is object else repr(value)


def _plain_database(instance: Instance, name: str) -> dict[str, Any]:
    database = instance.get(name)
    settings = database.settings
    return {
        "state": str(database.state),
        "access": str(settings.user_access),
        "read_only": settings.is_read_only,
        "recovery": str(settings.recovery_model),
        "compatibility": settings.compatibility_level,
        "owner": instance.login_of(settings.owner_sid),
        "options": dict(settings.options),
        "family": database.family_guid,
        "created": database.created_at,
        "version": database.internal_version,
        "snapshot_of": database.snapshot_of,
        **database.content.plain(),
    }


def void(_: object) -> None:
    """Drop a result."""
