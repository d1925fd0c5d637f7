"""ISNULL, COALESCE and their kin; hashes and identifiers."""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import types as t
from runbook.sandbox.language.bind import predicates
from runbook.sandbox.language.bind.bound import Bound, constant, merge_collation
from runbook.sandbox.language.bind.conversion import convert
from runbook.sandbox.language.bind.literals import case
from runbook.sandbox.language.bind.scope import Scope
from runbook.sandbox.language.engine import specs
from runbook.sandbox.language.functions.registry import check_count, handler, scalar
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.values import binary, strings

if TYPE_CHECKING:
    from runbook.sandbox.language.functions.binder import FunctionBinder


@handler("ISNULL")
def _isnull(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("ISNULL", len(node.args), 2, 2)
    first, second = (binder.value(a, scope) for a in node.args)
    if first.is_bare_null:
        return second
    kind = first.type
    other = convert(second, kind)
    coll, strength = merge_collation(first, second)
    heavy = first.is_heavy or second.is_heavy
    return Bound(f"ifnull({first.sql},{other.sql})", kind, other.nullable, coll, strength, is_heavy=heavy)


@handler("COALESCE")
def _coalesce(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("COALESCE", len(node.args), 2, 254)
    bound = [binder.value(a, scope) for a in node.args]
    if all(b.is_bare_null for b in bound):
        raise SqlError(
            4127, "At least one of the arguments to COALESCE must be an expression that is not the NULL constant."
        )
    tests = [f"{b.sql} IS NOT NULL" for b in bound[:-1]]
    found = case(tests, bound)
    found.nullable = all(b.nullable for b in bound)
    return found


@handler("NULLIF")
def _nullif(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("NULLIF", len(node.args), 2, 2)
    first, second = (binder.value(a, scope) for a in node.args)
    test = predicates.compare("=", first, second).sql
    sql = f"(CASE WHEN {test} THEN NULL ELSE {first.sql} END)"
    return Bound(sql, first.type, True, first.coll, first.strength, is_heavy=first.is_heavy)


@handler("IIF")
def _iif(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("IIF", len(node.args), 3, 3)
    test = binder.condition(node.args[0], scope).sql
    return case([test], [binder.value(a, scope) for a in node.args[1:]])


@handler("CHOOSE")
def _choose(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("CHOOSE", len(node.args), 2, 254)
    index = convert(binder.value(node.args[0], scope), t.INT)
    tests = [f"{index.sql}={i}" for i in range(1, len(node.args))]
    return case(tests, [binder.value(a, scope) for a in node.args[1:]])


@handler("DATALENGTH")
def _datalength(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("DATALENGTH", len(node.args), 1, 1)
    bound = binder.value(node.args[0], scope)
    kind = bound.type
    result = t.BIGINT if kind.length == t.MAX else t.INT
    size = binary.storage_size(kind)
    if size is not None:
        return Bound(f"(CASE WHEN {bound.sql} IS NULL THEN NULL ELSE {size} END)", result, bound.nullable)
    if t.family(kind) == "binary":
        return Bound(f"length({bound.sql})", result, bound.nullable, is_heavy=bound.is_heavy)
    read = binary.to_bytes(kind)
    key = specs.intern(("datalength", kind), lambda: lambda v: len(read(v)))
    return Bound(f"_c({key},{bound.sql})", result, bound.nullable)


def _is_numeric(kind: Any) -> Callable[[str], int]:
    def check(text: str) -> int:
        for target in (t.FLOAT, t.MONEY_TYPE):
            try:
                strings.string_to_number(t.VARCHAR_MAX, target, 0)(text)
            except SqlError:
                continue
            return int(bool(text.strip()))
        return 0

    del kind
    return check


@handler("ISNUMERIC")
def _isnumeric(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("ISNUMERIC", len(node.args), 1, 1)
    bound = binder.value(node.args[0], scope)
    if t.family(bound.type) == "number":
        return Bound(f"({bound.sql} IS NOT NULL)", t.INT, False)
    if t.family(bound.type) != "string":
        return constant(0, t.INT)
    key = specs.intern("isnumeric", lambda: _is_numeric(None))
    return Bound(f"ifnull(_c({key},{bound.sql}),0)", t.INT, False)


scalar("NEWID", [], t.GUID, lambda: str(uuid.uuid4()).upper(), volatile=True, nullable=False)
scalar("CRYPT_GEN_RANDOM", [t.INT], t.varbinary(8000), lambda size: __import__("os").urandom(size), volatile=True)


@handler("NEWSEQUENTIALID")
def _newsequentialid(_binder: FunctionBinder, _node: n.Call, _scope: Scope) -> Bound:
    return Bound(f"_v({specs.number(_sequential)})", t.GUID, False, is_heavy=True)


def _sequential() -> str:
    _SEQUENTIAL[0] += 1
    low = _SEQUENTIAL[0]
    return f"{low & 0xFFFFFFFF:08X}-{_NODE[0:4]}-{_NODE[4:8]}-{_NODE[8:12]}-{_NODE[12:24]}"


_SEQUENTIAL = [uuid.uuid1().time_low]
_NODE = uuid.uuid4().hex.upper()


# --- hashes ------------------------------------------------------------------------------------------------

_ALGORITHMS = {
    "MD2": "",
    "MD4": "",
    "MD5": "md5",
    "SHA": "sha1",
    "SHA1": "sha1",
    "SHA2_256": "sha256",
    "SHA2_512": "sha512",
}


def _digest(name: str) -> Callable[[bytes], bytes]:
    algorithm = _ALGORITHMS.get(name.upper())
    if algorithm is None:
        return lambda _data: b""
    if not algorithm:
        raise unsupported(f"HASHBYTES with {name}")
    make = getattr(hashlib, algorithm)
    return lambda data: make(data).digest()


@handler("HASHBYTES")
def _hashbytes(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    check_count("HASHBYTES", len(node.args), 2, 2)
    algorithm = binder.value(node.args[0], scope)
    if not algorithm.is_const or not isinstance(algorithm.const, str):
        raise unsupported("HASHBYTES with a computed algorithm")
    name = algorithm.const.upper()
    pieces = _pieces(node.args[1])
    if name in _ALGORITHMS and sum(p[0] is not None for p in pieces) > 0:
        return _row_hash(binder, name, pieces, scope)
    data = binder.value(node.args[1], scope)
    kind = data.type
    if t.family(kind) not in ("string", "binary"):
        raise SqlError(8116, f"Argument data type {kind.name} is invalid for argument 2 of hashbytes function.")
    key = specs.intern(("hash", name, kind), lambda: _hash_of(name, kind))
    return Bound(f"_c({key},{data.sql})", t.varbinary(8000), True, is_heavy=True)


def _hash_of(name: str, kind: Any) -> Callable[[Any], bytes | None]:
    digest, read = _digest(name), binary.to_bytes(kind)
    return lambda v: digest(read(v)) or None


def _pieces(node: n.Node) -> list[tuple[n.Node | None, n.Node]]:
    """The parts of a ``+`` chain; for a part that encodes a column with its NULL mark and length, the encoded value.

    The shape is ``CASE WHEN c IS NULL THEN 0x00 ELSE 0x01 + CONVERT(binary(8), CAST(DATALENGTH(b) AS bigint)) + b
    END``: done as one call for the whole row it is some ten times faster than piece by piece.
    """
    parts: list[n.Node] = []
    while isinstance(node, n.Binary) and node.op == "+":
        parts.append(node.right)
        node = node.left
    parts.append(node)
    return [(_encoded(p), p) for p in reversed(parts)]


def _encoded(node: n.Node) -> n.Node | None:
    if not isinstance(node, n.Case) or node.operand is not None or len(node.whens) != 1 or node.default is None:
        return None
    test, null_mark = node.whens[0]
    if not (isinstance(test, n.IsNull) and not test.negated and _is_bytes(null_mark, b"\x00")):
        return None
    chain = node.default
    if not (
        isinstance(chain, n.Binary) and chain.op == "+" and isinstance(chain.left, n.Binary) and chain.left.op == "+"
    ):
        return None
    data, length = chain.right, chain.left.right
    if not _is_bytes(chain.left.left, b"\x01") or not _is_length_of(length, data):
        return None
    if not (isinstance(data, n.Cast) and data.style is None and not data.attempt and data.type.type == t.VARBINARY_MAX):
        return None
    inner = data.operand
    while not same(inner, test.operand):
        if not isinstance(inner, n.Cast) or inner.attempt:
            return None
        inner = inner.operand
    return data.operand


def _is_bytes(node: n.Node, value: bytes) -> bool:
    return isinstance(node, n.Literal) and node.kind == "binary" and node.value == value


def _is_length_of(node: n.Node, data: n.Node) -> bool:
    if not (isinstance(node, n.Cast) and node.type.type is not None and node.type.type.name == "binary"):
        return False
    inner = node.operand
    return (
        node.type.type.length == 8
        and isinstance(inner, n.Cast)
        and inner.type.type == t.BIGINT
        and isinstance(inner.operand, n.Call)
        and inner.operand.builtin == "DATALENGTH"
        and same(inner.operand.args[0], data)
    )


def same(left: Any, right: Any) -> bool:
    """Whether two trees say the same."""
    if type(left) is not type(right):
        return False
    if isinstance(left, n.Node):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))  # type: ignore[arg-type]
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, str):
        return left.casefold() == str(right).casefold()
    return bool(left == right)


def _row_hash(binder: FunctionBinder, name: str, pieces: list[tuple[n.Node | None, n.Node]], scope: Scope) -> Bound:
    bounds, marks = [], []
    for inner, whole in pieces:
        bound = binder.value(whole if inner is None else inner, scope)
        if inner is None and t.family(bound.type) != "binary":
            raise SqlError(402, f"The data types {bound.type.name} and varbinary are incompatible in the add operator.")
        bounds.append(bound)
        marks.append((bound.type, inner is not None))
    key = specs.intern(("rowhash", name, tuple(marks)), lambda: _row_hasher(name, marks))
    return Bound(f"_d({','.join([str(key), *(b.sql for b in bounds)])})", t.varbinary(8000), True, is_heavy=True)


def _row_hasher(name: str, marks: list[tuple[Any, bool]]) -> Callable[..., bytes | None]:
    digest = _digest(name)
    if all(encoded for _, encoded in marks):
        chunks = [_chunk(kind) for kind, _ in marks]

        def run(*args: Any) -> bytes:
            return digest(b"".join([b"\x00" if v is None else chunk(v) for chunk, v in zip(chunks, args, strict=True)]))

        return run
    writers = [_chunk(kind) if encoded else binary.to_bytes(kind) for kind, encoded in marks]

    def run_mixed(*args: Any) -> bytes | None:
        parts = []
        for write, (_, encoded), value in zip(writers, marks, args, strict=True):
            if value is None and not encoded:
                return None
            parts.append(b"\x00" if value is None else write(value))
        return digest(b"".join(parts))

    return run_mixed


def _chunk(kind: Any) -> Callable[[Any], bytes]:
    """A value with its mark and its length in eight bytes; for types of one size the head is always the same."""
    write = binary.to_bytes(kind)
    size = binary.encoded_size(kind)
    if size is not None:
        head = b"\x01" + size.to_bytes(8, "big")
        return lambda v: head + write(v)
    length = struct.Struct(">BQ").pack

    def chunk(value: Any) -> bytes:
        data = write(value)
        return length(1, len(data)) + data

    return chunk


def _checksum(*args: Any) -> int:
    found = 0
    for arg in args:
        data = (
            b"" if arg is None else (arg.casefold().rstrip().encode() if isinstance(arg, str) else repr(arg).encode())
        )
        found = ((found << 4) | (found >> 28)) & 0xFFFFFFFF
        found ^= zlib.crc32(data)
    return found - 2**32 if found >= 2**31 else found


def _binary_checksum(*args: Any) -> int:
    return _checksum(*(a.encode() if isinstance(a, str) else a for a in args))


def _bind_checksum(binder: FunctionBinder, node: n.Call, scope: Scope) -> Bound:
    function = _binary_checksum if node.builtin.startswith("BINARY") else _checksum
    if node.star:
        args = [c.bound for s in scope.sources for c in s.columns]
    else:
        args = [binder.value(a, scope) for a in node.args]
    return Bound(f"_d({','.join([str(specs.number(function)), *(a.sql for a in args)])})", t.INT, False)


handler("CHECKSUM", "BINARY_CHECKSUM")(_bind_checksum)


def _compress(_data: Any) -> bytes:
    raise unsupported("COMPRESS")


scalar("COMPRESS", ["any"], t.VARBINARY_MAX, _compress)
scalar("ISJSON", [t.NVARCHAR_MAX], t.INT, lambda v: int(_parses(v)))


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False
