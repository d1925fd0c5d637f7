"""``runbook rehearse`` as it is typed: real processes on throwaway servers, and nothing of it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from runbook.rehearsal.place import working_for
from tests.e2e.system import Outcome, wait_until

ROOT = Path(__file__).resolve().parents[2]
SEED = """\
CREATE LOGIN app WITH PASSWORD = N'Nobody.knows.1'
GO
CREATE DATABASE Alpha
GO
USE Alpha
CREATE TABLE dbo.Item (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)
INSERT INTO dbo.Item (Id, Name) VALUES (1, N'one'), (2, N'two')
GO
"""
PLAN = """\
runbook: 1
name: small
strategy: side-by-side
window: {length: 5m}
servers:
  old: {url: "sandbox://REALOLD?version=2019"}
  new: {url: "sandbox://REALNEW?version=2022"}
source: old
target: new
databases: [{name: Alpha}]
gate: {kind: file, path: closed.html, text: Planned work}
repoint:
  kind: command
  forward: [sh, -c, "echo new > clients"]
  back: [sh, -c, "echo old > clients"]
  probe: [sh, -c, 'test "$(cat clients 2>/dev/null)" = new']
sessions: {grace: 0s}
checks: {queries: [{name: two, database: Alpha, sql: SELECT COUNT(*) FROM dbo.Item, equals: 2}]}
rehearsal: {required: true, scripts: [seed.sql], run_commands: true}
"""


class Desk:
    """Where somebody rehearses: a plan, and a home of its own."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.directory = directory / "plan"
        self.directory.mkdir()
        self.plan = self.directory / "runbook.yaml"
        self.plan.write_text(PLAN, encoding="utf-8")
        (self.directory / "seed.sql").write_text(SEED, encoding="utf-8")

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runbook", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        return {**kept, "RUNBOOK_HOME": str(self.home), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def runbook(self, *arguments: str) -> Outcome:
        done = subprocess.run(
            self.words(*arguments), env=self.environment, cwd=self.directory, capture_output=True, text=True,
            timeout=500, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def change(self, old: str, new: str) -> None:
        text = self.plan.read_text(encoding="utf-8")
        assert old in text
        self.plan.write_text(text.replace(old, new), encoding="utf-8")

    def running(self) -> list[int]:
        """Everything that was started for a rehearsal of this home, and lives."""
        found = []
        for place in (self.home / "rehearsals").glob("*"):
            found += working_for(place)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and str(self.home).encode() in _command(entry):
                found.append(int(entry.name))
        return found


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_rehearsal_that_is_right(desk: Desk, tmp_path: Path) -> None:
    """Forward, back, steps that fail, ones that hang, an executor that is killed, a row that was changed: each ends
    where it must; the plan's own servers are not even there afterwards, nothing runs on, and execute still refuses,
    because only a part was rehearsed."""
    junit = tmp_path / "junit.xml"
    only = [
        "back",
        "fail:recover-*",
        "fail:enable-jobs",
        "hang:compare-*",
        "hang:check-clock",
        "kill:upgrade",
        "data:*",
    ]
    done = desk.runbook(
        "rehearse", "--json", "--junit", str(junit), *(word for one in only for word in ("--only", one))
    )
    found = done.json
    assert {one["scenario"]: (one["ending"], one["wrong"]) for one in found["scenarios"]} == {
        "forward": ("new setup", []),
        "back": ("old setup", []),
        "hang:check-clock": ("refused", []),
        "hang:compare-proof[Alpha]": ("old setup", []),
        "fail:recover-database[Alpha]": ("old setup", []),
        "fail:enable-jobs": ("held, then new setup", []),
        "kill:upgrade": ("new setup", []),
        "data:Alpha": ("old setup", []),
    }
    assert done.code == 0
    assert ET.parse(junit).getroot().get("tests") == "8"
    assert found["measured"]["steps"]["cut-database[Alpha]"].keys() == {"do_s", "undo_s"}
    assert found["measured"]["sizes"]
    assert not (desk.home / "sandbox").exists(), "the plan's own servers were started"
    assert not (desk.directory / "clients").exists(), "the plan's own commands ran in the plan's own directory"
    assert desk.running() == []
    assert list((desk.home / "rehearsals").iterdir()) == []
    refused = desk.runbook("execute", "--yes")
    assert refused.code == 30
    assert "in part only" in refused.err


def test_a_way_back_that_does_not_work(desk: Desk) -> None:
    """A command that should point clients back and fails: the rehearsal ends with 20 and names the step, what is left
    of that night can be read, and the same plan is refused by execute."""
    desk.change('back: [sh, -c, "echo old > clients"]', 'back: [sh, -c, "exit 3"]')
    done = desk.runbook("rehearse", "--only", "back")
    assert done.code == 20, done.out + done.err
    assert "at repoint: held" in done.out
    evidence = next((desk.home / "rehearsals").glob("*/evidence/back"))
    assert (evidence / "journal.db").exists()
    assert desk.running() == []
    assert desk.runbook("execute", "--yes").code == 30


def test_a_check_that_cannot_hold(desk: Desk) -> None:
    """A night that turns back where it should go forward: 10, and the step that was the reason."""
    desk.change("equals: 2", "equals: 3")
    done = desk.runbook("rehearse", "--json")
    assert done.code == 10
    (one,) = done.json["scenarios"]
    assert (one["scenario"], one["ending"], one["step"]) == ("forward", "old setup", "run-queries")


def test_killed_and_cleaned(desk: Desk) -> None:
    """kill -9 of the rehearsal in the middle of a night: --clean ends every process and deletes every file of it."""
    process = subprocess.Popen(
        desk.words("rehearse", "--only", "back"), env=desk.environment, cwd=desk.directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    rehearsals = desk.home / "rehearsals"
    wait_until(lambda: any(rehearsals.glob("*/nights/*/home/journal.db")) or process.poll() is not None, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert desk.running() != [], "there was nothing to clean"
    assert desk.runbook("rehearse", "--clean").code == 0
    assert desk.running() == []
    assert list(rehearsals.iterdir()) == []


def test_a_reason_to_go_unrehearsed(desk: Desk) -> None:
    """Without a rehearsal execute refuses; with a reason it goes, and the record of the run holds the reason."""
    assert desk.runbook("execute", "--yes").code == 30
    begun = desk.runbook("execute", "--yes", "--unrehearsed", "tried by hand", "--no-guard", "--json")
    try:
        assert any("tried by hand" in text for text in begun.json["findings"]), json.dumps(begun.json)
    finally:
        desk.runbook("sandbox", "stop")
