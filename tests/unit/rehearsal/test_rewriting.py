"""The plan of a rehearsal touches nothing of the real one, and says what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runbook.errors import NotSupported
from runbook.plan.load import load_plan
from runbook.rehearsal.rewriting import Rewritten, refuse_unfit, rewrite
from tests.unit.rehearsal.made import GATE, HEAD, POINT, plan_of

ENTRIES: dict[str, dict[str, Any]] = {
    "old": {"url": "sandbox://SQL01?version=2019", "expect": {"server_name": "SQL01", "version": 2019}},
    "new": {"url": "sandbox://RNEW?version=2022", "expect": {"server_name": "RNEW", "version": 2022}},
}


def rewritten(tmp_path: Path, text: str, port: int = 4321) -> Rewritten:
    return rewrite(plan_of(tmp_path, text), text, ENTRIES, port)


def test_servers_and_files_are_its_own(tmp_path: Path) -> None:
    """No address, login or file of the real plan is in it; it loads as a plan of its own directory."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/db.ini").write_text("s = old\n", encoding="utf-8")
    (tmp_path / "app/closed.html").write_text("closed today\n", encoding="utf-8")
    made = rewritten(tmp_path, HEAD + GATE + POINT)
    plan = load_plan(made.write(tmp_path / "rehearsal"))
    assert {str(server.url) for server in plan.servers.values()} == {entry["url"] for entry in ENTRIES.values()}
    assert all(server.password is None for server in plan.servers.values())
    assert (tmp_path / "rehearsal/app/db.ini").read_text(encoding="utf-8") == "s = old\n"
    assert not (tmp_path / "rehearsal/app/closed.html").exists(), "a gate that is closed today is none of its night"
    assert "sql01.example" not in (tmp_path / "rehearsal/runbook.yaml").read_text(encoding="utf-8")
    assert made.not_rehearsed == []


def test_files_that_lie_elsewhere(tmp_path: Path) -> None:
    """A path that leads out of the plan's directory is no path of the rehearsal."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "db.ini").write_text("s = old\n", encoding="utf-8")
    text = HEAD + GATE + POINT.replace("app/db.ini", "../db.ini")
    made = rewrite(plan_of(tmp_path / "plans", text), text, ENTRIES, 1)
    plan = load_plan(made.write(tmp_path / "rehearsal"))
    assert plan.repoint is not None
    assert plan.repoint.path.resolve().is_relative_to(tmp_path / "rehearsal")  # type: ignore[union-attr]
    assert plan.repoint.path.read_text(encoding="utf-8") == "s = old\n"  # type: ignore[union-attr]


def test_files_are_those_of_the_beginning(tmp_path: Path) -> None:
    """Every night gets what the first copy has, whatever became of the file since."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/db.ini").write_text("s = old\n", encoding="utf-8")
    made = rewritten(tmp_path, HEAD + GATE + POINT)
    made.write(tmp_path / "first")
    (tmp_path / "app/db.ini").unlink()
    made.write(tmp_path / "night", tmp_path / "first")
    assert (tmp_path / "night/app/db.ini").read_text(encoding="utf-8") == "s = old\n"


def test_scripts_of_one_name_stay_apart(tmp_path: Path) -> None:
    """Files of two databases that lie elsewhere under one name are two files of the rehearsal."""
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "up.sql").write_text(f"SELECT '{side}'\n", encoding="utf-8")
    (tmp_path / "plans").mkdir()
    text = (
        HEAD.replace("databases: [{name: Contacts}]", "databases: [{name: A}, {name: B}]")
        .replace("strategy: side-by-side", "strategy: scripts")
        .replace("target: new\n", "")
        + GATE
        + "scripts: [{database: A, files: [../a/up.sql]}, {database: B, files: [../b/up.sql]}]\n"
    )
    made = rewrite(plan_of(tmp_path / "plans", text), text, ENTRIES, 1)
    plan = load_plan(made.write(tmp_path / "rehearsal"))
    found = [path.read_text(encoding="utf-8") for entry in plan.scripts for path in entry.files]
    assert found == ["SELECT 'a'\n", "SELECT 'b'\n"]


COMMANDS = (
    'gate: {kind: command, on: ["a"], off: ["b"], probe: ["c"], '
    "probes: [{url: 'http://real/x', closed: {status: 503}, open: {status: 200}}]}\n"
    'repoint: {kind: command, forward: ["d"], back: ["e"], probe: ["f"]}\n'
    "exchange: {source: /backup/x}\n"
)


def test_commands_are_not_run_unasked(tmp_path: Path) -> None:
    """Files stand in for the commands of gate and repoint, and the result says so."""
    made = rewritten(tmp_path, HEAD + COMMANDS)
    plan = load_plan(made.write(tmp_path / "rehearsal"))
    assert plan.repoint is not None
    assert (plan.gate.kind, plan.repoint.kind) == ("file", "file")
    said = " ".join(made.not_rehearsed)
    for what in ("the gate (command)", "clients are not pointed", "http://real/x is not asked", "backups go"):
        assert what in said


def test_commands_are_run_when_the_plan_says_so(tmp_path: Path) -> None:
    """run_commands keeps them."""
    made = rewritten(tmp_path, HEAD + COMMANDS + "rehearsal: {run_commands: true}\n")
    plan = load_plan(made.write(tmp_path / "rehearsal"))
    assert plan.repoint is not None
    assert (plan.gate.kind, plan.repoint.kind) == ("command", "command")


def test_pages_of_the_copy(tmp_path: Path) -> None:
    """Probes and checks below the address that the copy stands for go to the copy; others are left out and named."""
    text = (
        HEAD + "gate: {kind: file, path: c.html, text: Planned work, probes: ["
        "{url: 'http://app:80/x?y=1', closed: {status: 503}, open: {status: 200}}]}\n"
        + POINT
        + "checks: {http: [{name: a, url: 'http://app:80'}, {name: b, url: 'http://app:8080/'}]}\n"
        + "rehearsal: {application: {run: [x], stands_for: 'http://app:80'}}\n"
    )
    made = rewritten(tmp_path, text)
    assert made.document["gate"]["probes"][0]["url"] == "http://127.0.0.1:4321/x?y=1"
    assert [one["url"] for one in made.document["checks"]["http"]] == ["http://127.0.0.1:4321"]
    assert made.not_rehearsed == ["http://app:8080/ is not asked"]


@pytest.mark.parametrize("strategy", ["in-place", "container"])
def test_what_replaces_an_engine_is_refused(tmp_path: Path, strategy: str) -> None:
    """A throwaway server has no packages, and no container beside it."""
    text = HEAD + GATE + POINT
    plan = plan_of(tmp_path, text).model_copy(update={"strategy": strategy})
    with pytest.raises(NotSupported, match=f"the strategy {strategy} cannot be rehearsed"):
        refuse_unfit(plan)
