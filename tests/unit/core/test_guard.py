"""What a guard does, by what it sees: a pure judgement, and the watch over a lease with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runbook.errors import AlreadyRunning, Refused
from runbook.events import Draft, Kind
from runbook.guard import LOOK, Alarm, Guard, Over, TakeOver, Wait, judge
from runbook.journal.lease import LeaseRow, Process, Vigil
from runbook.journal.log import RunLog
from runbook.journal.term import TERM
from runbook.testing import FakeClock
from runbook.testing.errors import PowerCut
from runbook.window import SteadyNow
from tests.unit.core.toy import Bench, bench, line

CHAIN = ("a", "b", "pivot", "later")


def lost(b: Bench, where: str) -> None:
    """Its executor dies there."""

    def cut(place: str) -> None:
        if place == where:
            raise PowerCut(where)

    b.world.hook = cut
    with pytest.raises(PowerCut):
        b.engine().drive()
    b.world.hook = lambda _: None


def seen(b: Bench, on_loss: Any = "resume", *, gone: bool = True, later: float = 0.0) -> Any:
    return judge(b.view(), gone, on_loss, b.world.clock.now() + timedelta(seconds=later))


def write(b: Bench, kind: Kind, **data: object) -> None:
    RunLog.load(b.store, b.run_id, actor="t", now=b.world.clock.now).append(Draft(kind, None, data))


def test_before_the_pivot_it_takes_over() -> None:
    """As the plan wants it; while an executor is at work it only watches."""
    with bench(line(*CHAIN)) as b:
        b.open()
        assert seen(b) == Wait(), "nobody drove it yet, and nothing is touched"
        lost(b, "after b")
        assert seen(b, gone=False) == Wait()
        assert seen(b) == TakeOver("the executor was lost")
        assert seen(b, "revert").revert
        assert isinstance(seen(b, "alarm"), Alarm)
        assert "turn-back point has passed" in seen(b, "alarm", later=3600).text


def test_an_executor_that_was_stopped_in_order_is_left_until_the_turn_back_point() -> None:
    """Whoever stopped it may go on; the promise stands all the same."""
    with bench(line(*CHAIN)) as b:
        lost(b, "after b")
        write(b, Kind.EXECUTOR_STOPPED)
        assert seen(b) == Wait()
        assert seen(b, later=3600) == TakeOver("the turn-back point is reached")


def test_a_hold_is_a_persons_until_the_turn_back_point() -> None:
    """Also when the executor that waited there is lost."""
    with bench(line(*CHAIN)) as b:
        lost(b, "after b")
        write(b, Kind.REQUESTED, what="hold", reason="look at it")
        assert seen(b) == Wait()
        assert seen(b, later=3600) == TakeOver("the turn-back point is reached")


def test_a_way_back_goes_on_whatever_the_plan_wants_for_a_loss() -> None:
    """It was decided on already; with ``alarm`` a person still has to do it."""
    with bench(line(*CHAIN)) as b:
        b.world.fail.add("b")
        lost(b, "before undo a")
        for on_loss in ("resume", "revert"):
            assert seen(b, on_loss) == TakeOver("the executor was lost")
        assert isinstance(seen(b, "alarm"), Alarm)


def test_in_the_pivot_it_only_looks() -> None:
    """Whether the gate opened is not known; once it is, no guard acts any more."""
    with bench(line(*CHAIN)) as b:
        lost(b, "before pivot")
        move = seen(b, "revert")
        assert (move.look_only, move.revert) == (True, "")
    with bench(line(*CHAIN)) as b:
        lost(b, "after pivot")
        assert seen(b).look_only
        lost(b, "before later")
        assert isinstance(seen(b), Alarm)
        assert isinstance(seen(b, later=360000), Alarm)


def test_an_ending_is_the_end_of_the_watch() -> None:
    """However it was reached."""
    with bench(line(*CHAIN)) as b:
        b.drive()
        assert seen(b) == Over()


# --- the watch over the lease ----------------------------------------------------------------------------------------


def row(beat: str = "2026-03-21T10:00:00+00:00", **more: Any) -> LeaseRow:
    return LeaseRow(**{"run_id": "r", "owner": "o", "host": "that-host", "pid": 1, "pid_token": "", "fence": 1,
                       "heartbeat_at": beat, "term_s": TERM, "released": 0, **more})  # fmt: skip


def test_only_a_heartbeat_that_stays_the_same_for_a_term_is_lost() -> None:
    """By the watcher's own monotonic clock: what the wall clocks say of it does not matter, nor how they jump."""
    clock = FakeClock()
    vigil = Vigil(Process("this-host", 2, ""), clock.monotonic)
    assert not vigil.is_gone(row("1999-01-01T00:00:00+00:00"))
    clock.advance(TERM - 1)
    clock.step(3600)
    assert not vigil.is_gone(row("1999-01-01T00:00:00+00:00"))
    assert not vigil.is_gone(row("1999-01-01T00:00:05+00:00")), "it beat"
    clock.step(-7200)
    clock.advance(TERM - 1)
    assert not vigil.is_gone(row("1999-01-01T00:00:05+00:00"))
    clock.advance(1)
    assert vigil.is_gone(row("1999-01-01T00:00:05+00:00"))


def test_what_was_given_back_is_gone_at_once() -> None:
    """And a lease that nobody ever took."""
    vigil = Vigil(Process("this-host", 2, ""), FakeClock().monotonic)
    assert vigil.is_gone(None)
    assert vigil.is_gone(row(released=1))


# --- the guard at work -----------------------------------------------------------------------------------------------


class Watched:
    """A guard on a bench; ``drive`` stands for its executor."""

    def __init__(self, b: Bench, drive: Callable[[], object], on_loss: Any = "resume") -> None:
        self.said: list[str] = []
        self.moves: list[TakeOver] = []
        self.tries: list[float] = []
        self.clock = b.world.clock
        self._drive = drive
        log = RunLog.load(b.store, b.run_id, actor="guard", now=b.world.clock.now)
        now = SteadyNow(b.world.clock.now, b.world.clock.monotonic)
        self.guard = Guard(log, b.world.clock, now, on_loss, self.drive, self.said.append)

    def drive(self, move: TakeOver, _lapsed: object, _until: object) -> object:
        self.moves.append(move)
        self.tries.append(self.clock.monotonic())
        return self._drive()


def test_a_guard_that_cannot_take_over_says_so_and_tries_again() -> None:
    """In the record, once for each reason, and never in a tight loop."""
    with bench(line(*CHAIN)) as b:
        lost(b, "after b")

        def drive() -> object:
            if len(watched.tries) < 4:
                raise Refused("the plan is not there")
            return b.drive()

        watched = Watched(b, drive)
        assert watched.guard.watch().ending
        notes = [note for note in b.view().findings if "could not take over" in note]
        assert notes == ["guard: the guard could not take over: the plan is not there"]
        pauses = [later - sooner for sooner, later in zip(watched.tries, watched.tries[1:], strict=False)]
        assert pauses == [5.0, 10.0, 30.0]


def test_a_guard_that_comes_second_goes_on_watching() -> None:
    """Another guard, or a person, has the run: nothing is wrong."""
    with bench(line(*CHAIN)) as b:
        lost(b, "after b")

        def drive() -> object:
            b.drive()
            raise AlreadyRunning("in the hands of another")

        watched = Watched(b, drive)
        assert watched.guard.watch().ending
        assert b.view().findings == []
        assert len(watched.tries) == 1


def test_after_the_pivot_it_only_cries() -> None:
    """Once in the record, however long it lasts; a person finishes, and the watch ends."""
    with bench(line(*CHAIN)) as b:
        lost(b, "before later")
        watched = Watched(b, lambda: pytest.fail("a guard acted after the pivot"), "revert")
        b.world.clock.call_after(100 * LOOK, lambda: b.drive() and None)
        assert watched.guard.watch().ending == "upgraded"
        assert [note for note in b.view().findings if "after the gate opened" in note] == [
            "guard: no executor is at work after the gate opened on the new setup; finish with: runbook resume"
        ]


def test_a_guard_that_stood_still_gives_the_executor_time_to_beat() -> None:
    """The machine slept, or the journal did not answer: that nothing was heard meanwhile says nothing."""
    with bench(line(*CHAIN)) as b:
        lost(b, "after b")
        watched = Watched(b, b.drive)
        began = b.world.clock.monotonic()
        b.world.clock.call_after(2.5, lambda: b.world.clock.advance(3 * TERM))
        assert watched.guard.watch().ending
        assert watched.tries[0] - began > 4 * TERM - 1


# --- clocks that jump ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_while_it_watches_is_named(jump: float) -> None:
    """Once, in the record and on its own output; nothing is taken from anybody, and the takeover counts on evenly."""
    with bench(line(*CHAIN), window=9000) as b:
        lost(b, "after b")
        write(b, Kind.REQUESTED, what="hold", reason="wait")  # a person's, until the turn-back point
        watched = Watched(b, lambda: write(b, Kind.RUN_FINISHED, ending="reverted", reason="for the test"))
        b.world.clock.call_after(10, lambda: b.world.clock.step(jump))
        turn_back_at, begun = b.view().turn_back_at, (b.world.clock.now(), b.world.clock.monotonic())
        watched.guard.watch()
        took = watched.tries[0] - begun[1]
        counted = max(jump, 0.0)  # ahead: it may have slept
        assert took + counted == pytest.approx((turn_back_at - begun[0]).total_seconds(), abs=2 * LOOK)
        (note,) = [one for one in b.view().findings if "clock" in one]
        assert note in watched.said
        assert ("jumped ahead by 3600 s" if jump > 0 else "set back by 3600 s") in note
        assert f"closes at {b.view().closes_at:%H:%M:%S} UTC" in note


def test_a_guard_whose_clock_is_behind_counts_from_the_record() -> None:
    """It was set back before this guard began: the turn-back point stays where it is."""
    with bench(line(*CHAIN), window=3600) as b:
        lost(b, "after b")
        write(b, Kind.REQUESTED, what="hold", reason="wait")
        left = (b.view().turn_back_at - b.world.clock.now()).total_seconds()
        b.world.clock.step(-3600)
        watched = Watched(b, lambda: write(b, Kind.RUN_FINISHED, ending="reverted", reason="for the test"))
        begun = b.world.clock.monotonic()
        watched.guard.watch()
        assert watched.tries[0] - begun == pytest.approx(left, abs=2 * LOOK)
        (note,) = [one for one in b.view().findings if "behind the record" in one]
        assert "3600 s" in note


def test_a_guard_whose_clock_is_ahead_of_the_executors_says_so() -> None:
    """By the executor's own heartbeats; an executor that beats is not taken for dead."""
    with bench(line(*CHAIN), window=36000) as b:
        engine = b.engine()
        lease = b.lease
        assert lease is not None
        there = b.world.clock.now()
        began = b.world.clock.monotonic()
        beats = [0]

        def beat() -> None:
            beats[0] += 1
            at = there + timedelta(seconds=b.world.clock.monotonic() - began)
            assert b.store.beat(b.run_id, lease.fence, at.isoformat(timespec="microseconds"))
            if beats[0] < 20:
                b.world.clock.call_after(5, beat)
            else:
                engine.drive()

        b.world.clock.step(3600)
        watched = Watched(b, lambda: pytest.fail("it took a run that is in good hands"))
        b.world.clock.call_after(2, beat)
        assert watched.guard.watch().ending == "upgraded"
        (note,) = [one for one in b.view().findings if "ahead of the executor" in one]
        assert "3600 s ahead" in note
        assert "that much earlier" in note
