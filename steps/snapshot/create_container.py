"""The new container, on an empty volume: whatever its options get wrong shows while the old one still serves."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.snapshot.create_container import RemoveContainer
from runbook.api import (
    Apply,
    Block,
    Boxes,
    Context,
    Decision,
    LightStep,
    Outcome,
    Phase,
    ReadContext,
    Seen,
    boxes_of,
    container_of,
    seen,
    told,
    volume_of_run,
)


@dataclass(frozen=True)
class Facts:
    """What is there of those names; ``new_volume``: the run that made it, None when it is not there."""

    boxes: Boxes
    old: Seen | None
    new: Seen | None
    new_volume: str | None
    image: str
    data: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """Both are there, of this run, and nothing was started."""

    boxes: Boxes
    image: str
    data: str
    host_name: str
    options: tuple[str, ...]


class CreateContainer(LightStep):
    """Create the new container and its volume; nothing is started, and the old ones are not touched."""

    phase = Phase.SNAPSHOT
    after = ("pin-exchange", "check-container")
    strategies = frozenset({"container"})
    undoes_with = (RemoveContainer,)
    Intent = Goal

    def observe(self, ctx: ReadContext) -> Facts:
        plan, boxes = container_of(ctx.plan), boxes_of(ctx)
        volume = volume_of_run(ctx, boxes, boxes.new_volume)
        old, new = seen(ctx, boxes, boxes.old), seen(ctx, boxes, boxes.new)
        return Facts(boxes, old, new, volume, plan.to.image, plan.data, tuple(plan.to.options))

    def decide(self, facts: Facts) -> Decision:
        boxes = facts.boxes
        if facts.old is None:
            return Block(f"the container {boxes.old} is gone from {boxes.host}", "Find out who did that.")
        if facts.new is not None and facts.new.run != boxes.run:
            return Block(f"there is a container {boxes.new} on {boxes.host} by now", "Find out who made it.")
        if facts.new_volume is not None and facts.new_volume != boxes.run:
            return Block(f"there is a volume {boxes.new_volume} on {boxes.host} by now", "Find out who made it.")
        goal = Goal(boxes, facts.image, facts.data, facts.old.host_name, facts.options)
        return Apply(goal, RemoveContainer(boxes))

    def apply(self, ctx: Context, intent: Goal) -> None:
        boxes = intent.boxes
        label = ("--label", boxes.label)
        if volume_of_run(ctx, boxes, boxes.new_volume) is None:
            told(ctx, boxes, "volume", "create", *label, boxes.new_volume)
        if seen(ctx, boxes, boxes.new) is None:
            own = ("--name", boxes.new, "--hostname", intent.host_name, *label)
            bind = ("--volume", f"{boxes.new_volume}:{intent.data}")
            told(ctx, boxes, "create", *own, *bind, *intent.options, intent.image)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        boxes = intent.boxes
        found = seen(ctx, boxes, boxes.new)
        ours = [found is not None and found.run == boxes.run, volume_of_run(ctx, boxes, boxes.new_volume) == boxes.run]
        return Outcome.REACHED if all(ours) else Outcome.PARTIAL if any(ours) else Outcome.UNTOUCHED
