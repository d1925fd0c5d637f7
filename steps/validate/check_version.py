"""The databases are open, on the version they should be on, with the settings they had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runbook.api import (
    YEARS,
    Block,
    Budget,
    DatabaseBefore,
    DatabaseInfo,
    DatabaseStep,
    Decision,
    Pass,
    Phase,
    ReadContext,
    Sizes,
    before_of,
    is_known,
    is_open,
    login_marks,
    named_lines,
    upgraded_of,
)

MAJOR_OF = {2016: 13, 2017: 14, 2019: 15, 2022: 16, 2025: 17}
LEAST_COMPATIBILITY = 100
"""The lowest level any supported version keeps; lower ones are raised to it by the upgrade."""


@dataclass(frozen=True)
class Facts:
    """The database that will serve, and how it was before."""

    server: str
    database: str
    strategy: str
    info: DatabaseInfo | None
    before: DatabaseBefore
    source_major: int
    major: int
    expected_year: int | None
    logins: tuple[str, ...] = ()


class CheckVersion(DatabaseStep):
    """Check state, version, compatibility level and options of every upgraded database."""

    phase = Phase.VALIDATE
    after = ("carry-options", "run-scripts", "create-snapshot", "check-engine")

    @property
    def servers(self) -> tuple[str, ...]:
        return (upgraded_of(self.plan),)

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (does not depend on size)
        return Budget(0.5)

    def observe(self, ctx: ReadContext) -> Facts:
        server = upgraded_of(ctx.plan)
        reader = ctx.reader(server)
        return Facts(
            server=server,
            database=self.key,
            strategy=ctx.plan.strategy,
            info=reader.database(self.key),
            before=before_of(ctx, self.key),
            source_major=_major_before(ctx),
            major=reader.identity().major,
            expected_year=_expected_year(ctx, server),
            logins=tuple(login.name for login in login_marks(reader)),
        )

    def decide(self, facts: Facts) -> Decision:
        info = facts.info
        if info is None or not is_open(info):
            state = "not there" if info is None else info.state
            return Block(f"{facts.database} on {facts.server} is {state}", "Its error log says why.")
        wrong = [*_version(facts, info), *_settings(facts, info)]
        if wrong:
            hint = "What differs was set by the upgrade: look at it in a rehearsal, then start again."
            return Block(f"{facts.database} on {facts.server} is not as it should be: {named_lines(wrong)}", hint)
        return Pass(f"file format {info.internal_version}, compatibility {info.compatibility_level}, options as before")


def _major_before(ctx: ReadContext) -> int:
    """Of the old engine; in place it is there no more, and the plan tells, as was checked."""
    if ctx.plan.engine_upgrade is not None:
        return ctx.plan.engine_upgrade.from_.major
    return ctx.reader(ctx.plan.source).identity().major


def _expected_year(ctx: ReadContext, server: str) -> int | None:
    if ctx.plan.engine_upgrade is not None:
        return YEARS.get(ctx.plan.engine_upgrade.to.major)
    return ctx.plan.servers[server].version


def _version(facts: Facts, info: DatabaseInfo) -> Iterator[str]:
    wanted = MAJOR_OF.get(facts.expected_year or 0)
    if wanted is not None and facts.major != wanted:
        yield f"the server runs major version {facts.major}, not {wanted}"
    now, then = info.internal_version, facts.before.internal_version
    if now is None or then is None:
        return
    if facts.major > facts.source_major and now <= then:
        yield f"the file format is still {now}"
    if facts.major == facts.source_major and now != then:
        yield f"the file format went from {then} to {now}"


def _settings(facts: Facts, info: DatabaseInfo) -> Iterator[str]:
    if info.is_read_only or info.is_in_standby:
        yield "it is read-only"
    before = facts.before
    if facts.strategy == "scripts":
        return  # a script may change settings on purpose; what it must achieve, the plan's own checks say
    level = max(before.compatibility_level, LEAST_COMPATIBILITY)
    if info.compatibility_level != level:
        yield f"compatibility level {before.compatibility_level} -> {info.compatibility_level}"
    if info.recovery_model is not before.recovery_model:
        yield f"recovery model {before.recovery_model} -> {info.recovery_model}"
    if info.collation != before.collation:
        yield f"collation {before.collation} -> {info.collation}"
    if before.owner is not None and info.owner != before.owner and is_known(before.owner, facts.logins):
        yield f"owner {before.owner} -> {info.owner}"
    for name, value in sorted(before.options.items()):
        if info.options.get(name) != value:
            yield f"{name} {value} -> {info.options.get(name)}"
