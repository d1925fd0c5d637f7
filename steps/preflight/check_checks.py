"""The plan's own queries, tried while there is time to mend them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runbook.api import Decision, Finding, LightStep, Phase, Plan, QueryCheck, ReadContext, ServerError, judged, noted

SYSTEM_DATABASES = frozenset({"master", "model", "msdb", "tempdb"})
UNKNOWN_NAMES = frozenset({195, 207, 208, 2812, 4104, 4121})
"""Functions, columns, objects and procedures that are not there: upgrade scripts may be about to create them."""


@dataclass(frozen=True)
class Trial:
    """One query, tried on ``server``. ``number`` and ``error`` are the server's; ``value`` is what it returned."""

    name: str
    server: str
    database: str
    number: int | None = None
    error: str = ""
    has_value: bool = True
    shortfall: str = ""
    """Why the check would not hold now; empty when it would."""


@dataclass(frozen=True)
class Facts:
    """Every query of the plan, tried."""

    strategy: str = "side-by-side"
    trials: tuple[Trial, ...] = ()


class CheckChecks(LightStep):
    """Try the plan's own queries on the old server: they must be understood and return a value."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        trials: list[Trial] = []
        for check in ctx.plan.checks.queries:
            ctx.checkpoint()
            trials.append(_try(ctx, check))
        facts = Facts(ctx.plan.strategy, tuple(trials))
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        return judged(_problems(facts), f"{len(facts.trials)} queries of the plan were tried")


def _try(ctx: ReadContext, check: QueryCheck) -> Trial:
    server = _where(ctx.plan, check)
    try:
        result = ctx.reader(server).query(check.database, check.sql)
    except ServerError as error:
        if error.number is None or error.in_doubt:
            raise
        return Trial(check.name, server, check.database, error.number, error.message, has_value=False)
    if not result.rows or not result.rows[0]:
        return Trial(check.name, server, check.database, has_value=False)
    return Trial(check.name, server, check.database, shortfall=_shortfall(check, result.rows[0][0]))


def _where(plan: Plan, check: QueryCheck) -> str:
    """The server the query will run on, or the source when its database is not there yet."""
    later = plan.query_server(check).name
    return later if check.database.lower() in SYSTEM_DATABASES or later not in {plan.target} else plan.source


def _shortfall(check: QueryCheck, value: Any) -> str:
    if check.equals is not None and value != check.equals:
        return f"returns {value!r}, not {check.equals!r}"
    if check.at_least is not None and (not isinstance(value, int | float) or value < check.at_least):
        return f"returns {value!r}, less than {check.at_least}"
    return ""


def _comes_later(trial: Trial, facts: Facts) -> bool:
    """True when the scripts may create what the query does not find yet."""
    return facts.strategy == "scripts" and trial.number in UNKNOWN_NAMES


def _problems(facts: Facts) -> Iterator[Finding]:
    for trial in facts.trials:
        where = f"check {trial.name!r} on {trial.database} of {trial.server}"
        if trial.error and not _comes_later(trial, facts):
            yield Finding(f"{where} fails: {trial.error}", "Correct the query under checks.queries in the plan.")
        elif not trial.error and not trial.has_value:
            yield Finding(f"{where} returns no row", "Let it return one value, COUNT(*) for instance.")


def _remarks(facts: Facts) -> Iterator[str]:
    for trial in facts.trials:
        if trial.error and _comes_later(trial, facts):
            yield f"check {trial.name!r} cannot be tried before the scripts ran: {trial.error}"
        if trial.shortfall:
            yield f"check {trial.name!r} would not hold on {trial.server} now: it {trial.shortfall}"
