"""Stories that broke a promise once, as small as they could be made. Each says what went wrong then."""

from __future__ import annotations

from runbook.graph import Node
from tests.chaos.generate import GATE, PIVOT
from tests.chaos.graphs import tell
from tests.chaos.story import Act, Happening, Life, Stop, Story
from tests.chaos.told import Told


def gate(takes: float = 1.0, back: float = 1.0, **more: object) -> Stop:
    """Users are kept out."""
    return Stop(Node(GATE, "upgrade", (), (), takes, back), "gate", "a", takes, back, **more)  # type: ignore[arg-type]


def switch(name: str, *after: str, takes: float = 1.0, back: float = 1.0, **more: object) -> Stop:
    """Something is changed."""
    node = Node(name, "upgrade", after or (GATE,), (), takes, back)
    return Stop(node, "switch", "a", takes, back, **more)  # type: ignore[arg-type]


def pivot(*after: str, takes: float = 1.0, **more: object) -> Stop:
    """Users are let in on the new setup."""
    node = Node(PIVOT, "online", after or (GATE,), (), takes, 0.0, pivot=True, irreversible=True)
    return Stop(node, "pivot", "a", takes, 0.0, **more)  # type: ignore[arg-type]


def told(*stops: Stop, window: float, lives: tuple[Life, ...] = (), happenings: tuple[Happening, ...] = ()) -> Told:
    """What came of it; nothing may be broken."""
    found = tell(Story(stops, window, workers=8, lives=lives, happenings=happenings))
    assert found.broken == [], "\n".join(found.trace)
    return found


def test_a_gate_that_opened_unseen_is_never_closed_again() -> None:
    """The gate opened, the look at it failed, the run was held, and a person resumed it after the window: it turned
    back, with users on the new setup."""
    found = told(gate(), pivot(verifies=(Act("blind"),)), window=30.0)
    assert found.ending == "held, then upgraded"


def test_a_gate_that_hangs_on_opening_is_given_up_in_time() -> None:
    """Nobody ended it: what is past the pivot does not turn back."""
    found = told(gate(), pivot(acts=(Act("hang"),)), window=60.0)
    assert (found.ending, found.promised) == ("reverted", "kept")


def test_a_journal_that_is_full_at_the_turn_back_point_leaves_nothing_hanging() -> None:
    """The executor could not record that it turned back, gave up, and waited for ever for a step that hung."""
    full = Happening("disk-full", 30.0, 20.0)
    found = told(gate(back=5.0, acts=(Act("hang"),)), pivot(), window=60.0, happenings=(full,))
    assert found.ending == "reverted"
    assert found.promised in ("kept", "kept but for dead time", "not promised")
    assert not found.tried["ended by a person, long after the window"]


def test_a_look_that_takes_long_does_not_use_up_the_way_back() -> None:
    """Admitted in good time, it began so late that its own way back no longer fitted."""
    slow = switch("step", back=40.0, gradual=True, looks=(Act("slow", 40.0),))
    found = told(gate(), slow, pivot("step"), window=75.0)
    assert (found.ending, found.promised) == ("reverted", "kept")


def test_steps_that_begin_together_are_counted_together() -> None:
    """Each of them alone left time for the way back, all of them did not."""
    wait = switch("wait", acts=(Act("slow", 37.0),))
    wide = [switch(f"step{at}", "wait", back=30.0, gradual=True) for at in range(8)]
    names = [stop.id for stop in wide]
    found = told(gate(), wait, *wide, pivot(*names), window=112.0)
    assert found.promised != "broken"


def test_a_hold_that_was_asked_for_does_not_repeat_itself_on_the_way_back() -> None:
    """Held at a person's wish, turned back at its point, stuck: it recorded that it was held, again and again."""
    stuck = switch("step", backs=(Act("refused"),), for_ever=True)
    found = told(gate(), stuck, pivot("step"), window=40.0, happenings=(Happening("hold", 1.5),))
    assert found.ending == "held, then reverted"
    assert len([line for line in found.trace if "] held" in line]) == 2, "once at the wish, once stuck"
