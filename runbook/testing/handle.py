"""How a fake does one thing: recorded, taking its time, able to fail at every point a real one can."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from runbook.errors import Cancelled, HostError, ServerAway, ServerError
from runbook.ports import Cancellation, Recorder
from runbook.testing.control import StatementLog, Unstoppable
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.faults import Fault, Kind
from runbook.testing.refusals import lost, refusal
from runbook.testing.world import Moment, World


@dataclass(frozen=True)
class Pause:
    """Where a real operation takes its time. ``touched``: the world has changed already, so being cut off here leaves
    something between; otherwise being cut off here changes nothing."""

    share: float = 1.0
    touched: bool = False


UNTOUCHED = Pause()
HALFWAY = Pause(touched=True)
Work = Generator[Pause, None, None]
"""An operation: yields while it takes its time, is closed when it is cut off (``finally`` says what that leaves)."""


@dataclass
class Action:
    """One effect on the world. ``name`` is the method, ``key`` what it concerns, ``text`` what is sent."""

    name: str
    key: str
    text: str
    work: Callable[[], Work]
    corrupt: Callable[[], None] | None = None
    duration: float | None = None


def at_once(change: Callable[[], object], check: Callable[[], object] | None = None) -> Callable[[], Work]:
    """Work that happens whole or not at all: ``check`` raises the refusals, ``change`` is the effect."""

    def work() -> Work:
        if check is not None:
            check()
        yield UNTOUCHED
        change()

    return work


@dataclass(eq=False)
class Handle:
    """A process's grip on one thing of the world; dead when the process is."""

    world: World
    where: str
    cancellation: Cancellation | None = None
    recorder: Recorder = field(default_factory=StatementLog)

    def __post_init__(self) -> None:
        self.generation = self.world.generation
        self.control: Cancellation = self.cancellation or Unstoppable(self.world.clock)

    def perform(self, action: Action) -> None:
        """Carry out an effect: checkpoint, record, send, take time, and the moments at which the plug can be pulled."""
        self._alive()
        self.control.checkpoint()
        name = f"{self.where}: {action.name}[{action.key}]" if action.key else f"{self.where}: {action.name}"
        with self.recorder.statement(self.where, action.text, effect=True) as recorded:
            self.world.effect(name, Moment.BEFORE)
            self.world.trace.append(f"{self.where}: {action.text}")
            line = len(self.world.trace) - 1
            try:
                fault = self._carry_out(action, name)
                self._afterwards(action, name, fault)
            except BaseException as error:
                ending = _ending(error)
                if not (isinstance(error, PowerCut) and self.world.effects[-1].moment is Moment.AFTER):
                    self.world.trace[line] += f" !{ending}"
                recorded.outcome(ending)
                raise

    def look(self, name: str, text: str, key: str = "") -> None:
        """What every look at the world begins with: it is recorded, may take time and may fail."""
        self._alive()
        self.control.checkpoint()
        with self.recorder.statement(self.where, text, effect=False):
            self._answering(text)
            fault = self.world.fault_for(self.where, text, effect=False)
            self._take_time(self.world.duration(self.where, name, key, 0.0), text, fault)
            if fault is not None and fault.kind is Kind.LOST:
                raise self._lost(text)

    def _carry_out(self, action: Action, name: str) -> Fault | None:
        fault = self.world.fault_for(self.where, action.text, effect=True)
        default = 0.1 if action.duration is None else action.duration
        seconds = self.world.duration(self.where, action.name, action.key, default)
        self._answering(action.text)
        if fault is not None and fault.kind is Kind.LIE:
            self.world.pass_time(seconds, self.control)
        else:
            self._drive(action, name, seconds, fault)
        return fault

    def _afterwards(self, action: Action, name: str, fault: Fault | None) -> None:
        self.world.effect(name, Moment.AFTER)
        if fault is not None and fault.kind is Kind.CORRUPT:
            self._corrupt(action)
        if fault is not None and fault.kind is Kind.LOST:
            raise self._lost(action.text)

    def _drive(self, action: Action, name: str, seconds: float, fault: Fault | None) -> None:
        work = action.work()
        try:
            for pause in work:
                if pause.touched:
                    self.world.effect(name, Moment.MIDDLE)
                self._take_time(seconds * pause.share, action.text, fault)
        except PowerCut:
            self._left_alone(work, seconds, action)
            raise
        finally:
            if not self._goes_on(work):
                work.close()

    def _take_time(self, seconds: float, text: str, fault: Fault | None) -> None:
        kind = None if fault is None else fault.kind
        if kind is Kind.HANG:
            self.world.hang(f"{self.where}: {text}", self.control)
        self.world.pass_time(seconds + (fault.seconds if fault and kind is Kind.SLOW else 0.0), self.control)
        if kind is Kind.FAIL:
            raise self._injected(text, fault.number if fault else 0)
        if kind is Kind.DISK_FULL:
            raise self._disk_full(text)
        if kind is Kind.DROP:
            raise self._lost(text)
        if kind is Kind.KILL:
            self._kill()
            raise self._lost(text)

    def _corrupt(self, action: Action) -> None:
        if action.corrupt is None:
            raise ImpossibleWorld(f"there is nothing to corrupt in: {self.where}: {action.text}")
        action.corrupt()

    def _alive(self) -> None:
        self.world.check_power(self.generation)

    def _answering(self, text: str) -> None:
        """Raise when nobody is there to answer."""

    def _left_alone(self, work: Work, seconds: float, action: Action) -> None:
        """The process died while this was under way."""

    def _goes_on(self, work: Work) -> bool:
        del work
        return False

    def _injected(self, text: str, number: int) -> Exception:
        del number
        return HostError(f"injected failure of {text}", host=self.where)

    def _disk_full(self, text: str) -> Exception:
        return HostError(f"no space left on device: {text}", host=self.where)

    def _lost(self, text: str) -> Exception:
        return HostError(f"no answer came: {text}", host=self.where, in_doubt=True)

    def _kill(self) -> None:
        raise ImpossibleWorld(f"{self.where} is no server that could be killed")


class ServerHandle(Handle):
    """A handle on a SQL Server: failures come as ServerError with its numbers."""

    def _answering(self, text: str) -> None:
        if self.world.servers[self.where].down:
            raise ServerAway(
                f"{self.where}: nobody answers, {text} was not sent", server=self.where, hint="Start the server."
            )

    def _left_alone(self, work: Work, seconds: float, action: Action) -> None:
        if not self.world.lingering:
            return
        lingering = self.world.servers[self.where].lingering
        lingering[action.key] = work

        def go_on() -> None:
            if lingering.get(action.key) is work:
                del lingering[action.key]
                for _ in work:
                    pass
                self.world.trace.append(f"{self.where}: {action.text} (went on after the power cut)")

        self.world.clock.later(seconds, go_on)

    def _goes_on(self, work: Work) -> bool:
        return work in self.world.servers[self.where].lingering.values()

    def _injected(self, text: str, number: int) -> Exception:
        return refusal(number, statement=text)

    def _disk_full(self, text: str) -> Exception:
        if text.startswith("BACKUP"):
            return refusal(3202, text, statement=text)
        if text.startswith("RESTORE"):
            return refusal(3257, "data", 0, 0, statement=text)
        return refusal(1105, text, statement=text)

    def _lost(self, text: str) -> Exception:
        return lost(text)

    def _kill(self) -> None:
        self.world.kill_server(self.where)


def _ending(error: BaseException) -> str:
    """What the trace says of a statement that did not end well."""
    if isinstance(error, PowerCut):
        return "power cut"
    if isinstance(error, Cancelled):
        return "cancelled"
    if isinstance(error, ServerError | HostError) and error.in_doubt:
        return "lost"
    return str(error.number) if isinstance(error, ServerError) else type(error).__name__
