"""Forty hosts' worth of commands: this program, Ansible and pyinfra in turns, each from a cold start, and bare ssh.

The hosts are names for a few sshd on loopback; what is compared is what each program adds to the same commands over the
same connections. Ansible runs ``raw``, which needs nothing on the host, over connections that it keeps, with pipelining
and a fork for each host; pyinfra runs ``server.shell`` on all hosts at a time. Both are installed into ``.bench/``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Samples, rounds, scratch
from tests.sshd import Sshd

HOSTS, SERVERS = 40, 8
WORDS = tuple(f"word{n}" for n in range(20))
"""What the commands of one host say, one after another."""
KINDS = ("looks", "effects")
"""What this program takes the commands for: those that only look share a shell, as most of a night's commands do; an
effect has a session of its own. To the other programs they are the same commands."""
OTHERS = ROOT / ".bench" / "fanout"
WANTED = ("ansible-core", "pyinfra")


def against_others(samples: Samples, seconds: float) -> None:
    """Each program once a round, ours before each of the others."""
    install()
    servers = [Sshd() for _ in range(SERVERS)]
    try:
        for server in servers:
            server.start()
        with scratch() as directory:
            fleet = Fleet(directory, servers)
            for number in rounds(seconds, at_least=2, at_most=4):
                bare = fleet.bare()
                found = {name: (run(), {kind: fleet.ours(kind) for kind in KINDS}) for name, run in fleet.others()}
                if number:  # the first round warms up
                    for kind in KINDS:
                        samples.add(f"bare {kind}", found["pyinfra"][1][kind], bare)
                        for name, (theirs, ours) in found.items():
                            samples.add(f"{name} {kind}", theirs, ours[kind])
    finally:
        for server in servers:
            server.close()


def install() -> None:
    """Once; through the ordinary client."""
    if not (OTHERS / "bin" / "pyinfra").exists():
        venv.create(OTHERS, with_pip=True)
        pip = [str(OTHERS / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *WANTED]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)


class Fleet:
    """The hosts, in everybody's form."""

    def __init__(self, directory: Path, servers: list[Sshd]) -> None:
        self.directory = directory
        self.ports = {f"host{n:02}": servers[n % SERVERS].port for n in range(HOSTS)}
        first = servers[0]
        self.user = first.user
        self.identity = first.identity
        for server in servers:
            (server.directory / "authorized").write_text(self.identity.with_suffix(".pub").read_text())
        self.known_hosts = self._write("known_hosts", "".join(one.known_hosts.read_text() for one in servers))
        self.ssh_config = self._write("ssh_config", self._config())
        self.inventory = self._write("inventory.json", json.dumps(self._ours()))
        self._write(
            "hosts.ini",
            "".join(f"{name} ansible_host=127.0.0.1 ansible_port={self.ports[name]}\n" for name in self.ports),
        )
        self._write("playbook.json", json.dumps(self._playbook()))
        self._write("hosts.py", f"everybody = {[(name, self._pyinfra(port)) for name, port in self.ports.items()]!r}\n")
        shells = "".join(f"server.shell(name={word!r}, commands=['echo {word}'])\n" for word in WORDS)
        self._write("deploy.py", f"from pyinfra.operations import server\n{shells}")

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path

    def _config(self) -> str:
        every = f"Host *\n User {self.user}\n IdentityFile {self.identity}\n IdentitiesOnly yes\n"
        every += f" UserKnownHostsFile {self.known_hosts}\n StrictHostKeyChecking yes\n BatchMode yes\n"
        return "".join(f"Host {name}\n HostName 127.0.0.1\n Port {port}\n" for name, port in self.ports.items()) + every

    def _ours(self) -> dict[str, Any]:
        none = self._write("no_config", "")
        files = {"identity_file": self.identity, "known_hosts": self.known_hosts, "ssh_config": none}
        return {"hosts": self.ports, "words": WORDS, "user": self.user, **{key: str(one) for key, one in files.items()}}

    def _playbook(self) -> list[dict[str, Any]]:
        tasks = [{"name": word, "raw": f"echo {word}"} for word in WORDS]
        return [{"hosts": "all", "gather_facts": False, "tasks": tasks}]

    def _pyinfra(self, port: int) -> dict[str, Any]:
        return {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": port,
            "ssh_user": self.user,
            "ssh_key": str(self.identity),
            "ssh_known_hosts_file": str(self.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
        }

    # --- what is measured --------------------------------------------------------------------------------------

    def ours(self, kind: str) -> float:
        """This program."""
        command = [sys.executable, "-m", "benchmarks.fanout_ours", str(self.inventory), kind]
        seconds, said = self._timed(command, {"PYTHONPATH": str(ROOT)})
        assert said.split()[-1] == str(HOSTS * len(WORDS)), said
        return seconds

    def others(self) -> Iterable[tuple[str, Callable[[], float]]]:
        """The programs it is compared with."""
        return (("ansible", self.ansible), ("pyinfra", self.pyinfra))

    def ansible(self) -> float:
        """A playbook of raw commands."""
        settings = {
            "ANSIBLE_FORKS": str(HOSTS),
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_SSH_ARGS": f"-F {self.ssh_config} -o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "cp"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        }
        command = [str(OTHERS / "bin" / "ansible-playbook"), "-i", "hosts.ini", "playbook.json", "-u", self.user]
        seconds, said = self._timed([*command, "--private-key", str(self.identity)], settings)
        assert said.count(f"ok={len(WORDS)}") == HOSTS, said
        self._end_masters()
        return seconds

    def pyinfra(self) -> float:
        """A deploy of shell operations."""
        seconds, said = self._timed([str(OTHERS / "bin" / "pyinfra"), "-y", "hosts.py", "deploy.py"], {})
        assert said.count("Success") >= HOSTS * len(WORDS), said
        return seconds

    def bare(self) -> float:
        """OpenSSH alone: one connection a host, the commands one after another over it."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(HOSTS) as pool:
            list(pool.map(self._bare, self.ports))
        taken = time.perf_counter() - begun
        self._end_masters()
        return taken

    def _bare(self, name: str) -> None:
        path = self.directory / "cp" / name
        path.parent.mkdir(exist_ok=True)
        options = ["-F", str(self.ssh_config), "-o", "ControlMaster=auto", "-o", f"ControlPath={path}"]
        for word in WORDS:
            command = ["ssh", *options, "-o", "ControlPersist=60s", name, f"echo {word}"]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert said.stdout.decode() == f"{word}\n"

    def _end_masters(self) -> None:
        for path in (self.directory / "cp").iterdir():
            ask = ["ssh", "-F", str(self.ssh_config), "-o", f"ControlPath={path}", "-O", "exit", "x"]
            subprocess.run(ask, check=False, capture_output=True)

    def _timed(self, command: list[str], settings: dict[str, str]) -> tuple[float, str]:
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        taken = time.perf_counter() - begun
        assert done.returncode == 0, done.stdout
        return taken, done.stdout
