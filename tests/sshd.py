"""An OpenSSH server that the tests start themselves: Debian's ``sshd`` as a process of theirs, on 127.0.0.1 only.

Its configuration, host key and list of authorized keys are in a directory of its own; nothing of the machine's own
``/etc/ssh`` is read or written. Where there is no sshd, the tests are skipped with what is missing.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ports import free_port

PROGRAM = "/usr/sbin/sshd"


def program() -> str:
    """Where sshd is; the test is skipped where it is not."""
    if not Path(PROGRAM).exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("sshd is not installed; as root: apt-get install openssh-server, or: .ci/setup dev")
    return PROGRAM


class Sshd:
    """One server. ``port`` stays the same when it is stopped and started again."""

    def __init__(self, *settings: str) -> None:
        self._program = program()
        self.directory = Path(tempfile.mkdtemp(prefix="runbook-sshd-"))
        self.port = free_port()
        self.user = getpass.getuser()
        self.identity = self.new_key("identity")
        self.host_key = self.new_key("host")
        self.known_hosts = self.directory / "known_hosts"
        self.ssh_config = self.directory / "ssh_config"
        self.ssh_config.touch()
        (self.directory / "authorized").write_text(self.identity.with_suffix(".pub").read_text())
        self.know(self.host_key)
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = False
        self.settings = settings
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it

    def new_key(self, name: str, passphrase: str = "") -> Path:
        """A key pair; the path of its private half."""
        path = self.directory / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, timeout=20)
        return path

    def know(self, key: Path | None) -> None:
        """Put this key, or none, into known_hosts."""
        kind, code, *_ = key.with_suffix(".pub").read_text().split() if key else ("", "")
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {code}\n" if key else "")

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers."""
        lines = [
            *settings, *self.settings,  # sshd takes the first it reads
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.host_key}", "PidFile none",
            f"AuthorizedKeysFile {self.directory}/authorized", "StrictModes no", "UsePAM no", "UseDNS no",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "MaxStartups 200",
            "SetEnv SHLVL=2",  # bash then leaves the account's own profile alone, which may be slow
        ]  # fmt: skip
        config = self.directory / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        # It must not outlive who started it; sshd itself is named by its whole path.
        switch = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command = [*switch, self._program, "-D", "-f", str(config), "-E", str(self.directory / "log")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        give_up_at = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < give_up_at, "sshd does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as asked:
                return asked.recv(4) == b"SSH-"
        except OSError:
            return False

    def log(self) -> str:
        """What it wrote."""
        return (self.directory / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process that listens."""
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[int]:
        """The processes that serve its connections."""
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False, timeout=20)
        return [int(line) for line in found.stdout.split()]

    def signal_children(self, number: signal.Signals) -> None:
        """To every process of every connection, the unprivileged ones too."""
        for child in self.children():
            below = subprocess.run(["pgrep", "-P", str(child), "sshd"], capture_output=True, text=True, check=False)
            for pid in (*map(int, below.stdout.split()), child):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def put_right(self) -> None:
        """As it was in the beginning."""
        self.know(self.host_key)
        self.ssh_config.write_text("")
        if self._changed:
            self.restart()
            self._changed = False

    def restart(self, *settings: str) -> None:
        """With other settings; its connections are gone."""
        self.stop()
        self.start(*settings)

    def stop(self) -> None:
        """End it and its connections."""
        self._changed = True
        if self._process is not None:
            self.signal_children(signal.SIGKILL)
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        """End it and remove its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
