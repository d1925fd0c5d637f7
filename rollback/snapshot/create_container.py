"""The way back of ``create-container``: neither the new container nor its volume is there."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import (
    Boxes,
    Context,
    Outcome,
    ReadContext,
    Undo,
    await_host,
    remove_container,
    seen,
    told,
    volume_of_run,
)


@dataclass(frozen=True)
class RemoveContainer(Undo):
    """Remove the new container and its volume, if this run made them."""

    boxes: Boxes

    def run(self, ctx: Context) -> None:
        boxes = self.boxes
        await_host(ctx, boxes.host)
        remove_container(ctx, boxes, boxes.new)
        if volume_of_run(ctx, boxes, boxes.new_volume) == boxes.run:
            told(ctx, boxes, "volume", "rm", boxes.new_volume)

    def verify(self, ctx: ReadContext) -> Outcome:
        boxes = self.boxes
        found = seen(ctx, boxes, boxes.new)
        ours = [found is not None and found.run == boxes.run, volume_of_run(ctx, boxes, boxes.new_volume) == boxes.run]
        return Outcome.PARTIAL if any(ours) else Outcome.REACHED
