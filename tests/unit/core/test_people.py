"""What people ask for in the worst moment: between the last look at the journal and the row that matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from runbook import policy
from runbook.errors import FencedOut, HostAway, JournalCorrupt, JournalError, JournalUnwritable
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.journal.reading import Row
from runbook.states import RunState
from runbook.testing.errors import PowerCut
from runbook.testing.store import MemoryStore
from tests.unit.core.toy import Bench, bench, line

CHAIN = ("a", "b", "pivot", "later")


class Meddled(MemoryStore):
    """Somebody else writes right before the start of the pivot (or another step) is written."""

    meddle: Callable[[], None] | None = None
    step = "pivot"

    def append(self, rows: Sequence[Row], *, expected: int, fence: int | None) -> bool:
        """See the protocol."""
        if self.meddle and any((row.kind, row.step) == (Kind.STEP_STARTED, self.step) for row in rows):
            meddle, self.meddle = self.meddle, None
            meddle()
        return super().append(rows, expected=expected, fence=fence)


def ask(b: Bench, what: str, **more: object) -> bool:
    """Another process records what a person decided."""
    log = RunLog.load(b.store, b.run_id, actor="person", now=b.world.clock.now)
    return log.append(Draft(Kind.REQUESTED, None, {"what": what, "reason": "stop"}), **more)  # type: ignore[arg-type]


def test_a_revert_asked_for_right_before_the_pivot_comes_first() -> None:
    """The pivot is not begun: users never meet the new setup, and everything is put back."""
    store = Meddled()
    with bench(line(*CHAIN), store=store) as b:
        b.open()
        store.meddle = lambda: ask(b, "revert")
        assert b.engine().drive() is RunState.REVERTED
        assert b.world.trace == ["a", "b", "undo b", "undo a"]
        assert b.view().pivot_at is None


def test_a_hold_asked_for_right_before_the_pivot_comes_first() -> None:
    """It waits in front of the pivot; let go on, it goes on."""
    store = Meddled()
    with bench(line(*CHAIN), store=store) as b:
        b.open()
        store.meddle = lambda: ask(b, "hold")
        engine = b.engine()
        b.world.clock.call_after(30, lambda: ask(b, "go-on"))
        assert engine.drive() is RunState.UPGRADED
        rows = [(row.kind, row.step) for row in store.rows(b.run_id)]
        assert rows.index((Kind.HELD, "")) < rows.index((Kind.STEP_STARTED, "pivot"))


def test_a_revert_asked_for_after_the_pivot_is_not_recorded() -> None:
    """Not even by a process that looked before the pivot and writes after it."""
    with bench(line(*CHAIN)) as b:
        b.open()
        log = RunLog.load(b.store, b.run_id, actor="person", now=b.world.clock.now)
        assert b.engine().drive() is RunState.UPGRADED
        wish = Draft(Kind.REQUESTED, None, {"what": "revert", "reason": "too late"})
        assert log.append(wish, unless=lambda run: run.pivot_at) is False
        assert b.view().revert_requested == ""


def test_nothing_is_undone_after_the_pivot_whatever_is_recorded() -> None:
    """A wish that got into the journal all the same reverts nothing by itself."""
    with bench(line(*CHAIN)) as b:
        b.world.hook = lambda where: (_ for _ in ()).throw(PowerCut(where)) if where == "after pivot" else None
        with pytest.raises(PowerCut):
            b.engine().drive()
        b.world.hook = lambda _: None
        ask(b, "revert")
        assert b.engine().drive() is RunState.UPGRADED
        assert "undo a" not in b.world.trace


def test_a_clock_that_was_set_back_between_two_processes_opens_no_window() -> None:
    """The window closed, the clock is set back an hour, somebody resumes: it goes back, and the record says why."""
    with bench(line(*CHAIN), window=60) as b:
        b.world.hook = lambda where: (_ for _ in ()).throw(PowerCut(where)) if where == "after b" else None
        with pytest.raises(PowerCut):
            b.engine().drive()
        b.world.hook = lambda _: None
        b.world.clock.advance(120)
        RunLog.load(b.store, b.run_id, actor="t", now=b.world.clock.now).append(Draft(Kind.NOTE, None, {"text": "x"}))
        b.world.clock.step(-3600)
        engine = b.engine()
        assert engine.drive() is RunState.REVERTED
        assert b.view().ended_at > b.view().closes_at
        assert b.view().ended_at < b.view().closes_at + timedelta(seconds=120)


def test_an_undo_that_hangs_is_ended_and_tried_again() -> None:
    """Once; a further try gets all the time it needs, for what is merely slow must come to its end."""
    with bench(line("a", "b", "pivot", undo=2.0), window=600) as b:
        b.world.fail.add("b")
        b.world.undo_seconds["a"] = [1e9, policy.LEAST_PATIENCE * 4]
        started = b.world.clock.now()
        assert b.engine().drive() is RunState.REVERTED
        took = (b.world.clock.now() - started).total_seconds()
        assert policy.LEAST_PATIENCE * 5 <= took < policy.LEAST_PATIENCE * 5 + 20
        assert b.view().steps["a"].undo_attempts == 2


@pytest.mark.parametrize(("hangs", "ends"), [(1, RunState.REVERTED), (2, RunState.HELD)])
def test_a_look_that_hangs_on_the_way_back_is_a_try_that_failed(hangs: int, ends: RunState) -> None:
    """It is ended and tried again; hanging each time, the branch is held with what was the matter."""
    left = [hangs]

    def hang(what: str, ctx: Any) -> None:
        if what == "undo a" and left[0]:
            left[0] -= 1
            ctx.sleep(1e9)

    with bench(line("a", "b", "pivot", undo=2.0), window=600) as b:
        b.world.fail.add("b")
        b.world.look = hang
        started = b.world.clock.now()
        assert b.engine().drive() is ends
        took = (b.world.clock.now() - started).total_seconds()
        assert took < policy.LEAST_PATIENCE * 3 + 20
        if ends is RunState.HELD:
            assert "the look took longer than" in b.view().held


def test_a_look_that_hangs_does_not_use_up_the_way_back() -> None:
    """What was stopped at the turn-back point is looked at only as long as everything can still be put back in time;
    what became of it is not known then, and it is put back as well."""

    def hang(what: str, ctx: Any) -> None:
        if what == "b":
            ctx.sleep(1e9)

    with bench(line("a", "b", "pivot", undo=2.0), window=60) as b:
        b.world.seconds["b"] = 1e9
        b.world.look = hang
        assert b.engine().drive() is RunState.REVERTED
        assert b.view().ended_at <= b.view().closes_at
        assert b.world.trace[-2:] == ["undo b", "undo a"]


def test_a_look_at_the_pivot_that_hangs_is_ended() -> None:
    """Users may be in: nothing goes back by itself, a person is told; and looks again."""

    def hang(what: str, ctx: Any) -> None:
        if what == "pivot":
            ctx.sleep(1e9)

    with bench(line("a", "pivot", "later", undo=2.0), window=60) as b:
        b.world.look = hang
        assert b.engine().drive() is RunState.HELD
        assert "the look took longer than" in b.view().held
        b.world.look = lambda *_: None
        assert b.engine().drive() is RunState.UPGRADED


def test_a_host_that_is_away_is_waited_for_no_longer_than_the_way_back_allows() -> None:
    """At the look at a step that was stopped, and whose executor died; its way back has the time of the way back."""

    def away(what: str, _ctx: Any) -> None:
        if what == "b":
            raise HostAway("it does not answer")

    def unplugged(where: str) -> None:
        if where == "before b":
            b.world.clock.advance((b.view().turn_back_at - b.world.clock.now()).total_seconds())
            raise PowerCut(where)

    with bench(line("a", "b", "pivot", undo=2.0), window=60) as b:
        b.world.hook = unplugged
        with pytest.raises(PowerCut):
            b.engine().drive()
        log = RunLog.load(b.store, b.run_id, actor="t", now=b.world.clock.now)
        log.fence = b.lease.fence
        log.append(Draft(Kind.TURNED_BACK, None, {"reason": "its last word"}))
        b.world.hook, b.world.look = lambda _: None, away
        assert b.engine().drive() is RunState.REVERTED
        assert b.view().ended_at <= b.view().closes_at


@pytest.mark.parametrize("broken", [FencedOut("of another"), JournalUnwritable("full")])
def test_an_executor_that_may_not_write_any_more_records_no_failed_step(broken: JournalError) -> None:
    """It settles what was lost, and finds that it was taken over itself: it ends, and says nothing about the step."""

    def look(what: str, _ctx: Any) -> None:
        if what == "b":
            raise broken

    with bench(line(*CHAIN)) as b:
        b.world.hook = lambda where: (_ for _ in ()).throw(PowerCut(where)) if where == "after b" else None
        with pytest.raises(PowerCut):
            b.engine().drive()
        b.world.hook = lambda _: None
        b.world.look = look
        with pytest.raises(type(broken)) as caught:
            b.engine().drive()
        assert caught.value.exit_code == 40
        assert b.view().steps["b"].state == "started"
        b.world.look = lambda *_: None
        assert b.engine().drive() is RunState.UPGRADED


def test_a_look_that_hangs_where_an_executor_was_lost_fails_the_step() -> None:
    """What became of it stays unknown, so it is put back."""

    def hang(what: str, ctx: Any) -> None:
        if what == "b":
            ctx.sleep(1e9)

    with bench(line(*CHAIN)) as b:
        b.world.hook = lambda where: (_ for _ in ()).throw(PowerCut(where)) if where == "after b" else None
        with pytest.raises(PowerCut):
            b.engine().drive()
        b.world.hook = lambda _: None
        b.world.look = hang
        assert b.engine().drive() is RunState.REVERTED
        assert not any(b.world.on.values())


def test_rows_of_others_are_believed_only_when_they_follow() -> None:
    """A row forged into the journal under a run that is under way stops it."""
    with bench(line(*CHAIN), store=MemoryStore()) as b:
        engine = b.engine()
        ask(b, "hold")
        rows = b.store._rows[b.run_id]
        rows[-1] = rows[-1]._replace(body=rows[-1].body.replace("hold", "revert"))
        with pytest.raises(JournalCorrupt, match="does not match its hash"):
            engine.log.refresh()


def test_a_journal_on_its_last_reserve_turns_back_while_there_is_room_to_record_it() -> None:
    """The disk under it is full: nothing more is begun, what was done is put back, and the record says why."""
    store = MemoryStore()
    with bench(line(*CHAIN), store=store) as b:
        b.open()
        b.world.clock.call_after(1.5, lambda: setattr(store, "pressed", "the disk under the journal is full"))
        assert b.engine().drive() is RunState.REVERTED
        assert "pivot" not in b.world.trace
        assert b.view().turned_back == "runbook decided to turn back: the disk under the journal is full"
