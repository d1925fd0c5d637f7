"""The way back of ``start-container``: the new engine runs no more, and nothing starts it."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Boxes, Context, Outcome, ReadContext, Undo, await_host, seen, stop_container


@dataclass(frozen=True)
class StopNewContainer(Undo):
    """Stop the new container."""

    boxes: Boxes
    container: str

    def run(self, ctx: Context) -> None:
        await_host(ctx, self.boxes.host)
        if seen(ctx, self.boxes, self.container) is not None:
            stop_container(ctx, self.boxes, self.container)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = seen(ctx, self.boxes, self.container)
        return Outcome.PARTIAL if found is not None and found.runs else Outcome.REACHED
