"""Table-valued functions of the language, through SQLite's json_each, which may refer to tables on its left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import types as t


@dataclass(frozen=True)
class Rowset:
    """``function`` gives a JSON array; ``columns``: name, type and text over json_each. ``optional``: how many columns
    at the end only the last argument brings."""

    function: Callable[..., str]
    kinds: tuple[SqlType, ...]
    columns: tuple[tuple[str, SqlType, str], ...]
    minimum: int
    optional: int = 0


def _split(text: str, separator: str, _ordinal: int = 0) -> str:
    if len(separator) != 1:
        raise SqlError(214, "Procedure expects parameter 'separator' of type 'nchar(1)/nvarchar(1)'.")
    return json.dumps(text.split(separator))


def _series(start: int, stop: int, step: int | None = None) -> str:
    step = step if step is not None else (1 if stop >= start else -1)
    if step == 0:
        raise SqlError(4199, "Argument value 0 is invalid for argument 3 of generate_series function.")
    return json.dumps(list(range(start, stop + (1 if step > 0 else -1), step)))


def _openjson(text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        raise SqlError(13609, "JSON text is not properly formatted. Unexpected character is found.") from None
    pairs = enumerate(data) if isinstance(data, list) else data.items() if isinstance(data, dict) else []
    return json.dumps([[str(k), *_json_value(v)] for k, v in pairs])


def _json_value(value: Any) -> tuple[str | None, int]:
    if value is None:
        return None, 0
    if isinstance(value, bool):
        return ("true" if value else "false"), 3
    if isinstance(value, str):
        return value, 1
    if isinstance(value, (int, float)):
        return json.dumps(value), 2
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False), 4 if isinstance(value, list) else 5


_FOUND: dict[str, Rowset] = {
    "STRING_SPLIT": Rowset(
        _split,
        (t.NVARCHAR_MAX, t.nvarchar(1), t.INT),
        (("value", t.NVARCHAR_MAX, "{a}.value"), ("ordinal", t.BIGINT, "({a}.key+1)")),
        2,
        1,
    ),
    "GENERATE_SERIES": Rowset(_series, (t.BIGINT, t.BIGINT, t.BIGINT), (("value", t.BIGINT, "{a}.value"),), 2),
    "OPENJSON": Rowset(
        _openjson,
        (t.NVARCHAR_MAX,),
        (
            ("key", t.nvarchar(4000), "({a}.value->>'$[0]')"),
            ("value", t.NVARCHAR_MAX, "({a}.value->>'$[1]')"),
            ("type", t.TINYINT, "({a}.value->>'$[2]')"),
        ),
        1,
    ),
}


def find(name: tuple[str, ...]) -> Rowset | None:
    """The rowset function of that name."""
    return _FOUND.get(name[0].upper()) if len(name) == 1 else None
