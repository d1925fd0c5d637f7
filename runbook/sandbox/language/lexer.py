"""T-SQL tokens as parallel lists: large batches of literals are common, and objects per token are slow."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from runbook.sandbox.contract import SqlError, Token

_PATTERN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<string>[Nn]?'(?:[^']|'')*')
  | (?P<comment>/\*)
  | (?P<quoted>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
  | (?P<binary>0[xX][0-9A-Fa-f]*)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[$£€]\s*[+-]?(?:\d+(?:,\d{3})*\.?\d*|\.\d+))
  | (?P<variable>@@?[\w@#$]*)
  | (?P<word>(?:[^\W\d]|\#)[\w@#$]*|\$(?:action|rowguid|identity|partition)\b)
  | (?P<symbol><>|<=|>=|!=|!<|!>|\+=|-=|\*=|/=|%=|&=|\|=|\^=|::|[-+*/%&|^~=<>(),.;:{}?!])
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(slots=True)
class Tokens:
    """Tokens of a batch. ``key`` is the upper-case word or the symbol, and empty for everything else."""

    text: str
    kinds: list[str]
    keys: list[str]
    values: list[str]
    starts: list[int]
    ends: list[int]
    lines: list[int]

    def line(self, index: int) -> int:
        """1-based line of a token in the batch (the last line for the end)."""
        start = self.starts[index] if index < len(self.starts) else len(self.text)
        return bisect_right(self.lines, start)

    def public(self, first: int, last: int) -> list[Token]:
        """Tokens ``first`` up to but without ``last`` in the form of the contract."""
        return [
            Token(self.kinds[i], self.values[i], self.starts[i], self.ends[i], self.line(i)) for i in range(first, last)
        ]


def _skip_comment(text: str, start: int) -> int:
    depth, position = 1, start + 2
    while depth:
        opened, closed = text.find("/*", position), text.find("*/", position)
        if closed < 0:
            raise SqlError(113, "Missing end comment mark '*/'.", 15)
        if 0 <= opened < closed:
            depth, position = depth + 1, opened + 2
        else:
            depth, position = depth - 1, closed + 2
    return position


def _bad(text: str, position: int, lines: list[int]) -> SqlError:
    line = bisect_right(lines, position)
    char = text[position]
    if char in "'\"" or text[position : position + 2].lower() == "n'":
        tail = text[position + 1 :]
        return SqlError(105, f"Unclosed quotation mark after the character string '{tail}'.", 15, line=line)
    return SqlError(102, f"Incorrect syntax near '{char}'.", 15, line=line)


def _value(kind: str, raw: str) -> str:
    if kind == "string":
        return raw[raw.index("'") + 1 : -1].replace("''", "'")
    if kind == "quoted":
        inner, end = raw[1:-1], raw[-1]
        return inner.replace(end * 2, end)
    return raw


def lex(text: str) -> Tokens:
    """Tokens of a batch; errors 105, 113 and 102 as SQL Server words them."""
    lines = [0, *(m.end() for m in re.finditer("\n", text))]
    tokens = Tokens(text, [], [], [], [], [], lines)
    position, size, match = 0, len(text), _PATTERN.match
    add_kind, add_key, add_value = tokens.kinds.append, tokens.keys.append, tokens.values.append
    add_start, add_end = tokens.starts.append, tokens.ends.append
    while position < size:
        found = match(text, position)
        if found is None:
            raise _bad(text, position, lines)
        kind = found.lastgroup or ""
        if kind == "comment":
            position = _skip_comment(text, position)
            continue
        end = found.end()
        if kind != "space":
            raw = found.group()
            add_kind(kind)
            add_key(raw.upper() if kind == "word" else raw if kind == "symbol" else "")
            add_value(_value(kind, raw) if kind in ("string", "quoted") else raw)
            add_start(position)
            add_end(end)
        position = end
    return tokens


def parse_name(text: str) -> list[str]:
    """Parts of a name given as a string: ``[a].b`` gives ``["a", "b"]``; omitted parts are empty."""
    parts = [""]
    tokens = lex(text)
    for kind, value in zip(tokens.kinds, tokens.values, strict=True):
        if kind == "symbol" and value == ".":
            parts.append("")
        else:
            parts[-1] += value
    return parts


def quote_name(name: str) -> str:
    """QUOTENAME: the name in brackets."""
    return "[" + name.replace("]", "]]") + "]"
