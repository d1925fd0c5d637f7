"""How much waits, now that nothing of it is processed any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    see_held,
    untold,
)


@dataclass(frozen=True)
class Facts:
    """Everything that the plan holds, right after it was held."""

    held: tuple[HeldSeen, ...] = ()


class CountHeld(LightStep):
    """Count what is held: no less may wait when it is released."""

    phase = Phase.OFFLINE
    after = ("hold-work",)

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(see_held(ctx))

    def decide(self, facts: Facts) -> Decision:
        waits = ", ".join(f"{one.name} ({one.count} wait)" for one in facts.held)
        return judged(_problems(facts), f"held: {waits}", HeldCounts({one.name: one.count for one in facts.held}))


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from untold(facts.held)
    for one in facts.held:
        if not one.trouble and not one.is_held:
            yield Finding(f"{one.name} is not held any more", "Find out who released it.")
