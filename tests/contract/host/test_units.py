"""The contract of the port Host: long work, on the fake, on this machine and over a real sshd."""

from __future__ import annotations

import pytest

from runbook.errors import HostError
from runbook.hosting import UnitPhase


def ended(state):
    return state.has_ended


def test_runs_to_its_own_end(hosts):
    """Exit code, times and output are there afterwards."""
    host = hosts.host()
    state = host.start_unit("pack", hosts.program(output="one\ntwo\n", seconds=0.5, code=4))
    assert state.phase in {UnitPhase.RUNNING, UnitPhase.EXITED}
    state = hosts.wait_for("pack", ended)
    assert (state.phase, state.exit_code, state.last_output) == (UnitPhase.EXITED, 4, "one\ntwo\n")
    assert state.started_at <= state.ended_at
    assert not state.succeeded


def test_what_was_never_started_is_absent(hosts):
    """Nothing is made up."""
    assert hosts.host().unit("pack").phase is UnitPhase.ABSENT
    assert hosts.host().stop_unit("pack").phase is UnitPhase.ABSENT


def test_a_second_start_finds_the_first(hosts, tmp_path):
    """After a lost answer it is simply started again: it runs once."""
    count = tmp_path / "count"
    argv = hosts.program(output="x", seconds=60)
    host = hosts.host()
    first = host.start_unit("pack", argv)
    again = host.start_unit("pack", argv)
    assert (first.phase, first.started_at) == (again.phase, again.started_at) == (UnitPhase.RUNNING, first.started_at)
    host.stop_unit("pack")
    assert host.start_unit("pack", argv).phase is UnitPhase.KILLED
    assert not count.exists()


def test_another_command_does_not_get_the_name(hosts):
    """Else somebody would wait for what never runs."""
    host = hosts.host()
    host.start_unit("pack", hosts.program(output="x", seconds=60))
    with pytest.raises(HostError, match="another command has this name") as caught:
        host.start_unit("pack", hosts.program(output="y", seconds=60))
    assert caught.value.in_doubt is False


def test_another_run_has_names_of_its_own(hosts):
    """Two runs in a row do not meet each other's units."""
    hosts.host("r1").start_unit("pack", hosts.program(seconds=60))
    assert hosts.host("r2").unit("pack").phase is UnitPhase.ABSENT


def test_the_next_process_finds_it(hosts):
    """It outlives whoever started it, and the connection."""
    hosts.host().start_unit("pack", hosts.program(output="one\n", seconds=1))
    hosts.restarted()
    assert hosts.host().unit("pack").phase in {UnitPhase.RUNNING, UnitPhase.EXITED}
    assert hosts.wait_for("pack", ended).succeeded


def test_stopping_ends_it_with_all_it_started(hosts, tmp_path):
    """And says so; a second stop changes nothing."""
    late = tmp_path / "late"
    host = hosts.host()
    argv = hosts.program(output="go\n", seconds=3, leaves=late)
    if hosts.kind not in {"fake", "powershell"}:
        argv = ["sh", "-c", f"echo go; (sleep 3; touch '{late}') & trap '' TERM; wait; sleep 60"]
    host.start_unit("pack", argv)
    hosts.wait_for("pack", lambda state: state.last_output == "go\n")
    state = host.stop_unit("pack")
    assert (state.phase, state.reason) == (UnitPhase.KILLED, "it was stopped")
    assert host.stop_unit("pack") == state
    host.run(hosts.program(seconds=2.5), timeout=20, effect=False)
    assert not late.exists()


def test_a_reboot_is_told_from_an_end(hosts, tmp_path):
    """Nobody takes it for running, for done, or for never begun."""
    host = hosts.host()
    host.start_unit("pack", hosts.program(seconds=60, leaves=tmp_path / "late"))
    host.start_unit("done", hosts.program(code=0))
    hosts.wait_for("done", ended)
    hosts.reboot()
    hosts.restarted()
    state = hosts.host().unit("pack")
    assert (state.phase, state.reason) == (UnitPhase.KILLED, "its host was started anew while it ran")
    assert hosts.host().unit("done").succeeded
    assert hosts.host().start_unit("pack", hosts.program(seconds=60, leaves=tmp_path / "late")) == state


def test_its_output_is_read_as_it_comes(hosts):
    """Whole lines while it runs, the rest when it has ended; nothing twice."""
    host = hosts.host()
    host.start_unit("pack", hosts.program(output="one\ntwo\nthr", seconds=2))
    hosts.wait_for("pack", lambda state: state.last_output.endswith("thr"))
    first = host.tail_unit("pack")
    assert first.text in {"one\ntwo\n", "one\ntwo\nthr"}
    hosts.wait_for("pack", ended)
    rest = host.tail_unit("pack", first.position)
    assert first.text + rest.text == "one\ntwo\nthr"
    assert host.tail_unit("pack", rest.position).text == ""
    assert host.tail_unit("other").text == ""


def test_reads_what_it_is_given(hosts):
    """What must not be seen goes in through standard input, and is not in the record."""
    hosts.host().start_unit("pack", ["cat"], stdin=b"s3cret")
    assert hosts.wait_for("pack", ended).last_output == "s3cret"
    assert "s3cret" not in str(hosts.log.entries)


def test_is_forgotten_when_it_has_ended(hosts):
    """Never while it runs; then the name is free."""
    host = hosts.host()
    host.start_unit("pack", hosts.program(seconds=60))
    with pytest.raises(HostError, match="it is running"):
        host.forget_unit("pack")
    host.stop_unit("pack")
    host.forget_unit("pack")
    host.forget_unit("pack")
    assert host.unit("pack").phase is UnitPhase.ABSENT
    host.start_unit("pack", hosts.program(output="again"))
    assert hosts.wait_for("pack", ended).last_output == "again"


def test_one_that_finds_no_room_says_so(hosts):
    """Its records are on a disk that is full: that is said, not what a shell makes of it; it was not started."""
    if hosts.kind in {"fake", "powershell"}:
        pytest.skip("on real files")
    directory = hosts.fill_the_disk()
    hosts.units = directory / "units"
    (directory / "more").write_bytes(b"x" * 12 * 1024)
    with pytest.raises(HostError, match=r"was not started on web: no space left on web:.*units"):
        hosts.host().start_unit("full", hosts.program(output="y" * 9000))
