"""A process's grip on the switches: its services, and the steps and ways back that throw them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from runbook.cancel import CancelToken
from runbook.errors import Cancelled, HostError, JournalError, JournalUnwritable
from runbook.journal.log import RunLog
from runbook.step import Apply, Block, Decision, Outcome, Pass, Phase, Sizes, Skip, Step, Undo
from tests.chaos.deadline import Back
from tests.chaos.story import Act, Stop
from tests.chaos.switches import GRADUAL, HALF, NEW, WELL, Switches

# --- the server ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """One process's grip on the switches, recorded like any other."""

    world: Switches
    token: CancelToken
    recorder: Any
    fence: int

    def throw(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        """Change a switch, in the way ``act`` says."""
        world = self.world
        world.alive()
        self.token.checkpoint()
        with self.recorder.statement("switches", f"{'back' if back else 'do'} {stop.id}", effect=True):
            world.moment(f"before {stop.id}")
            self._take_time(stop, value, act, back=back)
            world.moment(f"after {stop.id}")
            if act.what == "lost":
                raise HostError("no answer came", host="switches", in_doubt=True)

    def _take_time(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        half = act.what.startswith("half")
        if stop.gradual and not back and act.what in GRADUAL:
            self._change(stop, HALF, act, back=back)
        self._sleep(act.seconds / 2, stubborn=act.what == "stubborn")
        if half:
            self._change(stop, HALF, act, back=back)
            self.world.moment(f"in the middle of {stop.id}")
        self._sleep(act.seconds / 2, stubborn=act.what == "stubborn")
        what = act.what.removeprefix("half-")
        if what == "hang":
            self._sleep(30 * 86400.0)
        if what in ("refused", "half"):
            raise HostError("it was refused", host="switches")
        if what == "drop":
            raise HostError("the connection broke", host="switches", in_doubt=True)
        if what != "lie":
            self._change(stop, value, act, back=back)

    def _change(self, stop: Stop, value: str, act: Act, *, back: bool) -> None:
        self._session()
        self.world.change(stop, value, back=back, fence=self.fence, stubborn=act.what == "stubborn")

    def _session(self) -> None:
        """Whoever takes over ends the sessions of the one before, so that what these were told does not happen."""
        if self.world.claimed > self.fence:
            self.world.tried["stopped at the server: an older number"] += 1
            raise HostError("the session was ended", host="switches", in_doubt=True)

    def _sleep(self, seconds: float, *, stubborn: bool = False) -> None:
        if not stubborn:
            self.token.sleep(seconds)
            return
        with self.token.shield():
            self.token.sleep(seconds)


class SwitchServices:
    """``runbook.executor.World`` over the switches."""

    sizes = Sizes()
    plan: Any

    def __init__(self, world: Switches, plan: Any, fenced: Callable[[], None]) -> None:
        self.world = world
        self.plan = plan
        self._fence = 0
        self._fenced = fenced

    def server(self, name: str, cancellation: Any, recorder: Any) -> Any:
        """The switches."""
        del name
        return Server(self.world, cancellation, recorder, self._fence)

    def survey(self) -> tuple[Sizes, Mapping[str, Any]]:
        """Who they are."""
        return Sizes(), {"switches": {"url": "switches://here", "name": "switches", "version": ""}}

    def attach(self, log: RunLog) -> None:
        """Work for this run from now on."""
        self._fence = self.world.clock.machine.fence = log.fence or 0

    @contextmanager
    def claim(self, log: RunLog) -> Iterator[None]:
        """End the sessions of earlier executors; beat while this one lives."""
        self.attach(log)
        self.world.claimed = max(self.world.claimed, self._fence)
        self._beat(log)
        yield

    def _beat(self, log: RunLog) -> None:
        from runbook.journal.term import TERM

        def beat() -> None:
            lease = self.world.store.lease(log.view.run_id)
            if lease is None or (lease.fence == self._fence and lease.released):
                return
            at = self.world.clock.machine.now().isoformat(timespec="microseconds")  # type: ignore[attr-defined]
            held = True
            with suppress(JournalUnwritable):
                held = self.world.store.beat(log.view.run_id, self._fence, at)
            if held:
                self.world.clock.call_after(TERM / 3, beat)
            else:
                self._fenced()

        self.world.clock.call_after(TERM / 3, beat)

    def together(self, work: Any, items: Sequence[Any], limit: int) -> list[Any]:
        """One after the other."""
        del limit
        return [work(item) for item in items]


# --- steps -----------------------------------------------------------------------------------------------------------

_worlds: list[Switches] = []


@dataclass(frozen=True)
class PutBack(Undo):
    """Puts a switch back as it was."""

    switch: str
    was: str

    def run(self, ctx: Any) -> None:
        """Set it."""
        world = _worlds[-1]
        stop = world.stops[self.switch]
        back = Back(self.switch, world.clock.monotonic())
        world.backs.append(back)
        act = world.next(stop, "backs") or Act(WELL, stop.back_takes)
        server = ctx.server("switches")
        try:
            server.throw(stop, self.was, act, back=True)
        except (Exception, Cancelled) as error:
            back.failed = world.claimed == server.fence and not isinstance(error, JournalError)
            raise
        back.ended, back.good = world.clock.monotonic(), act.what in (WELL, "slow")

    def verify(self, ctx: Any) -> Outcome:
        """Look."""
        world = _worlds[-1]
        stop = world.stops[self.switch]
        act = world.next(stop, "back_verifies")
        for back in [back for back in world.backs if back.step == self.switch][-1:] if act else []:
            back.good = False
        _look(ctx, act)
        return Outcome.REACHED if world.now[self.switch] == self.was else Outcome.PARTIAL


@dataclass(frozen=True)
class Wanted:
    """Intent."""

    switch: str
    was: str


class Throw(Step):
    """Throws a switch."""

    phase = Phase.UPGRADE
    undoes_with = (PutBack,)
    Intent: ClassVar[Any] = Wanted

    def __init__(self, world: Switches, stop: Stop) -> None:
        super().__init__(None, stop.id)  # type: ignore[arg-type]
        self.world = world
        self.stop = stop

    @property
    def id(self) -> str:
        return self.stop.id

    def observe(self, ctx: Any) -> Any:
        """What it stands at; or how the look went."""
        act = self.world.next(self.stop, "looks")
        _look(ctx, act)
        return "blocked" if act and act.what == "blocked" else self.world.now.get(self.id, "")

    def decide(self, facts: str) -> Decision:
        """The value, unless it is there already."""
        if facts == "blocked":
            return Block("it may not be thrown", "Leave it.")
        if self.stop.kind == "check":
            return Pass("it holds")
        if facts == NEW:
            return Skip("it stands there already")
        owes = self.stop.kind in ("switch", "gate")
        return Apply(Wanted(self.id, facts), PutBack(self.id, facts) if owes else None)

    def apply(self, ctx: Any, intent: Wanted) -> None:
        """Throw it."""
        act = self.world.next(self.stop, "acts") or Act(WELL, self.stop.takes)
        ctx.server("switches").throw(self.stop, NEW, act, back=False)

    def verify(self, ctx: Any, intent: Wanted) -> Outcome:
        """Look."""
        _look(ctx, self.world.next(self.stop, "verifies"))
        found = self.world.now[intent.switch]
        return {NEW: Outcome.REACHED, intent.was: Outcome.UNTOUCHED}.get(found, Outcome.PARTIAL)


def _look(ctx: Any, act: Act | None) -> None:
    if act and act.what == "slow":
        ctx.sleep(act.seconds)
    if act and act.what == "hang":
        ctx.sleep(float("inf"))
    if act and act.what == "blind":
        raise HostError("it cannot be seen", host="switches")


@contextmanager
def in_world(world: Switches) -> Iterator[Switches]:
    """Undos are rebuilt from the journal and must find their world."""
    _worlds.append(world)
    try:
        yield world
    finally:
        _worlds.pop()


UNDOS = {PutBack.name: PutBack}
