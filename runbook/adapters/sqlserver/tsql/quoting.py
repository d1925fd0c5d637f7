"""The quoting rules: the one place where a value becomes part of a statement."""

from __future__ import annotations

import re

NAME_LIMIT = 128
HEXADECIMAL = re.compile(r"0x(?:[0-9A-Fa-f]{2})*")
GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
CONTINUATION = re.compile(r"\\(?=\r?\n)")


def name(identifier: str) -> str:
    """Quote as QUOTENAME does. ValueError for what can be no name (empty, over 128 characters, a NUL)."""
    if not identifier or len(identifier) > NAME_LIMIT:
        raise ValueError(f"not a SQL Server name: {identifier[:40]!r}")
    _printable(identifier)
    return f"[{identifier.replace(']', ']]')}]"


def two_part(schema_and_name: tuple[str, str]) -> str:
    """Quote schema and name."""
    return ".".join(name(part) for part in schema_and_name)


def literal(text: str) -> str:
    """Quote as a Unicode literal, usable wherever the grammar wants a constant.

    A backslash before a line break joins the lines inside a literal and would silently drop both characters, so such
    text is a ValueError here: :func:`long_text` can hold it.
    """
    _printable(text)
    if CONTINUATION.search(text):
        raise ValueError("a backslash before a line break cannot stand in a T-SQL literal")
    return _quote(text)


def long_text(text: str) -> str:
    """Return an nvarchar(max) expression for any text, also beyond 4,000 characters or with continuations."""
    _printable(text)
    pieces = [_quote(piece) for piece in _around_continuations(text)]
    return " + ".join(["CAST(N'' AS nvarchar(max))", *pieces])


def binary(hexadecimal: str) -> str:
    """Check and return a binary constant, ``0x...``."""
    if not HEXADECIMAL.fullmatch(hexadecimal):
        raise ValueError("not a binary constant of the form 0x...")
    return hexadecimal


def guid(text: str) -> str:
    """Quote a uniqueidentifier."""
    if not GUID.fullmatch(text):
        raise ValueError(f"not a GUID: {text[:40]!r}")
    return f"'{text}'"


def number(value: int) -> str:
    """Return an integer constant."""
    return str(int(value))


def switch(value: bool) -> str:
    """ON or OFF."""
    return "ON" if value else "OFF"


def _quote(text: str) -> str:
    return "N'" + text.replace("'", "''") + "'"


def _around_continuations(text: str) -> list[str]:
    pieces, start = [], 0
    for match in CONTINUATION.finditer(text):
        pieces.append(text[start : match.end()])
        start = match.end()
    return [*pieces, text[start:]]


def _printable(text: str) -> None:
    if "\0" in text:
        raise ValueError("a NUL character cannot stand in T-SQL text")
    try:
        text.encode("utf-16-le")
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair cannot stand in T-SQL text") from None
