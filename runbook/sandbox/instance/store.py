"""``instance.db``: what the server itself must not forget, in one SQLite file.

Two shapes are enough: *items* (one JSON document per kind and key, replaced as a whole) and *rows* (append-only
tables with an identity, such as the backup history). Every write is committed before the call returns, unless it
happens inside :meth:`Store.transaction`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

ROW_KINDS = ("backupset", "mediaset", "restorehistory", "jobhistory", "agentsession")


class Store:
    """The server's durable memory. Safe for use by several threads."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._connection = apsw.Connection(path)
        self._connection.set_busy_timeout(10_000)
        self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS item (kind TEXT, key TEXT, doc TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        for kind in ROW_KINDS:
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {kind} (id INTEGER PRIMARY KEY AUTOINCREMENT, doc TEXT)"
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several writes that become durable together or not at all."""
        with self._lock, self._connection:
            yield

    def get(self, kind: str, key: str) -> Any:
        """The document of that key, or None."""
        with self._lock:
            found = self._connection.execute("SELECT doc FROM item WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if found is None else json.loads(found[0])

    def items(self, kind: str) -> dict[str, Any]:
        """All documents of a kind by key."""
        with self._lock:
            found = self._connection.execute("SELECT key, doc FROM item WHERE kind = ?", (kind,)).fetchall()
        return {str(key): json.loads(str(doc)) for key, doc in found}

    def put(self, kind: str, key: str, doc: Any) -> None:
        """Write or replace a document."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO item VALUES (?, ?, ?)", (kind, key, json.dumps(doc, sort_keys=True))
            )

    def remove(self, kind: str, key: str) -> None:
        """Forget a document; not an error when there is none."""
        with self._lock:
            self._connection.execute("DELETE FROM item WHERE kind = ? AND key = ?", (kind, key))

    def append(self, kind: str, doc: dict[str, Any]) -> int:
        """Add a row to an append-only table and return its identity."""
        with self._lock:
            self._connection.execute(f"INSERT INTO {kind} (doc) VALUES (?)", (json.dumps(doc),))
            return int(self._connection.last_insert_rowid())

    def rows(self, kind: str) -> list[tuple[int, dict[str, Any]]]:
        """All rows of a table, oldest first, with their identities."""
        with self._lock:
            found = self._connection.execute(f"SELECT id, doc FROM {kind} ORDER BY id").fetchall()
        return [(int(str(row_id)), json.loads(str(doc))) for row_id, doc in found]

    def row(self, kind: str, row_id: int) -> dict[str, Any] | None:
        """One row by its identity."""
        with self._lock:
            found = self._connection.execute(f"SELECT doc FROM {kind} WHERE id = ?", (row_id,)).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def delete_rows(self, kind: str, ids: list[int]) -> None:
        """Remove rows of a table (job history of a deleted job, sp_delete_backuphistory)."""
        with self._lock, self._connection:
            self._connection.executemany(f"DELETE FROM {kind} WHERE id = ?", [(i,) for i in ids])

    def next(self, counter: str, first: int = 1) -> int:
        """The next number of a durable counter; never given out twice."""
        with self.transaction():
            number = int(self.get("counter", counter) or first)
            self.put("counter", counter, number + 1)
        return number

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()
