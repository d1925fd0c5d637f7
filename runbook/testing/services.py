"""A fake world as the engine wants it: implements ``runbook.executor.World`` (and so ``runbook.context.Services``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from runbook.claiming import Claims, Guarded, Instances, claimed, give_back
from runbook.codec import from_json
from runbook.front import Gate
from runbook.hosting import Host
from runbook.journal.copying import Copier, Directory, Place
from runbook.journal.log import RunLog
from runbook.plan.models import Plan
from runbook.ports import Cancellation, Pointer, Recorder, ServerIdentity, SqlServer, Web
from runbook.step import Sizes
from runbook.testing.copies import FakeCopies
from runbook.testing.host import FakeHost
from runbook.testing.sqlserver import FakeSqlServer
from runbook.testing.surroundings import FakeGate, FakePointer, FakeWeb
from runbook.testing.world import World
from runbook.turn import Turn

T = TypeVar("T")
R = TypeVar("R")


class FakeServices:
    """One process's services on a world. Make a new one after ``world.next_process()``.

    ``Executor(store, world.clock, kinds, lambda plan: FakeServices(world, plan), lambda _: InlineWorkers(),
    heartbeat=False)`` runs a whole plan in virtual time.
    """

    def __init__(self, world: World, plan: Plan, run_id: str = "run") -> None:
        self.world = world
        self.plan = plan
        self.run_id = run_id
        self.sizes = Sizes()
        self.turn = Turn()
        self._log: RunLog | None = None
        self._claims: Claims | None = None

    def web(self, cancellation: Cancellation) -> Web:
        """What users see."""
        return FakeWeb(self.world, cancellation=cancellation)

    def server(self, name: str, cancellation: Cancellation, recorder: Recorder) -> SqlServer:
        """A handle on a server of the plan, pinned to what pin-identity kept."""
        server = FakeSqlServer(self.world, name, cancellation, recorder)
        claims = self._claims
        if claims:
            server.claimed_by(lambda: claims.hold(name))
        step = self._log.view.steps.get("pin-identity") if self._log else None
        if step is not None and step.keep is not None:
            pins = {pin["name"]: (pin["family_guid"], pin["created_at"]) for pin in step.keep["databases"]}
            identity = from_json(ServerIdentity, step.keep["servers"][name])
            server.pin(identity, pins if name == self.plan.source else {})
        return server

    def host(self, name: str, cancellation: Cancellation, recorder: Recorder) -> Host:
        """A handle on a host of the plan."""
        fence = (self._log.fence or 0) if self._log else 0
        return FakeHost(self.world, name, cancellation, self._guarded(recorder), self.run_id, fence)

    def gate(self, cancellation: Cancellation, recorder: Recorder) -> Gate:
        """The gate."""
        recorder = self._guarded(recorder)
        return FakeGate(self.world, cancellation=cancellation, recorder=recorder, run_id=self.run_id)

    def pointer(self, cancellation: Cancellation, recorder: Recorder) -> Pointer:
        """The pointer."""
        return FakePointer(self.world, cancellation=cancellation, recorder=self._guarded(recorder))

    def _guarded(self, recorder: Recorder) -> Recorder:
        return Guarded(recorder, self._claims) if self._claims else recorder

    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]:
        """One after the other: the world is single-threaded."""
        del limit
        return [work(item) for item in items]

    def survey(self) -> tuple[Sizes, Mapping[str, Any]]:
        """Sizes of the plan's databases, and who the servers are."""
        servers: dict[str, Any] = {}
        for name, server in self.plan.servers.items():
            identity = FakeSqlServer(self.world, name).identity()
            servers[name] = {"url": str(server.url), "name": identity.server_name, "version": identity.version}
        found = FakeSqlServer(self.world, self.plan.source).databases()
        planned = {one.name.lower() for one in self.plan.databases}
        used = {name.lower(): info.used_bytes for name, info in found.items() if name.lower() in planned}
        return Sizes(used), servers

    def attach(self, log: RunLog) -> None:
        """Work for this run from now on."""
        self._log = log
        self.run_id = log.view.run_id

    @contextmanager
    def claim(self, log: RunLog) -> Iterator[None]:
        """Marker and lock on every server that answers."""
        self.attach(log)
        owner = f"executor in process {self.world.generation}"
        with claimed(log, owner, self.instances(), self.world.clock, self._copier()) as self._claims:
            yield

    def give_back(self, log: RunLog) -> list[str]:
        """As the executor that ended the run would have."""
        self.attach(log)
        owner = f"executor in process {self.world.generation}"
        return give_back(log, owner, self.instances(), self.world.clock, self._copier())

    def _copier(self) -> Copier | None:
        chosen = self.plan.journal_copy
        return None if chosen == "none" else Copier(self.copies(chosen), self.run_id, self.world.clock.monotonic)

    def copies(self, where: Path | str, source_name: str = "") -> Place:
        """A directory, or the world's source server."""
        del source_name
        return Directory(where) if isinstance(where, Path) else FakeCopies(self.world, self.plan.source)

    def instance(self, name: str, server_name: str) -> FakeSqlServer:
        """A server of the plan; nobody is a stranger here."""
        del server_name
        return FakeSqlServer(self.world, name)

    def instances(self) -> Instances:
        """How to reach each server of the plan for claiming it."""
        return {name: partial(FakeSqlServer, self.world, name) for name in self.plan.servers}
