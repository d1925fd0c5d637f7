"""A bench for one step, or a few, on a fake world: look, decide, touch, look again, undo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from runbook.cancel import CancelToken
from runbook.codec import from_json, to_json
from runbook.context import ReadOnly
from runbook.front import Gate, Rule
from runbook.hosting import Host, HostReader
from runbook.plan.models import Plan
from runbook.ports import Pointer, SqlServer, SqlServerReader, Web
from runbook.step import Apply, Decision, GateReader, Outcome, Pass, PointerReader, Sizes, Step, Undo
from runbook.testing.control import StatementLog
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.services import FakeServices
from runbook.testing.world import World

T = TypeVar("T")
R = TypeVar("R")
RUN = "20260321-100000-0001"


def _names(protocol: type) -> frozenset[str]:
    return frozenset(name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_"))


class BenchContext:
    """Implements ``runbook.step.Context`` on a world, without an engine and without a journal."""

    def __init__(
        self, world: World, plan: Plan, *, run_id: str = "20260321-100000-0001", window: float = 14400
    ) -> None:
        self.world = world
        self.plan = plan
        self.run_id = run_id
        self.token = CancelToken(world.clock)
        self.log = StatementLog()
        self.keeps: dict[str, Any] = {}
        self.notes: list[str] = []
        self.text = "planned maintenance"
        self.accepted_loss: Mapping[str, Any] | None = None
        self.failed_before = ""
        self.services = FakeServices(world, plan, run_id)
        self.services.sizes, _ = self.services.survey()
        self.closes_at: datetime = world.clock.now() + timedelta(seconds=window)
        self.now = world.clock.now
        self.checkpoint = self.token.checkpoint
        self.sleep = self.token.sleep
        self.interrupting = self.token.interrupting

    @property
    def sizes(self) -> Sizes:
        return self.services.sizes

    @property
    def web(self) -> Web:
        return self.services.web(self.token)

    @property
    def gate(self) -> Gate:
        return self.services.gate(self.token, self.log)

    @property
    def pointer(self) -> Pointer:
        return self.services.pointer(self.token, self.log)

    @property
    def gate_reader(self) -> Any:
        return ReadOnly(self.gate, _names(GateReader))

    @property
    def pointer_reader(self) -> Any:
        return ReadOnly(self.pointer, _names(PointerReader))

    def server(self, server: str) -> SqlServer:
        return self.services.server(server, self.token, self.log)

    def reader(self, server: str) -> Any:
        return ReadOnly(self.server(server), _names(SqlServerReader))

    def host(self, host: str) -> Host:
        return self.services.host(host, self.token, self.log)

    def host_reader(self, host: str) -> Any:
        return ReadOnly(self.host(host), _names(HostReader))

    def kept(self, step_id: str, shape: type[T]) -> T:
        found = self.find_kept(step_id, shape)
        if found is None:
            raise KeyError(f"{step_id} kept nothing")
        return found

    def find_kept(self, step_id: str, shape: type[T]) -> T | None:
        return from_json(shape, self.keeps[step_id]) if step_id in self.keeps else None

    def keep(self, step_id: str, value: Any) -> None:
        """As if that step had kept it: through JSON, as the journal does."""
        self.keeps[step_id] = to_json(value)

    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]:
        return self.services.together(work, items, limit)

    def progress(self, done: float, total: float, what: str = "") -> None:
        del done, total, what

    def note(self, text: str) -> None:
        self.notes.append(text)

    def public_text(self) -> str:
        return self.text

    def public_rules(self) -> tuple[Rule, ...]:
        """Nothing service by service."""
        return ()

    def shield(self) -> AbstractContextManager[None]:
        return self.token.shield()


@dataclass
class StepBench:
    """Runs steps the way the engine does, one move at a time; what is kept is seen by later steps."""

    ctx: BenchContext
    undos: dict[str, Undo] = field(default_factory=dict)
    """Step id -> the way back owed, as rebuilt from its record."""
    intents: dict[str, Any] = field(default_factory=dict)

    def look(self, step: Step) -> Decision:
        """Observe and decide."""
        return step.decide(step.observe(self.ctx))

    def begin(self, step: Step) -> Decision:
        """Look, and record what the engine would record; nothing is touched yet."""
        decision = self.look(step)
        if isinstance(decision, Apply | Pass) and decision.keep is not None:
            self.ctx.keep(step.id, decision.keep)
        if isinstance(decision, Apply):
            self._record(step, decision)
        return decision

    def do(self, step: Step) -> Decision:
        """Look, decide, touch, look again; an Apply that is not REACHED afterwards is an AssertionError."""
        decision = self.begin(step)
        if isinstance(decision, Apply):
            step.apply(self.ctx, decision.intent)
            outcome = self.verify(step)
            if outcome is not Outcome.REACHED:
                raise AssertionError(f"{step.id} was applied, but a look shows it {outcome.value}")
        return decision

    def verify(self, step: Step) -> Outcome:
        """Look what became of a step, by its recorded intent."""
        return step.verify(self.ctx, self.intents[step.id])

    def undo(self, step: Step) -> None:
        """Run its way back, twice (it must be idempotent), and look."""
        back = self.undos[step.id]
        for _ in range(2):
            back.run(self.ctx)
            outcome = back.verify(self.ctx)
            if outcome is not Outcome.REACHED:
                raise AssertionError(f"{step.id} was undone, but a look shows it {outcome.value}")

    def crashed(self) -> StepBench:
        """The process died; a new one with the same records on the same world."""
        self.ctx.world.next_process()
        fresh = BenchContext(self.ctx.world, self.ctx.plan, run_id=self.ctx.run_id)
        fresh.keeps, fresh.closes_at = self.ctx.keeps, self.ctx.closes_at
        return replace(self, ctx=fresh)

    def _record(self, step: Step, decision: Apply) -> None:
        if step.Intent is None:
            raise ImpossibleWorld(f"{step.id} returns Apply but names no Intent: its record could not be read back")
        self.intents[step.id] = _through_json(step.Intent, decision.intent)
        if decision.undo is None:
            return
        if type(decision.undo) not in step.undoes_with:
            raise ImpossibleWorld(f"{step.id} owes {type(decision.undo).__name__}, which undoes_with does not name")
        self.undos[step.id] = _through_json(type(decision.undo), decision.undo)


def _through_json(shape: type[T], value: T) -> T:
    """As the journal gives it back; what changes on the way would be lost in a crash."""
    back = from_json(shape, json.loads(json.dumps(to_json(value))))
    if back != value:
        raise ImpossibleWorld(f"{shape.__name__} does not survive the journal: {value!r} comes back as {back!r}")
    return back
