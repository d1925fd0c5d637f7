"""The new engine starts on the copy and converts everything; the old volume knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.upgrade.start_container import StopNewContainer
from runbook.api import (
    Apply,
    Block,
    Boxes,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    ReadContext,
    Seen,
    Sizes,
    Step,
    await_server,
    boxes_of,
    container_of,
    remove_container,
    seen,
    told,
    version_of,
)

CONVERTS_WITHIN = 120.0
"""Seconds for upgrade scripts of the system databases, whatever the size of the others."""


@dataclass(frozen=True)
class Facts:
    """Both containers, and whether the copy is whole. ``data``: where the new one must have its volume."""

    boxes: Boxes
    old: Seen | None
    new: Seen | None
    copier: Seen | None
    product: str
    restart: str
    data: str


@dataclass(frozen=True)
class Goal:
    """It answers as that version, and is restarted as the plan's options say."""

    boxes: Boxes
    container: str
    product: str
    restart: str


class StartContainer(Step):
    """Start the new container, and wait until its upgrade scripts are through and it answers logins."""

    phase = Phase.UPGRADE
    after = ("copy-volume",)
    strategies = frozenset({"container"})
    undoes_with = (StopNewContainer,)
    Intent = Goal

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (upgrade scripts, not data)
        return Budget(CONVERTS_WITHIN, 60.0)

    def observe(self, ctx: ReadContext) -> Facts:
        boxes = boxes_of(ctx)
        old, new, copier = (seen(ctx, boxes, name) for name in (boxes.old, boxes.new, boxes.copier))
        plan = container_of(ctx.plan)
        return Facts(boxes, old, new, copier, plan.to.product, plan.to.restart, plan.data)

    def decide(self, facts: Facts) -> Decision:
        boxes, copier = facts.boxes, facts.copier
        if facts.old is None or facts.old.runs:
            how = "is gone from" if facts.old is None else "runs on"
            return Block(f"the container {boxes.old} {how} {boxes.host}", "Find out who did that.")
        if facts.new is None or facts.new.run != boxes.run:
            return Block(f"the container {boxes.new} is gone from {boxes.host}", "Find out who did that.")
        mounted = facts.new.volumes or {}
        below = facts.new.mounts_below(facts.data)
        if mounted.get(facts.data) != boxes.new_volume or boxes.old_volume in mounted.values() or below:
            return Block(
                f"{boxes.new} would not run on {boxes.new_volume} alone, but also write to"
                f" {', '.join(below) or boxes.old_volume}",
                "Take the mounts out of container.to.options: the old files are the way back.",
            )
        if copier is None or copier.runs or copier.exit_code or not copier.began:
            return Block(
                f"{boxes.copier} on {boxes.host} does not say that the copy is whole", "Find out who did that."
            )
        goal = Goal(boxes, facts.new.id, facts.product, facts.restart)
        return Apply(goal, StopNewContainer(boxes, facts.new.id))

    def apply(self, ctx: Context, intent: Goal) -> None:
        told(ctx, intent.boxes, "update", "--restart", intent.restart, intent.container)
        told(ctx, intent.boxes, "start", intent.container)
        await_server(ctx, intent.boxes, intent.container, intent.product)
        remove_container(ctx, intent.boxes, intent.boxes.copier)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = seen(ctx, intent.boxes, intent.container)
        if found is None or not found.began:
            return Outcome.UNTOUCHED
        reached = found.runs and version_of(ctx, intent.boxes.server)[0] == intent.product
        reached = reached and found.restart == intent.restart and seen(ctx, intent.boxes, intent.boxes.copier) is None
        return Outcome.REACHED if reached else Outcome.PARTIAL
