"""Starting, stopping and disturbing sandbox servers from another process.

A server holds ``flock`` on ``.server.lock`` in its directory as long as it lives, so that "does it run" has an answer
that neither a kill nor a reused process id can spoil.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runbook.sandbox.instance import faults
from runbook.sandbox.instance.faults import KINDS, Fault

SERVER = "server.json"
SETTINGS = "settings.json"
LOCK = ".server.lock"
START_LOCK = ".start.lock"
CONSOLE = "console.log"
MARKS = ("instance.db", SETTINGS, LOCK)
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL = 0.02
ANSWER_SECONDS = 5.0
PRELOGIN = bytes.fromhex("1201001a000001000000 0b 000601 0011 0001ff0f000000000002")
"""The smallest greeting of TDS: version, and encryption not supported."""

__all__ = [
    "KINDS",
    "Fault",
    "SandboxError",
    "ServerInfo",
    "clear_faults",
    "fault",
    "list_faults",
    "reset",
    "start",
    "status",
    "stop",
]


class SandboxError(Exception):
    """A server could not be started, stopped or reached. ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class ServerInfo:
    """How to reach a running server."""

    directory: Path
    name: str
    version: str
    edition: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    pid: int

    def connection_string(self, driver: str, database: str = "master") -> str:
        """ODBC connection string with the given driver name or path. Contains the password."""
        return (
            f"DRIVER={{{driver}}};SERVER={self.host},{self.port};DATABASE={database};UID={self.user};"
            f"PWD={{{self.password}}};Encrypt=no;ConnectRetryCount=0"
        )


def take_server_lock(directory: Path) -> int | None:
    """The lock of a running server as an open handle; None when another process holds it."""
    handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _is_running(directory: Path) -> bool:
    """Asks with a shared lock, which two askers can hold at once."""
    try:
        handle = os.open(directory / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def status(directory: str | Path) -> ServerInfo | None:
    """The server that runs in this directory and is ready; None when there is none."""
    directory = Path(directory).resolve()
    if not _is_running(directory):
        return None
    try:
        found = json.loads((directory / SERVER).read_text(encoding="utf-8"))
        holder = (directory / LOCK).read_text(encoding="utf-8")
    except (FileNotFoundError, ValueError):
        return None
    if holder != str(found["pid"]):
        return None
    fields = {k: found[k] for k in ("name", "version", "edition", "host", "port", "user", "password", "pid")}
    return ServerInfo(directory, **fields)


class Process(Protocol):
    """A server that was begun to be started; a part of :class:`subprocess.Popen`."""

    def poll(self) -> int | None:
        """Something once it has ended; it is reaped then."""

    def kill(self) -> None:
        """``kill -9``."""

    def wait(self) -> object:
        """For its end."""


Spawn = Callable[[Sequence[str], Path], Process]
"""Starts ``python -m runbook.sandbox WORDS`` in a session of its own; what it says is added to the file."""


class _Child:
    """A server that is a child of this process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def poll(self) -> int | None:
        """See the protocol."""
        return 0 if _has_ended(self._pid) else None

    def kill(self) -> None:
        """See the protocol."""
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> None:
        """See the protocol."""
        os.waitpid(self._pid, 0)


def spawned(words: Sequence[str], console: Path) -> Process:
    """See :data:`Spawn`: a new process."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "runbook.sandbox", *words]
    with console.open("ab") as said:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, said.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, said.fileno(), 2),
        ]
        environment = {**os.environ, "PYTHONPATH": path}
        return _Child(os.posix_spawn(sys.executable, command, environment, file_actions=actions, setsid=True))


def start(
    directory: str | Path,
    name: str,
    version: str = "2019",
    edition: str = "Developer",
    *,
    port: int = 0,
    timeout: float = START_SECONDS,
    spawn: Spawn = spawned,
) -> ServerInfo:
    """Start a server that outlives the caller and wait until it accepts logins; a running one is simply returned.

    Safe when several processes call it at once, also when one of them was stopped in the middle. Raises SandboxError
    when it does not come up within ``timeout`` seconds or when the running one is of another name, version or edition.
    """
    directory = Path(directory).resolve()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    running = _ready(directory)
    if running is None:
        with _start_lock(directory, timeout, unless=lambda: _ready(directory) is not None):
            running = _wait_ready(directory, None, timeout) if _is_running(directory) else None
            if running is None:
                running = _spawn(directory, name, version, edition, port, timeout, spawn)
    if (running.name, running.version, running.edition) != (name, version, edition):
        raise SandboxError(
            f"the server in {directory} is {running.name} ({running.version} {running.edition}), "
            f"not {name} ({version} {edition})",
            "Stop it first, or use another directory.",
        )
    return running


@contextlib.contextmanager
def _start_lock(directory: Path, timeout: float, unless: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Be the only one that starts or deletes; goes without the lock once ``unless`` holds.

    Its holder may have been stopped (SIGSTOP) and never let it go: SandboxError names it after ``timeout`` seconds.
    """
    handle = os.open(directory / START_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout
    try:
        while not _locked(handle) and not unless():
            if time.monotonic() > deadline:
                holder = os.pread(handle, 20, 0).decode() or "unknown"
                raise SandboxError(
                    f"process {holder} has been starting the server in {directory} for {timeout:g} s",
                    "Let that process go on, or end it, and try again.",
                )
            time.sleep(POLL)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with contextlib.suppress(OSError):  # on a full disk its name is lost, and nothing else
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    return True


def _spawn(
    directory: Path, name: str, version: str, edition: str, port: int, timeout: float, spawn: Spawn = spawned
) -> ServerInfo:
    words = ["serve", "--dir", str(directory), "--name", name]
    words += ["--version", version, "--edition", edition, "--port", str(port)]
    (directory / CONSOLE).touch()
    running = _wait_ready(directory, spawn(words, directory / CONSOLE), timeout)
    if running is None:
        raise SandboxError(f"the sandbox server {name} did not come up: {_last_words(directory)}", _hint(directory))
    return running


def _wait_ready(directory: Path, process: Process | None, timeout: float) -> ServerInfo | None:
    """Wait until the server accepts logins; None when it ended or took too long: then what was started is killed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = _ready(directory)
        if found is not None:
            return found
        if process.poll() is not None if process else not _is_running(directory):
            return None
        time.sleep(POLL)
    if process:
        process.kill()
        process.wait()
    return None


def _ready(directory: Path) -> ServerInfo | None:
    found = status(directory)
    return found if found is not None and _answers(found) else None


def _answers(info: ServerInfo) -> bool:
    """Does it answer a PRELOGIN? A server that was killed a moment ago may still hold its lock and its port."""
    with contextlib.suppress(OSError), socket.create_connection((info.host, info.port), ANSWER_SECONDS) as client:
        client.sendall(PRELOGIN)
        return len(client.recv(1)) == 1
    return False


def _has_ended(pid: int) -> bool:
    """Has this child ended? It is reaped then."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _last_words(directory: Path) -> str:
    lines = (directory / CONSOLE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _hint(directory: Path) -> str:
    return f"Read {directory / CONSOLE} and {directory / 'errorlog'}."


def stop(directory: str | Path, *, timeout: float = STOP_SECONDS) -> bool:
    """Stop the server cleanly; one that does not end within ``timeout`` seconds is killed. False: none was running."""
    directory = Path(directory).resolve()
    if not _is_running(directory):
        return False
    pid = int((directory / LOCK).read_text(encoding="utf-8") or 0)
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _has_ended(pid)  # a server started by this very process would stay a zombie
            if not _is_running(directory):
                return True
            time.sleep(POLL)
    raise SandboxError(f"the server in {directory} (process {pid}) does not end", "End it by hand.")


def reset(directory: str | Path) -> None:
    """Stop the server and delete everything it kept. Refuses a directory that was never a server's."""
    directory = Path(directory).resolve()
    if not directory.exists():
        return
    with _start_lock(directory, START_SECONDS):
        if not any((directory / mark).exists() for mark in MARKS) and any(
            p.name != START_LOCK for p in directory.iterdir()
        ):
            (directory / START_LOCK).unlink(missing_ok=True)
            raise SandboxError(f"{directory} holds no sandbox server", "Name the directory of a server.")
        stop(directory)
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != START_LOCK:
                path.unlink()


def fault(
    directory: str | Path, kind: str, match: str = "", *, seconds: float | None = None, times: int | None = None
) -> Fault:
    """Set a fault in a server, running or not; see :mod:`runbook.sandbox.instance.faults`. Raises SandboxError."""
    directory = Path(directory).resolve()
    if not directory.is_dir():
        raise SandboxError(f"there is no sandbox server in {directory}", "Start it first.")
    try:
        return faults.add(directory, kind, match, seconds=seconds, times=times)
    except Exception as problem:
        raise SandboxError(str(problem), f"Kinds are {', '.join(KINDS)}; match is a regular expression.") from problem


def list_faults(directory: str | Path) -> list[Fault]:
    """The faults that are set."""
    return faults.load(Path(directory).resolve()) if Path(directory).is_dir() else []


def clear_faults(directory: str | Path, fault_id: str | None = None) -> int:
    """Remove one fault or all; returns how many went."""
    return faults.clear(Path(directory).resolve(), fault_id) if Path(directory).is_dir() else 0
