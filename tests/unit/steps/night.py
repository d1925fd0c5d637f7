"""One night on fakes, step by step: the steps of these phases, and what the phases before them leave behind."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

from runbook.api import (
    AccessBefore,
    Decision,
    GateBefore,
    JobMark,
    JobsBefore,
    Outcome,
    Plan,
    QuietMark,
    Skip,
    Step,
    UserAccess,
)
from runbook.plan.load import load_plan
from runbook.testing import PowerCut, World
from runbook.testing.bench import RUN, BenchContext, StepBench
from runbook.testing.plans import mailer_plan

PHASES = ("snapshot", "upgrade", "validate", "online")
SIDE_BY_SIDE = (
    "pin-exchange",
    "seed-backup",
    "seed-restore",
    "carry-logins",
    "OFFLINE",
    "carry-jobs",
    "prove-reference",
    "cut-database",
    "restore-tail",
    "recover-database",
    "carry-options",
    "check-version",
    "compare-proof",
    "check-database",
    "run-queries",
    "repoint",
    "release-database",
    "check-http",
    "last-look",
)
SCRIPTS = (
    "pin-exchange",
    "OFFLINE",
    "backup-database",
    "create-snapshot",
    "expect-return",
    "prove-reference",
    "run-scripts",
    "check-version",
    "check-database",
    "run-queries",
    "release-database",
    "check-http",
    "last-look",
)
AFTERWARDS = ("open-gate", "probe-open", "enable-jobs", "first-backup")


def kinds() -> dict[str, type[Step]]:
    """The steps of these phases, by name."""
    found = {}
    for phase in PHASES:
        package = importlib.import_module(f"steps.{phase}")
        for one in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"steps.{phase}.{one.name}")
            for kind in vars(module).values():
                if inspect.isclass(kind) and issubclass(kind, Step) and kind.__module__ == module.__name__:
                    found[kind.name] = kind
    return found


KINDS = kinds()


class Night:
    """A world, a plan, a bench, and steps made by name."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.bench = StepBench(BenchContext(world, plan, run_id=RUN))
        self.steps: dict[str, Step] = {}

    @classmethod
    def of(cls, directory: Path, strategy: str = "side-by-side", databases: tuple[str, ...] = ("Contacts",)) -> Night:
        """The usual world and the plan that fits it."""
        return cls(World.mailer(), mailer_plan(directory, strategy, databases=databases))

    @staticmethod
    def plan_at(path: Path) -> Plan:
        """A plan that was changed after it was written."""
        return load_plan(path)

    @property
    def ctx(self) -> BenchContext:
        return self.bench.ctx

    @property
    def order(self) -> tuple[str, ...]:
        return SIDE_BY_SIDE if self.plan.strategy == "side-by-side" else SCRIPTS

    def ids(self, name: str) -> list[str]:
        """All ids of a step of that name in this plan."""
        kind = KINDS[name]
        if self.plan.strategy not in kind.strategies:
            return []
        return [name if key is None else f"{name}[{key}]" for key in kind.keys(self.plan)]

    def step(self, identity: str) -> Step:
        """The step of that id; the same object for as long as this process lives."""
        if identity not in self.steps:
            name, _, key = identity.removesuffix("]").partition("[")
            self.steps[identity] = KINDS[name](self.plan, key or None)
        return self.steps[identity]

    def do(self, *identities: str) -> Decision:
        """Do these steps; returns the last decision."""
        decision: Decision = Skip("there is no such step in this plan")
        for identity in identities:
            decision = self.bench.do(self.step(identity))
        return decision

    def until(self, stop: str, *, inclusive: bool = False) -> Night:
        """Do everything of the plan that comes before the step of that name."""
        for name in self.order:
            if name == stop and not inclusive:
                return self
            if name == "OFFLINE":
                self.go_offline()
            else:
                self.do(*self.ids(name))
            if name == stop:
                return self
        return self

    def go_offline(self) -> None:
        """What the offline phase does and keeps."""
        old = self.world.servers["old"]
        self.world.site.page, self.world.site.page_by = "planned maintenance", RUN
        enabled = [job for job in old.jobs.values() if job.enabled]
        self.ctx.keep("close-gate", GateBefore(""))
        self.ctx.keep("disable-jobs", JobsBefore(tuple(JobMark(job.job_id, job.definition.name) for job in enabled)))
        for job in enabled:
            job.enabled = False
        for database in self.plan.databases:
            found = old.get(database.name)
            self.ctx.keep(f"restrict-database[{database.name}]", AccessBefore(found.settings.user_access))
            self.ctx.server("old").set_user_access(database.name, UserAccess.RESTRICTED_USER)
            sequence = self.ctx.reader("old").log_sequence(database.name)
            self.ctx.keep(f"prove-quiet[{database.name}]", QuietMark(sequence))

    def back(self) -> None:
        """Undo everything that owes an undo, last first, as the reversed graph would."""
        for identity in reversed(self.bench.undos):
            self.bench.undo(self.step(identity))

    def crash(self) -> None:
        """The process dies; a new one reads the same records."""
        self.bench = self.bench.crashed()
        self.steps = {}

    def cut_off(self, identity: str, **plug: object) -> Outcome:
        """Begin a step, pull the plug in it, and say what the next process sees; the step must have been reached."""
        self.world.pull_plug(**plug)  # type: ignore[arg-type]
        try:
            self.do(identity)
        except PowerCut:
            self.crash()
            return self.bench.verify(self.step(identity))
        raise AssertionError("the plug was never pulled")
