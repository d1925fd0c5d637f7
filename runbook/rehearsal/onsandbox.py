"""Throwaway servers of the sandbox: processes with a directory each, below the home directory of one scenario."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from runbook.adapters.sqlserver import ServerTarget
from runbook.errors import NotSupported, Refused
from runbook.plan.types import SANDBOX_VERSIONS
from runbook.rehearsal.providing import Made, Wanted
from runbook.rehearsal.starting import SERVER, Preloaded, Started
from runbook.sandbox import manage

LONGEST = 15
NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")
MEMORY, BESIDES = 128 * 2**20, 2
"""Bytes that a server takes; the program itself and a copy of the application take as much, each."""
ROOM = "Look at the memory of this machine, and at the room and the permissions on the disk of RUNBOOK_HOME."
"""What it needs; what a server says beside its last words goes with the rehearsal."""
PATIENCE = 120.0
"""Seconds a server gets to come up: others start beside it."""


class OnSandbox:
    """Implements :class:`runbook.rehearsal.providing.Provider`."""

    name = "sandbox"
    exchange = ""

    def __init__(self) -> None:
        self._spawn: manage.Spawn = manage.spawned

    def refuse_unfit(self, wanted: Wanted) -> None:
        """See the port."""
        if wanted.version not in SANDBOX_VERSIONS:
            known = ", ".join(map(str, SANDBOX_VERSIONS))
            raise NotSupported(
                f"the sandbox cannot play SQL Server {wanted.version}, which {wanted.role} runs",
                hint=f"It plays {known}.",
            )

    @contextmanager
    def working(self, environment: Mapping[str, str]) -> Iterator[None]:
        """See the port."""
        with closing(Preloaded(environment, SERVER)) as starter:
            self._spawn = partial(_forked, starter, environment)
            try:
                yield
            finally:
                self._spawn = manage.spawned

    def room(self, wanted: Mapping[str, Wanted]) -> int | None:
        """See the port: half of the machine's memory may go into them."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return max(1, memory // 2 // (MEMORY * (len(wanted) + BESIDES)))

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        """See the port."""
        try:
            return {role: _start(home, one, self._spawn) for role, one in wanted.items()}
        except manage.SandboxError as error:
            raise Refused(f"a throwaway server does not start: {error}", hint=ROOM) from error

    def copy(self, template: Path, home: Path) -> None:
        """See the port."""
        shutil.copytree(template / "sandbox", home / "sandbox")
        for directory in (home / "sandbox").iterdir():
            _forget_port(directory / manage.SETTINGS)

    def stop(self, home: Path) -> None:
        """See the port."""
        for directory in (home / "sandbox").iterdir() if (home / "sandbox").is_dir() else ():
            with suppress(manage.SandboxError):
                manage.stop(directory)

    def discard(self, home: Path) -> None:
        """See the port."""
        self.stop(home)
        shutil.rmtree(home / "sandbox", ignore_errors=True)

    def left(self, root: Path) -> set[Path]:
        """See the port: nothing."""
        del root
        return set()

    def remove(self, rehearsal: Path) -> None:
        """See the port: its data lies in that directory."""


def server_name(wanted: str, role: str, taken: Iterable[str] = ()) -> str:
    """A name that the sandbox can have and no other server has: the wanted one when it can, else one made from the
    plan's own."""
    others = {name.upper() for name in taken}
    plain = f"R{re.sub(r'[^A-Za-z0-9]', '', role.upper())}"
    numbered = (f"{plain[: LONGEST - len(str(number))]}{number}" for number in itertools.count(2))
    names = itertools.chain([wanted] if NAME.fullmatch(wanted) else [], [plain[:LONGEST]], numbered)
    return next(name for name in names if name.upper() not in others)


def _directory(home: Path, wanted: Wanted) -> Path:
    return home / "sandbox" / wanted.server_name


def _forked(starter: Preloaded, environment: Mapping[str, str], words: Sequence[str], console: Path) -> Started:
    try:
        return starter.start(words, console.parent, environment, console)
    except OSError as error:
        raise manage.SandboxError(str(error)) from error


def _start(home: Path, wanted: Wanted, spawn: manage.Spawn) -> Made:
    directory = _directory(home, wanted)
    info = manage.start(directory, wanted.server_name, str(wanted.version), timeout=PATIENCE, spawn=spawn)
    url = f"sandbox://{wanted.server_name}?version={wanted.version}"
    return Made(
        wanted.role,
        ServerTarget(url=url, sandbox_home=home / "sandbox"),
        {"url": url, "expect": {"server_name": wanted.server_name, "version": wanted.version}},
        {"host": info.host, "port": info.port, "user": info.user, "password": info.password, "name": info.name},
        str(directory.resolve()),
    )


def _forget_port(settings: Path) -> None:
    """Each copy gets a port of its own, and keeps it."""
    known = json.loads(settings.read_text(encoding="utf-8"))
    known.pop("port", None)
    mode = settings.stat().st_mode
    settings.write_text(json.dumps(known), encoding="utf-8")
    settings.chmod(mode)
