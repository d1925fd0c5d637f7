"""A command does not outlive the program that started it, whatever ends that program; nothing else tells them apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.adapters import supervisor
from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.errors import HostError
from runbook.testing import StatementLog, Stoppable

ROOT = Path(__file__).parents[3]
WORK = """
( echo "$(exec sh -c 'echo $PPID')" > $1.child.new; mv $1.child.new $1.child
  n=0; while [ ! -e $1.go ] && [ $n -lt 3000 ]; do n=$((n+1)); sleep 0.02; done; touch $1.child-effect ) &
echo $$ > $1.pid.new; mv $1.pid.new $1.pid
n=0; while [ ! -e $1.go ] && [ $n -lt 3000 ]; do n=$((n+1)); sleep 0.02; done
touch $1.effect
wait
"""
"""Waits for a file, then does something; a child of its does the same."""
EXECUTOR = """
import sys, threading
from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.testing import StatementLog, Stoppable
commands = Commands(Stoppable(SystemClock()), StatementLog())
def run(name):
    commands.run(["sh", "-c", sys.argv[1], "sh", name], timeout=60, effect=True)
for name in sys.argv[2:]:
    threading.Thread(target=run, args=(name,)).start()
for line in sys.stdin:
    commands.run(["sh", "-c", line], timeout=60, effect=True)
"""
"""Runs WORK under each name given, and then what it is told to."""


@pytest.fixture
def commands():
    return Commands(Stoppable(SystemClock()), StatementLog())


@pytest.fixture
def executor():
    """Starts a program that runs WORK under each of these names; killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*names: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", EXECUTOR, WORK, *map(str, names)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def test_a_killed_program_takes_its_command_along(executor, tmp_path):
    """kill -9 in the middle of a command: it is gone with all it started, and what it was about to do never happens."""
    name = tmp_path / "one"
    program = executor(name)
    pids = _pids(name)
    program.kill()
    _awaited(lambda: not any(map(_alive, pids)), "the command ended")
    _nothing_happens(name)


def test_a_killed_program_takes_all_its_commands_along(executor, tmp_path):
    """Commands running side by side do not hold each other's lifeline."""
    names = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    program = executor(*names)
    pids = [pid for name in names for pid in _pids(name)]
    program.kill()
    _awaited(lambda: not any(map(_alive, pids)), "the commands ended")
    for name in names:
        _nothing_happens(name)


def test_a_daemon_left_behind_does_not_keep_other_commands_alive(executor, tmp_path):
    """What outlives the program on purpose does not have the lifeline of what must not."""
    name, daemon = tmp_path / "one", tmp_path / "daemon"
    program = executor(name)
    pids = _pids(name)
    program.stdin.write(f"sleep 60 & echo $! > {daemon}.new; mv {daemon}.new {daemon}\n".encode())
    program.stdin.flush()
    _awaited(daemon.exists, "the daemon started")
    program.kill()
    try:
        _awaited(lambda: not any(map(_alive, pids)), "the command ended")
        _nothing_happens(name)
        assert _alive(int(daemon.read_text()))
    finally:
        os.kill(int(daemon.read_text()), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="a second line that only Linux draws")
def test_killing_the_supervisor_as_well_does_not_save_the_command(executor, tmp_path):
    """``killall -9``: the program is out, its supervisor is killed, and the command itself ends."""
    name = tmp_path / "one"
    program = executor(name)
    pid = _pids(name)[0]
    program.send_signal(signal.SIGSTOP)
    os.kill(_parent(pid), signal.SIGKILL)
    _awaited(lambda: not _alive(pid), "the command ended")
    program.kill()
    Path(f"{name}.go").touch()
    assert not Path(f"{name}.effect").exists()


def test_a_killed_supervisor_is_noticed(commands, tmp_path):
    """What is left of the command is ended, and its outcome is in doubt."""
    name = tmp_path / "one"
    caught: list[HostError] = []

    def run() -> None:
        with pytest.raises(HostError, match="sh was stopped: its supervisor ended too early") as error:
            commands.run(["sh", "-c", WORK, "sh", str(name)], timeout=60, effect=True)
        caught.append(error.value)

    thread = threading.Thread(target=run)
    thread.start()
    pids = _pids(name)
    os.kill(_parent(pids[0]), signal.SIGKILL)
    thread.join(20)
    assert [error.in_doubt for error in caught] == [True]
    _awaited(lambda: not any(map(_alive, pids)), "the command ended")
    _nothing_happens(name)


def test_polite_signals_to_the_supervisor_change_nothing(commands):
    """``pkill runbook`` is the program's to answer: its commands end when it says so, or with it."""
    script = "kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID; exit 4"
    assert commands.run(["sh", "-c", script], timeout=20, effect=False).exit_code == 4


def test_a_program_that_is_gone_before_the_command_began_starts_nothing(tmp_path):
    """The lifeline is looked at first."""
    effect = tmp_path / "effect"
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", supervisor.__file__, str(writing), "-1", "", "touch", str(effect)]
    subprocess.run(command, stdin=subprocess.DEVNULL, pass_fds=(writing,), check=True, timeout=20)
    os.close(writing)
    assert os.read(reading, 100) == b""
    os.close(reading)
    assert not effect.exists()


@pytest.mark.parametrize("name", ["KILL", "TERM", "USR1", "SEGV"])
def test_a_signal_is_a_negative_exit_code(commands, name):
    """Whatever ended the command, seen through its supervisor. Not HUP: nohup has it ignored."""
    result = commands.run(["sh", "-c", f"kill -{name} $$"], timeout=20, effect=False)
    assert result.exit_code == -getattr(signal, f"SIG{name}")


def test_exit_codes_of_the_supervisor_itself_are_not_mistaken_for_the_commands(commands):
    """The highest and the usual ones of an interpreter."""
    codes = [commands.run(["sh", "-c", f"exit {n}"], timeout=20, effect=False).exit_code for n in (1, 2, 127, 255)]
    assert codes == [1, 2, 127, 255]


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_CTYPE": "C"}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8"}])
def test_the_environment_is_passed_through(commands, monkeypatch, locale):
    """Also where Python would rather have another locale."""
    for name in ("LANG", "LC_CTYPE", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**locale, "ODD": "Zo\udcff\n", "PYTHONHOME": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-I", "-S", "-c", _SHOW_ENVIRONMENT]
    plain = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    done = commands.run(command, timeout=20, effect=False)
    assert done.stdout.splitlines() == plain.stdout.splitlines()
    assert "(b'ODD', b'Zo\\xff\\n')" in done.stdout


_SHOW_ENVIRONMENT = (
    "pairs = open('/proc/self/environ', 'rb').read().split(b'\\0')[:-1];"
    "print(*sorted(tuple(pair.split(b'=', 1)) for pair in pairs), sep='\\n')"
)


def test_directory_arguments_and_descriptors_are_passed_through(tmp_path):
    """Arguments to the byte; nothing is open in a command but the three streams."""
    commands = Commands(Stoppable(SystemClock()), StatementLog(), directory=tmp_path)
    show = "import os, sys; print(os.getcwd(), [os.fsencode(a) for a in sys.argv[1:]], os.listdir('/proc/self/fd'))"
    command = [sys.executable, "-I", "-S", "-c", show, "", "-x", "\udcff", "é", "$HOME *"]
    plain = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    done = commands.run(command, timeout=20, effect=False)
    assert (done.stdout, done.stderr, done.exit_code) == (plain.stdout, "", 0)


def test_signals_are_as_they_were(commands):
    """None ignored or blocked that was not before: a pipeline still ends with its reader."""
    command = ["grep", "-E", "^Sig(Ign|Blk|Cgt)", "/proc/self/status"]
    plain = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert commands.run(command, timeout=20, effect=False).stdout == plain.stdout


def test_a_command_leads_a_session_of_its_own(commands):
    """Its group is its own number: what ends the group ends nothing else."""
    done = commands.run([sys.executable, "-c", _SHOW_GROUPS], timeout=20, effect=False)
    assert done.stdout == "True True 0\n"


_SHOW_GROUPS = (
    "import os, signal as s; me = os.getpid();"
    "print(os.getsid(0) == me, os.getpgid(0) == me, len(s.pthread_sigmask(s.SIG_BLOCK, [])))"
)


def test_what_cannot_be_started_says_why(tmp_path):
    """The reason is the system's, and nothing is in doubt."""
    plain = tmp_path / "plain"
    plain.write_text("no program")
    broken = tmp_path / "broken"
    broken.write_text("no program")
    broken.chmod(0o755)
    reasons = {
        str(plain): "permission denied",
        str(broken): "exec format error",
        "no-such-thing": "no such file or directory",
        "nul\0": "embedded null byte",
    }
    for command, reason in reasons.items():
        with pytest.raises(HostError) as caught:
            Commands(Stoppable(SystemClock()), StatementLog()).run([command], timeout=20, effect=True)
        assert (str(caught.value), caught.value.in_doubt) == (f"cannot start {command}: {reason}", False)


def test_a_directory_that_is_gone_says_so(tmp_path):
    """As for the command itself."""
    commands = Commands(Stoppable(SystemClock()), StatementLog(), directory=tmp_path / "gone")
    with pytest.raises(HostError, match="cannot start true: no such file or directory"):
        commands.run(["true"], timeout=20, effect=True)


def test_nothing_stays_open_after_a_command(commands):
    """A night of probes does not use up the descriptors."""
    commands.run(["true"], timeout=20, effect=False)
    before = _open()
    for _ in range(5):
        commands.run(["true"], timeout=20, effect=False)
        with pytest.raises(HostError):
            commands.run(["/no/such/thing"], timeout=20, effect=False)
    _awaited(lambda: _open() <= before, "the streams were closed")


def test_without_groups_the_command_itself_is_ended(tmp_path):
    """The way of Windows, which any system can walk."""
    name = tmp_path / "one"
    arguments = ["sh", "-c", "echo $$ > $1.new; mv $1.new $1.pid; exec sleep 60", "sh", str(name)]
    with _by_thread(arguments) as watching:
        _awaited(Path(f"{name}.pid").exists, "the command started")
        watching.stdin.close()
        assert watching.wait(20) == 1
    assert not _alive(int(Path(f"{name}.pid").read_text()))


def test_without_groups_the_exit_code_says_it_all(tmp_path):
    """The command's own, or why there was none."""
    with _by_thread(["sh", "-c", "exit 3"]) as watching:
        assert watching.wait(20) == 3
    with _by_thread(["/no/such/thing"]) as watching:
        assert watching.wait(20) == 2


def _by_thread(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Exit code 1 for a command that was killed, 2 for one that was not found."""
    code = (
        "import os, sys; from runbook.adapters.supervisor import *;"
        "code = watch_by_thread(sys.argv[1:]);"
        "os._exit({-9: 1, NOT_STARTED + 2: 2}.get(code, code))"
    )
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.PIPE)


def _pids(name: Path) -> list[int]:
    """The command and its child, both at work."""
    files = [Path(f"{name}.pid"), Path(f"{name}.child")]
    _awaited(lambda: all(file.exists() for file in files), "the command started")
    pids = [int(file.read_text()) for file in files]
    assert all(map(_alive, pids))
    return pids


def _nothing_happens(name: Path) -> None:
    """Nobody is left who could act on the word."""
    Path(f"{name}.go").touch()
    assert sorted(file.name for file in name.parent.glob(f"{name.name}.*effect")) == []


def _open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _awaited(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, f"not in 20 s: {what}"
        time.sleep(0.01)
