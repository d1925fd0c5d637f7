"""Where somebody rehearses: a small plan, and a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from runbook.rehearsal.place import VARIABLE
from tests.e2e.system import Outcome

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
    """Where somebody rehearses: a plan, and a home of its own. ``variables``: more of the environment."""

    def __init__(self, directory: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self.variables = dict(variables)
        self.home = directory / "home"
        self.directory = directory / "plan"
        self.directory.mkdir()
        self.plan = self.directory / "runbook.yaml"
        self.plan.write_text(PLAN, encoding="utf-8")
        (self.directory / "seed.sql").write_text(SEED, encoding="utf-8")
        self.more_path = ""
        """Of packages beside this program."""

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runbook", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        own = {"RUNBOOK_HOME": str(self.home), "PYTHONPATH": f"{ROOT}:{self.more_path}", "COLUMNS": "200"}
        return {**kept, **self.variables, **own}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Type a command, and do not wait for it."""
        return subprocess.Popen(
            self.words(*arguments), env=self.environment, cwd=self.directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def runbook(self, *arguments: str, timeout: float = 500) -> Outcome:
        done = subprocess.run(
            self.words(*arguments), env=self.environment, cwd=self.directory, capture_output=True, text=True,
            timeout=timeout, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def change(self, old: str, new: str) -> None:
        text = self.plan.read_text(encoding="utf-8")
        assert old in text
        self.plan.write_text(text.replace(old, new), encoding="utf-8")

    def running(self) -> list[int]:
        """Everything that was started for a rehearsal of this home, and lives."""
        mark = f"{VARIABLE}={(self.home / 'rehearsals').resolve()}/"
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            and (str(self.home).encode() in _read(entry / "cmdline") or mark.encode() in _read(entry / "environ"))
        ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
