"""A way back that says it worked and did not: which one, from the nights that ended right and wrong."""

from __future__ import annotations

from runbook.rehearsal.blaming import suspects
from runbook.rehearsal.judging import Verdict
from runbook.rehearsal.scenarios import Ending
from tests.unit.rehearsal.made import scenario


def ended(code: int, *undone: str, step: str = "x") -> Verdict:
    return Verdict(scenario(Ending.OLD, step=step), code, "", 1.0, "", undone=frozenset(undone))


def test_gone_in_every_wrong_night_and_in_no_right_one() -> None:
    """Nights that ended elsewhere, but on a proven setup, say nothing either way."""
    nights = [ended(0, "a"), ended(20, "a", "b", "c"), ended(20, "b", "a"), ended(10, "b"), ended(0), ended(20)]
    assert suspects(nights) == ("b",)


def test_the_step_that_was_struck_is_not_cleared() -> None:
    """Its way back was gone as well, but there was nothing to put back."""
    assert suspects([ended(0, "a", "b", step="b"), ended(20, "a", "b")]) == ("b",)


def test_nights_that_do_not_tell_them_apart() -> None:
    """A list of everything would be no answer; nor is there one where nothing is wrong."""
    assert suspects([ended(20, "a", "b", "c", "d")]) == ()
    assert suspects([ended(20, "a"), ended(20, "b")]) == ()
    assert suspects([ended(20, "a"), ended(0, "a")]) == ()
    assert suspects([ended(0, "a")]) == ()
