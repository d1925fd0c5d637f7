"""Column and output values as bytes: for each SQL type its TYPE_INFO and a function for its values.

The functions are built once a result set, so that a row costs one call a column.
"""

from __future__ import annotations

import functools

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire import encode_numbers, encode_text, encode_times
from runbook.sandbox.wire.codec import Builder, Codec
from runbook.sandbox.wire.errors import unsupported

_BUILDERS: dict[str, Builder] = {**encode_numbers.BUILDERS, **encode_text.BUILDERS, **encode_times.BUILDERS}


@functools.lru_cache(maxsize=1024)
def codec(kind: SqlType, collation: bytes) -> Codec:
    """TYPE_INFO and encoder of a type; SqlError 50999 for types the sandbox does not send."""
    build = _BUILDERS.get(kind.name.lower())
    if build is None:
        raise unsupported(f"the data type {kind.name}")
    return build(kind, collation)
