"""DBCC CHECKIDENT: the counter of an identity column, through the session's own connection and transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error, text
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.language.lexer import parse_name

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance


def checkident(_: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DBCC CHECKIDENT (table [, NORESEED | RESEED [, value]]) [WITH NO_INFOMSGS]. Raises 2501, 7997."""
    reader.expect_symbol("(")
    name = str(reader.value())
    mode = reader.one_of("NORESEED", "RESEED") if reader.symbol(",") else "RESEED"
    value = reader.integer() if reader.symbol(",") else None
    reader.expect_symbol(")")
    quiet = reader.accept("WITH", "NO_INFOMSGS")
    reader.end()
    counter = _Counter(session, name)
    if not quiet:
        sink.info(7998, counter.describe(with_column=value is None))
    if mode == "RESEED":
        counter.reseed(value)
    if not quiet:
        sink.info(2528, text(2528))
    sink.done()


class _Counter:
    """The identity counter of one table. ``session`` is the language part's, whose catalog and engine are used."""

    def __init__(self, session: Any, name: str) -> None:
        parts = ["", "", "", *parse_name(name)][-3:]
        self._session = session
        self._database, self._prefix, catalog = session.open(parts[0] or session.database)
        self._table = catalog.find(parts[1] or "dbo", parts[2])
        if self._table is None or not hasattr(self._table, "identity"):
            raise error(2501, name)
        self._column = self._table.identity()
        if self._column is None:
            raise error(7997, name)
        where = f"SELECT value FROM {self._prefix}.sys_identity WHERE id = ?"
        self._last: int | None = session.engine.value(where, (self._table.id,))
        self._seed, self._step = self._column.identity
        pick = "MAX" if self._step > 0 else "MIN"
        found = session.engine.value(f"SELECT {pick}({self._column.phys}) FROM {self._prefix}.{self._table.phys}")
        self._extreme: int | None = None if found is None else int(found)

    def describe(self, *, with_column: bool) -> str:
        """The text of message 7998."""
        current = "NULL" if self._last is None else str(self._last)
        said = f"Checking identity information: current identity value '{current}'"
        if with_column:
            said += f", current column value '{'NULL' if self._extreme is None else self._extreme}'"
        return said + "."

    def reseed(self, value: int | None) -> None:
        """Set the counter. A table that never had a row gets ``value`` itself with its first row."""
        if value is None:
            behind = self._extreme is not None and (self._last is None or self._is_beyond(self._extreme, self._last))
            if not behind:
                return
            value = self._extreme
        elif self._last is None:
            value -= self._step
        with self._session.transactions.writing(self._database):
            self._session.engine.change(
                f"INSERT OR REPLACE INTO {self._prefix}.sys_identity VALUES (?, ?)", (self._table.id, value)
            )

    def _is_beyond(self, one: int, other: int) -> bool:
        return one > other if self._step > 0 else one < other
