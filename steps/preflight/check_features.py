"""Features that the strategy cannot take there and back, or that the new edition does not open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from runbook.api import (
    BLOCKERS,
    ENTERPRISE,
    FILESTREAM_ON_LINUX,
    READ_ONLY_FILES,
    REMARKS,
    SNAPSHOTS,
    Decision,
    Finding,
    LightDatabaseStep,
    Phase,
    ReadContext,
    ServerIdentity,
    Skip,
    build_of,
    edition_problems,
    has_snapshots,
    is_open,
    judged,
    noted,
    source_of,
    upgraded_of,
)


@dataclass(frozen=True)
class Facts:
    """The database, and the server it will live on."""

    database: str
    strategy: str
    is_open: bool = True
    features: frozenset[str] = frozenset()
    """As in ``DatabaseInfo.features``."""
    edition_features: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    data_bytes: int = 0
    source_version: str = "15.0.4430.1"
    version: str = "16.0.4265.3"
    engine_edition: int = ENTERPRISE
    platform: str = "Linux"


class CheckFeatures(LightDatabaseStep):
    """Check that nothing in the database keeps it from going there and back."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity",)

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        reader = ctx.reader(source_of(ctx.plan))
        source, future = reader.identity(), ctx.reader(upgraded_of(ctx.plan)).identity()
        if ctx.plan.engine_upgrade is not None:
            future = replace(source, version=ctx.plan.engine_upgrade.to.product)
        facts = _server(self.key, ctx.plan.strategy, source, future)
        info = reader.database(self.key)
        if info is None or not is_open(info):
            return facts
        files = reader.files(self.key)
        facts = replace(
            facts,
            is_open=True,
            features=info.features,
            edition_features=reader.edition_features(self.key),
            snapshots=reader.snapshots(self.key),
            data_bytes=sum(file.size_bytes for file in files if file.kind == "ROWS"),
        )
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        if not facts.is_open:
            return Skip(f"{facts.database} is not online, as check-path says")
        used = ", ".join(sorted(facts.features)) or "no feature that matters"
        return judged(_problems(facts), f"{facts.database} uses {used}")


def _server(database: str, strategy: str, source: ServerIdentity, future: ServerIdentity) -> Facts:
    """What is known of the servers alone."""
    return Facts(
        database=database,
        strategy=strategy,
        is_open=False,
        source_version=source.version,
        version=future.version,
        engine_edition=future.engine_edition,
        platform=future.platform,
    )


def _problems(facts: Facts) -> Iterator[Finding]:
    for found in _found(facts):
        yield Finding(f"{facts.database} {found.what}", found.remedy)


def _found(facts: Facts) -> Iterator[Finding]:
    blockers = BLOCKERS[facts.strategy]
    yield from (blockers[feature] for feature in sorted(facts.features) if feature in blockers)
    if facts.snapshots:
        yield Finding(SNAPSHOTS.what, SNAPSHOTS.remedy.format(names=", ".join(facts.snapshots)))
    build = build_of(facts.version)
    if facts.strategy == "scripts":
        if not has_snapshots(facts.engine_edition, build):
            yield Finding("cannot get a snapshot in this edition before 2016 SP1", "Install the service pack first.")
        return
    yield from edition_problems(facts.edition_features, facts.engine_edition, build, facts.data_bytes)
    if "read-only-filegroup" in facts.features and build[:1] > build_of(facts.source_version)[:1]:
        yield READ_ONLY_FILES
    if facts.strategy == "side-by-side" and "filestream" in facts.features and facts.platform == "Linux":
        yield FILESTREAM_ON_LINUX


def _remarks(facts: Facts) -> Iterator[str]:
    if facts.strategy == "side-by-side":
        for feature in sorted(facts.features & REMARKS.keys()):
            yield f"{facts.database} {REMARKS[feature]}"
