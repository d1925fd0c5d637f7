"""What every encoder shares: the pair of TYPE_INFO and function, and how NULL is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from runbook.sandbox.contract import SqlType

Encoder = Callable[[Any], bytes]
NULL = b"\x00"
"""NULL of a type with a one-byte length."""


class Codec(NamedTuple):
    """How a type is announced and how its values are written."""

    type_info: bytes
    encode: Encoder
    user_type: int = 0
    is_long: bool = False
    """Whether it is text, ntext or image, whose columns carry a table name."""


Builder = Callable[[SqlType, bytes], Codec]
"""Makes the codec of a type; the bytes are the collation."""
