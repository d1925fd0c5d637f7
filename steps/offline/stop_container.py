"""The old container stops: from here on its volume holds still, and is the way back."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.offline.stop_container import StartOldContainer
from runbook.api import (
    Apply,
    Block,
    Boxes,
    Budget,
    Context,
    DatabaseBefore,
    Decision,
    EngineBefore,
    Outcome,
    Phase,
    ReadContext,
    Seen,
    Sizes,
    Step,
    boxes_of,
    seen,
    stop_container,
)


@dataclass(frozen=True)
class Facts:
    """The container as it runs, with every database of its engine."""

    boxes: Boxes
    old: Seen | None
    before: EngineBefore


@dataclass(frozen=True)
class Goal:
    """It is down, and nothing starts it by itself. ``restart``: its policy until now."""

    boxes: Boxes
    container: str
    restart: str


class StopContainer(Step):
    """Stop the old container, and keep the container engine from starting it again, also through a reboot."""

    phase = Phase.OFFLINE
    after = ("prove-quiet", "prove-reference", "backup-database", "create-container")
    strategies = frozenset({"container"})
    undoes_with = (StartOldContainer,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (what is in memory, not on disk, decides)
        return Budget(60.0, 60.0)

    def observe(self, ctx: ReadContext) -> Facts:
        boxes = boxes_of(ctx)
        reader = ctx.reader(boxes.server)
        identity = reader.identity()
        databases = tuple(DatabaseBefore.of(info) for _, info in sorted(reader.databases().items()))
        return Facts(boxes, seen(ctx, boxes, boxes.old), EngineBefore(identity.version, databases, identity.edition))

    def decide(self, facts: Facts) -> Decision:
        boxes, old = facts.boxes, facts.old
        if old is None or not old.runs:
            how = "is gone from" if old is None else "does not run on"
            return Block(f"the container {boxes.old} {how} {boxes.host}", "Find out who did that.")
        goal = Goal(boxes, old.id, old.restart)
        return Apply(goal, StartOldContainer(boxes, old.id, old.restart, facts.before.version), keep=facts.before)

    def apply(self, ctx: Context, intent: Goal) -> None:
        stop_container(ctx, intent.boxes, intent.container)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = seen(ctx, intent.boxes, intent.container)
        if found is None:
            return Outcome.PARTIAL
        if not found.runs and found.restart == "no":
            return Outcome.REACHED
        return Outcome.UNTOUCHED if found.runs and found.restart == intent.restart else Outcome.PARTIAL
