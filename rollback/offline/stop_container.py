"""The way back of ``stop-container``: the old image on the old volume, as it was."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Boxes, Context, Outcome, ReadContext, Undo, await_host, await_server, seen, told, version_of


@dataclass(frozen=True)
class StartOldContainer(Undo):
    """Start the old container with the restart policy it had, and wait until it answers logins."""

    boxes: Boxes
    container: str
    restart: str
    product: str

    def run(self, ctx: Context) -> None:
        boxes = self.boxes
        await_host(ctx, boxes.host)
        told(ctx, boxes, "update", "--restart", self.restart, self.container)
        told(ctx, boxes, "start", self.container)
        await_server(ctx, boxes, self.container, self.product)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = seen(ctx, self.boxes, self.container)
        if found is None or not found.runs:
            return Outcome.UNTOUCHED
        back = found.restart == self.restart and version_of(ctx, self.boxes.server)[0] == self.product
        return Outcome.REACHED if back else Outcome.PARTIAL
