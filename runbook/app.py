"""Composition root: builds the adapters for a plan, and is the world that steps and engine see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from runbook.adapters import files
from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.adapters.front.opening import fleet_gate
from runbook.adapters.gate import CommandGate, FileGate, NoGate
from runbook.adapters.host.opening import Hosts
from runbook.adapters.pointer import CommandPointer, FilePointer, Replacement
from runbook.adapters.sqlserver import Idle, Server, ServerTarget, open_copies, open_server
from runbook.adapters.web import HttpWeb
from runbook.cancel import CancelToken
from runbook.claiming import Claims, Guarded, Instances, claimed, give_back
from runbook.codec import from_json
from runbook.errors import NotSupported, RunbookError, WrongTarget
from runbook.events import Draft, Kind
from runbook.executor import Executor, Kinds, actor
from runbook.front import Gate
from runbook.home import Home
from runbook.hosting import Host
from runbook.journal.copying import Copier, Directory, Place
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
from runbook.plan import gates
from runbook.plan.compile import Experience
from runbook.plan.models import Plan
from runbook.plan.models import Server as PlanServer
from runbook.plan.sections import FileRepoint
from runbook.ports import Cancellation, Pointer, Recorder, ServerIdentity, SqlServer, Web
from runbook.recording import Unrecorded
from runbook.registry import step_kinds, undo_kinds
from runbook.rehearsal.predicting import experience
from runbook.step import Sizes
from runbook.turn import Turn

T = TypeVar("T")
R = TypeVar("R")


class Surroundings:
    """Servers, gate, pointer and web of one plan, for one executor."""

    def __init__(self, plan: Plan, home: Home) -> None:
        self.plan = plan
        self.sizes = Sizes()
        self.turn = Turn()
        self._home = home
        self._hosts = Hosts(plan.hosts)
        self._log: RunLog | None = None
        self._fence = 0
        self._idle: dict[str, Idle] = {}
        self._claims: Claims | None = None

    # --- handles for steps -------------------------------------------------------------------------------------

    def server(self, name: str, cancellation: Cancellation, recorder: Recorder) -> SqlServer:
        """A handle on one server of the plan, pinned to what was found before the run touched anything."""
        server = self._open(name, cancellation, recorder)
        if self._claims:
            server.claimed_by(partial(self._claims.hold, name))
        self._pin(name, server)
        return server

    def host(self, name: str, cancellation: Cancellation, recorder: Recorder) -> Host:
        """A handle on one host of the plan."""
        return self._hosts.open(name, cancellation, self._guarded(recorder), self._run_id, self._fence)

    def gate(self, cancellation: Cancellation, recorder: Recorder) -> Gate:
        """The plan's gate."""
        gate = self.plan.gate
        if isinstance(gate, gates.NoGate):
            return NoGate()
        if isinstance(gate, gates.CommandGate):
            commands = Commands(cancellation, self._guarded(recorder), directory=self.plan.directory)
            return CommandGate(
                commands, on=gate.on, off=gate.off, probe=gate.probe, timeout=gate.timeout.total_seconds()
            )
        if isinstance(gate, gates.FileGate) and not gate.hosts:
            path = self.plan.directory / gate.path
            return FileGate(path, self._run_id, cancellation, self._guarded(recorder), text=gate.text)

        def host(name: str) -> Host:
            return self.host(name, cancellation, recorder)

        return fleet_gate(self.plan, gate, self._run_id, host, self.together, cancellation)

    def pointer(self, cancellation: Cancellation, recorder: Recorder) -> Pointer:
        """The plan's repoint."""
        recorder = self._guarded(recorder)
        repoint = self.plan.repoint
        if repoint is None:
            raise NotSupported("this plan has no repoint", hint="Only side-by-side plans send clients elsewhere.")
        if isinstance(repoint, FileRepoint):
            fill = self._addresses()
            pairs = [Replacement(_fill(one.from_, fill), _fill(one.to, fill)) for one in repoint.replace]
            return FilePointer(self.plan.directory / repoint.path, pairs, cancellation, recorder)
        commands = Commands(cancellation, recorder, directory=self.plan.directory)
        return CommandPointer(
            commands,
            forward=repoint.forward,
            back=repoint.back,
            probe=repoint.probe,
            timeout=repoint.timeout.total_seconds(),
        )

    def web(self, cancellation: Cancellation) -> Web:
        """HTTP as users see it."""
        return HttpWeb(cancellation)

    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]:
        """On threads, up to ``limit`` at a time; the first error ends what has not begun."""
        with ThreadPoolExecutor(max(1, min(limit, len(items) or 1)), thread_name_prefix="part") as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    # --- for the executor --------------------------------------------------------------------------------------

    def survey(self) -> tuple[Sizes, Mapping[str, Any]]:
        """Reach every server; see :class:`runbook.executor.World`."""
        found = {}
        used: dict[str, int] = {}
        for name, planned in self.plan.servers.items():
            with closing(Idle(SystemClock().monotonic)) as idle:
                server = self._open(name, CancelToken(SystemClock()), Unrecorded(), idle)
                identity = server.identity()
                _refuse_stranger(name, planned, identity)
                found[name] = {"url": str(planned.url), "name": identity.server_name, "version": identity.version}
                if name == self.plan.source:
                    wanted = {database.name.lower() for database in self.plan.databases}
                    known = server.databases()
                    used = {n.lower(): info.used_bytes for n, info in known.items() if n.lower() in wanted}
        return Sizes(used), found

    def attach(self, log: RunLog) -> None:
        """Work for this run from now on."""
        self._log, self._fence = log, log.fence or 0
        self._idle = {name: Idle(SystemClock().monotonic) for name in self.plan.servers}

    @contextmanager
    def claim(self, log: RunLog) -> Iterator[None]:
        """Be the only executor on every instance; see :mod:`runbook.claiming`."""
        with ExitStack() as over:
            instances = self._attached(log, over)
            self._claims = over.enter_context(claimed(log, actor(), instances, SystemClock(), self._copier(log)))
            self._drop_unfinished()
            self._fence_hosts(log)
            yield

    def _fence_hosts(self, log: RunLog) -> None:
        """An earlier executor may only have been stopped: hosts refuse whatever it still sends when it wakes up."""
        for why in self._hosts.fence(self._run_id, self._fence).values() if self._fence > 1 else ():
            text = f"{why}; what an earlier executor, if it was only stopped, may still send there is not refused"
            log.buffer(Draft(Kind.NOTE, None, {"finding": True, "text": text}))

    def _drop_unfinished(self) -> None:
        """What an earlier executor had ready for a file and did not put there: it may only have been stopped."""
        gate, repoint = self.plan.gate, self.plan.repoint
        if isinstance(gate, gates.FileGate) and not gate.hosts:  # with hosts, the path is one of theirs
            files.drop_unfinished(self.plan.directory / gate.path)
        if isinstance(repoint, FileRepoint):
            files.drop_unfinished(self.plan.directory / repoint.path)

    def give_back(self, log: RunLog) -> list[str]:
        """See :class:`runbook.executor.World`."""
        with ExitStack() as over:
            return give_back(log, actor(), self._attached(log, over), SystemClock(), self._copier(log))

    def _attached(self, log: RunLog, over: ExitStack) -> Instances:
        """How to reach each instance, as long as the block is not over."""
        self.attach(log)
        over.callback(self._hosts.close)
        for idle in self._idle.values():
            over.callback(idle.close)
        known = log.view.opening["servers"]
        return {name: partial(self.instance, name, known[name]["name"]) for name in self.plan.servers}

    def _copier(self, log: RunLog) -> Copier | None:
        chosen = self.plan.journal_copy
        if chosen == "none":
            return None
        place = self.copies(chosen, log.view.opening["servers"][self.plan.source]["name"])
        return Copier(place, self._run_id, SystemClock().monotonic)

    def copies(self, where: Path | str, source_name: str = "") -> Place:
        """A directory, or the plan's source server, as a second place of the journal."""
        if isinstance(where, Path):
            return Directory(where)
        source = self.plan.source
        never = CancelToken(SystemClock())
        return open_copies(source, self._target(source), never, self._run_id, self._fence, source_name)

    def instance(self, name: str, server_name: str, token: CancelToken | None = None) -> Server:
        """A server to be claimed: nothing is recorded step by step, and nothing is written to a stranger."""
        server = self._open(name, token or CancelToken(SystemClock()), Unrecorded())
        server.expect(server_name)
        return server

    # --- pieces ------------------------------------------------------------------------------------------------

    def _guarded(self, recorder: Recorder) -> Recorder:
        return Guarded(recorder, self._claims) if self._claims else recorder

    @property
    def _run_id(self) -> str:
        return self._log.view.run_id if self._log else "-"

    def _open(self, name: str, cancellation: Cancellation, recorder: Recorder, idle: Idle | None = None) -> Server:
        idle = idle or self._idle.get(name)
        return open_server(name, self._target(name), cancellation, recorder, self._run_id, self._fence, idle=idle)

    def _target(self, name: str) -> ServerTarget:
        planned = self.plan.servers[name]
        return ServerTarget(
            url=str(planned.url),
            user=planned.user,
            password=planned.password.resolve if planned.password else None,
            encrypt=planned.encrypt,
            trust_certificate=planned.trust_certificate,
            sandbox_home=self._home.sandbox,
        )

    def _pin(self, name: str, server: Server) -> None:
        step = self._log.view.steps.get("pin-identity") if self._log else None
        if step is None or step.keep is None:
            return
        servers = step.keep["servers"]
        families = {pin["name"]: (pin["family_guid"], pin["created_at"]) for pin in step.keep["databases"]}
        server.pin(from_json(ServerIdentity, servers[name]), families if name == self.plan.source else {})

    def _addresses(self) -> dict[str, str]:
        found = {}
        for role, planned in (("source", self.plan.source_server), ("target", self.plan.target_server)):
            if planned is not None:
                address = ServerTarget(url=str(planned.url), sandbox_home=self._home.sandbox).locate()
                found[f"{{{role}.host}}"] = address.server
                found[f"{{{role}.port}}"] = str(address.port or 1433)
        return found


def _fill(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def _refuse_stranger(name: str, planned: PlanServer, identity: ServerIdentity) -> None:
    expected = planned.expect.server_name
    if expected and expected.lower() != identity.server_name.lower():
        raise WrongTarget(
            f"{name}: the server says it is {identity.server_name}, the plan expects {expected}",
            hint=f"Look who answers at {planned.url}, or correct servers.{name}.expect.server_name.",
        )


def build_executor(home: Home, **options: Any) -> Executor:
    """An executor on the real world."""
    kinds = Kinds(step_kinds(), undo_kinds())
    store = open_store(home.journal_url)
    clock = SystemClock()

    def known(plan: Plan) -> Experience | None:
        return experience(home, store, plan, clock.now())

    return Executor(store, clock, kinds, lambda plan: Surroundings(plan, home), experience=known, **options)


__all__ = ["RunbookError", "Surroundings", "build_executor"]
