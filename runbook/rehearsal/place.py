"""Where a rehearsal lives, and how everything of it is taken away again, whoever killed it.

One directory below ``RUNBOOK_HOME/rehearsals``. Every process that is started for it carries that directory in its
environment; who rehearses holds a lock in it that the system frees with the process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from runbook.adapters.detached import Place as Held
from runbook.errors import Refused
from runbook.home import Home
from runbook.rehearsal.providing import Provider

VARIABLE = "RUNBOOK_REHEARSAL"
"""Environment variable: the directory of the rehearsal that a process belongs to."""
EVIDENCE = "evidence"
ON = "on"
"""File that names what its servers are: sandbox or container."""
LOCK = "rehearse.lock"
"""File that is there as long as there is more to take away than evidence."""
KEPT = frozenset({EVIDENCE, LOCK})
LONGEST = 32
"""Characters of a night's directory."""
NIGHTS, TEMPLATE = "nights", "template"
END_SECONDS, POLL = 10.0, 0.05


class Place:
    """The directory of one rehearsal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = Held(directory / LOCK)

    @classmethod
    def new(cls, home: Home, identity: str, on: str) -> Place:
        """One that nobody else has. ``on``: the provider's name. Refused where there is no lock to be had."""
        root = root_of(home)
        root.mkdir(parents=True, exist_ok=True)
        place = cls(root.resolve() / identity)
        with _one_looks(root):
            place.directory.mkdir(mode=0o700)
            if not place._lock.take():
                shutil.rmtree(place.directory, ignore_errors=True)
                raise _lockless(place.directory)
        try:
            (place.directory / ON).write_text(on, encoding="ascii")
        except OSError:
            shutil.rmtree(place.directory, ignore_errors=True)
            place.free()
            raise
        return place

    @property
    def on(self) -> str:
        """What its servers are; empty where it does not say."""
        with suppress(OSError, ValueError):
            return (self.directory / ON).read_text(encoding="ascii")
        return ""

    @property
    def is_in_use(self) -> bool:
        """Somebody rehearses there now, or is about to."""
        with _one_looks(self.directory.parent):
            return self._lock.is_taken()

    @property
    def is_cleaned(self) -> bool:
        """Nothing of it is there, or nothing but evidence."""
        return not (self.directory / LOCK).exists()

    def free(self) -> None:
        """Nobody rehearses there any more."""
        self._lock.free()

    @property
    def template(self) -> Path:
        """The seeded servers, and the plan's files."""
        return self.directory / TEMPLATE

    def night(self, name: str) -> Path:
        """The directory of one scenario. Its name is short: files of servers lie below it, and their whole path may
        have 260 characters."""
        plain = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)
        if len(plain) > LONGEST:
            mark = hashlib.sha256(name.encode()).hexdigest()[:6]
            plain = f"{plain[: LONGEST - 1 - len(mark)]}-{mark}"
        return self.directory / NIGHTS / plain

    def homes(self) -> Iterator[Path]:
        """Every home directory of servers below it."""
        for pattern in (f"{TEMPLATE}/home", f"{NIGHTS}/*/home"):
            yield from self.directory.glob(pattern)

    def keep(self, night: Path) -> Path:
        """The journal, the plan and what was said of a night, beside the rest, for whoever looks why it went wrong."""
        kept = self.directory / EVIDENCE / night.name
        with suppress(OSError):
            kept.mkdir(parents=True, exist_ok=True)
        for pattern in ("home/journal.db*", "home/guard/*.log", "plan/runbook.yaml", "said-*.txt", "struck"):
            for path in night.glob(pattern):
                with suppress(OSError):  # what it is the evidence of may be a full disk
                    shutil.copyfile(path, kept / path.name)
        return kept

    def clean(self, provider: Provider) -> None:
        """End every process of it and delete everything but the evidence. The directory stays where the rest of it
        cannot be taken away, see the port."""
        end_processes(self.directory)
        for home in self.homes():
            provider.discard(home)
        provider.remove(self.directory)
        end_processes(self.directory)
        for path in self._there():
            if path.name not in KEPT:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        (self.directory / LOCK).unlink(missing_ok=True)
        if not (self.directory / EVIDENCE).is_dir():
            shutil.rmtree(self.directory, ignore_errors=True)

    def _there(self) -> list[Path]:
        with suppress(FileNotFoundError):  # somebody else takes it away at this moment
            return list(self.directory.iterdir())
        return []


@contextmanager
def _one_looks(root: Path) -> Iterator[None]:
    """Whoever makes a directory with its lock, or looks whether somebody has it, does so alone: nobody sees one that
    is there and not locked yet."""
    import fcntl  # noqa: PLC0415 - on Linux

    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise _lockless(root) from error
        yield
    finally:
        os.close(handle)


def said(error: OSError) -> str:
    """What the system says, in one line, of the first file where there are several."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _, to, why = error.args[0][0]
        return f"{why.partition('] ')[2].partition(': ')[0].lower() or why}: {to}"
    why = (error.strerror or str(error)).lower()
    return f"{why}: {error.filename}" if error.filename else why


@contextmanager
def needing(home: Home) -> Iterator[None]:
    """What the system does not let be done there (a full disk, no rights) is Refused."""
    try:
        yield
    except BrokenPipeError:  # nobody reads what is said any more
        raise
    except OSError as error:
        raise Refused(
            f"the rehearsal cannot go on: {said(error)}",
            hint=f"Look at {home.directory}: its disk, its owner and its permissions.",
        ) from error


def _lockless(place: Path) -> Refused:
    return Refused(
        f"the lock of the rehearsal cannot be had: {place}",
        hint="RUNBOOK_HOME has to be on a disk that knows locks, such as one of this machine.",
    )


def root_of(home: Home) -> Path:
    """Where all rehearsals are."""
    return home.directory / "rehearsals"


def left_behind(home: Home) -> list[Place]:
    """Rehearsals whose process is gone, oldest first."""
    root = root_of(home).resolve()  # as what was started for it knows it
    found = [Place(path) for path in sorted(root.glob("*-*-*")) if path.is_dir()]
    return [place for place in found if not place.is_in_use]


def refuse_inside(home: Home) -> None:
    """A rehearsal that is started from inside of one would never end."""
    if os.environ.get(VARIABLE):
        raise Refused("this is a rehearsal already", hint=f"Take {VARIABLE} out of the environment.")
    if sys.platform != "linux":
        raise Refused("rehearsals run on Linux", hint=f"Set RUNBOOK_HOME ({home.directory}) up on a Linux machine.")


def end_processes(directory: Path) -> None:
    """``kill -9`` whatever was started for this rehearsal, until nothing is left."""
    for _ in range(int(END_SECONDS / POLL)):
        found = working_for(directory)
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        Event().wait(POLL)


def working_for(directory: Path) -> list[int]:
    """Processes that live and carry this directory, or a home below it, in their environment."""
    wanted = f"{VARIABLE}={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0") and _lives(entry):
                    found.append(int(entry.name))
    return found


def _lives(entry: Path) -> bool:
    state = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    return state not in "ZX"
