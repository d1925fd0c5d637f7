"""The way back of ``copy-volume``: nobody copies any more. What was copied goes with the new volume."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Boxes, Context, Outcome, ReadContext, Undo, await_host, remove_container, seen


@dataclass(frozen=True)
class EndCopy(Undo):
    """End the copy, and remove the container that made it."""

    boxes: Boxes

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.boxes.host)
        remove_container(ctx, self.boxes, self.boxes.copier)

    def verify(self, ctx: ReadContext) -> Outcome:
        return Outcome.PARTIAL if seen(ctx, self.boxes, self.boxes.copier) else Outcome.REACHED
