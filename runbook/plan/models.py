"""What a plan says, as frozen models. Field descriptions are the reference that editors and errors show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from runbook.errors import UsageError
from runbook.plan.durations import Duration
from runbook.plan.gates import Gate
from runbook.plan.held import Held
from runbook.plan.hosts import Host, HostName, name_hosts
from runbook.plan.impacts import Impact
from runbook.plan.incontainer import ContainerUpgrade
from runbook.plan.inplace import Packages
from runbook.plan.rehearsal import Rehearsal
from runbook.plan.sections import Carry, Checks, Jobs, Model, QueryCheck, Repoint, Scripts, Sessions
from runbook.plan.services import Service
from runbook.plan.setup import WindowsSetup
from runbook.plan.standby import Standby
from runbook.plan.types import (
    Address,
    DatabaseName,
    JournalCopy,
    KebabName,
    PositiveSpan,
    Reference,
    ServerName,
    Span,
    StepKey,
    Table,
    Text,
    Version,
    place_of,
)

Strategy = Literal["side-by-side", "scripts", "in-place", "container"]
Level = Literal["content", "sample", "count"]
OnLoss = Literal["resume", "revert", "alarm"]

RESERVE_SHARE = 0.05
RESERVE_LEAST = timedelta(seconds=5)
RESERVE_MOST = timedelta(minutes=10)


class Window(Model):
    """The promised time."""

    length: PositiveSpan = Field(description="How long the system may be away; `execute --window` overrides it.")
    reserve: Span | None = Field(
        default=None,
        description="Time kept free before the window closes; by default 5 % of it, at least 5s, at most 10m.",
    )

    def reserve_for(self, length: timedelta | None = None) -> Duration:
        """Return the reserve for a window of this length (default: the plan's own)."""
        if self.reserve is not None:
            return self.reserve
        share = (self.length if length is None else length) * RESERVE_SHARE
        return Duration(seconds=min(max(share, RESERVE_LEAST), RESERVE_MOST).total_seconds())


class Expect(Model):
    """What the server must turn out to be."""

    server_name: Text | None = Field(default=None, description="The name @@SERVERNAME must return.", examples=["SQL01"])
    version: Version | None = Field(default=None, description="The major version, by its year.", examples=[2019])


class ServerLimits(Model):
    """How much is asked of one server at a time."""

    steps: int = Field(default=4, ge=1, le=64, description="Steps side by side on this server.", examples=[4])


class Server(Model):
    """One SQL Server instance."""

    url: Address = Field(
        description="Where the instance is: mssql://HOST[:PORT], mssql://HOST\\INSTANCE or sandbox://."
    )
    user: Text | None = Field(
        default=None, description="SQL login; without it Windows authentication is used.", examples=["sa"]
    )
    password: Reference | None = Field(default=None, description="Where the password is: env:NAME or file:PATH.")
    encrypt: bool = Field(default=True, description="Encrypt the connection.", examples=[True])
    trust_certificate: bool = Field(
        default=False, description="Accept a certificate nobody vouches for.", examples=[False]
    )
    expect: Expect = Field(default=Expect(), description="Identity pins; `runbook check` prints them to paste.")
    backup_directory: Text | None = Field(
        default=None,
        description="Where backups go, as that server sees it; by default the instance's own backup path.",
        examples=["/backup"],
    )
    data_directory: Text | None = Field(
        default=None,
        description="Where restored files go, as that server sees it; by default the instance's own paths.",
        examples=["/var/opt/mssql/data"],
    )
    limits: ServerLimits = Field(default=ServerLimits(), description="How much is asked of this server at a time.")
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The plan's own name of the server."""
        return self._name

    @property
    def version(self) -> int | None:
        """The version the plan knows of: pinned, else the sandbox's."""
        return self.expect.version or self.url.version

    def named(self, name: str) -> Self:
        """Return a copy that knows its name, and whose password reference knows its key."""
        key = f"servers.{name}.password"
        known = {"password": replace(self.password, key=key)} if self.password else {}
        server = self.model_copy(update=known)
        server._name = name
        return server


def _name_servers(servers: dict[str, Server]) -> dict[str, Server]:
    return {name: server.named(name) for name, server in servers.items()}


class Exchange(Model):
    """The directory for backup files, as each server sees the same place."""

    source: Text | None = Field(
        default=None, description="As the source sees it; by default its backup directory.", examples=["/backup/x"]
    )
    target: Text | None = Field(
        default=None, description="As the target sees it; by default the same path.", examples=["/mnt/x"]
    )


class TableProof(Model):
    """How one table is proven, where the plan's level is too much for the window."""

    table: Table = Field(description="The table, as schema.table.")
    level: Level = Field(default="content", description="content, sample or count.", examples=["count"])
    reason: Text | None = Field(
        default=None, description="Why less than content is enough; the record shows it.", examples=["insert-only"]
    )


class Database(Model):
    """One user database."""

    name: DatabaseName = Field(description="Its name on the source.")
    proof: tuple[TableProof, ...] = Field(default=(), description="Tables proven in another way than the rest.")


class Proof(Model):
    """How what came back is compared with what went down."""

    workers: int = Field(default=4, ge=1, le=64, description="Tables read side by side.", examples=[4])
    level: Level = Field(
        default="content", description="content, sample or count, for tables not named.", examples=["content"]
    )
    reason: Text | None = Field(
        default=None, description="Why less than content is enough.", examples=["compared by the vendor's tool"]
    )


class Preflight(Model):
    """What is demanded before anything is touched."""

    checkdb_max_age: PositiveSpan = Field(
        default=Duration(days=7), description="How old the last good DBCC CHECKDB may be."
    )
    clock_skew: Span = Field(default=Duration(seconds=5), description="How far the clocks may differ.")
    headroom: float = Field(
        default=1.2, ge=1, le=100, allow_inf_nan=False, description="Free space wanted, in ratio.", examples=[1.2]
    )


class Limits(Model):
    """How much is done at a time."""

    workers: int = Field(default=8, ge=1, le=256, description="Steps side by side in the whole run.", examples=[8])


class Budget(Model):
    """Time granted to a step and to its way back."""

    do: PositiveSpan | None = Field(default=None, description="Time for the step.")
    undo: PositiveSpan | None = Field(default=None, description="Time for its way back.")


def _budget(value: Any) -> Any:
    return {"do": value} if isinstance(value, str) else value


def _kind(value: Any) -> Any:
    """``packages`` where nothing is said."""
    return {"kind": "packages", **value} if isinstance(value, dict) and "kind" not in value else value


InPlace = Packages | WindowsSetup
StatedInPlace = Annotated[Annotated[InPlace, Field(discriminator="kind")], BeforeValidator(_kind)]
StatedBudget = Annotated[Budget, BeforeValidator(_budget, json_schema_input_type=PositiveSpan | Budget)]


class Plan(Model):
    """A plan as it was read from its file; see `runbook schema`."""

    runbook: Literal[1] = Field(description="Format version of this file.", examples=[1])
    name: KebabName = Field(description="Name of the plan, in kebab-case.")
    strategy: Strategy = Field(
        description="side-by-side moves to a new server; scripts changes databases where they are; in-place upgrades "
        "the server on its machine; container starts a new image on a copy of the volume.",
        examples=["side-by-side"],
    )
    window: Window = Field(description="The promised time.", examples=[{"length": "4h"}])
    servers: Annotated[dict[ServerName, Server], AfterValidator(_name_servers)] = Field(
        min_length=1, description="The servers, by names of your own.", examples=[{"old": {"url": "mssql://sql01"}}]
    )
    source: Text = Field(
        description="The server that is upgraded from; with scripts, in-place and container the only one.",
        examples=["old"],
    )
    target: Text | None = Field(default=None, description="side-by-side: the new server.", examples=["new"])
    exchange: Exchange = Field(
        default=Exchange(), description="side-by-side: where backup files are handed over, as each server sees it."
    )
    databases: tuple[Database, ...] = Field(
        min_length=1, description="The user databases that belong together.", examples=[[{"name": "Contacts"}]]
    )
    gate: Gate = Field(
        description="What keeps users out.",
        examples=[{"kind": "file", "path": "app/offline.html", "text": "Planned work"}],
    )
    impacts: tuple[Impact, ...] = Field(
        default=(),
        description="What users meet while the gate is closed, service by service; the first that fits counts, and all "
        "else is unavailable.",
        examples=[[{"name": "images", "impact": "unaffected", "paths": ["/images/"]}]],
    )
    hosts: Annotated[dict[HostName, Host], AfterValidator(name_hosts)] = Field(
        default={},
        description="Machines by names of your own: web servers, workers, the one whose packages are upgraded.",
        examples=[{"web1": {"address": "ssh://deploy@web1"}}],
    )
    services: tuple[Service, ...] = Field(
        default=(),
        description="Programs on hosts that do not run meanwhile: stopped in this order, started the other way round.",
        examples=[[{"name": "worker", "kind": "systemd", "unit": "worker.service", "hosts": ["web1"]}]],
    )
    held: tuple[Held, ...] = Field(
        default=(),
        description="Work that is held meanwhile and released afterwards, in both endings; counted, so that none is "
        "lost.",
        examples=[[{"name": "replies", "host": "local", "hold": ["q", "hold"], "release": ["q", "go"]}]],
    )
    standby: tuple[Standby, ...] = Field(
        default=(),
        description="What takes over when something fails: tried before anything is touched.",
        examples=[[{"name": "web2", "kind": "url", "url": "http://web2.internal/health"}]],
    )
    jobs: Jobs = Field(default=Jobs(), description="What happens to SQL Agent jobs that are running.")
    sessions: Sessions = Field(default=Sessions(), description="What happens to connected sessions.")
    repoint: Repoint | None = Field(default=None, description="side-by-side: how clients find the new server.")
    carry: Carry = Field(default=Carry(), description="side-by-side: server objects that are carried along.")
    scripts: tuple[Scripts, ...] = Field(default=(), description="scripts: what runs in which database.")
    in_place: StatedInPlace | None = Field(
        default=None, description="in-place: what is upgraded where: packages (Linux), or windows-setup."
    )
    container: ContainerUpgrade | None = Field(
        default=None, description="container: which container serves, which one shall, and on which volumes."
    )
    checks: Checks = Field(default=Checks(), description="What must hold before users are let in.")
    proof: Proof = Field(default=Proof(), description="How the data is compared.")
    preflight: Preflight = Field(default=Preflight(), description="What is demanded before anything is touched.")
    limits: Limits = Field(default=Limits(), description="How much is done at a time.")
    on_loss: OnLoss = Field(
        default="resume",
        description="What the guard does when the executor is lost before the gate opened: resume goes on (past the "
        "turn-back point it goes back), revert goes back, alarm only tells.",
        examples=["revert"],
    )
    journal_copy: JournalCopy = Field(
        default="server",
        description="Where the journal is kept a second time, so that its loss does not lose the way back: server (a "
        "table in msdb of the source), a directory such as a share, relative to the plan, or none: then a lost journal "
        "cannot be rebuilt.",
    )
    rehearsal: Rehearsal = Field(
        default=Rehearsal(), description="How it is rehearsed on throwaway servers.", examples=[{"required": True}]
    )
    budgets: dict[StepKey, StatedBudget] = Field(
        default={}, description="Time per step, by step name or id, where nothing was measured yet."
    )
    _path: Path = PrivateAttr(default=Path("runbook.yaml"))

    @model_validator(mode="after")
    def _remember_place(self, info: ValidationInfo) -> Self:
        self._path = place_of(info).path
        return self

    @property
    def path(self) -> Path:
        """The plan file, absolute."""
        return self._path

    @property
    def directory(self) -> Path:
        """The directory that relative paths start from, absolute."""
        return self._path.parent

    @property
    def engine_upgrade(self) -> InPlace | ContainerUpgrade | None:
        """What replaces the engine under the databases, where they stay on their server."""
        return self.in_place or self.container

    def server(self, role: str) -> Server:
        """Return a server by role (source, target) or by the plan's own name. Raises UsageError."""
        name = {"source": self.source, "target": self.target}.get(role, role)
        if name is None or name not in self.servers:
            known = ", ".join(self.servers)
            raise UsageError(f"the plan has no server {role!r}", hint=f"The plan's servers are: {known}.")
        return self.servers[name]

    @property
    def source_server(self) -> Server:
        """The server that is upgraded from."""
        return self.servers[self.source]

    @property
    def target_server(self) -> Server | None:
        """The new server; None with scripts."""
        return None if self.target is None else self.servers[self.target]

    def query_server(self, check: QueryCheck) -> Server:
        """Return the server a query check runs on."""
        return self.server(check.server or ("target" if self.target else "source"))

    def exchange_directories(self) -> tuple[str | None, str | None]:
        """Return the exchange directory as source and target see it; None means the source's default backup path."""
        source = self.exchange.source or self.source_server.backup_directory
        return source, self.exchange.target or source

    def proof_level(self, database: str, schema: str, table: str) -> tuple[Level, str | None]:
        """Return the level one table is proven at, and the reason the plan gives; names compare without case."""
        wanted = (schema.lower(), table.lower())
        for known in self.databases:
            for one in known.proof if known.name.lower() == database.lower() else ():
                if (one.table.schema.lower(), one.table.table.lower()) == wanted:
                    return one.level, one.reason
        return self.proof.level, self.proof.reason

    def budget_for(self, step_id: str) -> tuple[float | None, float | None]:
        """Return the stated budgets (do, undo) of a step in seconds; each by exact id first, then by name."""
        found = [self.budgets[key] for key in (step_id, step_id.partition("[")[0]) if key in self.budgets]
        do = next((b.do.seconds for b in found if b.do is not None), None)
        return do, next((b.undo.seconds for b in found if b.undo is not None), None)
