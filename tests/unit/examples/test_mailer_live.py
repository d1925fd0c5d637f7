"""The demo on a server: what was made is there, the application reads and writes it, and a repoint takes effect."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.mailer import prepare, seed
from runbook.sandbox import manage

pytestmark = pytest.mark.e2e


class Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at, not followed: they lead out of the machine."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Status, Location and text."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.build_opener(Stay).open(url, data, timeout=20) as answer:
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get("Location", ""), answer.read().decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``server.json`` of a simulated server that holds the small demo."""
    directory = tmp_path_factory.mktemp("demo") / "OLDSQL"
    manage.start(directory, "OLDSQL", "2019")
    try:
        counts = seed.seed(seed.connector(None, directory / "server.json"), 0.01)
        assert counts["Contacts.dbo.Contact"] == 100
        assert counts["Archive.legacy.Customer Data 2009"] == 10
        assert len(counts) >= 40
        yield directory / "server.json"
    finally:
        manage.stop(directory)


@pytest.fixture
def app(server: Path, tmp_path: Path) -> Iterator[prepare.RunningApp]:
    """The application on that server; the new one is not there."""
    (tmp_path / "none.json").write_text(json.dumps({"port": 9, "user": "sa", "password": "x"}))
    prepare.render_config(tmp_path / "app", server, tmp_path / "none.json")
    running = prepare.start_app(tmp_path / "app", 0)
    yield running
    prepare.stop_app(running)


def test_seeding_again_changes_nothing_and_another_scale_is_refused(server: Path) -> None:
    """Idempotent; what is there is never overwritten unasked."""
    connect = seed.connector(None, server)
    assert seed.seed(connect, 0.01)["Campaigns.send.Delivery"] >= 100
    with pytest.raises(seed.SeedError, match="scale") as refusal:
        seed.seed(connect, 0.02)
    assert "--reset" in str(refusal.value)


def test_two_jobs_are_off_and_one_login_is_disabled(server: Path) -> None:
    """What an upgrade has to put back exactly."""
    cnx = seed.connector(None, server)()
    try:
        jobs = dict(seed.query(cnx, "SELECT name, enabled FROM msdb.dbo.sysjobs"))
        logins = dict(seed.query(cnx, "SELECT name, is_disabled FROM sys.sql_logins WHERE name <> N'sa'"))
        owner = seed.query(cnx, "SELECT SUSER_SNAME(owner_sid) FROM sys.databases WHERE name = N'Billing'")
    finally:
        cnx.close()
    assert sorted(name for name, on in jobs.items() if not on) == [
        "Mailer: archive old campaigns",
        "Mailer: legacy CRM import",
    ]
    assert len(jobs) == 9
    assert [name for name, off in logins.items() if off] == ["mailer_owner"]
    assert owner == [("mailer_owner",)]


def test_the_application_reads_and_writes(app: prepare.RunningApp) -> None:
    """Pages show rows, a contact is added once, an unsubscribe takes effect, a click is recorded and redirected."""
    status, _, text = ask(f"{app.url}/")
    assert status == 200
    assert "OLDSQL" in text
    status, where, _ = ask(f"{app.url}/contacts", {"email": "new.ö@example.com", "first_name": "<Zoë>"})
    assert (status, where.startswith("/contacts?added=")) == (303, True)
    assert ask(f"{app.url}/contacts", {"email": "NEW.Ö@example.com"})[0] == 409
    assert ask(f"{app.url}/contacts", {"email": "nonsense"})[0] == 400
    assert "&lt;Zoë&gt;" in ask(app.url + where)[2]
    assert ask(f"{app.url}/unsubscribe?c=1001")[0] == 200
    assert ask(f"{app.url}/unsubscribe?c=1001")[0] == 200
    assert ask(f"{app.url}/unsubscribe?c=7")[0] == 404
    status, where, _ = ask(f"{app.url}/click/1?c=1001")
    assert (status, where.startswith("https://shop.example.com/")) == (302, True)


def test_a_repoint_takes_effect_without_a_restart(app: prepare.RunningApp, tmp_path: Path) -> None:
    """The next request goes to the server the file names, and back again."""
    assert json.loads(ask(f"{app.url}/health")[2])["server"] == "OLDSQL"
    file = tmp_path / "app" / "database.ini"
    text = file.read_text("utf-8")
    file.write_text(text.replace("active = old", "active = new"), "utf-8")
    status, _, body = ask(f"{app.url}/health")
    assert (status, json.loads(body)["server"], json.loads(body)["active"]) == (503, None, "new")
    file.write_text(text, "utf-8")
    assert json.loads(ask(f"{app.url}/health")[2])["status"] in ("ok", "degraded")
