"""A host of every kind behind one small bench each: the fake, this machine, and this machine over a real sshd."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.link import Link
from runbook.adapters.host.local import LocalShell
from runbook.adapters.host.posix import Posix
from runbook.adapters.host.scripts import POSIX
from runbook.adapters.host.shellhost import ShellHost
from runbook.adapters.host.ssh import SshShell
from runbook.adapters.host.target import SshTarget
from runbook.adapters.host.windows import WINDOWS
from runbook.hosting import Host, UnitState
from runbook.testing import FakeHost, Program, StatementLog, Stoppable, World
from tests.contract.host.scripted import ScriptedPowerShell
from tests.sshd import Sshd


class FakeHosts:
    """The fake, in virtual time."""

    kind = "fake"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.world = World()
        self.machine = self.world.add_host("web")
        self.machine.directories.add(str(directory))
        self.stop = Stoppable(self.world.clock)
        self.log = StatementLog()

    def host(self, run_id: str = "r1", fence: int = 0) -> Host:
        return FakeHost(self.world, "web", self.stop, self.log, run_id, fence)

    def restarted(self) -> None:
        self.world.next_process()

    def program(self, *, output: str = "", seconds: float = 0, code: int = 0, leaves: Path | None = None) -> list[str]:
        argv = ["work", output, str(seconds), str(code), str(leaves)]
        effect = (lambda: leaves.touch()) if leaves else (lambda: None)
        self.machine.programs[tuple(argv)] = Program(seconds, code, output, effect=effect)
        return argv

    def stop_after(self, seconds: float) -> None:
        self.world.clock.call_after(seconds, self.stop.stop)

    def wait_for(self, unit: str, condition: Callable[[UnitState], bool]) -> UnitState:
        for _ in range(1000):
            if condition(state := self.host().unit(unit)):
                return state
            self.world.clock.tick(1)
        raise AssertionError("it never comes")

    def reboot(self) -> None:
        self.machine.reboot()

    def fill_the_disk(self) -> Path:
        self.machine.full = True
        return self.directory

    def switch_off(self) -> None:
        self.machine.down = True


class WindowsHosts(FakeHosts):
    """PowerShell's words, on a host that is played."""

    kind = "powershell"

    def host(self, run_id: str = "r1", fence: int = 0) -> Host:
        shell = ScriptedPowerShell(self.world, "web", self.stop)
        return ShellHost("web", shell, self.log, run_id, WINDOWS, fence=fence)


class RealHosts:
    """A real shell; a subclass says how it is reached."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stop = Stoppable(SystemClock())
        self.log = StatementLog()
        self.mounts: list[Path] = []
        self.units = directory / "units"
        self.mine = secrets.token_hex(4)
        """In the names of all units: other tests of this machine end theirs by name, at the same time."""

    def restarted(self) -> None:
        """Everything is looked for anew anyhow."""

    def program(self, *, output: str = "", seconds: float = 0, code: int = 0, leaves: Path | None = None) -> list[str]:
        done = f"touch {shlex.quote(str(leaves))}; " if leaves else ""
        return ["sh", "-c", f"printf %s {shlex.quote(output)}; sleep {seconds}; {done}exit {code}"]

    def stop_after(self, seconds: float) -> None:
        SystemClock().call_after(seconds, self.stop.stop)

    def wait_for(self, unit: str, condition: Callable[[UnitState], bool]) -> UnitState:
        give_up_at = time.monotonic() + 30
        while not condition(state := self.host().unit(unit)):
            assert time.monotonic() < give_up_at, state
            time.sleep(0.02)
        return state

    def reboot(self) -> None:
        """What a reboot leaves behind: the processes are gone without a word, and the next boot has another number."""
        for unit in self.units.glob("runbook-*"):
            kill_all(unit.name)
            (unit / "boot").write_text("another-boot\n")

    def fill_the_disk(self) -> Path:
        small = self.directory / "small"
        small.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("a small file system cannot be mounted here; as root it could")
        self.mounts.append(small)
        (small / "filler").write_bytes(b"x" * 48 * 1024)
        return small

    def close(self) -> None:
        for unit in self.units.glob("runbook-*"):
            kill_all(unit.name)
        for small in self.mounts:
            subprocess.run(["umount", small], check=True)

    def host(self, run_id: str = "r1", fence: int = 0) -> Host:
        raise NotImplementedError


class LocalHosts(RealHosts):
    """This machine."""

    kind = "local"

    def host(self, run_id: str = "r1", fence: int = 0) -> Host:
        shell = LocalShell("web", self.stop)
        run = f"{run_id}-{self.mine}"
        return ShellHost("web", shell, self.log, run, POSIX, units=str(self.units), fence=fence)

    def switch_off(self) -> None:
        pytest.skip("this machine is always there")


class SshHosts(RealHosts):
    """This machine over a real sshd."""

    kind = "ssh"

    def __init__(self, directory: Path, sshd: Sshd) -> None:
        super().__init__(directory)
        self.sshd = sshd
        self.links: list[Link] = []
        self.link = self.new_link()

    def target(self, **changes: Any) -> SshTarget:
        known: dict[str, Any] = {
            "port": self.sshd.port,
            "user": self.sshd.user,
            "identity_file": self.sshd.identity,
            "known_hosts": self.sshd.known_hosts,
            "ssh_config": self.sshd.ssh_config,
            "agent": False,
        }
        return SshTarget("web", **{"host": "127.0.0.1", **known, **changes})

    def new_link(self, **changes: Any) -> Link:
        self.links.append(Link(self.target(**changes)))
        return self.links[-1]

    def host(self, run_id: str = "r1", fence: int = 0, link: Link | None = None) -> Host:
        link = link or self.link
        shell = SshShell(link, self.stop, Posix(sudo=link.target.sudo))
        run = f"{run_id}-{self.mine}"
        return ShellHost("web", shell, self.log, run, POSIX, units=str(self.units), fence=fence)

    def reached(self, **changes: Any) -> Host:
        """A host that is reached in another way."""
        return self.host(link=self.new_link(**changes))

    def restarted(self) -> None:
        self.link.close()
        self.link = self.new_link()

    def switch_off(self) -> None:
        self.sshd.stop()

    def close(self) -> None:
        for link in self.links:
            link.close()
        super().close()


def kill_all(mark: str) -> None:
    """Everything of a unit, without a word."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"RUNBOOK_CALL={mark}".encode() in environ.read_bytes().split(b"\0"):
                os.kill(int(environ.parent.name), 9)
        except OSError:
            continue


@pytest.fixture(scope="session")
def running_sshd() -> Iterator[Sshd]:
    server = Sshd()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def sshd(running_sshd: Sshd) -> Iterator[Sshd]:
    """The server of this worker, put right again after a test that changed it."""
    yield running_sshd
    running_sshd.put_right()


@pytest.fixture
def ssh(sshd: Sshd, tmp_path: Path) -> Iterator[SshHosts]:
    """A host over SSH."""
    bench = SshHosts(tmp_path, sshd)
    yield bench
    bench.close()


@pytest.fixture(params=["fake", "powershell", "local", "ssh"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A host of each kind."""
    if request.param in {"fake", "powershell"}:
        yield (FakeHosts if request.param == "fake" else WindowsHosts)(tmp_path)
        return
    if shutil.which("setsid") is None or not Path("/proc").exists():
        pytest.skip("a POSIX host with util-linux and /proc is needed")
    if request.param == "ssh":
        yield request.getfixturevalue("ssh")
        return
    bench = LocalHosts(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def state_home(hosts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Where this machine remembers who acted; over SSH it is the account's own, and what the test left is removed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for left in (Path.home() / ".local/state/runbook").glob(f"r?-{getattr(hosts, 'mine', 'none')}.fence"):
        left.unlink()
