"""Good plans: what the models hold, defaults, and the questions other parts ask of a plan."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from runbook.errors import PlanErrors, UsageError
from runbook.plan.compile import compile_plan
from runbook.plan.document import parse
from runbook.plan.gates import CommandGate, FileGate, NoGate
from runbook.plan.load import load_plan
from runbook.plan.models import Plan
from runbook.plan.schema import View
from runbook.plan.sections import CommandRepoint, FileRepoint
from runbook.registry import step_kinds
from runbook.step import Sizes

GOOD = Path(__file__).parents[2] / "cases" / "plans" / "good"


def plan_of(name: str) -> Plan:
    return load_plan(GOOD / name / "runbook.yaml")


def test_every_key_of_the_schema_is_in_a_good_plan() -> None:
    """The good plans together hold every key there is, so that mutating them reaches every validator."""
    seen: set[tuple[int, str]] = set()
    for name in ("side-by-side", "commands", "scripts", "nginx", "in-place", "in-place-windows"):
        root, _ = parse((GOOD / name / "runbook.yaml").read_text(encoding="utf-8"))
        seen |= {(len(node.path), str(node.path[-1])) for node in root.walk() if node.path}
    keys = {key for _, key in seen}
    assert set(View().keys) <= keys
    for section in ("window", "exchange", "jobs", "sessions", "carry", "checks", "proof", "preflight", "limits"):
        assert set(View().down(section).keys) - {"reason"} <= keys


def test_paths_and_durations() -> None:
    """Local paths are absolute, durations are timedeltas whose ``seconds`` is the whole length."""
    plan = plan_of("side-by-side")
    assert plan.path == GOOD / "side-by-side" / "runbook.yaml"
    assert plan.directory == GOOD / "side-by-side"
    assert plan.window.length == timedelta(hours=4)
    assert plan.window.length.seconds == 14400.0
    assert plan.preflight.checkdb_max_age.seconds == 7 * 86400.0
    assert isinstance(plan.gate, FileGate)
    assert plan.gate.path == plan.directory / "app" / "maintenance.html"
    assert isinstance(plan.repoint, FileRepoint)
    assert plan.repoint.replace[0].from_ == "server = {source.host}"


def test_relative_plan_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan named by a relative path keeps its place when the process later changes directory."""
    monkeypatch.chdir(GOOD)
    plan = load_plan(Path("scripts/runbook.yaml"))
    assert plan.path.is_absolute()
    assert plan.scripts[0].files[0] == GOOD / "scripts" / "sql" / "001_add_consent.sql"


def test_servers_know_their_names() -> None:
    """A server is found by role or name; its password reference names its key."""
    plan = plan_of("side-by-side")
    assert plan.source_server is plan.server("source") is plan.server("old")
    assert plan.target_server is plan.server("target")
    assert plan.source_server.name == "old"
    assert plan.source_server.password is not None
    assert plan.source_server.password.key == "servers.old.password"
    assert (plan.source_server.url.host, plan.source_server.url.port) == ("sql01", 1433)
    assert plan.server("new").version == 2022
    with pytest.raises(UsageError, match="no server 'other'"):
        plan.server("other")


def test_scripts_plan_has_no_target() -> None:
    """With scripts there is one server; its target is None, and asking for it is wrong usage."""
    plan = plan_of("scripts")
    assert plan.target_server is None
    assert isinstance(plan.gate, NoGate)
    with pytest.raises(UsageError):
        plan.server("target")


def test_commands() -> None:
    """Gate and repoint commands are argument tuples with a time limit."""
    plan = plan_of("commands")
    assert isinstance(plan.gate, CommandGate)
    assert plan.gate.on == ("gatectl", "close")
    assert plan.gate.timeout.seconds == 45.0
    assert isinstance(plan.repoint, CommandRepoint)
    assert plan.repoint.back == ("point", "old")
    assert plan.source_server.url.instance == "MAIL"


@pytest.mark.parametrize(
    ("step_id", "budgets"),
    [
        ("backup-database[Archive]", (3600.0, 5.0)),
        ("backup-database[Contacts]", (1200.0, None)),
        ("backup-database", (1200.0, None)),
        ("restore-database[Archive]", (None, None)),
    ],
)
def test_budget_for(step_id: str, budgets: tuple[float | None, float | None]) -> None:
    """A stated budget is found by the exact id first, then by the step's name."""
    assert plan_of("side-by-side").budget_for(step_id) == budgets


@pytest.mark.parametrize(
    ("window", "reserve"), [("30s", 5.0), ("10m", 30.0), ("1h", 180.0), ("4h", 600.0), ("12h", 600.0)]
)
def test_default_reserve(tmp_path: Path, window: str, reserve: float) -> None:
    """Without a stated reserve: 5 % of the window, at least 5 s, at most 10 min."""
    text = (GOOD / "commands" / "runbook.yaml").read_text(encoding="utf-8").replace("1h30m", window)
    path = tmp_path / "runbook.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_plan(path).window.reserve_for().seconds == reserve


def test_reserve_follows_the_window_of_the_night() -> None:
    """A default reserve is taken of the window in force; a stated one stays."""
    assert plan_of("commands").window.reserve_for(timedelta(seconds=60)).seconds == 5.0
    assert plan_of("side-by-side").window.reserve_for(timedelta(seconds=60)).seconds == 600.0


def test_proof_levels() -> None:
    """A table's own level wins over the plan's, whatever the case of its name."""
    plan = plan_of("side-by-side")
    assert plan.proof_level("archive", "DBO", "clicks") == ("count", "400 million rows; insert-only")
    assert plan.proof_level("Archive", "old data", "a.b]c") == ("sample", "too wide")
    assert plan.proof_level("Contacts", "dbo", "Clicks") == ("content", None)


def test_exchange_defaults_to_the_source_backup_directory() -> None:
    """Where backups are handed over: stated, else the source's backup directory for both."""
    assert plan_of("side-by-side").exchange_directories() == ("/backup/exchange", "/mnt/exchange")
    assert plan_of("commands").exchange_directories() == (None, None)


def test_query_server_defaults() -> None:
    """A query check runs on the target unless it says otherwise."""
    plan = plan_of("side-by-side")
    assert [plan.query_server(check).name for check in plan.checks.queries] == ["new", "new"]


def test_plan_cannot_be_changed() -> None:
    """A plan is what was read: assigning to it fails."""
    plan = plan_of("side-by-side")
    with pytest.raises(ValidationError):
        plan.source = "new"  # type: ignore[misc]


def test_folded_text_is_what_was_written() -> None:
    """Text folded over several lines reaches the server as one line, without marks of the parser's own."""
    root, _ = parse("sql: >-\n  SELECT COUNT(*)\n  FROM dbo.Contact\n")
    assert [node.value for node in root.walk() if isinstance(node.value, str)] == ["SELECT COUNT(*) FROM dbo.Contact"]


def test_a_budget_for_no_step_is_refused(tmp_path: Path) -> None:
    """A slip in a name would leave the measured time out of the turn-back point; every good plan's names are known."""
    for name in ("side-by-side", "nginx", "in-place", "container"):
        compile_plan(plan_of(name), step_kinds(), Sizes())
    shutil.copytree(GOOD / "side-by-side", tmp_path / "plan")
    path = tmp_path / "plan" / "runbook.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("budgets:\n", "budgets:\n  drain-sesions: 3s\n"), encoding="utf-8")
    with pytest.raises(PlanErrors, match=r"budgets\.drain-sesions: no step of this plan has that name") as caught:
        compile_plan(load_plan(path), step_kinds(), Sizes())
    assert caught.value.hint == "Did you mean drain-sessions?"
