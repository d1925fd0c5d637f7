"""Clocks: the window is promised in one time, and the record is read in another if they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from runbook.api import Decision, Finding, LightStep, Phase, ReadContext, judged


@dataclass(frozen=True)
class Reading:
    """A server's clock, and this machine's just before and after it was asked."""

    server: str
    before: datetime
    clock: datetime
    after: datetime

    @property
    def skew(self) -> float:
        """Seconds the server is ahead (behind: negative), as little as the time the answer took allows."""
        if self.clock > self.after:
            return (self.clock - self.after).total_seconds()
        return min(0.0, (self.clock - self.before).total_seconds())


@dataclass(frozen=True)
class Facts:
    """Every server's clock; ``most`` is the difference the plan allows, in seconds."""

    most: float
    readings: tuple[Reading, ...]


class CheckClock(LightStep):
    """Check that the servers' clocks agree with this machine's."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        readings = tuple(_read(ctx, server) for server in ctx.plan.servers)
        return Facts(ctx.plan.preflight.clock_skew.seconds, readings)

    def decide(self, facts: Facts) -> Decision:
        worst = max((abs(one.skew) for one in facts.readings), default=0.0)
        return judged(_problems(facts), f"no clock is off by more than {worst:.1f} s")


def _read(ctx: ReadContext, server: str) -> Reading:
    before = ctx.now()
    clock = ctx.reader(server).utcnow()
    return Reading(server, before, clock, ctx.now())


def _problems(facts: Facts) -> Iterator[Finding]:
    for one in facts.readings:
        if abs(one.skew) > facts.most:
            way = "ahead of" if one.skew > 0 else "behind"
            yield Finding(
                f"the clock of {one.server} is {abs(one.skew):.1f} s {way} this machine's",
                "Let both follow the same time source (NTP) before the window.",
            )
