"""What a plan amounts to, in canonical form: equal for equal plans, whatever their comments and layout.

The canonical document is stored with a run. A resume compares it with the plan of that day and says what changed.
References to secrets are part of it; secrets are not. Paths stand as seen from the plan file, so that the same
folder gives the same digest on another machine.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from runbook.errors import Refused
from runbook.plan.document import Part, key_path
from runbook.plan.durations import format_duration
from runbook.plan.gates import Paged
from runbook.plan.models import Plan
from runbook.plan.types import quote

FORMAT = 1
LEFT_OUT = frozenset({"journal_copy", "rehearsal"})
"""What may change in the middle of a run: it says nothing about what is done."""
_ABSENT = object()


@dataclass(frozen=True)
class Fingerprint:
    """The canonical document of a plan as JSON text."""

    canonical: str

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode("utf-8")).hexdigest()

    @property
    def document(self) -> dict[str, Any]:
        """The canonical document: ``format``, ``plan``, and ``contents`` (SHA-256 of each file by path)."""
        found: dict[str, Any] = json.loads(self.canonical)
        return found


def fingerprint(plan: Plan) -> Fingerprint:
    """Return the fingerprint, reading the files the plan refers to. Raises Refused when one cannot be read."""
    contents = {_shown(path, plan.directory): _digest(path, plan.directory) for path in referenced_files(plan)}
    said = {key: value for key, value in _canonical(plan, plan.directory).items() if key not in LEFT_OUT}
    document = {"format": FORMAT, "plan": said, "contents": contents}
    return Fingerprint(json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def referenced_files(plan: Plan) -> list[Path]:
    """Return the files whose contents are part of the plan: scripts, and what the gate puts up."""
    scripts = [path for entry in plan.scripts for path in entry.files]
    content = plan.gate.content if isinstance(plan.gate, Paged) else None
    return [*scripts, content] if content is not None else scripts


def diff(a: Fingerprint | str, b: Fingerprint | str) -> list[str]:
    """Return what changed from ``a`` to ``b`` (canonical documents), one line per change; empty when nothing did."""
    old, new = (one.document if isinstance(one, Fingerprint) else json.loads(one) for one in (a, b))
    lines = list(_changes(old.get("plan"), new.get("plan"), ()))
    lines += _changed_contents(old.get("contents", {}), new.get("contents", {}))
    if old.get("format") != new.get("format"):
        lines.append(f"format of the fingerprint: {old.get('format')} -> {new.get('format')}")
    return lines


def _canonical(value: Any, directory: Path) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        return {field.alias or name: _canonical(getattr(value, name), directory) for name, field in fields}
    if isinstance(value, dict):
        return {str(key): _canonical(one, directory) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_canonical(one, directory) for one in value]
    if isinstance(value, Path):
        return _shown(value, directory)
    if isinstance(value, timedelta):
        return format_duration(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _shown(path: Path, directory: Path) -> str:
    """Below the plan's directory or beside it: relative. Elsewhere: in full."""
    relative = Path(os.path.relpath(path, directory)) if path.anchor == directory.anchor else path
    climbs = sum(part == ".." for part in relative.parts)
    return (path if climbs > 2 else relative).as_posix()


def _digest(path: Path, directory: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        reason = (e.strerror or "unknown reason").lower()
        hint = "The plan refers to it; put it back or take it out of the plan."
        raise Refused(f"{_shown(path, directory)} cannot be read: {reason}", hint=hint) from None


def _changes(old: Any, new: Any, path: tuple[Part, ...]) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _changed_list(old, new, path)
    elif old is _ABSENT:
        yield f"{key_path(path)}: added {_value(new)}"
    elif new is _ABSENT:
        yield f"{key_path(path)}: removed {_value(old)}"
    elif _key(old) != _key(new):
        yield f"{key_path(path)}: {_value(old)} -> {_value(new)}"


def _changed_list(old: list[Any], new: list[Any], path: tuple[Part, ...]) -> Iterator[str]:
    """Items are lined up by what they hold, so that one more at the front is one line and not a line for each."""
    matcher = difflib.SequenceMatcher(None, [_key(one) for one in old], [_key(one) for one in new], autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired = min(i_end - i, j_end - j)
        for k in range(paired):
            yield from _changes(old[i + k], new[j + k], (*path, j + k))
        for k in range(i + paired, i_end):
            yield f"{key_path((*path, k))}: removed {_value(old[k])}"
        for k in range(j + paired, j_end):
            yield f"{key_path((*path, k))}: added {_value(new[k])}"


def _changed_contents(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """Files that came or went show as keys of the plan already."""
    return (f"contents of {path} changed" for path, digest in old.items() if new.get(path, digest) != digest)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return quote(value["name"])
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
