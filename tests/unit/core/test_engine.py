"""The engine keeps its promises on steps small enough to see through."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runbook.errors import FencedOut
from runbook.events import Draft, Kind
from runbook.graph import Limits, Node
from runbook.journal.log import RunLog
from runbook.policy import Do, Finish, Leave, next_moves
from runbook.states import RunState
from runbook.testing import PowerCut
from runbook.testing.store import MemoryStore
from tests.unit.core.toy import bench, line

CHAIN = ("a", "b", "c", "pivot", "later")


def diamond() -> list[Node]:
    """a -> (b, c) -> d -> pivot; b and c on two servers."""

    def node(name: str, *after: str, server: str = "old") -> Node:
        return Node(name, "upgrade", after, (server,), 2.0, 2.0)

    return [
        node("a"),
        node("b", "a"),
        node("c", "a", server="new"),
        node("d", "b", "c"),
        Node("pivot", "online", ("d",), ("old",), 2.0, 0.0, pivot=True),
    ]


def test_forward_to_the_end() -> None:
    """Every step in its order, then the run is upgraded."""
    with bench(line(*CHAIN)) as b:
        assert b.engine().drive() is RunState.UPGRADED
        assert b.world.trace == list(CHAIN)


def test_a_failed_step_turns_the_run_back_along_the_reversed_graph() -> None:
    """What follows is undone before what it follows."""
    with bench(diamond()) as b:
        b.world.fail.add("d")
        assert b.engine().drive() is RunState.REVERTED
        assert b.world.trace == ["a", "b", "c", "undo c", "undo b", "undo a"]
        assert not any(b.world.on.values())


def test_success_without_effect_is_no_success() -> None:
    """A step that reports success but reached nothing turns the run back, and says so."""
    with bench(line(*CHAIN)) as b:
        b.world.lie.add("c")
        assert b.engine().drive() is RunState.REVERTED
        assert "reported success, but a look shows it untouched" in b.view().turned_back


def test_back_by_the_deadline_when_a_step_hangs() -> None:
    """The watchdog stops a hanging step at the turn-back point; the old setup is back before the window closes."""
    with bench(line(*CHAIN), window=60) as b:
        b.world.seconds["c"] = 1e9
        assert b.engine().drive() is RunState.REVERTED
        view = b.view()
        assert b.world.clock.now() <= view.closes_at
        assert b.world.trace == ["a", "b", "undo b", "undo a"]


def test_no_step_begins_that_could_not_be_undone_in_time() -> None:
    """Admission: a step whose budget does not fit before the turn-back point is not begun."""
    with bench(line("a", "b", "pivot", do=20.0), window=60) as b:
        b.world.seconds["a"] = 35.0
        assert b.engine().drive() is RunState.REVERTED
        assert b.world.trace == ["a", "undo a"]
        assert "b needs up to 20 s" in b.view().turned_back


def test_the_window_closing_does_not_stop_a_way_back() -> None:
    """An executor that comes back after closes_at turns back at once and finishes the way back."""
    with bench(line(*CHAIN), window=60) as b:
        b.world.hook = lambda where: (_ for _ in ()).throw(PowerCut(where)) if where == "after b" else None
        with pytest.raises(PowerCut):
            b.engine().drive()
        b.world.hook = lambda _: None
        b.world.clock.advance(3600)
        assert b.engine().drive() is RunState.REVERTED
        assert b.world.trace == ["a", "b", "undo b", "undo a"]


def test_refused_when_nothing_was_touched() -> None:
    """A check that does not hold before anything was touched refuses the run."""
    with bench(line(*CHAIN)) as b:
        b.world.block.add("a")
        assert b.engine().drive() is RunState.REFUSED
        assert b.world.trace == []


def test_a_look_that_hangs_before_anything_was_touched() -> None:
    """It is told to stop at the turn-back point, no other is begun then, and the run is refused: it does not stay open
    for ever because one server does not answer."""
    with bench(line(*CHAIN), window=60) as b:
        view = b.engine().view
        late = view.turn_back_at
        assert all(isinstance(move, Do) for move in next_moves(view, (), late - timedelta(seconds=30)))
        assert [type(move) for move in next_moves(view, {"a"}, late)] == [Leave]
        assert [type(move) for move in next_moves(view, (), late)] == [Finish]


def test_nothing_reverts_by_itself_after_the_pivot() -> None:
    """A failure after the gate opened is held; resuming tries it again and goes on."""
    with bench(line(*CHAIN)) as b:
        b.world.fail.add("later")
        assert b.engine().drive() is RunState.HELD
        assert b.world.trace == ["a", "b", "c", "pivot"]
        b.world.fail.clear()
        assert b.engine().drive() is RunState.UPGRADED
        assert b.world.trace == list(CHAIN)


def test_a_stuck_way_back_holds_its_branch_only() -> None:
    """The other branch goes back all the way; a later resume finishes the stuck one."""
    with bench(diamond()) as b:
        b.world.fail.add("d")
        b.world.fail_undo["b"] = 9
        assert b.engine().drive() is RunState.HELD
        assert b.world.on == {"a": True, "b": True, "c": False}
        b.world.fail_undo.clear()
        assert b.engine().drive() is RunState.REVERTED
        assert not any(b.world.on.values())


def test_limits_hold() -> None:
    """No more steps than its limit are begun on one server at a time."""
    nodes = [Node(f"s{i}", "upgrade", (), ("old",), 1.0, 1.0) for i in range(6)]
    with bench(nodes, limits=Limits(8, {"old": 2})) as b:
        engine = b.engine()
        most = 0
        begin = engine._workers.submit

        def counted(name: str, job: object, done: object) -> None:
            nonlocal most
            most = max(most, len(engine.busy))
            begin(name, job, done)  # type: ignore[arg-type]

        engine._workers.submit = counted  # type: ignore[method-assign]
        assert engine.drive() is RunState.UPGRADED
        assert most == 2


def test_an_older_fencing_number_cannot_write() -> None:
    """The journal itself refuses an executor that was taken over from."""
    with bench(line(*CHAIN)) as b:
        first = b.engine()
        b.engine()
        with pytest.raises(FencedOut):
            first.log.append(Draft(Kind.NOTE, None, {"text": "late"}))


class Plug:
    """Pulled at the n-th moment of a process."""

    def __init__(self) -> None:
        self.moment = 0
        self.cut_at = -1

    def __call__(self, where: str) -> None:
        self.moment += 1
        if self.moment == self.cut_at:
            raise PowerCut(where)

    def arm(self, cut_at: int) -> None:
        self.moment, self.cut_at = 0, cut_at


@pytest.mark.crash
@pytest.mark.parametrize("trouble", ["none", "fail", "hang"])
def test_the_plug_pulled_at_every_moment_and_again(trouble: str) -> None:
    """Every write and every effect, before and after; recovery runs into a second cut at each of its own moments (every
    other one where there is trouble as well)."""
    first, endings, stride = 0, set(), 1 if trouble == "none" else 2
    while True:
        first += 1
        second = -(first % stride)
        while True:
            second += stride
            done, ending, cut_twice = _cut_twice(trouble, first, second)
            endings.add(ending)
            if done or not cut_twice:
                break
        if done:
            break
    assert first > 20, "there were moments to pull the plug at"
    assert endings <= {RunState.UPGRADED, RunState.REVERTED, RunState.REFUSED}


def _cut_twice(trouble: str, first: int, second: int) -> tuple[bool, RunState, bool]:
    """(the first cut never came, ending, the second cut came)."""
    plug = Plug()
    with bench(diamond(), window=120, store=MemoryStore(plug)) as b:
        if trouble == "fail":
            b.world.fail.add("d")
        if trouble == "hang":
            b.world.seconds["d"] = 1e9
        b.world.hook = plug
        b.open()
        plug.arm(first)
        cuts = 0
        for cut_at in (second, -1, -1):
            try:
                ending = b.drive()
                break
            except PowerCut:
                cuts += 1
                plug.arm(cut_at)
        upgraded = ending is RunState.UPGRADED
        assert all(b.world.on.get(name, False) is upgraded for name in ("a", "b", "c", "d")), (first, second, ending)
        assert b.world.on.get("pivot", False) is upgraded
        return cuts == 0, ending, cuts == 2


def test_the_view_is_the_fold_of_the_journal() -> None:
    """What the engine saw is what any other process reads back."""
    with bench(diamond()) as b:
        engine = b.engine()
        engine.drive()
        again = RunLog.load(b.store, b.run_id, actor="t", now=b.world.clock.now).view
        assert {i: s.state for i, s in again.steps.items()} == {i: s.state for i, s in engine.view.steps.items()}
        assert again.way_back == engine.view.way_back
