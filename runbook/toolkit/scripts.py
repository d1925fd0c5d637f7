"""Upgrade scripts: read once, known by their content."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from pathlib import Path

from runbook.errors import StepFailed
from runbook.plan.batches import Batch, BatchError, split_batches

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""Byte order marks as Management Studio writes them; without one a file is UTF-8."""


@dataclass(frozen=True)
class Script:
    """One file; ``path`` as the plan resolves it, ``sha256`` of its bytes."""

    path: str
    sha256: str


def read_script(path: str | Path) -> tuple[Script, tuple[Batch, ...]]:
    """Read a script and cut it into batches. StepFailed names file and line."""
    file = Path(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StepFailed(f"{file.name} cannot be read: {why}", hint="Put the script back, then start again.") from error
    try:
        return Script(str(file), hashlib.sha256(raw).hexdigest()), split_batches(_text(file.name, raw))
    except BatchError as error:
        raise StepFailed(f"{file.name}:{error.line}: {error.message}", hint=error.hint) from error


def _text(name: str, raw: bytes) -> str:
    encoding = next((encoding for mark, encoding in MARKS if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = "Save the file as UTF-8, or as UTF-16 with a byte order mark."
        raise StepFailed(f"{name}:{line}: not text in {encoding}", hint=hint) from error


def unchanged(script: Script) -> tuple[Batch, ...]:
    """The batches of a script that must still be what it was. StepFailed when it was edited."""
    now, batches = read_script(script.path)
    if now.sha256 != script.sha256:
        raise StepFailed(
            f"{Path(script.path).name} is not what it was when this run looked at it",
            hint="Start a new run for another script.",
        )
    return batches
