"""The shape of the code: what keeps it readable for whoever inherits it."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.registry import step_kinds, undo_kinds

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for folder in ("runbook", "steps", "rollback") for path in sorted((ROOT / folder).rglob("*.py"))]


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_functions_are_short() -> None:
    """None over 50 lines, half of them under 10."""
    functions = [one for path in CODE for one in _functions(path)]
    assert [one for one in functions if one[1] > 50] == []
    assert statistics.median(length for _, length in functions) < 10


ALLOWED = {"runbook/ports.py": 520, "runbook/api.py": 560}
"""The ports are one list of signatures, the api one of names; in parts they would be harder to read."""


def test_modules_are_short() -> None:
    """Under 400 lines, but for those named with a reason."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {name: n for name, n in lengths.items() if n > ALLOWED.get(name, 400)} == {}


def test_every_step_has_its_mirror() -> None:
    """Where a step is, its way back is: same phase, same file name."""
    for kind in step_kinds():
        for undo in kind.undoes_with:
            same_phase = kind.__module__.split(".")[1] == undo.__module__.split(".")[1]
            assert same_phase, f"{kind.name} in {kind.__module__}, its undo in {undo.__module__}"


def test_every_undo_belongs_to_a_step() -> None:
    """No way back that nothing leads to."""
    used = {undo.name for kind in step_kinds() for undo in kind.undoes_with}
    assert set(undo_kinds()) == used


@pytest.mark.parametrize("kind", step_kinds(), ids=lambda kind: kind.name)
def test_every_step_names_steps_that_exist(kind: type) -> None:
    """A typo in ``after`` would let a step begin too early."""
    names = {known.name for known in step_kinds()}
    assert set(kind.after) <= names  # type: ignore[attr-defined]


def test_the_generated_pages_are_fresh() -> None:
    """docs/ says what the program does today."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}run: python docs/generate.py"
