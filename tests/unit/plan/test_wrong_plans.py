"""Wrong plans as data files: each names file, line, key and remedy, all of it in one go."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from runbook.errors import PlanErrors, UsageError, render
from runbook.plan.load import load_plan

CASES = Path(__file__).parents[2] / "cases" / "plans" / "wrong"
NAMES = sorted(path.name for path in CASES.iterdir())


def expected_of(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load((CASES / name / "expected.yaml").read_text(encoding="utf-8"))


def refused(path: Path) -> PlanErrors:
    with pytest.raises(PlanErrors) as caught:
        load_plan(path)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_wrong_plan(name: str) -> None:
    """A wrong plan is refused with exactly the findings written beside it."""
    path = CASES / name / "runbook.yaml"
    expected = expected_of(name)

    errors = refused(path)

    found = [
        {"line": e.line, "column": e.column, "key": e.key, "message": e.message, "hint": e.hint} for e in errors.errors
    ]
    assert found == expected["errors"]
    assert {e.file for e in errors.errors} == {str(path)}
    assert errors.exit_code == expected["exit_code"] == 30


@pytest.mark.parametrize("name", NAMES)
def test_style_of_findings(name: str) -> None:
    """Messages are lowercase without a full stop; hints are sentences; each renders as two plain lines."""
    errors = refused(CASES / name / "runbook.yaml")
    for error in errors.errors:
        assert error.message
        assert not error.message.endswith(".")
        assert error.message[0].islower() or not error.message[0].isalpha() or error.message.startswith(("YAML", "UTF"))
        assert error.hint[0].isupper()
        assert error.hint.rstrip("`)]}>.?")[-1].isprintable()
    lines = render(errors)
    assert len(lines) == 2 * len(errors.errors)
    assert all(line.startswith("error: ") for line in lines[::2])
    assert all(line.startswith("HINT: ") for line in lines[1::2])


def test_there_are_enough_cases() -> None:
    """At least twenty-five wrong plans are kept, each with what is expected of it."""
    assert len(NAMES) >= 25
    assert all((CASES / name / "expected.yaml").is_file() for name in NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "plain-text-password",
        "password-in-address",
        "host-password-in-address",
        "in-place-windows-misfits",
        "many-at-once",
    ],
)
def test_secret_written_out_is_not_repeated(name: str) -> None:
    """What may be a password appears in no line of the refusal."""
    errors = refused(CASES / name / "runbook.yaml")
    assert "correct-horse" not in "\n".join([*render(errors), str(errors), repr(errors)])


def test_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    """A plan that is not there is a wrong command line (2), not a refused plan (30)."""
    with pytest.raises(UsageError) as caught:
        load_plan(tmp_path / "absent.yaml")
    assert caught.value.exit_code == 2
    assert "absent.yaml" in caught.value.message
    assert caught.value.hint


def test_directory_instead_of_a_file(tmp_path: Path) -> None:
    """A directory is refused as unreadable, at the file's first line."""
    (error,) = refused(tmp_path).errors
    assert (error.line, error.message) == (1, "the file cannot be read: is a directory")


def test_file_that_is_too_large(tmp_path: Path) -> None:
    """A backup named by mistake is not read into memory as a plan."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(2_000_000)
    assert refused(path).errors[0].message == "the file is too large to be a plan"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: &x [*x]\n",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n"
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\n"
        "e: [*d, *d, *d, *d, *d, *d, *d, *d]\n",
        "a: " + "{b: " * 60 + "1" + "}" * 60,
        "? [a, b]\n: 1\n",
        "a: \x07\n",
        "\ufeff",
        "%YAML 9.9\n---\na: 1\n",
        "a: 999999999999999999999999999999d\n",
        "window: {length: 99999d}\n",
        "name: .nan\nlimits: {workers: .inf}\npreflight: {headroom: .nan}\n",
        "gate: {kind: [file]}\n",
        "servers: {1: 2, null: 3, true: {url: 5}}\n",
        "databases: {0: {name: x}}\n",
    ],
)
def test_hostile_text(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, the answer is a refusal with a place and a hint."""
    path = tmp_path / "runbook.yaml"
    path.write_text(text, encoding="utf-8")
    errors = refused(path).errors
    assert all(error.line >= 1 and error.column >= 1 and error.message and error.hint for error in errors)


def test_unreadable_script_directory(tmp_path: Path) -> None:
    """A directory where a script is expected is named like a missing script."""
    folder = tmp_path / "plan"
    shutil.copytree(CASES.parent / "good" / "scripts", folder)
    script = folder / "sql" / "002_backfill.sql"
    script.unlink()
    script.mkdir()
    (error,) = refused(folder / "runbook.yaml").errors
    assert error.key == "scripts[0].files[1]"
