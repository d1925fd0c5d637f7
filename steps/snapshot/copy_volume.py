"""The copy that the new engine gets; the old volume is not written to, so it is the way back."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.snapshot.copy_volume import EndCopy
from runbook.api import (
    LEAST,
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
    boxes_of,
    container_of,
    copy_volume,
    seen,
    volume_of_run,
)

COPY_MIB_S = 60.0
"""Read twice, written once, read back once."""


@dataclass(frozen=True)
class Facts:
    """Whether anything can move. ``image``: what the copy is made with; ``owner``: the run that made the new volume,
    None when it is not there."""

    boxes: Boxes
    old: Seen | None
    image: str
    owner: str | None


@dataclass(frozen=True)
class Goal:
    """The new volume holds what the old one holds, compared by checksums."""

    boxes: Boxes
    image: str


class CopyVolume(Step):
    """Copy the old volume into the new one, with checksums, while neither engine runs."""

    phase = Phase.SNAPSHOT
    after = ("stop-container", "create-container")
    strategies = frozenset({"container"})
    undoes_with = (EndCopy,)
    Intent = Goal

    def budget(self, sizes: Sizes) -> Budget:
        return Budget(LEAST + sizes.gib(None) * 1024.0 / COPY_MIB_S, 10.0)

    def observe(self, ctx: ReadContext) -> Facts:
        boxes = boxes_of(ctx)
        owner = volume_of_run(ctx, boxes, boxes.new_volume)
        return Facts(boxes, seen(ctx, boxes, boxes.old), container_of(ctx.plan).to.image, owner)

    def decide(self, facts: Facts) -> Decision:
        boxes = facts.boxes
        if facts.old is None or facts.old.runs or facts.old.restart != "no":
            how = "is gone from" if facts.old is None else "can be written to on"
            return Block(f"the volume of {boxes.old} {how} {boxes.host}", "Find out who started it.")
        if facts.owner != boxes.run:  # everything that is in it would be deleted
            how = "is gone from" if facts.owner is None else "is not this run's on"
            return Block(f"the volume {boxes.new_volume} {how} {boxes.host}", "Find out who did that.")
        return Apply(Goal(boxes, facts.image), EndCopy(boxes))

    def apply(self, ctx: Context, intent: Goal) -> None:
        copy_volume(ctx, intent.boxes, intent.image)

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        found = seen(ctx, intent.boxes, intent.boxes.copier)
        if found is None:
            return Outcome.UNTOUCHED
        return Outcome.REACHED if found.began and not found.runs and not found.exit_code else Outcome.PARTIAL
