"""T-SQL files cut into batches, as sqlcmd and Management Studio do it.

``GO`` stands alone on its line (upper or lower case, a repeat count and a trailing comment allowed) and is no
T-SQL: inside a comment, a string or a quoted name it is part of that. Batches keep the line they begin on, so
that line 3 of an error is found again in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_GO = re.compile(r"[ \t]*GO(?:[ \t]+(\d+))?[ \t]*(?:--[^\n]*)?\r?$", re.IGNORECASE)
_NEARLY_GO = re.compile(r"[ \t]*GO[ \t]*(?:\d+[ \t]*)?;[ \t;]*(?:--[^\n]*)?\r?$", re.IGNORECASE)
_DIRECTIVE = re.compile(
    r"[ \t]*(?::(?:r|setvar|connect|on|out|error|perftrace|listvar|help|serverlist|reset|ed|quit|exit|xml)\b|!!)",
    re.IGNORECASE,
)
_OPENERS = {"'": "'", '"': '"', "[": "]"}
MOST_REPEATS = 1_000_000
"""More is a slip of the keyboard: a batch run that often outlasts every window."""


@dataclass(frozen=True)
class Batch:
    """One batch: its text, the line of the file it begins on (from 1), and how often it runs (``GO 5``)."""

    sql: str
    line: int
    count: int = 1


class BatchError(ValueError):
    """Text that is no sequence of batches; ``line`` counts from 1, ``hint`` says what to write instead."""

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


def split_batches(text: str) -> tuple[Batch, ...]:
    """Cut a script at its ``GO`` lines; batches of nothing but white space are left out. Raises BatchError."""
    batches: list[Batch] = []
    lines: list[str] = []
    first, state = 1, _State()
    for number, line in enumerate(text.split("\n"), start=1):
        count = None if state.inside else _separator(line, number)
        if count is None:
            lines.append(line)
            state.read(line, number)
            continue
        batches += _batch(lines, first, count)
        lines, first = [], number + 1
    if state.inside:
        raise BatchError(state.line, f"{state.what} is never closed", "Close it: the rest of the file is part of it.")
    return (*batches, *_batch(lines, first, 1))


def _batch(lines: list[str], first: int, count: int) -> list[Batch]:
    sql = "\n".join(lines)
    return [Batch(sql, first, count)] if sql.strip() and count else []


def _separator(line: str, number: int) -> int | None:
    """How often the batch before this line runs; None when the line is no ``GO``."""
    found = _GO.match(line)
    if found:
        count = int(found.group(1) or 1)
        if count > MOST_REPEATS:
            raise BatchError(number, f"GO {count} repeats a batch too often", f"At most {MOST_REPEATS} times.")
        return count
    if _NEARLY_GO.match(line):
        raise BatchError(number, "GO is followed by a semicolon", "Write GO alone on its line.")
    if _DIRECTIVE.match(line):
        raise BatchError(number, "a command of sqlcmd, not T-SQL", "Write it out: only GO is understood besides T-SQL.")
    return None


class _State:
    """Where the reading is between lines: in plain text, or inside something that may hold a ``GO`` line."""

    def __init__(self) -> None:
        self.closer = ""
        self.depth = 0
        self.line = 0

    @property
    def inside(self) -> bool:
        return bool(self.closer or self.depth)

    @property
    def what(self) -> str:
        return {"'": "a string", '"': "a quoted name", "]": "a name in brackets"}.get(self.closer, "a comment")

    def read(self, line: str, number: int) -> None:
        at = 0
        while 0 <= at < len(line):
            at = self._step(line, at, number)

    def _step(self, line: str, at: int, number: int) -> int:
        """Look at one place of the line; return the next, or -1 when the rest is a comment."""
        if self.depth:
            return self._in_comment(line, at)
        if self.closer:
            return self._in_quotes(line, at)
        pair = line[at : at + 2]
        if pair == "--":
            return -1
        if pair == "/*":
            self.depth, self.line = 1, number
            return at + 2
        if line[at] in _OPENERS:
            self.closer, self.line = _OPENERS[line[at]], number
        return at + 1

    def _in_comment(self, line: str, at: int) -> int:
        pair = line[at : at + 2]
        change = {"/*": 1, "*/": -1}.get(pair, 0)  # T-SQL nests block comments
        self.depth += change
        return at + (2 if change else 1)

    def _in_quotes(self, line: str, at: int) -> int:
        end = line.find(self.closer, at)
        if end < 0:
            return -1
        if line[end + 1 : end + 2] == self.closer:  # doubled: part of the text
            return end + 2
        self.closer = ""
        return end + 1
