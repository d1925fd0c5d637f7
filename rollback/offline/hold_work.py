"""The way back of ``hold-work``: what was held is counted, and released once users are in again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook.api import (
    Context,
    HeldCounts,
    Outcome,
    ReadContext,
    Undo,
    await_hosts_of,
    holding,
    left_waiting,
    release,
)


@dataclass(frozen=True)
class ReleaseHeldWork(Undo):
    """Count what was held, run what must come first, and release it."""

    levels: Mapping[str, int] = field(default_factory=dict)
    """How much waited before it was held, by name."""

    def run(self, ctx: Context) -> None:
        await_hosts_of(ctx, self.levels)
        at_hold = ctx.find_kept("count-held", HeldCounts)
        if ctx.accepted_loss is not None and ctx.find_kept("release-work", HeldCounts) is not None:
            ctx.note("held work had been released on the new setup: how much should wait now cannot be told")
            at_hold = None
        release(ctx, tuple(self.levels), {} if at_hold is None else at_hold.counts)
        for left in left_waiting(ctx, self.levels):
            ctx.note(f"released, and not done yet: {left}")

    def verify(self, ctx: ReadContext) -> Outcome:
        return holding(ctx, self.levels, wanted=False)
