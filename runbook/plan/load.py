"""Reading a plan file: parse, validate, look at what the parts say about each other, and report it all at once."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from runbook.errors import PlanError, PlanErrors, UsageError
from runbook.plan import rules
from runbook.plan.document import Finding, Mark, Node, UnparsableError, key_path, parse
from runbook.plan.findings import translate, what
from runbook.plan.models import Plan
from runbook.plan.types import Place

MOST_BYTES = 1_000_000
FILL_IN = re.compile(r"<fill in: ([^<>]*)>")
"""What `runbook init` writes where only a person knows the value."""


def load_plan(path: Path) -> Plan:
    """Read and check a plan file.

    Raises UsageError when there is no such file, and PlanErrors with every finding when it is not a good plan.
    Nothing but the plan and the files it names is looked at; secrets are not read.
    """
    try:
        return read_plan(_text(path), path)
    except UnparsableError as e:
        raise PlanErrors([_error(e.finding, path)]) from None


def read_plan(text: str, path: Path) -> Plan:
    """Check a plan's text as if it stood in ``path``. Raises PlanErrors, or UnparsableError when it is no YAML."""
    root, findings = parse(text)
    if root.kind != "mapping":
        hint = "A plan is a mapping of keys: runbook, name, strategy and so on; `runbook init` writes one."
        raise UnparsableError(Finding(root.mark, (), f"expected a mapping, found {what(root)}", hint))
    place = Place(Path(path).absolute())
    plan, wrong = _validate(root, place)
    findings += [*wrong, *rules.check(root, place.directory)]
    if plan is not None and not findings and not _unfilled(root):
        return plan
    raise PlanErrors([_error(finding, path) for finding in _settle(findings, root)])


def _validate(root: Node, place: Place) -> tuple[Plan | None, list[Finding]]:
    try:
        return Plan.model_validate(root.plain(), context=place), []
    except ValidationError as e:
        return None, translate(e.errors(include_url=False, include_input=False), root)


def _settle(findings: list[Finding], root: Node) -> list[Finding]:
    """One finding per key and message in file order; a value still to be filled in is only that."""
    unfilled = _unfilled(root)
    silent = {finding.path for finding in unfilled}
    kept = [finding for finding in findings if finding.path not in silent]
    unique = {(finding.path, finding.message): finding for finding in [*unfilled, *kept]}
    return sorted(unique.values(), key=lambda finding: (finding.mark, key_path(finding.path)))


def _unfilled(root: Node) -> list[Finding]:
    found = []
    for node in root.walk():
        match = FILL_IN.search(node.value) if isinstance(node.value, str) else None
        if match:
            found.append(Finding(node.mark, node.path, "still to be filled in", f"Put here {match[1].strip()}."))
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "Name the plan file, or write a first one with `runbook init`."
        raise UsageError(f"there is no plan file {path}", hint=hint) from None
    except (OSError, ValueError) as e:
        reason = (e.strerror if isinstance(e, OSError) and e.strerror else str(e)).lower()
        hint = "Check that it is a file and that you may read it."
        raise UnparsableError(Finding(Mark(1, 1), (), f"the file cannot be read: {reason}", hint)) from None
    if len(raw) > MOST_BYTES:
        raise UnparsableError(Finding(Mark(1, 1), (), "the file is too large to be a plan", "Name a plan file."))
    return _decode(raw)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        before = raw[: e.start]
        line, column = before.count(b"\n") + 1, e.start - before.rfind(b"\n")
        hint = "Save the file as UTF-8."
        raise UnparsableError(Finding(Mark(line, column), (), "not UTF-8 text", hint)) from None


def _error(finding: Finding, path: Path) -> PlanError:
    key = key_path(finding.path)
    return PlanError(str(path), finding.mark.line, finding.mark.column, key, finding.message, finding.hint)
