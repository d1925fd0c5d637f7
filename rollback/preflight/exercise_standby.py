"""The way back of ``exercise-standby``: the work is where it belongs."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import Context, Exercised, Outcome, ReadContext, Undo, command_of, does_the_work, move


@dataclass(frozen=True)
class GiveWorkBack(Undo):
    """Bring the work back from the standby, and see that it is back."""

    standby: str

    def run(self, ctx: Context) -> None:
        standby = command_of(ctx.plan, self.standby)
        returned = ctx.find_kept(f"return-standby[{self.standby}]", Exercised)
        if returned is None or does_the_work(ctx, standby):
            move(ctx, standby, standby.back, there=False)

    def verify(self, ctx: ReadContext) -> Outcome:
        there = does_the_work(ctx, command_of(ctx.plan, self.standby))
        return Outcome.UNTOUCHED if there else Outcome.REACHED
