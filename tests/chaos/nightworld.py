"""The world of a generated night: the usual one, with others who act at any moment, and a plug to pull."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from runbook.errors import RunbookError
from runbook.events import Kind
from runbook.journal.reading import Row
from runbook.ports import RecoveryModel
from runbook.testing import Moment, World
from runbook.testing.backups import somebody_backs_up_the_log
from runbook.testing.content import sample_content
from runbook.testing.disk import Settings
from runbook.testing.instance import Instance
from runbook.testing.model import sample_job
from tests.chaos.deadline import Back
from tests.chaos.nightstory import Meanwhile, Night
from tests.chaos.record import TimedStore
from tests.chaos.turns import Turns


@dataclass
class Written:
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
        self.store = NightStore(self)
        self.tried: Counter[str] = Counter()
        self.rows: list[Written] = []
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
        self.store.silent_from(self.clock.machine)
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
            self.rows.append(Written(text, role, database, past))
            self.tried["row written by an administrator" if privileged else "row written by a user"] += 1
            self.trace.append(
                f"   {role}: {text} written into {database}{' by an administrator' if privileged else ''}"
            )
            return


class NightStore(TimedStore):
    """Its journal: how long each way back took, and when users were let in again."""

    def __init__(self, world: ChaosWorld) -> None:
        def durable(where: str) -> None:
            world.effect(f"journal: {where}", Moment.BEFORE if where.startswith("before") else Moment.AFTER)

        super().__init__(world.clock, durable, lambda: world.check_power(world.generation))
        self.backs: list[Back] = []
        self.back_at: float | None = None
        self.turned_at = self.turned_tail = 0.0
        """When it turned back, and how long what ran forward then went on."""
        self._ending: set[str] = set()

    def seen(self, row: Row) -> None:
        """It is durable."""
        super().seen(row)
        now, kind = self.clock.monotonic(), Kind(row.kind)
        if kind is Kind.TURNED_BACK:
            self.turned_at = now
            self._ending = {step for step, last in self.last.items() if last is Kind.STEP_STARTED}
        elif kind is Kind.EXECUTOR_STARTED:  # what the one before it was putting back begins anew
            self._ending.clear()
            self.backs += [Back(step, now) for step, last in self.last.items() if last is Kind.UNDO_STARTED]
        elif row.step in self._ending:
            self._ending.discard(row.step)
            self.turned_tail = now - self.turned_at
        if kind in (Kind.UNDO_STARTED, Kind.UNDO_DONE, Kind.UNDO_FAILED):
            self._goes_back(row.step, kind, now)

    def _goes_back(self, step: str, kind: Kind, now: float) -> None:
        if kind is Kind.UNDO_STARTED:
            self.backs.append(Back(step, now))
            return
        back = next(back for back in reversed(self.backs) if back.step == step)
        back.ended, back.good, back.failed = now, kind is Kind.UNDO_DONE, kind is Kind.UNDO_FAILED
        if step == "close-gate" and back.good:
            self.back_at = now
