"""Identity columns, rowversions and sequences: counted in memory while a statement runs, written at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import types as t
from runbook.sandbox.language.catalog import model as m
from runbook.sandbox.language.values import numbers

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


class Counters:
    """The counters of one session."""

    def __init__(self, session: LanguageSession) -> None:
        self._session = session
        self._identities: list[_Identity] = []
        self._row_versions: dict[str, int] = {}
        self._row_prefix: list[str] = []
        self._sequences: dict[str, _Sequence] = {}
        session.engine.function("_ident", self._next_identity)
        session.engine.function("_rowver", self._next_row_version)
        session.engine.function("_nextval", self._next_sequence)

    def forget(self) -> None:
        """The statement was undone."""
        self._row_versions.clear()
        self._sequences.clear()

    # -- identity

    def begin_identity(self, prefix: str, table: m.Table) -> None:
        """An INSERT into a table with an identity column begins."""
        column = table.identity()
        assert column is not None
        assert column.identity is not None
        last = self._session.engine.value(f"SELECT value FROM {prefix}sys_identity WHERE id=?", (table.id,))
        self._identities.append(_Identity(prefix, table, column, last))

    def _next_identity(self) -> Any:
        return self._identities[-1].next()

    def note_identity(self, value: int) -> None:
        """A value was given with IDENTITY_INSERT ON."""
        self._identities[-1].note(value)

    def end_identity(self, *, keep: bool) -> int | None:
        """The INSERT is over: write the counter; gives the last value, None when there was no row."""
        identity = self._identities.pop()
        if not keep or not identity.used:
            return None
        self._session.engine.change(
            f"INSERT OR REPLACE INTO {identity.prefix}sys_identity VALUES(?,?)", (identity.table.id, identity.last)
        )
        return identity.last_given

    # -- rowversion

    def use_row_version(self, prefix: str) -> None:
        """Statements that follow write a table with a rowversion column."""
        if prefix not in self._row_versions:
            where = f"{prefix}sys_meta WHERE key='rowversion'" if prefix else ""
            self._row_versions[prefix] = (
                int(self._session.engine.value(f"SELECT value FROM {where}")) if prefix else 2000
            )
        self._row_prefix[:] = [prefix]

    def _next_row_version(self) -> bytes:
        prefix = self._row_prefix[0]
        self._row_versions[prefix] += 1
        return self._row_versions[prefix].to_bytes(8, "big")

    # -- sequences

    def load_sequence(self, database: str, prefix: str, sequence: m.Sequence) -> None:
        """A statement uses a sequence."""
        row = self._session.engine.rows(f"SELECT value, used FROM {prefix}.sys_sequence WHERE id=?", (sequence.id,))
        value, used = row[0] if row else (sequence.start, 0)
        self._sequences[f"{database}/{sequence.id}"] = _Sequence(prefix, sequence, value, bool(used))

    def _next_sequence(self, key: str) -> int:
        return self._sequences[key].next()

    def flush(self) -> None:
        """Write what changed."""
        engine = self._session.engine
        for prefix, value in self._row_versions.items():
            if prefix:
                engine.change(f"UPDATE {prefix}sys_meta SET value=? WHERE key='rowversion'", (str(value),))
        self._row_versions.clear()
        for state in self._sequences.values():
            engine.change(
                f"INSERT OR REPLACE INTO {state.prefix}.sys_sequence VALUES(?,?,?)",
                (state.sequence.id, state.value, int(state.used)),
            )
        self._sequences.clear()


class _Identity:
    def __init__(self, prefix: str, table: m.Table, column: m.Column, last: int | None) -> None:
        assert column.identity is not None
        self.prefix, self.table, self.last = prefix, table, last
        self.seed, self.step = column.identity
        self.kind = column.type
        self.used = False
        self.last_given: int | None = None

    def next(self) -> Any:
        """The next value."""
        value = self.seed if self.last is None else self.last + self.step
        self._check(value)
        self.last = self.last_given = value
        self.used = True
        return numbers.encode(value) if t.is_wide(self.kind) else value * 10 ** t.scale_of(self.kind)

    def note(self, value: int) -> None:
        """A value from outside moves the counter when it is beyond it."""
        self.used = True
        self.last_given = value
        if self.last is None or (value > self.last if self.step > 0 else value < self.last):
            self.last = value

    def _check(self, value: int) -> None:
        name = self.kind.name
        if name in t.INT_RANGES:
            low, high = t.INT_RANGES[name]
        else:
            high = 10 ** (self.kind.precision or 18) - 1
            low = -high
        if not low <= value <= high:
            raise SqlError(8115, f"Arithmetic overflow error converting IDENTITY to data type {name}.")


class _Sequence:
    def __init__(self, prefix: str, sequence: m.Sequence, value: int, used: bool) -> None:
        self.prefix, self.sequence, self.value, self.used = prefix, sequence, value, used

    def next(self) -> int:
        """The next value; error 11728 at the end of the range."""
        if not self.used:
            self.used = True
            return self.value
        sequence = self.sequence
        value = self.value + sequence.increment
        if not sequence.minimum <= value <= sequence.maximum:
            if not sequence.cycle:
                raise SqlError(
                    11728,
                    f"The sequence object '{sequence.name}' has reached its minimum or maximum value. Restart "
                    f"the sequence object "
                    "to allow new values to be generated.",
                )
            value = sequence.minimum if sequence.increment > 0 else sequence.maximum
        self.value = value
        return value
