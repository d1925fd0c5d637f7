"""Both versions of the packages, on the machine, before anybody is kept out: the window needs no repository."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runbook.api import (
    FETCH,
    Apply,
    Budget,
    Context,
    Decision,
    Outcome,
    Phase,
    Plan,
    ReadContext,
    Sizes,
    Step,
    StepFailed,
    carry_out,
    engine_of,
    enginefit,
    packages_of,
    script,
)

UNIT = "fetch-packages"
CHANGES = re.compile(r"^(Inst|Remv) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Facts:
    """Where they go, and what they are."""

    host: str
    kept: str
    package: str
    old: str
    new: str
    old_source: str
    new_source: str


@dataclass(frozen=True)
class Goal:
    """Both are in that directory, with their checksums."""

    host: str
    kept: str
    package: str
    old: str
    new: str
    old_source: str
    new_source: str


class FetchPackages(Step):
    """Fetch the old and the new package, and try on paper what replacing one by the other would change."""

    phase = Phase.SNAPSHOT
    after = ("pin-exchange", "check-packages")
    strategies = frozenset({"in-place"})
    Intent = Goal

    @classmethod
    def keys(cls, plan: Plan) -> Iterable[str | None]:
        """Only where packages are upgraded."""
        return enginefit.for_packages(plan)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (packages are of one size)
        return Budget(120.0)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, engine = packages_of(ctx.plan), engine_of(ctx)
        return Facts(
            host=engine.host,
            kept=engine.kept,
            package=engine.package,
            old=plan.from_.version,
            new=plan.to.version,
            old_source=plan.from_.source,
            new_source=plan.to.source,
        )

    def decide(self, facts: Facts) -> Decision:
        goal = Goal(facts.host, facts.kept, facts.package, facts.old, facts.new, facts.old_source, facts.new_source)
        return Apply(goal, undo=None)

    def apply(self, ctx: Context, intent: Goal) -> None:
        host = ctx.host(intent.host)
        made = host.run(("mkdir", "-p", "-m", "700", intent.kept), timeout=60.0, effect=True, root=True)
        if made.exit_code:
            raise StepFailed(f"{intent.kept} on {intent.host} cannot be made: {made.said()}", hint="Look there.")
        host.write(f"{intent.kept}/old.list", f"{intent.old_source}\n".encode(), mode=0o600, root=True)
        host.write(f"{intent.kept}/new.list", f"{intent.new_source}\n".encode(), mode=0o600, root=True)
        carry_out(ctx, intent.host, UNIT, script(FETCH, intent.kept, intent.package, intent.old, intent.new))
        others = _others(ctx, intent)
        if others:
            raise StepFailed(
                f"{intent.package} {intent.new} would change other packages on {intent.host}: {', '.join(others)}",
                hint="Install or upgrade those before the window, so that the way back has one package to replace.",
            )

    def verify(self, ctx: ReadContext, intent: Goal) -> Outcome:
        there = ctx.host_reader(intent.host).stat(f"{intent.kept}/fetched", root=True) is not None
        return Outcome.REACHED if there and not _others(ctx, intent) else Outcome.UNTOUCHED


def _others(ctx: ReadContext, intent: Goal) -> tuple[str, ...]:
    """Packages besides the one that is meant; it alone may be replaced, and must be."""
    said = (ctx.host_reader(intent.host).read(f"{intent.kept}/simulated", root=True) or b"").decode("utf-8", "replace")
    found = CHANGES.findall(said)
    if ("Inst", intent.package) not in found:
        return (f"{intent.package} itself would not be",)
    words = {"Inst": "installed", "Remv": "removed"}
    return tuple(f"{name} ({words[verb]})" for verb, name in found if (verb, name) != ("Inst", intent.package))
