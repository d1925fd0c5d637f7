"""``runbook init --server``: as careful with a server as a plan is, and a plan that logs in the same way."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.adapters.sqlserver.connection import refusal
from runbook.adapters.sqlserver.diagnostics import Diagnosis
from runbook.adapters.sqlserver.target import Address, ServerTarget
from runbook.commands import starting
from runbook.errors import RunbookError, SecretMissing, UsageError
from runbook.home import Home
from runbook.plan.load import FILL_IN, read_plan
from runbook.plan.models import Plan
from runbook.registry import step_kinds

URL = "mssql://sql01"


class Answering:
    """Stands for ``open_server``: keeps how it was asked, and answers or refuses."""

    def __init__(self, diagnosis: Diagnosis | None = None) -> None:
        self.asked: list[ServerTarget] = []
        self.secrets: list[str] = []
        self._diagnosis = diagnosis

    def __call__(self, role: str, target: ServerTarget, *_: object) -> Answering:
        self.asked.append(target)
        if target.password:
            self.secrets.append(target.password().reveal())
        if self._diagnosis:
            raise refusal(role, Address("sql01", 1433, target.user, None), self._diagnosis)
        return self

    def identity(self) -> Any:
        return SimpleNamespace(major=15, server_name="SQL01")

    def has_agent(self) -> bool:
        return False

    def databases(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for plans, and a password in the environment and in a file beside the plan."""
    monkeypatch.setenv("SQL_SECRET", "s3cret")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "pw.txt").write_text("fr0mfile\n", encoding="utf-8")
    return tmp_path / "plans"


def init(folder: Path, monkeypatch: pytest.MonkeyPatch, answering: Answering, **options: Any) -> str:
    """The text of the plan that was written."""
    monkeypatch.setattr(starting, "open_server", answering)
    path = folder / "runbook.yaml"
    starting.init(Home(folder, "sqlite://"), path, **options)
    return path.read_text(encoding="utf-8")


def filled(text: str, folder: Path) -> Plan:
    """The plan with something written in every marked place."""
    head, mark, body = text.partition("servers:")
    count = iter(range(99))
    return read_plan(head + mark + FILL_IN.sub(lambda _: f"mssql://filled{next(count)}", body), folder / "runbook.yaml")


def test_a_certificate_is_checked_unless_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a plan: the password goes to a server that somebody vouches for."""
    server = Answering()
    text = init(folder, monkeypatch, server, server=URL, user="sa", password="env:SQL_SECRET")
    assert [(one.encrypt, one.trust_certificate) for one in server.asked] == [(True, False)]
    assert "trust_certificate" not in text


def test_the_plan_logs_in_as_init_did(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, reference and trust stand in the plan as they were given."""
    options = {"server": URL, "user": "sa", "password": "env:SQL_SECRET", "trust_certificate": True}
    server = Answering()
    plan = filled(init(folder, monkeypatch, server, **options), folder)
    assert server.asked[0].trust_certificate
    old = plan.servers["old"]
    assert (old.user, str(old.password), old.trust_certificate) == ("sa", "env:SQL_SECRET", True)
    assert not plan.servers["new"].trust_certificate


def test_a_password_file_is_where_the_plan_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the plan, so that the same words mean the same file."""
    server = Answering()
    plan = filled(init(folder, monkeypatch, server, server=URL, user="sa", password="file:pw.txt"), folder)
    assert server.secrets == ["fr0mfile"]
    assert plan.servers["old"].password is not None
    assert plan.servers["old"].password.resolve().reveal() == "fr0mfile"


@pytest.mark.parametrize(
    ("diagnosis", "remedy"),
    [
        (Diagnosis("28000", 18456, "Login failed for user 'sa'."), "--user and --password"),
        (Diagnosis("08001", None, "certificate verify failed:self-signed certificate"), "--trust-certificate"),
        (Diagnosis("08001", None, "Encryption not supported on SQL Server."), "without --server"),
    ],
)
def test_a_refusal_speaks_of_options(
    folder: Path, monkeypatch: pytest.MonkeyPatch, diagnosis: Diagnosis, remedy: str
) -> None:
    """There is no plan yet whose keys could be mended."""
    with pytest.raises(RunbookError) as caught:
        init(folder, monkeypatch, Answering(diagnosis), server=URL, user="sa", password="env:SQL_SECRET")
    assert remedy in caught.value.hint
    assert "servers." not in caught.value.hint
    assert not (folder / "runbook.yaml").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"server": URL, "user": "sa"},
        {"server": URL, "password": "env:SQL_SECRET"},
        {"user": "sa", "password": "env:SQL_SECRET"},
        {"trust_certificate": True},
        {"server": "sandbox://OLD?version=2019", "user": "sa", "password": "env:SQL_SECRET"},
        {"server": "sandbox://OLD?version=2019", "trust_certificate": True},
        {"server": URL, "user": "sa", "password": "s3cret"},
    ],
    ids=str,
)
def test_what_a_plan_would_refuse(folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """Is refused before a server is asked, and no plan is written."""
    server = Answering()
    with pytest.raises(UsageError) as caught:
        init(folder, monkeypatch, server, **options)
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert server.asked == []
    assert not (folder / "runbook.yaml").exists()


def test_a_missing_password_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its reference."""
    with pytest.raises(SecretMissing, match="NOT_SET_ANYWHERE"):
        init(folder, monkeypatch, Answering(), server=URL, user="sa", password="env:NOT_SET_ANYWHERE")


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_the_example_of_a_budget_names_a_step(folder: Path, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    """Whoever takes away the mark of the comment gets what it says."""
    text = init(folder, monkeypatch, Answering(), strategy=strategy)
    found = re.search(r"^# budgets:.*\n#   ([\w-]+): \w+$", text, re.MULTILINE)
    assert found is not None
    assert found[1] in {kind.name for kind in step_kinds() if strategy in {str(one) for one in kind.strategies}}
