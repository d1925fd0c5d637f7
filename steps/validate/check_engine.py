"""The whole engine is upgraded: every database of it, also those that are none of the plan's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    DatabaseInfo,
    Decision,
    EngineBefore,
    Finding,
    Installed,
    LightStep,
    Phase,
    ReadContext,
    container_of,
    engine_of,
    in_place_of,
    installed,
    is_open,
    judged,
)


@dataclass(frozen=True)
class Facts:
    """The engine now and before. ``is_major``: from one major version to another, which converts every database."""

    server: str
    version: str
    product: str
    found: Installed
    package_version: str
    is_major: bool
    before: EngineBefore
    databases: Mapping[str, DatabaseInfo] = field(default_factory=dict)
    edition: str = ""


class CheckEngine(LightStep):
    """Check the engine's version, and that every database of it is there, open and converted."""

    phase = Phase.VALIDATE
    after = ("start-engine", "await-setup", "restart-host", "start-container")
    strategies = frozenset({"in-place", "container"})

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        if ctx.plan.container is not None:
            return self._in_container(ctx)
        plan, engine = in_place_of(ctx.plan), engine_of(ctx)
        reader = ctx.reader(engine.server)
        return Facts(
            server=engine.server,
            version=reader.identity().version,
            product=plan.to.product,
            found=installed(ctx, engine),
            package_version=plan.to.version,
            edition=reader.identity().edition,
            is_major=plan.is_major,
            before=ctx.kept("stop-engine", EngineBefore),
            databases=dict(reader.databases()),
        )

    def _in_container(self, ctx: ReadContext) -> Facts:
        """No package is installed there: the image is the version."""
        plan, reader = container_of(ctx.plan), ctx.reader(ctx.plan.source)
        identity = reader.identity()
        return Facts(
            server=ctx.plan.source,
            version=identity.version,
            product=plan.to.product,
            found=Installed("ii", plan.to.product),
            package_version=plan.to.product,
            edition=identity.edition,
            is_major=plan.is_major,
            before=ctx.kept("stop-container", EngineBefore),
            databases=dict(reader.databases()),
        )

    def decide(self, facts: Facts) -> Decision:
        seen = f"{facts.server} is {facts.version}, all {len(facts.databases)} databases of it are open and converted"
        return judged(_problems(facts), seen if facts.is_major else seen.removesuffix(" and converted"))


def _problems(facts: Facts) -> Iterator[Finding]:
    hint = "The error log of the engine says why."
    if facts.version != facts.product or not facts.found.is_whole(facts.package_version):
        installed_now = f"{facts.found.version} ({facts.found.status})"
        yield Finding(f"{facts.server} answers as {facts.version}, its package is {installed_now}", hint)
    if facts.before.edition and facts.edition != facts.before.edition:
        way = f"{facts.before.edition} -> {facts.edition}"
        yield Finding(f"the edition of {facts.server} changed: {way}", "Give setup the product key (secrets: PID).")
    now = {name.casefold(): info for name, info in facts.databases.items()}
    newest = max((info.internal_version or 0 for info in now.values()), default=0)
    for before in facts.before.databases:
        info = now.get(before.name.casefold())
        if info is None:
            yield Finding(f"{before.name} is gone", hint)
        elif before.internal_version is not None:  # it was open before
            yield from _converted(facts, before.internal_version, info, newest, hint)


def _converted(facts: Facts, then: int, info: DatabaseInfo, newest: int, hint: str) -> Iterator[Finding]:
    if not is_open(info):
        yield Finding(f"{info.name} is {info.state}", hint)
    elif facts.is_major and not then < (info.internal_version or 0) == newest:
        yield Finding(f"{info.name} was not converted: its file format is {info.internal_version}", hint)
    elif not facts.is_major and info.internal_version != then:
        yield Finding(f"the file format of {info.name} went from {then} to {info.internal_version}", hint)
