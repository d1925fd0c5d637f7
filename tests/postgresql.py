"""A PostgreSQL that the tests start themselves: Debian's, as user ``postgres``, on 127.0.0.1, in its own directory.

Each worker of a parallel run has one, begun by the first test that needs it and ended with the session; the system
ends it when the worker is killed. Where it cannot be had, the tests are skipped with what is missing.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

BINARIES = "/usr/lib/postgresql"
ACCOUNT = "postgres"
_names = itertools.count(1)


def programs() -> Path:
    """Where ``initdb`` and ``postgres`` are, the newest version; the test is skipped where they are not."""
    found = sorted(Path(BINARIES).glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    named = shutil.which("initdb")
    places = [place for place in (*found, *([Path(named).parent] if named else [])) if (place / "postgres").exists()]
    if sys.platform != "linux":
        pytest.skip("postgresql: the tests start it on Linux only")
    if not places:
        pytest.skip("postgresql is not installed; as root: apt-get install postgresql, or: .ci/setup dev")
    pytest.importorskip("psycopg", reason="postgresql: the driver is missing; pip install 'psycopg[binary]'")
    return places[0]


def _as_somebody() -> list[str]:
    """The server refuses to run as root, and must not outlive who started it."""
    if shutil.which("setpriv") is None:
        pytest.skip("postgresql: setpriv is missing; as root: apt-get install util-linux")
    switch = ["setpriv", "--pdeathsig", "INT"]
    if os.getuid() == 0:
        switch += ["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]
    return [*switch, "--"]


class Cluster:
    """One server. ``port`` stays the same when it is stopped and started again."""

    def __init__(self) -> None:
        self._programs, self._switch = programs(), _as_somebody()
        self.directory = Path(tempfile.mkdtemp(prefix="runbook-postgresql-"))
        self.password, self.port = secrets.token_hex(8), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        word = self.directory / "password"
        word.write_text(self.password, encoding="ascii")
        if os.getuid() == 0:
            shutil.chown(self.directory, ACCOUNT, ACCOUNT)
            shutil.chown(word, ACCOUNT, ACCOUNT)
        made = self._run("initdb", "-D", "data", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256",
                         "-U", "runbook", "--pwfile=password")  # fmt: skip
        if made.returncode:
            shutil.rmtree(self.directory)
            raise AssertionError(f"initdb failed: {made.stderr.decode()}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [*self._switch, str(self._programs / program), *arguments]
        return subprocess.run(command, cwd=self.directory, capture_output=True, check=False, timeout=60)

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers."""
        options = ["listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self.directory}"]
        command = [*self._switch, str(self._programs / "postgres"), "-D", "data"]
        for option in (*options, "shared_buffers=16MB", "max_connections=40", *settings):
            command += ["-c", option]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        give_up_at = time.monotonic() + 30
        while self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)).returncode:
            assert self._process.poll() is None, (self.directory / "log").read_text(errors="replace")
            assert time.monotonic() < give_up_at, "postgresql does not answer"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast; SIGQUIT: immediate, as if it had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """End it, whatever became of it, and remove its directory."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def database(self, encoding: str = "UTF8") -> str:
        """The URL of a new, empty database."""
        name = f"journal{next(_names)}"
        locale = "" if encoding == "UTF8" else " LOCALE 'C'"
        self.execute(self.url("postgres"), f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'{locale}")
        return self.url(name)

    def url(self, name: str) -> str:
        """How to reach a database."""
        return f"postgresql://runbook:{self.password}@127.0.0.1:{self.port}/{name}"

    @staticmethod
    def execute(url: str, statement: str) -> list[tuple[object, ...]]:
        """Past the program."""
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def running(*settings: str) -> Iterator[Cluster]:
    """A server that is ended whatever happens."""
    cluster = Cluster()
    try:
        cluster.start(*settings)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """One for all tests of a worker; who stops it makes one of their own."""
    with running() as cluster:
        yield cluster


def at_port(url: str, port: int) -> str:
    """The same database through another port."""
    return re.sub(r"@127\.0\.0\.1:\d+/", f"@127.0.0.1:{port}/", url)
