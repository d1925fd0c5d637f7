"""The token cursor all parsers share."""

from __future__ import annotations

from typing import NoReturn

from runbook.sandbox.contract import UNSUPPORTED, SqlError
from runbook.sandbox.language.lexer import Tokens

STARTERS = frozenset(
    [
        "ALTER",
        "BACKUP",
        "BEGIN",
        "BREAK",
        "BULK",
        "CHECKPOINT",
        "CLOSE",
        "COMMIT",
        "CONTINUE",
        "CREATE",
        "DBCC",
        "DEALLOCATE",
        "DECLARE",
        "DELETE",
        "DENY",
        "DISABLE",
        "DROP",
        "ELSE",
        "ENABLE",
        "END",
        "EXEC",
        "EXECUTE",
        "FETCH",
        "GO",
        "GOTO",
        "GRANT",
        "IF",
        "INSERT",
        "KILL",
        "MERGE",
        "OPEN",
        "PRINT",
        "RAISERROR",
        "RECONFIGURE",
        "RESTORE",
        "RETURN",
        "REVERT",
        "REVOKE",
        "ROLLBACK",
        "SAVE",
        "SELECT",
        "SET",
        "SHUTDOWN",
        "THROW",
        "TRUNCATE",
        "UPDATE",
        "USE",
        "WAITFOR",
        "WHILE",
        "WITH",
    ]
)
"""Words that begin a statement, or end the one before."""

RESERVED = STARTERS - {"DISABLE", "ENABLE", "GO", "THROW"} | frozenset(
    [
        "ADD",
        "ALL",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "AUTHORIZATION",
        "BETWEEN",
        "BROWSE",
        "BY",
        "CASCADE",
        "CASE",
        "CHECK",
        "CLUSTERED",
        "COALESCE",
        "COLLATE",
        "COLUMN",
        "CONSTRAINT",
        "CONTAINS",
        "CONVERT",
        "CROSS",
        "CURRENT",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_USER",
        "CURSOR",
        "DATABASE",
        "DEFAULT",
        "DESC",
        "DISTINCT",
        "ESCAPE",
        "EXCEPT",
        "EXISTS",
        "EXIT",
        "FOR",
        "FOREIGN",
        "FROM",
        "FULL",
        "FUNCTION",
        "GROUP",
        "HAVING",
        "HOLDLOCK",
        "IDENTITY",
        "IN",
        "INDEX",
        "INNER",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "KEY",
        "LEFT",
        "LIKE",
        "MERGE",
        "NATIONAL",
        "NOCHECK",
        "NONCLUSTERED",
        "NOT",
        "NULL",
        "NULLIF",
        "OF",
        "OFF",
        "ON",
        "OPTION",
        "OR",
        "ORDER",
        "OUTER",
        "OVER",
        "PERCENT",
        "PIVOT",
        "PLAN",
        "PRIMARY",
        "PROC",
        "PROCEDURE",
        "PUBLIC",
        "REFERENCES",
        "REPLICATION",
        "RIGHT",
        "ROWCOUNT",
        "SCHEMA",
        "SESSION_USER",
        "SOME",
        "SYSTEM_USER",
        "TABLE",
        "TABLESAMPLE",
        "THEN",
        "TO",
        "TOP",
        "TRAN",
        "TRANSACTION",
        "TRIGGER",
        "TRY_CONVERT",
        "TSEQUAL",
        "UNION",
        "UNIQUE",
        "UNPIVOT",
        "USER",
        "VALUES",
        "VARYING",
        "VIEW",
        "WHEN",
        "WHERE",
        "WITHIN",
    ]
)
"""Words that cannot be a name without brackets."""


def unsupported(what: str) -> SqlError:
    """The error that says the sandbox does not do this."""
    return SqlError(UNSUPPORTED, f"sandbox: {what} is not supported by the sandbox")


class Cursor:
    """A position in the tokens of one batch."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.at = 0
        self.size = len(tokens.kinds)
        self.kinds = tokens.kinds
        self.keys = tuple(tokens.keys)
        self.values = tokens.values

    # -- looking

    def key(self, ahead: int = 0) -> str:
        """Upper-case word or symbol at the cursor, empty for other tokens and the end."""
        index = self.at + ahead
        return self.keys[index] if index < self.size else ""

    def kind(self, ahead: int = 0) -> str:
        """Kind of the token at the cursor, empty at the end."""
        index = self.at + ahead
        return self.kinds[index] if index < self.size else ""

    def value(self) -> str:
        """Text of the token at the cursor."""
        return self.values[self.at]

    def sees(self, *keys: str) -> bool:
        """Whether the next tokens are these words or symbols."""
        return self.keys[self.at : self.at + len(keys)] == keys

    def sees_any(self, *keys: str) -> bool:
        """Whether the next token is one of these."""
        return self.at < self.size and self.keys[self.at] in keys

    @property
    def ended(self) -> bool:
        """Whether no token is left."""
        return self.at >= self.size

    # -- taking

    def take(self, *keys: str) -> bool:
        """Skip these words or symbols if they come next."""
        after = self.at + len(keys)
        if self.keys[self.at : after] != keys:
            return False
        self.at = after
        return True

    def take_any(self, *keys: str) -> str:
        """Skip one of these, and say which; empty if none comes next."""
        if self.at < self.size and self.keys[self.at] in keys:
            self.at += 1
            return self.keys[self.at - 1]
        return ""

    def expect(self, *keys: str) -> None:
        """Skip these or fail with a syntax error."""
        for key in keys:
            if self.at >= self.size or self.keys[self.at] != key:
                self.fail()
            self.at += 1

    def fail(self) -> NoReturn:
        """Raise the syntax error at the cursor."""
        raise self.wrong()

    def wrong(self) -> SqlError:
        """Syntax error at the cursor, in the words of SQL Server."""
        if self.at >= self.size:
            last = self.values[-1] if self.size else ""
            return SqlError(102, f"Incorrect syntax near '{last}'.", 15, line=self.tokens.line(self.size - 1))
        line, word = self.tokens.line(self.at), self.value()
        if self.key() in RESERVED:
            return SqlError(156, f"Incorrect syntax near the keyword '{word}'.", 15, line=line)
        return SqlError(102, f"Incorrect syntax near '{word}'.", 15, line=line)

    # -- names

    def is_name(self, ahead: int = 0) -> bool:
        """Whether a name may stand at the cursor."""
        kind = self.kind(ahead)
        return kind == "quoted" or (kind == "word" and self.key(ahead) not in RESERVED)

    def name(self) -> str:
        """One identifier."""
        if not self.is_name():
            self.fail()
        self.at += 1
        return self.values[self.at - 1]

    def word(self) -> str:
        """Any word, upper case."""
        if self.kind() != "word":
            self.fail()
        self.at += 1
        return self.keys[self.at - 1]

    def dotted(self) -> tuple[str, ...]:
        """A name of up to four parts; omitted parts are empty."""
        parts = [self.name()]
        while self.sees("."):
            self.at += 1
            while self.take("."):
                parts.append("")
            parts.append(self.any_name())
        if len(parts) > 4:
            raise SqlError(
                117, f"The object name '{'.'.join(parts)}' contains more than the maximum number of prefixes.", 15
            )
        return tuple(parts)

    def any_name(self) -> str:
        """A name after a dot, where reserved words are allowed too."""
        if self.kind() not in ("word", "quoted"):
            self.fail()
        self.at += 1
        return self.values[self.at - 1]

    def names(self) -> list[str]:
        """``(a, b, c)``."""
        self.expect("(")
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        self.expect(")")
        return found

    def string(self) -> str:
        """A string literal."""
        if self.kind() != "string":
            self.fail()
        self.at += 1
        return self.values[self.at - 1]

    def integer(self) -> int:
        """A whole number with an optional sign."""
        sign = -1 if self.take("-") else 1
        self.take("+")
        if self.kind() != "number" or not self.value().isdigit():
            self.fail()
        self.at += 1
        return sign * int(self.values[self.at - 1])

    def source(self, first: int, last: int) -> str:
        """Batch text from token ``first`` up to but without ``last``."""
        return self.tokens.text[self.tokens.starts[first] : self.tokens.ends[last - 1]] if last > first else ""

    def skip_parens(self) -> str:
        """Skip a balanced ``( ... )`` and give the text inside."""
        self.expect("(")
        first, depth = self.at, 1
        while depth:
            if self.ended:
                self.fail()
            depth += {"(": 1, ")": -1}.get(self.key(), 0)
            self.at += 1
        return self.source(first, self.at - 1)
