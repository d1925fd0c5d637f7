"""What the servers' own logs say of an executor: which of its statements could have changed something."""

from __future__ import annotations

import re

COPY = "msdb.dbo.runbook_journal"
_READING = re.compile(
    r"\s*(SELECT|SET |USE |RESTORE (HEADERONLY|FILELISTONLY|VERIFYONLY|LABELONLY)|EXEC sys\.sp_datatype"
    r"|IF OBJECT_ID\(N'msdb\.dbo\.runbook_(marker|journal)', N'U'\) IS NOT NULL\s+SELECT"
    r"|EXEC @outcome = sys\.sp_getapplock |EXEC sys\.sp_releaseapplock )"  # a lock of a session ends with it
)
_OF_NO_EFFECT = re.compile(r"UPDATE msdb\.dbo\.runbook_marker .* fence <= \d+$", re.DOTALL)
"""Changes nothing once a newer executor has put its number there."""


def changes_nothing(sql: str) -> bool:
    """Of an executor that was overtaken."""
    return bool(_READING.match(sql) or _OF_NO_EFFECT.match(sql))


def offers_rows(sql: str) -> bool:
    """To the copy of the journal, which takes them only while the marker names who offers them."""
    return sql.startswith(f"INSERT INTO {COPY} ")
