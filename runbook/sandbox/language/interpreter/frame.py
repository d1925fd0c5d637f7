"""What a running batch, procedure, trigger or function has of its own, and what the session keeps between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import SqlError, SqlType
from runbook.sandbox.language.bind.environment import StoredTable
from runbook.sandbox.language.functions.moments import now_utc

if TYPE_CHECKING:
    from runbook.sandbox.language.session import LanguageSession


@dataclass
class Options:
    """SET options of a session."""

    nocount: bool = False
    xact_abort: bool = False
    implicit_transactions: bool = False
    lock_timeout: int = -1
    isolation: str = "READ COMMITTED"
    textsize: int = 2147483647
    identity_insert: tuple[str, str, int] | None = None
    on: set[str] = field(
        default_factory=lambda: (
            {
                "ANSI_NULLS",
                "ANSI_PADDING",
                "ANSI_WARNINGS",
                "ARITHABORT",
                "CONCAT_NULL_YIELDS_NULL",
                "QUOTED_IDENTIFIER",
                "ANSI_NULL_DFLT_ON",
                "CURSOR_CLOSE_ON_COMMIT",
            }
            - {"CURSOR_CLOSE_ON_COMMIT"}
        )
    )

    def bits(self) -> int:
        """@@OPTIONS."""
        values = {
            "ANSI_WARNINGS": 8,
            "ANSI_PADDING": 16,
            "ANSI_NULLS": 32,
            "ARITHABORT": 64,
            "QUOTED_IDENTIFIER": 256,
            "ANSI_NULL_DFLT_ON": 1024,
            "CONCAT_NULL_YIELDS_NULL": 4096,
        }
        found = sum(bit for name, bit in values.items() if name in self.on)
        found |= 512 if self.nocount else 0
        found |= 16384 if self.xact_abort else 0
        return found | (2 if self.implicit_transactions else 0)


@dataclass
class State:
    """Values that @@functions show."""

    rowcount: int = 0
    error: int = 0
    identity: int | None = None
    fetch_status: int = 0
    cursor_rows: int = 0
    context_info: bytes | None = None
    context: dict[str, Any] = field(default_factory=dict)

    def settle(self, rowcount: int = 0) -> None:
        """A statement has ended well: @@ERROR is 0, @@ROWCOUNT its number of rows."""
        self.error, self.rowcount = 0, rowcount


class Frame:
    """One level of running T-SQL."""

    def __init__(self, session: LanguageSession, kind: str = "batch", parent: Frame | None = None) -> None:
        self.session = session
        self.kind = kind
        self.parent = parent
        self.variables: dict[str, Any] = {}
        self.types: dict[str, SqlType] = {}
        self.tables: dict[str, StoredTable] = {}
        self.cursors: dict[str, Any] = {}
        self.procedure = ""
        self.procedure_id = 0
        self.schema = "dbo"
        self.database = ""
        self.scope_identity: int | None = None
        self.pseudo: dict[str, StoredTable] = {}
        self.updated: set[str] | None = None
        self.updated_mask = b""
        self.temp_tables: list[str] = []
        self.status = 0
        self.line_offset = 0
        self.seen: set[int] = set()
        self.position = 0
        self.hoist: Callable[[str], bool] = lambda _name: False
        self._moment: int | None = None

    def now(self) -> int:
        """The present, the same for the whole statement."""
        if self._moment is None:
            self._moment = now_utc()
        return self._moment

    def begin_statement(self) -> None:
        """A new statement sees a new present."""
        self._moment = None

    def declare(self, name: str, kind: SqlType, value: Any = None) -> None:
        """A variable; error 134 when the name is taken."""
        if name in self.types or name in self.tables:
            raise SqlError(
                134,
                f"The variable name '{name}' has already been declared. Variable names must be unique within a "
                f"query batch or "
                "stored procedure.",
                15,
                2,
            )
        self.types[name] = kind
        self.variables[name] = value

    def type_of(self, name: str) -> SqlType:
        """Type of a variable; error 137."""
        found = self.types.get(name)
        if found is None and self.hoist(name):
            found = self.types.get(name)
        if found is None:
            raise SqlError(137, f'Must declare the scalar variable "{name}".', 15, 2)
        return found

    def is_updated(self, column: str) -> bool:
        """UPDATE(column) in a trigger."""
        return self.updated is not None and column.casefold() in self.updated

    def columns_updated(self) -> bytes:
        """COLUMNS_UPDATED() in a trigger."""
        return self.updated_mask


class Returned(BaseException):
    """RETURN."""


class Broken(BaseException):
    """BREAK."""


class Continued(BaseException):
    """CONTINUE."""


class Jumped(BaseException):
    """GOTO."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


class BatchEnded(BaseException):
    """An error ended the whole batch; it has been reported."""


class ScopeEnded(BaseException):
    """An error ended the procedure or batch it happened in; it has been reported."""


class StalePlan(Exception):
    """The plan does not fit the session or its databases any more; the statement that uses it begins anew."""
