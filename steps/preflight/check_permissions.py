"""Whether the run's logins may do what the run will do, the way back included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbook.api import Decision, Finding, LightStep, Phase, ReadContext, judged


@dataclass(frozen=True)
class Facts:
    """What the login lacks on each server, by the plan's name for it."""

    missing: Mapping[str, tuple[str, ...]]


class CheckPermissions(LightStep):
    """Check that the run's login may do on every server what the run needs."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts({name: ctx.reader(name).missing_permissions() for name in ctx.plan.servers})

    def decide(self, facts: Facts) -> Decision:
        problems = (
            Finding(
                f"the login on {name} lacks {', '.join(missing)}",
                f"Grant it for the night, or name another login under servers.{name}.user.",
            )
            for name, missing in facts.missing.items()
            if missing
        )
        return judged(problems, f"nothing is missing on {', '.join(facts.missing)}")
