"""What only the real gates do; the common contract is in tests/contract."""

from __future__ import annotations

import json

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.adapters.gate import CommandGate, FileGate, NoGate
from runbook.errors import HostError
from runbook.front import GateState
from runbook.testing import StatementLog, Stoppable

STOP = Stoppable(SystemClock())


def gate(path, **more):
    return FileGate(path, "20260321-100000-7f3a", STOP, StatementLog(), **more)


def test_the_page_carries_the_marker_of_its_run(tmp_path):
    """Who reads the page's source knows who put it there."""
    gate(tmp_path / "m.html").close("<h1>planned maintenance</h1>")
    assert (tmp_path / "m.html").read_text() == (
        "<h1>planned maintenance</h1>\n<!-- runbook: 20260321-100000-7f3a -->\n"
    )


def test_the_plans_exact_text_is_recognised_without_a_marker(tmp_path):
    """A front end that strips comments, or a page put there by hand from the plan."""
    (tmp_path / "m.html").write_text("planned")
    assert gate(tmp_path / "m.html").observe() is GateState.FOREIGN
    assert gate(tmp_path / "m.html", text="planned").observe() is GateState.CLOSED


def test_what_stood_there_comes_back_with_its_bytes_and_mode(tmp_path):
    """No text assumed: also what is no UTF-8 comes back."""
    path = tmp_path / "m.html"
    path.write_bytes(b"\xff\xfe\x00\r\n")
    path.chmod(0o600)
    one = gate(path)
    earlier = one.earlier()
    one.close("x")
    one.open(json.loads(json.dumps(earlier)))
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"\xff\xfe\x00\r\n", 0o600)


def test_a_missing_directory_is_a_clear_error(tmp_path):
    """Before users are told anything, the path is right."""
    with pytest.raises(HostError, match="does not exist"):
        gate(tmp_path / "no" / "m.html").close("x")


def test_a_directory_at_the_path_is_a_clear_error(tmp_path):
    """Neither open nor closed: an error."""
    with pytest.raises(HostError, match="is a directory"):
        gate(tmp_path).observe()


def commands_gate(on="true", off="true", probe="true"):
    runner = Commands(STOP, StatementLog())
    return CommandGate(runner, on=["sh", "-c", on], off=["sh", "-c", off], probe=["sh", "-c", probe], timeout=5)


def test_a_probe_that_says_neither_is_an_error():
    """Exit 2 is no state of a gate."""
    with pytest.raises(HostError, match="ended with 2: no such pool"):
        commands_gate(probe="echo no such pool; exit 2").observe()


def test_a_failed_switch_is_in_doubt():
    """A command that failed may have done half: the next move looks."""
    with pytest.raises(HostError, match="ended with 1: refused") as caught:
        commands_gate(on="echo refused >&2; exit 1").close("x")
    assert caught.value.in_doubt


def test_a_gate_closed_before_stays_closed(tmp_path):
    """It puts back what it found."""
    one = commands_gate(off=f"touch {tmp_path}/opened")
    one.open(one.earlier())
    assert not (tmp_path / "opened").exists()


def test_no_gate_never_pretends_to_be_closed():
    """Whoever has none is not told otherwise."""
    one = NoGate()
    one.close("x")
    assert one.observe() is GateState.OPEN
