"""Exact numbers: the sortable text of wide decimals, rounding, formatting."""

from __future__ import annotations

from decimal import Context, Decimal

from runbook.sandbox.contract import SqlError

EXACT = Context(prec=80)
_LIMIT = 10**38 - 1
POWERS: tuple[int, ...] = tuple(10**digits for digits in range(160))
"""Powers of ten, by their exponent."""


def encode(value: int) -> str:
    """A scaled integer of up to 38 digits as text that sorts like the number."""
    return f"1{value:038d}" if value >= 0 else f"0{_LIMIT + value:038d}"


def decode(text: str | int) -> int:
    """The scaled integer of :func:`encode`; integers pass through."""
    if isinstance(text, int):
        return text
    return int(text[1:]) if text[0] == "1" else int(text[1:]) - _LIMIT


def rescale(value: int, from_scale: int, to_scale: int) -> int:
    """Change the scale, rounding half away from zero."""
    if to_scale >= from_scale:
        return value * POWERS[to_scale - from_scale]
    unit = POWERS[from_scale - to_scale]
    quotient, rest = divmod(abs(value), unit)
    if rest * 2 >= unit:
        quotient += 1
    return quotient if value >= 0 else -quotient


def truncate(value: int, scale: int) -> int:
    """The whole part of a scaled integer."""
    return value // POWERS[scale] if value >= 0 else -(-value // POWERS[scale])


def to_decimal(value: int, scale: int) -> Decimal:
    """A scaled integer as a Decimal of that scale."""
    return Decimal(value).scaleb(-scale, EXACT)


def from_decimal(value: Decimal, scale: int) -> int:
    """A Decimal as a scaled integer, rounded half away from zero."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise overflow("numeric", "numeric")
    whole = int("".join(map(str, digits))) if digits else 0
    return (
        rescale(-whole if sign else whole, -exponent, scale)
        if exponent <= 0
        else ((-whole if sign else whole) * 10 ** (exponent + scale))
    )


def text(value: int, scale: int) -> str:
    """Decimal notation with exactly ``scale`` digits."""
    if scale == 0:
        return str(value)
    digits = f"{abs(value):0{scale + 1}d}"
    return ("-" if value < 0 else "") + digits[:-scale] + "." + digits[-scale:]


def float_text(value: float, style: int) -> str:
    """A float as CONVERT writes it; style 0 has at most six digits."""
    if style == 0:
        found = f"{value:.6g}"
    elif style == 1:
        found = f"{value:.7e}"
    elif style in (2, 3):
        found = f"{value:.{15 if style == 2 else 16}e}"
    else:
        raise SqlError(281, f"{style} is not a valid style number when converting from float to a character string.")
    if "e" not in found:
        return found
    mantissa, exponent = found.split("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):03d}"


def overflow(source: str, target: str) -> SqlError:
    """Error 8115."""
    return SqlError(8115, f"Arithmetic overflow error converting {source} to data type {target}.", 16, 2)


def money_text(value: int, style: int) -> str:
    """Money as CONVERT writes it: 0 two digits, 1 with commas, 2 four digits."""
    if style == 2:
        return text(value, 4)
    cents = rescale(value, 4, 2)
    if style == 1:
        return f"{to_decimal(cents, 2):,.2f}"
    return text(cents, 2)
