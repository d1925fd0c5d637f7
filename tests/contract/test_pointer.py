"""The contract of the port Pointer, on the fake, the configuration file and the commands."""

from __future__ import annotations

import pytest

from runbook.errors import Cancelled, HostError


def test_goes_forward_and_back_to_what_it_was(pointers):
    """Forward, again, and back, again: the content is what it was."""
    before = pointers.content()
    pointer = pointers.pointer()
    assert pointer.observe() == "source"
    earlier = pointer.earlier()
    pointer.forward()
    pointer.forward()
    assert pointer.observe() == "target"
    pointers.restarted()
    pointer = pointers.pointer()
    pointer.back(earlier)
    pointer.back(earlier)
    assert (pointer.observe(), pointers.content()) == ("source", before)


def test_back_without_forward_changes_nothing(pointers):
    """An undo of what never happened is harmless."""
    before = pointers.content()
    pointer = pointers.pointer()
    pointer.back(pointer.earlier())
    assert pointers.content() == before


def test_what_pointed_to_the_target_before_points_there_again(pointers):
    """The earlier state is put back, not a default."""
    pointer = pointers.pointer()
    pointer.forward()
    earlier = pointer.earlier()
    pointer.back(earlier)
    assert pointer.observe() == "target"


def test_an_edit_is_unknown_and_is_not_overwritten(pointers):
    """A person edited the file meanwhile: nothing of it is lost."""
    if not pointers.can_be_edited:
        pytest.skip("nothing to edit behind a command")
    pointer = pointers.pointer()
    earlier = pointer.earlier()
    pointer.forward()
    for text in ("server = new\ntimeout = 5\n", "server = third\n", "server = new\nserver = old\n"):
        pointers.edit(text)
        with pytest.raises(HostError):
            pointer.back(earlier)
        assert pointers.content() == text
    assert pointer.observe() == "unknown"
    with pytest.raises(HostError):
        pointer.forward()


def test_moves_are_recorded_as_effects(pointers):
    """Every touch is in the record."""
    pointer = pointers.pointer()
    earlier = pointer.earlier()
    pointer.forward()
    pointer.back(earlier)
    assert len(pointers.log.effects()) == 2


def test_a_cancelled_run_does_not_touch_it(pointers):
    """Told to stop, nothing moves any more."""
    before = pointers.content()
    pointer = pointers.pointer()
    pointers.stop.stop("the window closes")
    with pytest.raises(Cancelled):
        pointer.forward()
    assert pointers.content() == before
