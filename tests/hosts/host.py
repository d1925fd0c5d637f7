"""A host in a container: it boots systemd, is reached over SSH on loopback, and can be stopped, killed and cut off.

A host is looked at from inside through ``root`` and ``read``, past everything that is under test. Its ports on
127.0.0.1 stay the same over a reboot. The hosts of a session reach each other by name, and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts import image, package
from tests.hosts.engine import BRIDGE, LABEL, STATE, Docker, held, locked, remove_session, sweep
from tests.ports import free_port

LOOPBACK = "127.0.0.1"
ACCOUNTS = {"dba": 2001, "plain": 2002, "asks": 2003}
"""``dba`` may do everything through sudo, ``plain`` nothing, ``asks`` everything once sudo was told the password."""
PASSWORD = "asks"
BOOT_SECONDS = 60.0
RUN_OPTIONS = (
    "--cap-add=SYS_ADMIN",  # systemd mounts; nothing else lets it boot
    "--cap-add=NET_ADMIN",  # cut()
    "--security-opt=apparmor=unconfined",  # or mounting is denied where AppArmor is on
    "--cgroupns=private",
    "--stop-signal=SIGRTMIN+3",  # systemd's word for an orderly end
    "--restart=unless-stopped",  # so that `systemctl reboot` inside boots again
    "--tmpfs=/run:exec,mode=755",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec,mode=1777",
    "--dns=127.0.0.1",  # only hosts have names; that there are no others is known soon
    "--dns-option=timeout:1",
    "--dns-option=attempts:1",
)


@dataclass(frozen=True)
class Keys:
    """The key of the accounts, made for one session of tests."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Keys:
        """Make it in a directory."""
        generate(folder / "id_ed25519", "tests")
        return cls(folder)

    @property
    def private(self) -> Path:
        """For ``ssh -i``."""
        return self.folder / "id_ed25519"

    @property
    def public(self) -> str:
        """The line of authorized_keys."""
        return self.private.with_suffix(".pub").read_text(encoding="ascii")


def generate(path: Path, comment: str) -> None:
    """A key pair without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


@dataclass
class Host:
    """One host; made by :class:`Fleet`. ``ports`` says where on 127.0.0.1 a port of the host is, ``doors`` its sshd."""

    name: str
    container: str
    docker: Docker = field(repr=False)
    keys: Keys = field(repr=False)
    ports: Mapping[int, int]
    doors: Sequence[int]
    host_key: str = field(repr=False)

    @property
    def ssh_port(self) -> int:
        """Where its sshd is; the first of its doors."""
        return self.doors[0]

    @property
    def known_hosts(self) -> str:
        """The lines of known_hosts that know it."""
        return "".join(f"[{LOOPBACK}]:{door} {self.host_key}\n" for door in self.doors)

    # --- power and network ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch it on and wait until it is up."""
        self.docker.run("start", self.container)
        self.wait_until_up()

    def stop(self) -> None:
        """Shut it down in order."""
        self.docker.run("stop", "--time=60", self.container)

    def kill(self) -> None:
        """Pull the plug; ``start`` puts it back."""
        self.docker.run("kill", "--signal=KILL", self.container)

    def reboot(self) -> None:
        """Shut it down in order, boot it, and wait until it is up."""
        self.docker.run("restart", "--time=60", self.container)
        self.wait_until_up()

    def cut(self) -> None:
        """Take its network card down: connections neither end nor answer, the host goes on working."""
        self.root("ip", "link", "set", "eth0", "down")

    def mend(self) -> None:
        """Put the network back."""
        self.root("ip", "link", "set", "eth0", "up")

    def hang_up(self) -> None:
        """End every SSH connection; new ones are accepted. What ran in them gets a SIGHUP at most."""
        self.root("sh", "-c", "pkill -KILL -f '^sshd: [^/].*' || true")

    # --- from inside ---------------------------------------------------------------------------------------

    def root(
        self, *command: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root, past SSH; with ``check``, AssertionError when it fails."""
        given = None if stdin is None else stdin.encode()
        arguments = ("exec", *(["-i"] if given is not None else []), self.container, *command)
        done = self.docker.run(*arguments, stdin=given, check=check, timeout=timeout)
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def text(self, *command: str) -> str:
        """What a command prints, whether it succeeds or not."""
        return self.root(*command, check=False).stdout.strip()

    def read(self, path: str) -> str:
        """A file of the host."""
        return self.root("cat", path).stdout

    def write(self, path: str, text: str, mode: str = "644", owner: str = "root:root") -> None:
        """Put a file on the host."""
        script = 'install -D -m "$2" -o "${3%:*}" -g "${3#*:}" /dev/stdin "$1"'
        self.root("sh", "-c", script, "sh", path, mode, owner, stdin=text)

    def state(self, unit: str) -> str:
        """``active``, ``inactive``, ``failed`` ..., as systemctl is-active says."""
        return self.text("systemctl", "is-active", unit)

    def enable(self, *units: str) -> None:
        """Start units now and at every boot."""
        self.root("systemctl", "enable", "--quiet", "--now", *units)

    @property
    def boot_id(self) -> str:
        """Another one after every boot."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    # --- waiting -------------------------------------------------------------------------------------------

    def wait_until_up(self) -> None:
        """Until systemd has started everything and sshd greets through the published port."""
        self.wait(lambda: self.text("systemctl", "is-system-running") in ("running", "degraded"), "boots")
        self.wait(lambda: greets(self.ssh_port), "lets sshd greet")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = BOOT_SECONDS) -> None:
        """Until the condition holds; AssertionError with the host's journal when it does not."""
        give_up_at = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up_at:
                last = self.text("journalctl", "--no-pager", "-n", "40")
                raise AssertionError(f"{self.name} never {what} within {seconds:g} s\n{last}")
            time.sleep(0.05)


def greets(port: int, seconds: float = 2.0) -> bool:
    """Does an sshd answer there?"""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), seconds) as line:
        line.settimeout(seconds)
        return line.recv(4) == b"SSH-"
    return False


class Fleet:
    """The hosts of one session of tests; they are all removed with it."""

    def __init__(self, docker: Docker, folder: Path, session: str) -> None:
        self._docker, self._folder, self._session = docker, folder, session
        self._image, self._repositories = image.ready(docker), package.repositories(docker)
        self.keys = Keys.make(folder)
        self._network = f"runbook-{session}"
        bridge = f"--opt=com.docker.network.bridge.name={BRIDGE}{session}"
        docker.run("network", "create", f"--label={LABEL}={session}", bridge, self._network)

    def create(
        self, name: str, *, ports: Sequence[int] = (), doors: int = 1, options: Sequence[str] = (), like: str = ""
    ) -> Host:
        """A host that is not switched on; ``like`` one that was kept.

        ``ports`` are published besides that of sshd, which gets ``doors`` of them, as if there were so many hosts (one
        sshd listens on 16 sockets at most). ``options`` are for ``docker create``.
        """
        chosen = {port: free_port() for port in ports}
        entries = [free_port() for _ in range(doors)]
        published = [*chosen.items(), *((22, door) for door in entries)]
        publish = [f"--publish={LOOPBACK}:{outside}:{inside}" for inside, outside in published]
        container = self._docker.text(
            *("create", f"--name=runbook-{self._session}-{name}", f"--hostname={name}"),
            *(f"--network={self._network}", f"--network-alias={name}"),
            *(f"--label={LABEL}={self._session}", f"--volume={self._repositories}:{package.MOUNT}:ro"),
            *(*RUN_OPTIONS, *publish, *options, like or self._image),
        )
        host_key = self._give_keys(name, container)
        return Host(name, container, self._docker, self.keys, chosen, entries, host_key)

    def start(self, name: str, *, ports: Sequence[int] = (), doors: int = 1, options: Sequence[str] = ()) -> Host:
        """The same, up."""
        host = self.create(name, ports=ports, doors=doors, options=options)
        host.start()
        return host

    def start_all(self, hosts: Sequence[Host]) -> None:
        """Switch several on at once and wait until all are up."""
        self._docker.run("start", *(host.container for host in hosts))
        for host in hosts:
            host.wait_until_up()

    def keep(self, host: Host) -> str:
        """An image of the host as it is; hosts can be created like it until the session ends."""
        name = f"{image.NAME}-{self._session}:{host.name}"
        self._docker.run("commit", host.container, name, timeout=300)  # with its label, by which it is removed
        return name

    def remove(self, host: Host) -> None:
        """Take it away, whatever it does."""
        self._docker.run("rm", "-f", "-v", host.container, check=False)

    def _give_keys(self, name: str, container: str) -> str:
        """A host key of its own, and the session's key for the accounts; returns the public host key."""
        key = self._folder / f"host-{name}-{secrets.token_hex(4)}"
        generate(key, name)
        public = key.with_suffix(".pub").read_text(encoding="ascii")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            _add(tar, "etc/ssh/ssh_host_ed25519_key", key.read_text(encoding="ascii"), 0o600)
            _add(tar, "etc/ssh/ssh_host_ed25519_key.pub", public, 0o644)
            for account, number in ACCOUNTS.items():
                _add(tar, f"home/{account}/.ssh", None, 0o700, number)
                _add(tar, f"home/{account}/.ssh/authorized_keys", self.keys.public, 0o600, number)
        self._docker.run("cp", "-", f"{container}:/", stdin=packed.getvalue())
        return " ".join(public.split()[:2])


def _add(tar: tarfile.TarFile, name: str, text: str | None, mode: int, owner: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid = mode, owner, owner
    content = (text or "").encode()
    entry.size = len(content)
    entry.type = tarfile.DIRTYPE if text is None else tarfile.REGTYPE
    tar.addfile(entry, io.BytesIO(content))


@contextmanager
def fleet() -> Iterator[Fleet]:
    """An engine, the image, the packages, and hosts that are removed whatever happens. Raises Missing."""
    session = secrets.token_hex(4)
    with ExitStack() as stack:
        docker = stack.enter_context(held())
        stack.enter_context(locked(session, fcntl.LOCK_EX))
        sweep(docker)
        folder = STATE / session
        folder.mkdir(mode=0o700)
        stack.callback(remove_session, docker, session)
        yield Fleet(docker, folder, session)
