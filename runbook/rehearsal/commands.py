"""Commands of a rehearsal: those that the plan names for it, and this very program."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import IO

from runbook.adapters.sqlserver import picture
from runbook.errors import Refused, ServerError
from runbook.plan.models import Plan
from runbook.rehearsal.place import VARIABLE
from runbook.rehearsal.providing import Made

READY_SECONDS, POLL, END_SECONDS = 30.0, 0.02, 5.0
LOOK = 0.1
"""Seconds between two looks whether the rehearsal is to end."""
MOST_SAID = 500
"""Bytes of what a command said at last."""
FIRST_PORT, PORTS = 28_800, 3_900
_numbers = itertools.count(os.getpid() * 61)
"""Another rehearsal on this machine begins elsewhere."""
ROOT = Path(__file__).resolve().parents[2]


class Stopped(BaseException):
    """The rehearsal ends, and this night with it; nothing that would try again holds it up."""


def environment(rehearsal: Path, home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of everything that is started: no setting of the real home, journal or failpoints goes along."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_")}
    packages = (str(Path(one).absolute()) for one in kept.get("PYTHONPATH", "").split(os.pathsep) if one)
    path = os.pathsep.join([str(ROOT), *packages])  # nights are elsewhere: what is beside this process is named in full
    own = {VARIABLE: str(rehearsal), "RUNBOOK_HOME": str(home), "PYTHONPATH": path, "COLUMNS": "200"}
    return {**kept, **own, **(more or {})}


def filled(words: Sequence[str], plan: Plan, facts: Path, port: int) -> list[str]:
    """The words of a command with its places filled in. ``facts``: where the files of the servers are."""
    places = {
        "{python}": sys.executable,
        "{plan}": str(plan.directory),
        "{source.json}": str(facts / "source.json"),
        "{target.json}": str(facts / "target.json"),
        "{port}": str(port),
    }
    return [_filled(word, places) for word in words]


def _filled(word: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        word = word.replace(place, value)
    return word


def write_facts(directory: Path, plan: Plan, made: Mapping[str, Made]) -> None:
    """How to reach each server, for commands: readable by this account alone, never an argument."""
    directory.mkdir(parents=True, exist_ok=True)
    for role, name in (("source", plan.source), ("target", plan.target)):
        if name is None:
            continue
        path = directory / f"{role}.json"
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dict(made[name].facts), file)


def run(words: Sequence[str], directory: Path, env: Mapping[str, str], what: str, stop: Event) -> None:
    """To its end, or until ``stop``: then Stopped. Refused with its last words when it fails. What it leaves running is
    not waited for; files take what is said, for a pipe would stay open as long as that."""
    with TemporaryFile(dir=directory) as out, TemporaryFile(dir=directory) as err:
        try:
            process = subprocess.Popen(  # noqa: S603 - the plan names it for this
                list(words), cwd=directory, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        except OSError as error:
            raise Refused(
                f"{what}: {words[0]} cannot be started: {error.strerror}", hint="See rehearsal in the plan."
            ) from error
        if code := _ended(process, stop):
            said = _last_words(err) or _last_words(out) or "it said nothing"
            raise Refused(f"{what} ended with {code}: {said}", hint=f"Try it: {shlex.join(words)}")


def _ended(process: subprocess.Popen[bytes], stop: Event) -> int:
    code = None
    try:
        while code is None and not stop.is_set():
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(LOOK)
    finally:
        if code is None:
            process.kill()
            process.wait()
    if code is None:
        raise Stopped
    return code


def _last_words(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_SAID))
    return file.read().decode(errors="replace").strip().rpartition("\n")[2]


def run_script(made: Made, path: Path) -> None:
    """A T-SQL file of the plan on the throwaway source; Refused with what the server says."""
    try:
        picture.run_script(made.target, path)
    except (OSError, ValueError, ServerError) as error:
        why = error.strerror if isinstance(error, OSError) else getattr(error, "message", error)
        raise Refused(
            f"rehearsal.scripts: {path.name}: {why}", hint="It runs on the throwaway source, batch by batch."
        ) from error


def free_port() -> int:
    """One that nobody takes before the application does: below those that systems give to clients (Linux from 32768
    on, Windows from 49152), and each once."""
    for number in itertools.islice(_numbers, PORTS):
        port = FIRST_PORT + number % PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Refused("no port is free for the copy of the application", hint="See what listens on this machine.")


class Application:
    """The copy of the application, as long as a night goes on."""

    def __init__(self, words: Sequence[str], directory: Path, env: Mapping[str, str], port: int) -> None:
        self._log = directory.parent / "said-application.txt"
        with self._log.open("ab") as out:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the plan names it for this
                    list(words),
                    cwd=directory,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            except OSError as error:
                raise Refused(
                    f"the copy of the application cannot be started: {error.strerror}",
                    hint="See rehearsal.application in the plan.",
                ) from error
        self._await(port)

    def _await(self, port: int) -> None:
        for _ in range(int(READY_SECONDS / POLL)):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            if self._process.poll() is not None:
                break
            Event().wait(POLL)
        self.end()
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()[-500:] or "it said nothing"
        raise Refused(
            f"the copy of the application does not answer on port {port}: {said}",
            hint="It must listen on 127.0.0.1 and the port that {port} in rehearsal.application.run stands for.",
        )

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
