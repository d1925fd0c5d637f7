"""A host that is away when a step is about to begin: once something has to go back, it is waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runbook.errors import HostAway
from runbook.states import RunState, StepState
from tests.unit.core.toy import Bench, bench, line

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
