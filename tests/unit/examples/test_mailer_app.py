"""The demo's application: what users get while the maintenance file is there, and how it treats its sessions."""

from __future__ import annotations

import json
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.mailer import prepare

ROOT = Path(prepare.__file__).parent
sys.path.insert(0, str(ROOT))

import pyodbc  # noqa: E402
from mailer_data.connecting import Server  # noqa: E402
from mailer_web import config, pool  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The application's configuration; nothing listens where the servers should be."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for name in ("old", "new"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"port": port, "user": "sa", "password": "s;e}c"}))
    prepare.render_config(tmp_path / "app", tmp_path / "old.json", tmp_path / "new.json")
    return tmp_path / "app"


@pytest.fixture
def running(folder: Path) -> Iterator[prepare.RunningApp]:
    """The application as a process of its own."""
    app = prepare.start_app(folder, 0)
    yield app
    prepare.stop_app(app)
    assert app.process.returncode == 0


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, Retry-After and text of a page."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.headers.get("Retry-After", ""), answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get("Retry-After", ""), answer.read().decode()


@pytest.mark.e2e
def test_the_maintenance_file_keeps_everybody_out_but_the_token(folder: Path, running: prepare.RunningApp) -> None:
    """503 with the file's own text on every page from the moment it is there; the token opens /health alone."""
    assert get(f"{running.url}/nowhere")[0] == 404
    (folder / "maintenance.html").write_text("planned maintenance, back by noon 🙏", encoding="utf-8")
    for page in ("/", "/contacts", "/click/1", "/nowhere", "/health", "/contacts?bypass=look-inside"):
        assert get(running.url + page) == (503, "1800", "planned maintenance, back by noon 🙏")
    status, _, text = get(f"{running.url}/health?bypass=look-inside")
    assert (status, json.loads(text)["maintenance"], json.loads(text)["active"]) == (503, True, "old")
    (folder / "maintenance.html").unlink()
    assert get(f"{running.url}/nowhere")[0] == 404


@pytest.mark.e2e
def test_a_database_that_is_away_is_said_to_be_away(folder: Path, running: prepare.RunningApp) -> None:
    """Plain words and 503, no traceback; no password in what the application writes down."""
    status, retry, text = get(f"{running.url}/contacts")
    assert (status, retry) == (503, "30")
    assert "cannot reach its database" in text
    assert "Traceback" not in text
    assert "Post-" not in (folder / "app.log").read_text()


def test_the_active_server_is_read_anew(folder: Path) -> None:
    """Replacing the one word repoints the next request; a wrong word is a clear error."""
    assert config.AppConfig.read(folder).active == "old"
    text = (folder / "database.ini").read_text("utf-8")
    assert text.count("active = old") == 1
    (folder / "database.ini").write_text(text.replace("active = old", "active = new"), "utf-8")
    assert config.AppConfig.read(folder).active == "new"
    (folder / "database.ini").write_text(text.replace("active = old", "active = none"), "utf-8")
    with pytest.raises(config.ConfigError, match="none"):
        config.AppConfig.read(folder)


def test_connection_values_are_quoted() -> None:
    """A password with a semicolon and a brace does not end early or add a keyword."""
    assert "PWD={a;b}}c}" in Server("h", 1, "u", "a;b}c").dsn("master", "test")


class Session:
    """A stand-in for a session: answers, or is dead."""

    def __init__(self, *, dead: bool = False) -> None:
        self.dead = dead
        self.closed = False

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.closed = True


class Cursor:
    """What a session's questions are put with."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def execute(self) -> str:
        if self.session.dead:
            raise pyodbc.OperationalError("08S01", "gone")
        return "answer"

    def nextset(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """Every session that was opened, in order."""
    opened: list[Session] = []

    def connect(*_: object, **__: object) -> Session:
        opened.append(Session())
        return opened[-1]

    monkeypatch.setattr(Server, "connect", connect)
    return opened


OLD, NEW = Server("old", 1, "u", "p"), Server("new", 1, "u", "p")


def test_sessions_to_the_old_server_end_when_the_application_is_repointed(sessions: list[Session]) -> None:
    """A pool that kept them would write to the old server, or keep it from getting quiet."""
    keeper = pool.Pool()
    keeper.using(OLD, "old").ask("Contacts", lambda cursor: cursor.execute())
    keeper.using(OLD, "old").ask("Contacts", lambda cursor: cursor.execute())
    assert len(sessions) == 1
    keeper.using(NEW, "new").ask("Contacts", lambda cursor: cursor.execute())
    assert [session.closed for session in sessions] == [True, False]


def test_a_session_in_use_during_the_repoint_is_not_kept(sessions: list[Session]) -> None:
    """It comes back after the change and is closed, not reused."""
    keeper = pool.Pool()
    keeper.using(OLD, "old").ask("Contacts", lambda cursor: keeper.using(NEW, "new") and cursor.execute())
    assert sessions[0].closed


def test_a_dead_session_is_replaced_for_reads_only(sessions: list[Session]) -> None:
    """A read is asked again on a new session; after a write nobody knows, so the error is told."""
    keeper = pool.Pool().using(OLD, "old")
    keeper.ask("Contacts", lambda cursor: cursor.execute())
    sessions[0].dead = True
    assert keeper.ask("Contacts", lambda cursor: cursor.execute()) == "answer"
    sessions[1].dead = True
    with pytest.raises(pyodbc.OperationalError):
        keeper.ask("Contacts", lambda cursor: cursor.execute(), again=False)
    assert all(session.closed for session in sessions)


def test_idle_sessions_end_by_themselves(sessions: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    """After their lifetime the sweep closes them, without a request."""
    keeper = pool.Pool().using(OLD, "old")
    keeper.ask("Contacts", lambda cursor: cursor.execute())
    keeper.sweep()
    assert not sessions[0].closed
    monkeypatch.setattr(pool, "LIFETIME", 0.0)
    keeper.sweep()
    assert sessions[0].closed


def test_the_plans_can_be_laid_out_elsewhere(tmp_path: Path) -> None:
    """For a checkout that cannot be written: plans, scripts and text are copied, the port is changed throughout."""
    app = prepare.lay_out(tmp_path / "night", app_port=12345)
    assert app == tmp_path / "night" / "state" / "app"
    text = (tmp_path / "night" / "runbook.yaml").read_text("utf-8")
    assert "127.0.0.1:12345" in text
    assert "8095/" not in text
    assert (tmp_path / "night" / "sql" / "001_consent_tables.sql").exists()
