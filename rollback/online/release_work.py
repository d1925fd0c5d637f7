"""The way back of ``release-work``, which only a person can decide on: what was released is held again."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Outcome, ReadContext, Undo, hold, holding


@dataclass(frozen=True)
class HoldAgain(Undo):
    """Hold again what this run released."""

    names: tuple[str, ...]

    def run(self, ctx: Context) -> None:
        hold(ctx, self.names)

    def verify(self, ctx: ReadContext) -> Outcome:
        return holding(ctx, self.names, wanted=True)
