"""Errors the wire itself raises, next to the SQL errors a session sends.

Exception
+-- ProtocolError     bytes that are no TDS; the connection ends without an answer
+-- Truncated         a message shorter than it says; answered by error 4002
"""

from __future__ import annotations

from runbook.sandbox.contract import UNSUPPORTED, SqlError

INTERNAL = 50997
"""Number of the error that says "the sandbox itself failed": a bug, never a refusal."""


class ProtocolError(Exception):
    """What arrived cannot be TDS (another protocol knocked at the port)."""


class Truncated(Exception):
    """A message ended before the field that was to be read."""


def unsupported(what: str) -> SqlError:
    """The refusal of something the sandbox does not do, named."""
    return SqlError(UNSUPPORTED, f"sandbox: {what} is not supported by the sandbox")


def internal(what: str) -> SqlError:
    """A failure of the sandbox itself."""
    return SqlError(INTERNAL, f"sandbox: internal error: {what}")


def failure(error: Exception) -> SqlError:
    """An exception nobody expected, for the client; its traceback belongs on stderr."""
    return internal(f"{type(error).__name__}: {error}")


def truncated() -> SqlError:
    """SQL Server's answer to a message that ends too early."""
    return SqlError(
        4002,
        "The incoming tabular data stream (TDS) protocol stream is incorrect. The stream ended unexpectedly.",
    )
