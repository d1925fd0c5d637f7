"""A host or server that is away: it is waited for where the run needs it, and where nobody else waits meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.errors import HostAway, ServerAway
from runbook.states import RunState, StepState
from tests.unit.core.toy import Bench, ToyServices, bench, line

CHAIN = ("a", "b", "pivot", "later")


def away(b: Bench, step: str, seconds: float) -> Callable[[str, Any], None]:
    """Nobody answers the first look of that step, from then on and for so long."""
    until: list[float] = []

    def look(what: str, _: Any) -> None:
        if what == f"first {step}":
            now = b.world.clock.monotonic()
            until[:] = until or [now + seconds]
            if now < until[0]:
                raise HostAway("web1: nobody answers")

    return look


@pytest.mark.parametrize("step", ["b", "pivot", "later"])
def test_it_is_waited_for(step: str) -> None:
    """Nothing failed, and the night goes on."""
    with bench(line(*CHAIN)) as b:
        b.world.look = away(b, step, 100)
        assert b.engine().drive() is RunState.UPGRADED


def test_whoever_watches_sees_what_is_waited_for() -> None:
    """For how long of how long at most, and for whom; no more once it answers."""
    with bench(line(*CHAIN)) as b:
        b.world.look = away(b, "b", 100)
        engine = b.engine()
        seen: list[str] = []
        b.world.clock.call_after(
            50, lambda: seen.extend(f"{one.done:.0f}/{one.total:.0f} {one.what}" for one in engine.progress.values())
        )
        b.world.hook = lambda where: seen.append(str(dict(engine.progress))) if where == "before b" else None
        assert engine.drive() is RunState.UPGRADED
        assert len(seen) == 2
        assert seen[0].endswith("/300 s waited: web1: nobody answers")
        assert seen[1] == "{}"


def test_before_anything_was_moved_it_is_not() -> None:
    """The person who began the night is still there, and is told at once."""
    with bench(line(*CHAIN)) as b:
        b.world.look = away(b, "a", 100)
        begun = b.world.clock.monotonic()
        assert b.engine().drive() is RunState.REFUSED
        assert b.world.clock.monotonic() - begun < 10


def test_not_for_ever() -> None:
    """After minutes it is what turns the night back."""
    with bench(line(*CHAIN), window=3600) as b:
        b.world.look = away(b, "b", 3000)
        assert b.engine().drive() is RunState.REVERTED
        assert "nobody answers" in b.view().turned_back


def test_the_turn_back_point_counts() -> None:
    """It is not waited for any longer than there is time."""
    with bench(line(*CHAIN), window=60) as b:
        b.world.look = away(b, "b", 3000)
        assert b.engine().drive() is RunState.REVERTED
        assert b.view().ended_at <= b.view().closes_at


def test_a_stop_is_no_failure() -> None:
    """Whoever stops the executor meanwhile finds the step as it was, neither blocked nor failed."""
    with bench(line(*CHAIN)) as b:
        b.world.look = away(b, "b", 100)
        engine = b.engine()
        b.world.clock.call_after(20, lambda: engine.stop("somebody stopped it", at_once=True))
        assert engine.drive() is RunState.RUNNING
        assert b.view().steps["b"].state is StepState.PENDING
        assert b.engine().drive() is RunState.UPGRADED


@pytest.mark.parametrize(
    ("steps", "server", "waits"),
    [
        (("close-gate", "b"), "new", False),
        (("close-gate", "b"), "old", True),
        (("a", "b"), "new", True),
    ],
    ids=["the gate waits for it", "the old setup needs it", "users are in"],
)
def test_a_way_back_waits_for_a_server_unless_users_wait_for_the_gate(
    monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...], server: str, waits: bool
) -> None:
    """The old setup is to be had without the target: what is left there is for a person, or for the next resume."""
    monkeypatch.setattr(ToyServices, "plan", SimpleNamespace(target="new"))
    with bench(line(*steps, "c", "pivot"), window=3600) as b:
        until = b.world.clock.monotonic() + 200

        def look(what: str, _: Any) -> None:
            if what == "undo b" and b.world.clock.monotonic() < until:
                raise ServerAway(f"{server}: nobody answers", server=server)

        b.world.look = look
        b.world.fail.add("c")
        assert b.engine().drive() is (RunState.REVERTED if waits else RunState.HELD)
        assert (b.world.clock.monotonic() >= until) is waits
