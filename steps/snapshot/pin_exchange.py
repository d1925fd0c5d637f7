"""Where the backup files of this run go, settled once."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.api import EVERY_CHECK, Decision, ExchangePlaces, Pass, Phase, ReadContext, Step, own_directory


@dataclass(frozen=True)
class Facts:
    """The directories as each server sees them."""

    source: str
    target: str


class PinExchange(Step):
    """Settle where backup files go, as each server sees the place."""

    phase = Phase.SNAPSHOT
    # Every check comes before this one step, and every step that leaves something comes after it: one finding of
    # one database refuses the run before anything was left anywhere.
    after = (*EVERY_CHECK, "return-standby")

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        source, target = ctx.plan.exchange_directories()
        default = own_directory(ctx, ctx.plan.source)
        return Facts(source or default, target or source or default)

    def decide(self, facts: Facts) -> Decision:
        seen = facts.source if facts.source == facts.target else f"{facts.source}, seen as {facts.target}"
        return Pass(f"backup files go to {seen}", keep=ExchangePlaces(facts.source, facts.target))
