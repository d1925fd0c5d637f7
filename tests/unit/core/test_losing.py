"""Past the pivot: what the journal allows, and only after a person accepted the loss."""

from __future__ import annotations

import pytest

from runbook.errors import IllegalTransition, LossExceeded
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.policy import Finish, GoOn, TurnBack, next_moves, reason_to_turn_back
from runbook.states import RunState, StepState
from runbook.step import Outcome
from runbook.testing.errors import PowerCut
from tests.unit.core.test_people import Meddled
from tests.unit.core.toy import Bench, SwitchBack, bench, line

CHAIN = ("a", "b", "pivot", "later")
ACCEPTED = Draft(Kind.LOSS_ACCEPTED, None, {"loss": {}, "total": 3, "more": 0, "reason": "slow"})


def log_of(b: Bench) -> RunLog:
    """As a person's command reads it."""
    return RunLog.load(b.store, b.run_id, actor="person", now=b.world.clock.now)


def cut(b: Bench, where: str) -> None:
    """Drive until the plug is pulled there."""

    def pull(here: str) -> None:
        if here == where:
            raise PowerCut(here)

    b.world.hook = pull
    with pytest.raises(PowerCut):
        b.engine().drive()
    b.world.hook = lambda _: None


def test_without_an_acceptance_nothing_goes_back_after_the_pivot() -> None:
    """Neither a turn nor an undo nor going on from one can be written, whoever asks."""
    with bench(line(*CHAIN)) as b:
        cut(b, "after pivot")
        log = log_of(b)
        for draft in (Draft(Kind.TURNED_BACK, None, {"reason": "x"}), Draft(Kind.UNDO_STARTED, "b")):
            with pytest.raises(IllegalTransition, match="after the pivot"):
                log.append(draft)
        with pytest.raises(IllegalTransition, match="no reason"):
            log.append(Draft(Kind.WENT_ON, None, {"reason": "x"}))


def test_before_the_pivot_there_is_no_loss_to_accept() -> None:
    """Nobody was let in."""
    with bench(line(*CHAIN)) as b:
        cut(b, "after b")
        with pytest.raises(IllegalTransition, match="past the pivot only"):
            log_of(b).append(ACCEPTED)


def test_an_upgraded_run_is_opened_again_by_an_acceptance_alone() -> None:
    """And ends reverted; that one stays closed."""
    with bench(line(*CHAIN)) as b:
        assert b.drive() is RunState.UPGRADED
        with pytest.raises(IllegalTransition, match="after the run ended"):
            log_of(b).append(Draft(Kind.TURNED_BACK, None, {"reason": "x"}))
        log_of(b).append(ACCEPTED)
        assert (b.view().ending, b.view().state) == (None, RunState.RUNNING)
        assert b.drive() is RunState.REVERTED
        assert b.world.trace[-2:] == ["undo b", "undo a"]
        with pytest.raises(IllegalTransition, match="after the run ended"):
            log_of(b).append(ACCEPTED)


def test_a_run_that_was_declared_stays_as_declared() -> None:
    """What a person said about the world is not taken for what the program knows."""
    with bench(line(*CHAIN)) as b:
        cut(b, "after pivot")
        log_of(b).append(Draft(Kind.RUN_FINISHED, None, {"ending": "upgraded", "declared": "me", "reason": "by hand"}))
        with pytest.raises(IllegalTransition, match="after the run ended"):
            log_of(b).append(ACCEPTED)


def test_an_acceptance_comes_before_an_ending_that_was_judged_without_it() -> None:
    """The executor had judged the run finished: it does not write that down, it turns back."""
    with bench(line(*CHAIN)) as b:
        engine = b.engine()
        judged: list[object] = []
        perform = engine._perform

        def meddle(move: object) -> None:
            if isinstance(move, Finish) and not b.view().accepted:
                log_of(b).append(ACCEPTED)
            judged.append(move)
            perform(move)  # type: ignore[arg-type]

        engine._perform = meddle  # type: ignore[method-assign]
        assert engine.drive() is RunState.REVERTED
        assert any(isinstance(move, TurnBack) for move in judged)


def exceeded(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    """The way back of that switch finds that more would be lost."""
    look = SwitchBack.verify

    def verify(self: SwitchBack, ctx: object) -> Outcome:
        if self.switch == switch:
            raise LossExceeded("more would be lost", hint="Accept that.")
        return look(self, ctx)

    monkeypatch.setattr(SwitchBack, "verify", verify)


def test_more_than_was_accepted_goes_forward_again_in_the_order_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put back is done once more, then a person is told; a resume then leaves it at that."""
    with bench(line("a", "b", "c", "pivot", "later")) as b:
        assert b.drive() is RunState.UPGRADED
        log_of(b).append(ACCEPTED)
        exceeded(monkeypatch, "b")
        assert b.drive() is RunState.HELD
        assert b.world.trace[-4:] == ["undo c", "undo b", "b", "c"]
        view = b.view()
        assert (view.held, view.accepted, view.turned_back) == ("more would be lost", None, "")
        assert view.steps["a"].state.value == "done"
        assert b.drive() is RunState.UPGRADED


def test_killed_between_finding_out_and_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes next knows from the journal that it must not go back any further."""
    with bench(line(*CHAIN)) as b:
        assert b.drive() is RunState.UPGRADED
        log_of(b).append(ACCEPTED)
        exceeded(monkeypatch, "b")
        engine = b.engine()
        perform = engine._perform

        def die(move: object) -> None:
            if isinstance(move, GoOn):
                raise PowerCut("here")
            perform(move)  # type: ignore[arg-type]

        engine._perform = die  # type: ignore[method-assign]
        with pytest.raises(PowerCut):
            engine.drive()
        assert next_moves(b.view(), [], b.world.clock.now()) == [GoOn("more would be lost")]
        assert b.drive() is RunState.HELD
        assert "undo a" not in b.world.trace


def test_a_gate_that_may_have_been_open_stays_the_pivot() -> None:
    """The executor died at the pivot and a later look finds neither open nor closed: users may have been in, so that a
    check that fails afterwards turns nothing back."""
    with bench(line(*CHAIN)) as b:
        cut(b, "after pivot")
        log = log_of(b)
        log.append(Draft(Kind.STEP_PARTIAL, "pivot", {"why": "something else stands there"}))
        log.append(Draft(Kind.STEP_RESET, "pivot"))
        log.append(Draft(Kind.STEP_BLOCKED, "pivot", {"why": "something else stands there"}))
        assert log.view.pivot_at is not None
        assert reason_to_turn_back(log.view, log.view.closes_at) == ""
        b.world.block.add("pivot")
        assert b.drive() is RunState.HELD
        assert "undo b" not in b.world.trace


def test_no_step_begins_once_the_loss_is_accepted() -> None:
    """Not even one that was decided on a moment before."""
    store = Meddled()
    store.step = "later"
    with bench(line(*CHAIN), store=store) as b:
        b.open()
        store.meddle = lambda: log_of(b).append(ACCEPTED) and None
        assert b.engine().drive() is RunState.REVERTED
        assert b.world.trace == ["a", "b", "pivot", "undo b", "undo a"]


UNDO = {"name": "switch-back", "version": 1, "data": {"switch": "later", "was": False}}


def test_what_was_found_half_done_after_the_pivot_stays_owed() -> None:
    """It waits to be done once more when a person accepts the loss: what it did so far is put back."""
    with bench(line(*CHAIN)) as b:
        cut(b, "after pivot")
        log = log_of(b)
        log.append(Draft(Kind.STEP_DONE, "pivot"))
        log.append(Draft(Kind.STEP_STARTED, "later", {"intent": {"switch": "later"}, "undo": UNDO}))
        log.append(Draft(Kind.STEP_PARTIAL, "later"))
        log.append(Draft(Kind.STEP_RESET, "later"))
        log.append(ACCEPTED)
        assert b.drive() is RunState.REVERTED
        assert b.world.trace[-3:] == ["undo later", "undo b", "undo a"]


def test_a_gate_that_was_open_once_stays_the_pivot_when_it_does_not_open_again() -> None:
    """It was closed for a way back that was given up; that it is still closed undoes nothing of what users wrote."""
    with bench(line(*CHAIN)) as b:
        assert b.drive() is RunState.UPGRADED
        log = log_of(b)
        back = (Draft(Kind.TURNED_BACK, None, {"reason": "x"}), Draft(Kind.UNDO_STARTED, "b"))
        for draft in (ACCEPTED, *back, Draft(Kind.UNDO_FAILED, "b", {"why": "more", "exceeds": True})):
            log.append(draft)
        log.append(Draft(Kind.WENT_ON, None, {"reason": "more"}))
        first = log.view.pivot_at
        log.view.steps["pivot"].state = StepState.PENDING  # as after its own way back and a reset
        log.append(Draft(Kind.STEP_STARTED, "pivot", {"intent": {"switch": "pivot"}}))
        log.append(Draft(Kind.STEP_RESET, "pivot"))
        assert log.view.pivot_at == first is not None
