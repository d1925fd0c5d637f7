"""What a driver's exception means: the server's own number, and whether the outcome is in doubt.

On Linux a pyodbc exception holds the first diagnostic record only, so 3201 is seen and its companion 3013 is not. The
exception's class follows from the SQLSTATE and says little: decisions go by the native number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook.errors import ServerError

NATIVE = re.compile(r" \((-?\d+)\) \(SQL[A-Za-z]+\)")
SQLSTATE = re.compile(r"[0-9A-Z]{5}")
PREFIX = re.compile(r"^(?:\s*\[[^\]]*\])+\s*")
BROKEN = frozenset({"08S01", "08003", "08007", "HYT00", "HYT01", "HY008", "HY117"})
"""SQLSTATEs after which it is not known what the server did."""
FREETDS_OWN = range(20000, 21000)
"""Numbers of FreeTDS itself, such as 20017, unexpected end of the connection."""
SESSION_LOST = frozenset({596, 6005, 6006})
"""Killed, or the server shut down, while the statement ran."""
PERMANENT_CONNECT = frozenset({4060, 4064, 18450, 18452, 18456, 18470, 18486, 18487, 18488})
TRANSIENT = frozenset(
    {-2, -1, 2, 20, 53, 64, 121, 233, 601, 615, 701, 802, 847, 913, 921, 922, 952, 976, 978, 983, 988, 1205, 1222, 1807}
    | {4221, 5030, 5059, 5061, 8628, 8645, 10053, 10054, 10060, 10928, 10929, 11001, 17197, 17830, 17889, 18401}
    | {40143, 40197, 40501, 40540, 40613, 49918, 49919, 49920}
)
"""Numbers after which the same read is worth another try: published lists, and those of a server that starts."""
NOT_DONE = frozenset({952, 1205, 1807, 5059})
"""Numbers by which the server says that it did nothing and that another try may do it: safe to repeat an effect."""

HINTS = {
    229: "The login lacks a permission; run as a member of sysadmin.",
    262: "The login lacks a permission; run as a member of sysadmin.",
    297: "The login lacks a permission; run as a member of sysadmin.",
    300: "The login lacks a permission; run as a member of sysadmin.",
    911: "The database is not there; look at its name and at the server.",
    916: "The login may not enter the database; run as a member of sysadmin.",
    924: "Another session holds the only place in the database; end it.",
    927: "The database waits for more backups or for RESTORE ... WITH RECOVERY.",
    942: "The database is offline.",
    3101: "Sessions are in the database; end them and keep them out.",
    3110: "The login may not restore; run as a member of sysadmin.",
    3154: "A database of that name is there and is not the one that was backed up.",
    3159: "The database holds work that no log backup has; take one before it is restored over.",
    3169: "The backup is of a newer version than the server.",
    3201: "The service account of SQL Server must be able to open that path.",
    3202: "Look at free space and health of the volume that the backup goes to.",
    3241: "The file is no backup, or was cut off.",
    3257: "Free space on that volume, or restore to another.",
    4208: "The database is in SIMPLE recovery: it has no log backups.",
    4214: "No full backup has started the log chain yet: take one.",
    5061: "Sessions are in the database; end them and keep them out.",
    5064: "Another session holds the only place in the database; end it.",
    15151: "It is not there, or the login lacks a permission.",
    33111: "Restore the certificate to that server first.",
}


@dataclass(frozen=True)
class Diagnosis:
    """A driver's exception, read. ``number`` is None when the driver and not the server speaks."""

    state: str
    number: int | None
    text: str

    @property
    def in_doubt(self) -> bool:
        """The statement may or may not have had its effect."""
        return self.number is None or self.state in BROKEN or self.number in SESSION_LOST

    @property
    def is_transient(self) -> bool:
        """Another try is worth it, as far as reading and connecting go."""
        if self.number in PERMANENT_CONNECT:
            return False
        if self.number is None and self.state in ("08001", "01000"):  # FreeTDS reports a lost connection as a warning
            return True
        return self.number in TRANSIENT or self.state in BROKEN


class Failure(ServerError):
    """A :class:`ServerError` that remembers its diagnosis, for those who decide about another try."""

    def __init__(self, role: str, diagnosis: Diagnosis, statement: str, *, in_doubt: bool) -> None:
        number = diagnosis.number
        said = _lowered(diagnosis.text) if number is None else diagnosis.text
        super().__init__(
            f"{role}: {f'error {number}: ' if number is not None else ''}{said}",
            number=number,
            statement=statement,
            in_doubt=in_doubt,
            hint=HINTS.get(number or 0, ""),
        )
        self.diagnosis = diagnosis


def diagnose(error: BaseException) -> Diagnosis:
    """Read what pyodbc raised: ``(sqlstate, '[state] [vendor][driver][SQL Server]text (native) (SQLFunction)')``.

    What pyodbc refuses by itself it says in the other order.
    """
    arguments = [str(argument) for argument in error.args] or [type(error).__name__]
    state = next((one for one in arguments if SQLSTATE.fullmatch(one)), "HY000")
    raw = next((one for one in arguments if one != state), state)
    found = NATIVE.search(raw)
    first = raw[: found.start()] if found else raw
    text = PREFIX.sub("", first).strip().rstrip(".")
    native = int(found.group(1)) if found else 0
    spoken = native > 0 and "[SQL Server]" in first and not ("[FreeTDS]" in first and native in FREETDS_OWN)
    return Diagnosis(state, native if spoken else None, text)


def is_transient(error: BaseException) -> bool:
    """Whether a read is worth another try."""
    return isinstance(error, Failure) and error.diagnosis.is_transient


def is_known_undone(error: BaseException) -> bool:
    """Whether an effect is known not to have happened, and is worth another try."""
    return isinstance(error, Failure) and not error.in_doubt and error.number in NOT_DONE


def _lowered(text: str) -> str:
    """A sentence in the middle of another; names such as TCP keep their capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
