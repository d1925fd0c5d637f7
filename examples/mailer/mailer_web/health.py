"""``/health``: which server answers, in what state, and whether its Agent is alive."""

from __future__ import annotations

import re

import pyodbc

from mailer_web.pool import Pool

DATABASES = ("Contacts", "Campaigns", "Tracking", "Surveys", "Billing", "Archive")
_STATES = "SELECT name, state_desc, user_access_desc FROM sys.databases WHERE name IN ({})".format(
    ", ".join(f"N'{name}'" for name in DATABASES)
)
_BEAT = "SELECT CONVERT(varchar(33), BeatAt, 126), DATEDIFF(SECOND, BeatAt, SYSUTCDATETIME()) FROM ops.LastBeat"


def look(pool: Pool, *, maintenance: bool) -> tuple[int, dict[str, object]]:
    """Status and body. 200 as long as the server answers and every database is online.

    A heart-beat that cannot be read (the Agent's jobs may be held, the databases closed to users) is reported and
    makes the answer ``degraded``, not a failure: whoever looks inside during a maintenance needs to see just that.
    """
    body: dict[str, object] = {"status": "away", "active": pool.active, "maintenance": maintenance}
    try:
        name, version = server(pool)
        states = {row[0]: (row[1], row[2]) for row in pool.ask("master", lambda c: c.execute(_STATES).fetchall())}
    except pyodbc.Error as error:
        return 503, body | {"server": None, "detail": _short(error)}
    body |= {"server": name, "version": version}
    body["databases"] = {each: states.get(each, ("MISSING", ""))[0] for each in DATABASES}
    body["access"] = {each: states[each][1] for each in DATABASES if each in states}
    online = all(states.get(each, ("",))[0] == "ONLINE" for each in DATABASES)
    alive = _heartbeat(pool, body)
    body["status"] = "ok" if online and alive else "degraded" if online else "away"
    return (200 if online else 503), body


def server(pool: Pool) -> tuple[str, str]:
    """Name and version of the server in use. Raises ``pyodbc.Error``."""
    sql = "SELECT @@SERVERNAME, CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128))"
    row = pool.ask("master", lambda cursor: cursor.execute(sql).fetchone())
    return str(row[0]), str(row[1])


def _heartbeat(pool: Pool, body: dict[str, object]) -> bool:
    try:
        beat, age = pool.ask("Tracking", lambda cursor: cursor.execute(_BEAT).fetchone())
    except pyodbc.Error as error:
        body |= {"heartbeat": None, "heartbeat_age_seconds": None, "detail": _short(error)}
        return False
    body |= {"heartbeat": f"{beat}Z" if beat else None, "heartbeat_age_seconds": age}
    return beat is not None


def _short(error: pyodbc.Error) -> str:
    """The message without what the driver puts before and behind it, one line."""
    text = re.sub(r"\s*\(\d+\)(?: \(SQL\w+\))?$", "", str(error.args[-1]).rsplit("]", 1)[-1])
    return " ".join(text.split())
