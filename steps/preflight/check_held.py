"""Held work: its commands must tell, and nothing may be held already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook.api import Decision, Finding, HeldSeen, LightStep, Phase, Plan, ReadContext, judged, see_held, untold


@dataclass(frozen=True)
class Facts:
    """Everything that the plan holds, as it stands now."""

    held: tuple[HeldSeen, ...] = ()


class CheckHeld(LightStep):
    """Check that held work can be looked at and counted, and is not held yet."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only for a plan that holds something."""
        return (None,) if plan.held else ()

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(see_held(ctx))

    def decide(self, facts: Facts) -> Decision:
        waits = ", ".join(f"{one.name} ({one.count} wait)" for one in facts.held)
        return judged(_problems(facts), f"can be held: {waits}")


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from untold(facts.held)
    for one in facts.held:
        if one.is_held:
            yield Finding(
                f"{one.name} is held already",
                "Release it first, or end the run that left it so (runbook runs): a night ends with it released.",
            )
