"""The workflows in examples/ci: what a team copies has to be taken by GitHub and GitLab, and by this program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.cli.rehearsing import rehearse

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
BREAKS = {"github-actions.yml": ("runs-on:", "runs-at:"), "gitlab-ci.yml": ("when: manual", "when: somehow")}


def checked(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    """Against the schema that check-jsonschema carries: nothing is fetched."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_every_file_is_checked() -> None:
    """None is left out when another one comes."""
    assert {path.name for path in FOLDER.glob("*.yml")} == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_valid(name: str, tmp_path: Path) -> None:
    """As it is; and the check says no to a key that nobody knows."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert checked(FOLDER / name, SCHEMAS[name]).returncode == 0
    broken = tmp_path / name
    right, wrong = BREAKS[name]
    assert right in text
    broken.write_text(text.replace(right, wrong), encoding="utf-8")
    assert checked(broken, SCHEMAS[name]).returncode == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_its_commands_exist(name: str) -> None:
    """Every command of this program in it has options that there are, and writes what the workflow keeps."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    found = re.findall(r"^\s*(?:run:|-) runbook rehearse (.*)$", text, re.MULTILINE)
    assert found
    for line in found:
        words = shlex.split(line.replace("$SERVERS", "sandbox").replace("$LICENCE", "--accept-eula"))
        context = rehearse.make_context("rehearse", words)
        for written in ("junit", "markdown"):
            path = context.params[written]
            assert path is None or f"{path}" in text.replace(line, "")
