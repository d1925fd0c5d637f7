"""The contract of the port Gate, on the fake, the maintenance file and the commands."""

from __future__ import annotations

import pytest

from runbook.errors import Cancelled
from runbook.front import GateState


def test_begins_open_with_nothing_to_keep(gates):
    """Where nothing stands the gate is open and there is nothing to put back."""
    assert (gates.gate().observe(), gates.gate().earlier()) == (GateState.OPEN, "")


def test_closes_and_opens_convergently(gates):
    """Closing twice and opening twice are the same as once."""
    gate = gates.gate()
    gate.close("planned maintenance")
    gate.close("planned maintenance")
    assert gate.observe() is GateState.CLOSED
    gate.open("")
    gate.open("")
    assert (gate.observe(), gates.standing()) == (GateState.OPEN, None)


def test_the_next_process_knows_its_own_page(gates):
    """A page put up before a crash is this run's page after it."""
    gates.gate().close("planned maintenance")
    gates.restarted()
    assert gates.gate().observe() is GateState.CLOSED


def test_another_text_replaces_the_first(gates):
    """The public text follows the state of the run."""
    gate = gates.gate()
    gate.close("planned maintenance")
    gate.close("we are turning back")
    assert gate.observe() is GateState.CLOSED
    if gates.knows_strangers:
        assert "turning back" in gates.standing()
        assert "planned" not in gates.standing()


def test_a_strangers_page_is_seen_kept_and_put_back_exactly(gates):
    """What somebody else put there comes back to the letter, also when opened twice."""
    if not gates.knows_strangers:
        pytest.skip("a command cannot tell whose closing it is")
    gates.stranger("Zoë was here\n")
    gate = gates.gate()
    assert gate.observe() is GateState.FOREIGN
    earlier = gate.earlier()
    gate.close("planned maintenance")
    assert gate.observe() is GateState.CLOSED
    gates.restarted()
    gates.gate().open(earlier)
    gates.gate().open(earlier)
    assert gates.gate().observe() is GateState.FOREIGN
    assert gates.standing() == "Zoë was here\n"


def test_another_runs_page_is_foreign(gates):
    """A page of an earlier run is not taken for this run's."""
    if not gates.knows_strangers:
        pytest.skip("a command cannot tell whose closing it is")
    gates.gate("run-1").close("planned maintenance")
    assert gates.gate("run-2").observe() is GateState.FOREIGN


def test_closing_and_opening_are_recorded_as_effects(gates):
    """Every touch is in the record, looking is no effect."""
    gate = gates.gate()
    gate.observe()
    gate.close("x")
    gate.open("")
    assert len(gates.log.effects()) == 2
    assert {entry.said for entry in gates.log.entries} & {"running"} == set()


def test_a_cancelled_run_does_not_touch_it(gates):
    """Told to stop, nothing is closed any more."""
    gate = gates.gate()
    gates.stop.stop("the window closes")
    with pytest.raises(Cancelled):
        gate.close("planned maintenance")
    assert gates.standing() is None
