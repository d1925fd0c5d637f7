"""Held work is still held, and all there: asked while going back loses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    Decision,
    Finding,
    HeldCounts,
    HeldSeen,
    LightStep,
    Phase,
    Plan,
    ReadContext,
    judged,
    losses,
    see_held,
    untold,
)


@dataclass(frozen=True)
class Facts:
    """Everything that the plan holds, and how much waited when it was held."""

    held: tuple[HeldSeen, ...] = ()
    at_hold: Mapping[str, int] = field(default_factory=dict)


class RecountHeld(LightStep):
    """Count what is held once more before the gate opens."""

    phase = Phase.ONLINE
    after = ("check-http", "prove-reference", "compare-proof")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(see_held(ctx), ctx.kept("count-held", HeldCounts).counts)

    def decide(self, facts: Facts) -> Decision:
        waits = ", ".join(f"{one.name} ({facts.at_hold.get(one.name, 0)} -> {one.count})" for one in facts.held)
        return judged(_problems(facts), f"nothing that is held is lost: {waits}")


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from untold(facts.held)
    for one in facts.held:
        if not one.trouble and not one.is_held:
            yield Finding(f"{one.name} is not held any more", "Find out who released it, and what it has done since.")
    yield from losses(facts.held, facts.at_hold)
