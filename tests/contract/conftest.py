"""What the contract suites run on: the fake and the real adapter of every port, behind one small bench each."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.commands import Commands
from runbook.adapters.gate import CommandGate, FileGate
from runbook.adapters.pointer import CommandPointer, FilePointer, Replacement
from runbook.adapters.web import HttpWeb
from runbook.front import Gate
from runbook.ports import Clock, Pointer, Web
from runbook.testing import FakeClock, FakeGate, FakePointer, FakeWeb, StatementLog, Stoppable, World

CONFIG = "[database]\nserver = old\n; Zoë\n"


@dataclass
class Bench:
    """Handles as one process has them; ``restarted`` is the next process on the same world."""

    directory: Path
    world: World = field(default_factory=World.mailer)
    log: StatementLog = field(default_factory=StatementLog)

    def __post_init__(self) -> None:
        self.stop = Stoppable(SystemClock())
        self.restarted()

    def restarted(self) -> None:
        self.world.next_process()


class FakeGateBench(Bench):
    knows_strangers = True

    def gate(self, run_id: str = "run") -> Gate:
        return FakeGate(self.world, cancellation=self.stop, recorder=self.log, run_id=run_id)

    def stranger(self, text: str) -> None:
        self.world.site.page, self.world.site.page_by = text, ""

    def standing(self) -> str | None:
        return self.world.site.page


class FileGateBench(Bench):
    knows_strangers = True

    @property
    def path(self) -> Path:
        return self.directory / "maintenance.html"

    def gate(self, run_id: str = "run") -> Gate:
        return FileGate(self.path, run_id, self.stop, self.log)

    def stranger(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def standing(self) -> str | None:
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None


class CommandGateBench(Bench):
    knows_strangers = False

    def gate(self, run_id: str = "run") -> Gate:
        flag = str(self.directory / "closed")
        commands = Commands(self.stop, self.log)
        return CommandGate(commands, on=["touch", flag], off=["rm", "-f", flag], probe=["test", "-e", flag], timeout=5)

    def standing(self) -> str | None:
        return "closed" if (self.directory / "closed").exists() else None


@pytest.fixture(params=[FakeGateBench, FileGateBench, CommandGateBench], ids=["fake", "file", "command"])
def gates(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return request.param(tmp_path)


class FakePointerBench(Bench):
    can_be_edited = True

    def restarted(self) -> None:
        super().restarted()
        self.world.site.config = self.world.site.config.replace("server = old\n", CONFIG, 1)

    def pointer(self) -> Pointer:
        return FakePointer(self.world, cancellation=self.stop, recorder=self.log)

    def content(self) -> str:
        return self.world.site.config

    def edit(self, text: str) -> None:
        self.world.site.config = text


class FilePointerBench(Bench):
    can_be_edited = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.path = self.directory / "database.ini"
        self.path.write_text(CONFIG, encoding="utf-8")

    def pointer(self) -> Pointer:
        return FilePointer(self.path, [Replacement("server = old", "server = new")], self.stop, self.log)

    def content(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def edit(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")


class CommandPointerBench(Bench):
    can_be_edited = False

    def pointer(self) -> Pointer:
        flag = str(self.directory / "to-target")
        return CommandPointer(
            Commands(self.stop, self.log),
            forward=["touch", flag],
            back=["rm", "-f", flag],
            probe=["test", "-e", flag],
            timeout=5,
        )

    def content(self) -> str:
        return str((self.directory / "to-target").exists())


@pytest.fixture(params=[FakePointerBench, FilePointerBench, CommandPointerBench], ids=["fake", "file", "command"])
def pointers(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return request.param(tmp_path)


@dataclass
class WebBench:
    """A site of which the gate can be closed and which can stop to answer."""

    web: Web
    url: str
    elsewhere: str
    world: World

    def hang(self) -> None:
        self.world.fault("web", "hang", times=-1)

    def close(self, text: str) -> None:
        self.world.site.page = text


class _Pages(BaseHTTPRequestHandler):
    """The fake's own answers over a real socket: what differs then is the client alone."""

    world: World
    released: threading.Event

    def do_GET(self) -> None:
        if self.world.faults:
            self.released.wait(5)
        fake = FakeWeb(self.world)
        self.world.faults.clear()
        answer = fake.get(f"{self.world.site.url}{self.path}")
        body = answer.body.encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name.title(), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # the client gave up
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=["fake", "http"])
def site(request: pytest.FixtureRequest) -> Iterator[WebBench]:
    world = World.mailer()
    if request.param == "fake":
        yield WebBench(FakeWeb(world), world.site.url, "http://127.0.0.1:1", world)
        return
    released = threading.Event()
    handler = type("Pages", (_Pages,), {"world": world, "released": released})
    with served(handler) as url:
        yield WebBench(HttpWeb(Stoppable(SystemClock())), url, "http://127.0.0.1:1", world)
        released.set()


@pytest.fixture(params=[FakeClock, SystemClock], ids=["fake", "real"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return request.param()
