"""String functions. Positions and lengths count UTF-16 units, as SQL Server does without supplementary characters."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind.bound import Bound, merge_collation
from runbook.sandbox.language.bind.conversion import cast, convert
from runbook.sandbox.language.bind.predicates import like_source
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.registry import (
    argument,
    check_count,
    handler,
    long_string,
    of_session,
    same_string,
    scalar,
)
from runbook.sandbox.language.lexer import parse_name
from runbook.sandbox.language.values import binary
from runbook.sandbox.language.values.strings import cut, units

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder


def _length(text: str) -> int:
    return units(text.rstrip(" "))


def _negative(name: str) -> SqlError:
    return SqlError(537, f"Invalid length parameter passed to the {name} function.", 16, 3)


def _left(text: str, count: int) -> str:
    if count < 0:
        raise SqlError(536, "Invalid length parameter passed to the LEFT or SUBSTRING function.", 16, 3)
    return cut(text, 0, count)


def _right(text: str, count: int) -> str:
    if count < 0:
        raise SqlError(536, "Invalid length parameter passed to the RIGHT function.", 16, 3)
    size = units(text)
    return cut(text, max(0, size - count), count)


def _span(start: int, length: int) -> tuple[int, int]:
    if length < 0:
        raise _negative("LEFT or SUBSTRING")
    first = start - 1
    if first < 0:
        length, first = max(0, length + first), 0
    return first, length


def _substring(text: str, start: int, length: int) -> str:
    return cut(text, *_span(start, length))


def _subbytes(data: bytes, start: int, length: int) -> bytes:
    first, size = _span(start, length)
    return data[first : first + size]


def _replicate(text: str, count: int) -> str | None:
    return None if count < 0 else text * count


def _stuff(text: str, start: int, length: int, new: str | None) -> str | None:
    if start < 1 or length < 0 or start > len(text):
        return None
    return text[: start - 1] + (new or "") + text[start - 1 + length :]


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        return text
    if old == new or old.casefold() not in text.casefold():
        return text
    return re.sub(re.escape(old), lambda _: new, text, flags=re.IGNORECASE)


def _find(sought: str, text: str, start: int = 1) -> int:
    if not sought:
        return 0
    return text.lower().find(sought.lower(), max(0, start - 1)) + 1


def _pattern_index(pattern: str, text: str) -> int:
    body, anchored, to_end = pattern, not pattern.startswith("%"), not pattern.endswith("%")
    source = like_source(body.strip("%") if body.strip("%") else body)
    flags = re.DOTALL | re.IGNORECASE
    if anchored and to_end:
        return int(re.fullmatch(source, text, flags) is not None)
    if anchored:
        return int(re.match(source, text, flags) is not None)
    found = re.search(source + (r"\Z" if to_end else ""), text, flags)
    return found.start() + 1 if found else 0


def _translate(text: str, old: str, new: str) -> str:
    if len(old) != len(new):
        raise SqlError(
            9828,
            "The second and third arguments of the TRANSLATE built-in function must contain an equal number of "
            "characters.",
        )
    table: dict[int, str] = {}
    for a, b in zip(old, new, strict=True):
        for c in {a, a.lower(), a.upper()}:
            table.setdefault(ord(c), b)
    return text.translate(table)


def _quotename(text: str, mark: str = "[") -> str | None:
    pairs = {
        "[": "[]",
        "]": "[]",
        "'": "''",
        '"': '""',
        "(": "()",
        ")": "()",
        "<": "<>",
        ">": "<>",
        "{": "{}",
        "}": "{}",
        "`": "``",
    }
    if mark not in pairs or len(text) > 128:
        return None
    opened, closed = tuple(pairs[mark])
    return opened + text.replace(closed, closed * 2) + closed


def _str(value: float, length: int = 10, decimals: int = 0) -> str:
    text = f"{value:.{max(0, min(decimals, 16))}f}"
    if "." in text and len(text) > length >= len(text.split(".", maxsplit=1)[0]):
        keep = max(0, length - len(text.split(".", maxsplit=1)[0]) - 1)
        text = f"{value:.{keep}f}"
    return text.rjust(length) if len(text) <= length else "*" * length


def _char(code: int) -> str | None:
    return bytes((code,)).decode("cp1252", "replace") if 0 <= code <= 255 else None


def _nchar(code: int) -> str | None:
    return chr(code) if 0 <= code <= 0xFFFF else None


def _ascii(text: str) -> int | None:
    return binary.encode_ansi(text[0])[0] if text else None


def _unicode(text: str) -> int | None:
    if not text:
        return None
    return int.from_bytes(text[0].encode("utf-16-le", "surrogatepass")[:2], "little")


def _part(name: str, piece: int) -> str | None:
    try:
        parts = parse_name(name)
    except SqlError:
        return None
    if len(parts) > 4 or not 1 <= piece <= len(parts):
        return None
    return parts[-piece] or None


_CODES = {c: d for d, letters in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1) for c in letters}


def _soundex(text: str) -> str:
    upper = text.upper()
    if not upper or not upper[0].isalpha():
        return "0000"
    out, last = upper[0], _CODES.get(upper[0])
    for c in upper[1:]:
        if not c.isalpha():
            break
        code = _CODES.get(c)
        if code is not None and code != last:
            out += str(code)
        if c not in "HW":
            last = code
    return out.ljust(4, "0")[:4]


def _difference(left: str, right: str) -> int:
    return sum(a == b for a, b in zip(_soundex(left), _soundex(right), strict=True))


def _escape_json(text: str, kind: str) -> str:
    if kind.lower() != "json":
        raise SqlError(15600, "An invalid parameter or option was specified for procedure 'STRING_ESCAPE'.")
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/")


def _trimmed(side: str) -> Any:
    def trim(text: str, characters: str = " ") -> str:
        return {"l": text.lstrip, "r": text.rstrip, "b": text.strip}[side](characters)

    return trim


def _int_or_big(args: list[Bound]) -> SqlType:
    return t.BIGINT if args[0].type.length == t.MAX else t.INT


def _find_type(args: list[Bound]) -> SqlType:
    return t.BIGINT if args[1].type.length == t.MAX else t.INT


def _sized(args: list[Bound]) -> SqlType:
    """LEFT, RIGHT, SUBSTRING: a known length makes the type shorter."""
    kind, count = same_string(args), args[-1]
    if count.is_const and isinstance(count.const, int) and kind.length != t.MAX:
        return SqlType(kind.name, max(1, min(kind.length or 1, max(1, count.const))))
    return kind


scalar("LEN", ["string"], _int_or_big, _length)
scalar("LEFT", ["string", t.BIGINT], _sized, _left)
scalar("RIGHT", ["string", t.BIGINT], _sized, _right)
scalar("UPPER", ["string"], same_string, str.upper)
scalar("LOWER", ["string"], same_string, str.lower)
scalar("LTRIM", ["string", "string"], same_string, _trimmed("l"), least=1)
scalar("RTRIM", ["string", "string"], same_string, _trimmed("r"), least=1)
scalar("TRIM", ["string", "string"], same_string, _trimmed("b"), least=1)
scalar("REVERSE", ["string"], same_string, lambda v: v[::-1])
scalar("REPLICATE", ["string", t.BIGINT], long_string, _replicate)
scalar("SPACE", [t.INT], t.varchar(8000), lambda v: None if v < 0 else " " * min(v, 8000))
scalar("REPLACE", ["string", "string", "string"], long_string, _replace)
scalar(
    "STUFF",
    ["string", t.BIGINT, t.BIGINT, "string"],
    long_string,
    lambda a, b, c, d: None if None in (a, b, c) else _stuff(a, b, c, d),
    nulls=True,
)
scalar("CHARINDEX", ["string", "string", t.BIGINT], _find_type, _find, least=2)
scalar("PATINDEX", ["string", "string"], _find_type, _pattern_index)
scalar("TRANSLATE", ["string", "string", "string"], same_string, _translate)
scalar("QUOTENAME", [t.NVARCHAR_MAX, t.nvarchar(1)], t.nvarchar(258), _quotename, least=1)
scalar("STR", [t.FLOAT, t.INT, t.INT], t.varchar(8000), _str, least=1)
scalar("ASCII", ["string"], t.INT, _ascii)
scalar("UNICODE", [t.NVARCHAR_MAX], t.INT, _unicode)
scalar("CHAR", [t.INT], SqlType("char", 1), _char)
scalar("NCHAR", [t.INT], SqlType("nchar", 1), _nchar)
scalar("PARSENAME", [t.nvarchar(776), t.INT], t.SYSNAME, _part)
scalar("SOUNDEX", ["string"], t.varchar(4), _soundex)
scalar("DIFFERENCE", ["string", "string"], t.INT, _difference)
scalar("STRING_ESCAPE", [t.NVARCHAR_MAX, t.nvarchar(20)], t.NVARCHAR_MAX, _escape_json)


@handler("SUBSTRING")
def _bind_substring(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("SUBSTRING", len(node.args), 3, 3)
    source = binder.value(node.args[0], scope)
    start, length = (convert(binder.value(a, scope), t.BIGINT) for a in node.args[1:])
    is_binary = t.family(source.type) == "binary"
    if not is_binary:
        source = argument(source, "string")
    known = length.const if length.is_const and isinstance(length.const, int) else None
    limit = source.type.length
    size = limit if known is None or known < 1 else (known if limit in (None, t.MAX) else min(known, limit or 1))
    size = t.MAX if size is None else size
    if is_binary:
        if start.is_const and known is not None and known >= 0 and isinstance(start.const, int) and start.const >= 1:
            sql = f"substr({source.sql},{start.sql},{known})"
        else:
            sql = f"_n({specs.number(_subbytes)},{source.sql},{start.sql},{length.sql})"
        kind = t.varbinary(t.MAX if limit == t.MAX else size)
        return Bound(sql, kind, source.nullable or length.nullable, is_heavy=source.is_heavy)
    name = "nvarchar" if source.type.name in t.N_STRINGS else "varchar"
    sql = f"_n({specs.number(_substring)},{source.sql},{start.sql},{length.sql})"
    kind = SqlType(name, t.MAX if limit == t.MAX else t.bound_length(name, size))
    return Bound(sql, kind, True, source.coll, source.strength, is_heavy=source.is_heavy)


def _concat(*parts: str | None) -> str:
    return "".join(p for p in parts if p is not None)


def _concat_ws(separator: str | None, *parts: str | None) -> str:
    return (separator or "").join(p for p in parts if p is not None)


def _texts(bounds: list[Bound]) -> tuple[list[Bound], SqlType]:
    texts = []
    for bound in bounds:
        if bound.is_null:
            texts.append(Bound("NULL", t.varchar(1), const=None))
        elif t.family(bound.type) == "string":
            texts.append(bound)
        else:
            texts.append(
                cast(bound, t.varchar(40) if t.family(bound.type) in ("number", "date", "guid") else t.VARCHAR_MAX)
            )
    national = any(x.type.name in t.N_STRINGS for x in texts)
    lengths = [x.type.length for x in texts]
    name = "nvarchar" if national else "varchar"
    if t.MAX in lengths or None in lengths:
        return texts, SqlType(name, t.MAX)
    return texts, SqlType(name, t.bound_length(name, max(1, sum(x or 0 for x in lengths))))


@handler("CONCAT")
def _bind_concat(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("CONCAT", len(node.args), 2, 254)
    texts, kind = _texts([binder.value(a, scope) for a in node.args])
    coll, strength = merge_collation(*texts)
    sql = f"_d({specs.number(_concat)},{','.join(x.sql for x in texts)})"
    return Bound(sql, kind, False, coll, strength, is_heavy=any(x.is_heavy for x in texts))


@handler("CONCAT_WS")
def _bind_concat_ws(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("CONCAT_WS", len(node.args), 3, 254)
    texts, kind = _texts([binder.value(a, scope) for a in node.args])
    coll, strength = merge_collation(*texts)
    length = kind.length or t.MAX
    if length != t.MAX:
        length = t.bound_length(kind.name, length + (texts[0].type.length or 1) * len(texts))
    sql = f"_d({specs.number(_concat_ws)},{','.join(x.sql for x in texts)})"
    return Bound(sql, SqlType(kind.name, length), False, coll, strength)


def format_message(text: str, *args: Any) -> str:
    """RAISERROR and FORMATMESSAGE: printf formats of SQL Server."""
    values = list(args)

    def one(found: re.Match[str]) -> str:
        spec, kind = found.group(1), found.group(2)
        if kind == "%":
            return "%"
        if "*" in spec:
            spec = spec.replace("*", str(values.pop(0)) if values else "0")
        value = values.pop(0) if values else None
        if value is None:
            return "(null)"
        if kind == "s":
            return f"%{spec}s" % str(value)
        return f"%{spec}{'d' if kind in 'diu' else kind}" % int(value)

    return re.sub(r"%([-+ 0#]*[\d*]*(?:\.[\d*]+)?)(?:I64|l|h)?([diuoxXs%])", one, text)


def _format_message(_session: Any, text: Any, *args: Any) -> str | None:
    return None if text is None else format_message(str(text), *args)


of_session("FORMATMESSAGE", [t.NVARCHAR_MAX, *["any"] * 20], t.nvarchar(4000), _format_message, least=1)
