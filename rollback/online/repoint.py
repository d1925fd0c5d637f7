"""The way back of ``repoint``."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo


@dataclass(frozen=True)
class PointBack(Undo):
    """Point clients to the old server again, exactly as they did."""

    earlier: str

    def run(self, ctx: Context) -> None:
        if ctx.pointer_reader.observe() != "source":
            ctx.pointer.back(self.earlier)

    def verify(self, ctx: ReadContext) -> Outcome:
        found = ctx.pointer_reader.observe()
        return {"source": Outcome.REACHED, "target": Outcome.UNTOUCHED}.get(found, Outcome.PARTIAL)
