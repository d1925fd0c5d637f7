"""The contract of the port Host: commands, on the fake, on this machine and over a real sshd."""

from __future__ import annotations

import pytest

from runbook.errors import Cancelled, FencedOut, HostError, Unreachable
from runbook.secrets import Secret

ODD = 'a b; it\'s "quoted"\nnext line $HOME `id` !x \\n * é ~'


def test_gives_exit_code_and_output(hosts):
    """Whatever the exit code, it is a result."""
    result = hosts.host().run(hosts.program(output="out\n", code=3), timeout=20, effect=False)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "")


def test_arguments_arrive_as_they_are(hosts):
    """No shell reads them: blanks, quotes, line feeds, what looks like an expansion."""
    assert hosts.host().run(["printf", "%s", ODD], timeout=20, effect=False).stdout == ODD


def test_reads_what_it_is_given_and_nothing_else(hosts):
    """Content goes in through standard input; without it there is nothing to read."""
    host = hosts.host()
    assert host.run(["cat"], timeout=20, effect=False, stdin=b"Zo\xc3\xab\nand more").stdout == "Zoë\nand more"
    assert host.run(["cat"], timeout=20, effect=False).stdout == ""


def test_secrets_are_not_in_the_result(hosts):
    """What a program repeats of a secret is masked before anybody sees it."""
    word = Secret("s3cret-word")
    result = hosts.host().run(["cat"], timeout=20, effect=True, stdin=b"is s3cret-word", secrets=[word])
    assert result.stdout == "is ***"
    assert not [entry for entry in hosts.log.entries if "s3cret-word" in entry.text + entry.said]


def test_a_secret_in_an_argument_list_is_refused(hosts):
    """There everybody on the host could read it."""
    with pytest.raises(ValueError, match="a secret stands in the argument list"):
        hosts.host().run(["printf", "%s", "--password=s3cret"], timeout=20, effect=True, secrets=[Secret("s3cret")])
    assert hosts.log.entries == []


@pytest.mark.parametrize("root", [True, False])
def test_tells_which_programs_cannot_be_started(hosts, root):
    """Names and paths; nothing is started."""
    host = hosts.host()
    found = host.lacking(["/no/such/thing", "true", "/no/other", "/bin/true"], root=root)
    assert found == ("/no/such/thing", "/no/other")
    assert host.lacking(["true"]) == ()


def test_a_program_that_is_not_there_is_named(hosts):
    """Not in doubt: nothing began."""
    with pytest.raises(HostError, match="cannot start /no/such/thing on web: no such file") as caught:
        hosts.host().run(["/no/such/thing", "x"], timeout=20, effect=True)
    assert caught.value.in_doubt is False


@pytest.mark.parametrize("root", [True, False])
def test_an_executor_that_was_overtaken_is_refused(hosts, state_home, root):
    """Once a later one has acted, or said that it does, an earlier one may look and nothing else; one of another run
    may."""
    first, second = hosts.host("r1", 1), hosts.host("r1", 2)
    assert first.run(["true"], timeout=20, effect=True, root=root).exit_code == 0
    second.say_who_acts()
    for act in (
        lambda: first.run(["true"], timeout=20, effect=True, root=root),
        lambda: first.write(f"{hosts.directory}/a", b"x", root=root),
        lambda: first.start_unit("work", ["true"]),
    ):
        with pytest.raises(FencedOut, match="web has been used by a newer executor of this run"):
            act()
    assert first.read(f"{hosts.directory}/a", root=root) is None
    assert second.run(["true"], timeout=20, effect=True, root=root).exit_code == 0
    assert hosts.host("r2", 1).run(["true"], timeout=20, effect=True).exit_code == 0


@pytest.mark.parametrize("effect", [True, False])
def test_what_takes_too_long_is_ended(hosts, tmp_path, effect):
    """It does not go on behind anybody's back; an effect is in doubt then."""
    late = tmp_path / "late"
    with pytest.raises(HostError, match=r"did not end within 1 s.* was stopped") as caught:
        hosts.host().run(hosts.program(seconds=3, leaves=late), timeout=1, effect=effect)
    assert caught.value.in_doubt is effect
    hosts.host().run(hosts.program(seconds=2.5), timeout=20, effect=False)
    assert not late.exists()


def test_told_to_stop_it_ends_there(hosts, tmp_path):
    """The turn-back point is felt in the middle of a command, and what it was about to do is not done."""
    late = tmp_path / "late"
    hosts.stop_after(0.8)
    with pytest.raises(Cancelled):
        hosts.host().run(hosts.program(seconds=3, leaves=late), timeout=60, effect=True)
    assert hosts.log.entries[-1].said in {"Cancelled", "cancelled"}
    fresh = type(hosts.stop)(hosts.stop._clock)
    hosts.stop = fresh
    hosts.host().run(hosts.program(seconds=2.5), timeout=20, effect=False)
    assert not late.exists()


def test_a_run_that_was_stopped_touches_nothing(hosts, tmp_path):
    """Told to stop before, nothing is sent."""
    hosts.stop.stop()
    with pytest.raises(Cancelled):
        hosts.host().run(hosts.program(leaves=tmp_path / "x"), timeout=20, effect=True)
    assert not (tmp_path / "x").exists()


def test_is_recorded_as_a_line_that_could_be_typed(hosts):
    """The record says where, what, whether as root, and how it ended."""
    hosts.host().run(["printf", "%s", "two words"], timeout=20, effect=True)
    hosts.host().run(["true"], timeout=20, effect=False, root=True)
    first, second = hosts.log.entries
    assert (first.server, first.text, first.effect) == ("web", "printf %s 'two words'", True)
    assert (second.text, second.effect) == ("sudo true", False)


def test_a_host_that_is_off_is_named(hosts):
    """Nothing was sent: no doubt, and no exception that only a programmer reads."""
    hosts.switch_off()
    with pytest.raises(Unreachable, match="web: nobody answers"):
        hosts.host().run(["true"], timeout=20, effect=True)


def test_knows_who_it_is(hosts):
    """The same machine says the same, also to the next process."""
    first = hosts.host().facts()
    hosts.restarted()
    again = hosts.host().facts()
    assert (first.machine_id, first.boot_id, first.host_name) == (again.machine_id, again.boot_id, again.host_name)
    assert first.machine_id
    assert first.system
    assert first.user
    assert first.now.utcoffset().total_seconds() == 0
