"""The Docker engine the host tier runs on: one that answers already, or Debian's, started here and ended again.

``held`` gives it for as long as somebody needs it. Everybody who holds it has a shared lock, which the system gives
back for those who are killed; the keeper, a process of its own, waits for the last of them and then removes the
containers and networks and ends the engine. So nothing outlives the tests, also when they are killed.

The engine that is started here changes nothing outside of itself: no forwarding, no bridge but those of the sessions'
networks, no iptables rule but one for these bridges while it runs, and that only on a machine that filters what it
forwards. Ports are published by Docker's proxy on 127.0.0.1. Its images stay, in ``IMAGES``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = os.getuid() == 0
STATE = Path("/run/runbook-hosts") if ROOT else Path(tempfile.gettempdir()) / f"runbook-hosts-{os.getuid()}"
IMAGES = Path("/var/lib/runbook-hosts")
SOCKET = STATE / "docker.sock"
ADDRESSES = "base=198.18.0.0/16,size=24"
"""For tests of networks (RFC 2544): in use nowhere else."""
LABEL = "runbook.hosts"
BRIDGE = "rbh"
"""How the names of the sessions' bridges begin."""
START_SECONDS = 30.0
_keepers: list[subprocess.Popen[bytes]] = []
"""They outlive who started them, which Python would take for a mistake."""


class Missing(Exception):
    """What the host tier needs and this machine has not; the text says what and how to get it."""


class Docker:
    """The command line of one engine; ``host`` is its address, None for the one the environment means."""

    def __init__(self, host: str | None) -> None:
        self._environment = dict(os.environ) if host is None else {**os.environ, "DOCKER_HOST": host}

    @property
    def variables(self) -> dict[str, str]:
        """The environment with which another client finds it."""
        return dict(self._environment)

    def run(
        self, *arguments: str, stdin: bytes | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``docker ARGUMENTS``; with ``check``, AssertionError with what it said when it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self._environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace")
            raise AssertionError(f"docker {' '.join(arguments)} failed ({done.returncode}): {said.strip()}")
        return done

    def text(self, *arguments: str, timeout: float = 120) -> str:
        """What ``docker ARGUMENTS`` prints."""
        return self.run(*arguments, timeout=timeout).stdout.decode().strip()

    def answers(self) -> bool:
        """Is there an engine behind it?"""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            return self.run("version", "--format", "{{.Server.Version}}", check=False, timeout=10).returncode == 0
        return False


@contextlib.contextmanager
def held() -> Iterator[Docker]:
    """An engine for as long as it is needed. Raises Missing."""
    if shutil.which("docker") is None:
        raise Missing("docker is not installed; as root: apt-get install docker.io, or: .ci/hosts")
    STATE.mkdir(mode=0o700, exist_ok=True)
    with locked("users", fcntl.LOCK_SH):  # waits while a keeper is ending the engine
        yield _engine()


def _engine() -> Docker:
    named, own = Docker(None), Docker(f"unix://{SOCKET}")
    if named.answers():
        return named
    with locked("start", fcntl.LOCK_EX):
        if not own.answers():
            _start(own)
    return own


def _start(docker: Docker) -> None:
    if not ROOT:
        raise Missing("no Docker engine answers, and only root can start one; start it, or run the tests as root")
    for program, package in (("dockerd", "docker.io"), ("setpriv", "util-linux")):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed; as root: apt-get install {package}, or: .ci/hosts")
    here = Path(__file__).parents[2]
    with (STATE / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.hosts.engine"], cwd=here, stdout=log, stderr=log, start_new_session=True
        )
    _keepers.append(keeper)
    give_up_at = time.monotonic() + START_SECONDS
    while not docker.answers():
        if keeper.poll() is not None or time.monotonic() > give_up_at:
            with contextlib.suppress(ProcessLookupError):
                keeper.terminate()
            raise Missing(f"no Docker engine answers, and dockerd does not start here: {_last_words()}")
        time.sleep(0.05)


def _last_words() -> str:
    logs = [log.read_text(errors="replace") for log in (STATE / "dockerd.log", STATE / "keeper.log") if log.exists()]
    lines = "\n".join(logs).strip().splitlines() or ["it said nothing"]
    return next((line for line in reversed(lines) if "failed" in line or "error" in line.lower()), lines[-1])


@contextlib.contextmanager
def locked(name: str, how: int) -> Iterator[None]:
    """Hold a lock of this machine's users of the engine; BlockingIOError when LOCK_NB is in ``how`` and it is taken."""
    handle = os.open(STATE / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def sweep(docker: Docker) -> None:
    """Remove what sessions left that were killed: what belongs to one that holds its lock no more."""
    which = ("--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}')
    listed = docker.text("ps", "-a", *which).split() + docker.text("network", "ls", *which).split()
    for session in sorted({*listed, *(folder.name for folder in STATE.glob("[0-9a-f]" * 8))}):
        with contextlib.suppress(BlockingIOError), locked(session, fcntl.LOCK_EX | fcntl.LOCK_NB):
            remove_session(docker, session)


def remove_session(docker: Docker, session: str) -> None:
    """Its containers, images, network, keys and lock."""
    for listing, removing in (("ps -aq", "rm -f -v"), ("image ls -q", "image rm -f"), ("network ls -q", "network rm")):
        found = docker.text(*listing.split(), "--filter", f"label={LABEL}={session}").split()
        if found:
            docker.run(*removing.split(), *found, check=False)
    shutil.rmtree(STATE / session, ignore_errors=True)
    (STATE / f"{session}.lock").unlink(missing_ok=True)


def keep() -> int:
    """The keeper: run dockerd until nobody holds it, then remove every container and end it."""
    with hosts_hear_each_other(), (STATE / "dockerd.log").open("wb") as log:
        dockerd = subprocess.Popen(_command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _until_unused(dockerd)
        finally:
            dockerd.terminate()
            dockerd.wait(60)
    return 0


@contextlib.contextmanager
def hosts_hear_each_other() -> Iterator[None]:
    """What the bridges of the sessions carry is let through.

    Somebody else's engine, run once with its own settings, leaves a machine that drops whatever it forwards, and what
    crosses a bridge counts as that.
    """
    rule = ("FORWARD", "-i", f"{BRIDGE}+", "-o", f"{BRIDGE}+", "-j", "ACCEPT")
    filters = iptables("-S", "FORWARD").split("\n") != ["-P FORWARD ACCEPT", ""]
    if filters:
        iptables("-I", *rule)
    try:
        yield
    finally:
        if filters:
            iptables("-D", *rule)


def iptables(*arguments: str) -> str:
    """What ``iptables ARGUMENTS`` prints, where there is one; what it cannot do is in the keeper's log."""
    if shutil.which("iptables") is None:
        return "-P FORWARD ACCEPT\n"
    return subprocess.run(["iptables", "-w", *arguments], stdout=subprocess.PIPE, check=False, text=True).stdout


def _command() -> list[str]:
    settings = {
        "host": f"unix://{SOCKET}",
        "data-root": str(IMAGES),
        "exec-root": str(STATE / "exec"),
        "pidfile": str(STATE / "dockerd.pid"),
        "bridge": "none",
        "default-address-pool": ADDRESSES,
        "iptables": "false",
        "ip6tables": "false",
        "ip-forward": "false",
        "ip-masq": "false",
        "userland-proxy": "true",
    }
    (STATE / "dockerd.pid").unlink(missing_ok=True)
    return ["setpriv", "--pdeathsig", "TERM", "--", "dockerd", *(f"--{name}={is_}" for name, is_ in settings.items())]


def _until_unused(dockerd: subprocess.Popen[bytes]) -> None:
    """A blocking lock would not notice that dockerd has ended, so it is asked for again and again."""
    while dockerd.poll() is None:
        with contextlib.suppress(BlockingIOError), locked("users", fcntl.LOCK_EX | fcntl.LOCK_NB):
            sweep(Docker(f"unix://{SOCKET}"))
            dockerd.terminate()
            dockerd.wait(60)
            return
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(keep())
