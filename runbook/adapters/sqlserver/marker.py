"""The marker on one server: see :mod:`runbook.marker` for what it is for."""

from __future__ import annotations

from runbook.adapters.sqlserver.client import Client
from runbook.adapters.sqlserver.connection import Answer
from runbook.adapters.sqlserver.tsql import marker as text
from runbook.errors import ServerError
from runbook.marker import Marker

THERE_ALREADY = 2714
"""CREATE TABLE, when somebody else was quicker."""
LOST_THE_RACE = frozenset({208, 2601, 2627})
"""The table is gone again, or the row is there by now: whoever asks has to look anew."""
OWNER_LIMIT = 256


def read(client: Client) -> Marker | None:
    """The marker as it is now."""
    return found_in(client.read(text.read()))


def found_in(answer: Answer) -> Marker | None:
    """The marker from the last result set of an answer, None where there is none."""
    rows = answer.sets[-1].dicts() if answer.sets else []
    if not rows or "row_hash" not in rows[0]:
        return None
    row = rows[0]
    ended = bool(row["ended"])
    return Marker(row["run_id"], row["owner"], row["fence"], row["position"], row["row_hash"], ended, row["behind"])


def put(client: Client, mine: Marker, instead_of: Marker | None) -> bool:
    """Compare and set, in one statement."""
    values = (mine.run_id, mine.owner[:OWNER_LIMIT], mine.fence, mine.position, mine.row_hash)
    if instead_of is None:
        _create(client)
        sql = text.put(*values)
    else:
        sql = text.replace((instead_of.run_id, instead_of.fence, instead_of.row_hash), *values)
    try:
        return bool(client.effect(sql).value())
    except ServerError as e:
        if e.number in LOST_THE_RACE:
            return False
        raise


def _create(client: Client) -> None:
    try:
        client.effect(text.create())
    except ServerError as e:
        if e.number != THERE_ALREADY:
            raise


def end(client: Client, run_id: str, fence: int, *, remove: bool) -> None:
    """Give the instance back."""
    client.effect(text.remove(run_id, fence) if remove else text.end(run_id, fence))
