"""Who answers: every server and database is pinned before anything else is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    YEARS,
    DatabasePin,
    Decision,
    Finding,
    LightStep,
    Phase,
    PinnedIdentities,
    ReadContext,
    ServerIdentity,
    Unreachable,
    judged,
    noted,
    version_text,
)


@dataclass(frozen=True)
class ServerSeen:
    """A server that answered, and what the plan expects of it."""

    identity: ServerIdentity
    expected_name: str | None = None
    expected_year: int | None = None


@dataclass(frozen=True)
class Facts:
    """Every server that answers by the plan's name for it, and the plan's databases as far as the source has them."""

    servers: Mapping[str, ServerSeen]
    databases: tuple[DatabasePin, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)
    """Servers that do not answer, and what there was instead."""


class PinIdentity(LightStep):
    """Reach every server, compare it with the plan's pins, and remember who it is."""

    phase = Phase.PREFLIGHT

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.plan.servers)

    def observe(self, ctx: ReadContext) -> Facts:
        servers: dict[str, ServerSeen] = {}
        silent: dict[str, str] = {}
        for name, server in ctx.plan.servers.items():
            try:
                identity = ctx.reader(name).identity()
            except Unreachable as error:
                silent[name] = error.message
            else:
                servers[name] = ServerSeen(identity, server.expect.server_name, server.expect.version)
        facts = Facts(servers, _pins(ctx) if ctx.plan.source in servers else (), silent)
        noted(ctx, _remarks(facts))
        return facts

    def decide(self, facts: Facts) -> Decision:
        seen = "; ".join(
            f"{name} is {one.identity.server_name}, {version_text(one.identity)}, {one.identity.edition}"
            for name, one in facts.servers.items()
        )
        identities = {name: one.identity for name, one in facts.servers.items()}
        return judged(_problems(facts), seen, PinnedIdentities(identities, facts.databases))


def _pins(ctx: ReadContext) -> tuple[DatabasePin, ...]:
    reader = ctx.reader(ctx.plan.source)
    found = [reader.database(database.name) for database in ctx.plan.databases]
    return tuple(DatabasePin(info.name, info.family_guid, info.created_at) for info in found if info is not None)


def _problems(facts: Facts) -> Iterator[Finding]:
    for name, why in facts.silent.items():
        yield Finding(f"{name} does not answer: {why}", f"Start it, or correct servers.{name}.url in the plan.")
    for name, one in facts.servers.items():
        found, year = one.identity.server_name, YEARS.get(one.identity.major)
        if one.expected_name and one.expected_name.casefold() != found.casefold():
            yield Finding(
                f"{name} says it is {found}, the plan expects {one.expected_name}",
                f"Look who answers at servers.{name}.url, or correct servers.{name}.expect.server_name.",
            )
        if one.expected_year and one.expected_year != year:
            yield Finding(
                f"{name} runs {version_text(one.identity)}, the plan expects {one.expected_year}",
                f"Look who answers at servers.{name}.url, or correct servers.{name}.expect.version.",
            )
    yield from _twins(facts)


def _twins(facts: Facts) -> Iterator[Finding]:
    """Two addresses that lead to one instance: what is restored there would meet the original."""
    seen: dict[tuple[str, str], str] = {}
    for name, one in facts.servers.items():
        who = (one.identity.server_name.casefold(), one.identity.version)
        if who in seen:
            yield Finding(
                f"{seen[who]} and {name} are one instance, {one.identity.server_name}",
                f"Correct the url of {seen[who]} or of {name} in the plan.",
            )
        seen.setdefault(who, name)


def _remarks(facts: Facts) -> Iterator[str]:
    for name, one in facts.servers.items():
        if one.expected_name is None:
            year = YEARS.get(one.identity.major)
            version = f", version: {year}" if year else ""
            yield f"{name} is not pinned: add expect: {{server_name: {one.identity.server_name}{version}}} to the plan"
