"""What a step is given: handles, the record, and the ways in which a stop is felt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from runbook.cancel import CancelToken
from runbook.codec import from_json
from runbook.events import Draft, Kind
from runbook.front import Gate, Rule
from runbook.hosting import Host, HostReader
from runbook.journal.log import RunLog
from runbook.plan.models import Plan
from runbook.ports import Cancellation, Pointer, Recorder, SqlServer, SqlServerReader, Web
from runbook.publictext import public_rules, public_text
from runbook.recording import Journalled
from runbook.step import GateReader, PointerReader, Sizes
from runbook.turn import FirstAtGate, Turn

T = TypeVar("T")
R = TypeVar("R")


class Services(Protocol):
    """The world as the composition root built it."""

    plan: Plan
    sizes: Sizes
    turn: Turn

    def web(self, cancellation: Cancellation) -> Web: ...
    def server(self, name: str, cancellation: Cancellation, recorder: Recorder) -> SqlServer: ...
    def host(self, name: str, cancellation: Cancellation, recorder: Recorder) -> Host: ...
    def gate(self, cancellation: Cancellation, recorder: Recorder) -> Gate: ...
    def pointer(self, cancellation: Cancellation, recorder: Recorder) -> Pointer: ...
    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]: ...


class Denied(AttributeError):
    """A step's ``observe`` or ``verify`` reached for something that changes the world."""


class ReadOnly:
    """A port with everything that changes the world taken away."""

    def __init__(self, port: Any, allowed: frozenset[str]) -> None:
        self._port = port
        self._allowed = allowed

    def __getattr__(self, name: str) -> Any:
        if name in self._allowed:
            return getattr(self._port, name)
        raise Denied(f"{name} changes the world; only apply and undo may use it")


def _names(protocol: type) -> frozenset[str]:
    return frozenset(name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_"))


_SERVER = _names(SqlServerReader)
_HOST = _names(HostReader)
_GATE = _names(GateReader)
_POINTER = _names(PointerReader)


class StepReadContext:
    """What ``observe`` and ``verify`` get."""

    def __init__(
        self,
        step: str,
        log: RunLog,
        services: Services,
        token: CancelToken,
        now: Callable[[], datetime],
        progress: Callable[[float, float, str], None],
    ) -> None:
        self._step = step
        self._log = log
        self._services = services
        self._token = token
        self._recorder = Journalled(log, step, now)
        self.now = now
        self.progress_to = progress
        self.checkpoint = token.checkpoint
        self.sleep = token.sleep
        self.interrupting = token.interrupting

    @property
    def run_id(self) -> str:
        return self._log.view.run_id

    @property
    def plan(self) -> Plan:
        return self._services.plan

    @property
    def closes_at(self) -> datetime:
        return self._log.view.closes_at

    @property
    def sizes(self) -> Sizes:
        return self._services.sizes

    @property
    def accepted_loss(self) -> Mapping[str, Any] | None:
        return self._log.view.accepted

    @property
    def web(self) -> Web:
        return self._services.web(self._token)

    @property
    def gate_reader(self) -> Any:
        return ReadOnly(self._services.gate(self._token, self._recorder), _GATE)

    @property
    def pointer_reader(self) -> Any:
        return ReadOnly(self._services.pointer(self._token, self._recorder), _POINTER)

    def reader(self, server: str) -> Any:
        return ReadOnly(self._services.server(server, self._token, self._recorder), _SERVER)

    def host_reader(self, host: str) -> Any:
        return ReadOnly(self._services.host(host, self._token, self._recorder), _HOST)

    def kept(self, step_id: str, shape: type[T]) -> T:
        found = self.find_kept(step_id, shape)
        if found is None:
            raise KeyError(f"{step_id} kept nothing")
        return found

    def find_kept(self, step_id: str, shape: type[T]) -> T | None:
        step = self._log.view.steps.get(step_id)
        return None if step is None or step.keep is None else from_json(shape, step.keep)

    def together(self, work: Callable[[R], T], items: Sequence[R], limit: int) -> list[T]:
        return self._services.together(work, items, limit)

    def progress(self, done: float, total: float, what: str = "") -> None:
        self.progress_to(done, total, what)

    def note(self, text: str) -> None:
        self._log.buffer(Draft(Kind.NOTE, self._step, {"text": text, "finding": True}))


class StepContext(StepReadContext):
    """What ``apply`` and ``Undo.run`` get in addition."""

    failed_before = ""

    @property
    def gate(self) -> Gate:
        return FirstAtGate(self._services.gate(self._token, self._recorder), self._services.turn)

    @property
    def pointer(self) -> Pointer:
        return self._services.pointer(self._token, self._recorder)

    def server(self, server: str) -> SqlServer:
        return self._services.server(server, self._token, self._recorder)

    def host(self, host: str) -> Host:
        return self._services.host(host, self._token, self._recorder)

    def public_text(self) -> str:
        return public_text(self._log.view, self.now(), self._services.plan)

    def public_rules(self) -> tuple[Rule, ...]:
        return public_rules(self._log.view, self.now(), self._services.plan)

    def shield(self) -> AbstractContextManager[None]:
        return self._token.shield()
