"""The dispatcher: which word begins which statement."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.lexer import lex
from runbook.sandbox.language.parser.base import STARTERS, unsupported
from runbook.sandbox.language.parser.security import SecurityParser

ADMIN_FIRST = frozenset({"BACKUP", "RESTORE", "DBCC", "KILL", "CHECKPOINT", "SHUTDOWN", "RECONFIGURE"})
ADMIN_OBJECTS = frozenset(
    [
        "DATABASE",
        "LOGIN",
        "SERVER",
        "ENDPOINT",
        "CREDENTIAL",
        "CERTIFICATE",
        "MASTER",
        "AVAILABILITY",
        "EVENT",
        "ASYMMETRIC",
        "SYMMETRIC",
        "CRYPTOGRAPHIC",
        "RESOURCE",
        "WORKLOAD",
    ]
)
REFUSED = frozenset(["BULK", "REVERT", "READTEXT", "WRITETEXT", "UPDATETEXT", "SEND", "RECEIVE", "MOVE", "GET"])
NO_PROCEDURES = REFUSED | {"ENABLE", "DISABLE", "THROW"}
MODULES = frozenset({"VIEW", "PROC", "PROCEDURE", "FUNCTION", "TRIGGER"})


class BatchParser(SecurityParser):
    """Parses whole batches."""

    def batch(self) -> list[s.Statement]:
        """All statements of the batch. A procedure call may stand first without EXEC."""
        while self.take(";"):
            pass
        found = []
        if self._bare_call():
            found.append(self._located(self._bare_execute))
        return found + self.statements()

    def _bare_call(self) -> bool:
        if not self.is_name() or self.key() in NO_PROCEDURES:
            return False
        return self.key(1) != ":" and not (self.kind() == "word" and self.key() in STARTERS | {"GO"})

    def _bare_execute(self) -> s.Statement:
        statement = s.Execute(procedure=self.dotted())
        statement.args = self.arguments()
        return statement

    def statement(self) -> s.Statement:
        """One statement."""
        return self._located(self._statement)

    def _located(self, parse: Callable[[], s.Statement]) -> s.Statement:
        first = self.at
        found = parse()
        found.line = self.tokens.line(first)
        found.start = self.tokens.starts[first]
        found.end = self.tokens.ends[self.at - 1]
        return found

    def _statement(self) -> s.Statement:
        key = self.key()
        parse = _PARSERS.get(key)
        if parse is not None:
            return parse(self)
        if key in ADMIN_FIRST:
            return self._admin()
        if self.kind() == "word" and self.key(1) == ":" and self.key(2) != ":":
            self.at += 2
            return s.Label(self.values[self.at - 2].lower())
        if key in ("ENABLE", "DISABLE") and self.key(1) == "TRIGGER":
            return self.trigger_switch(key == "ENABLE")
        if key == "THROW":
            return self.throw()
        if key in REFUSED:
            raise unsupported(key)
        raise self.wrong()

    def word_statement(self) -> s.Statement:
        """BREAK and CONTINUE."""
        return s.Simple(self.word())

    # -- CREATE, ALTER, DROP

    def create(self) -> s.Statement:
        """CREATE ..."""
        first = self.at
        self.expect("CREATE")
        mode = "create"
        if self.sees("OR", "ALTER"):
            self.at += 2
            mode = "both"
        key = self.key()
        if key in MODULES:
            return self.module(first, mode)
        if key in ADMIN_OBJECTS:
            self.at = first
            return self._admin()
        unique = self.take("UNIQUE")
        clustered = self._clustered()
        if unique or clustered is not None or self.sees("INDEX"):
            self.expect("INDEX")
            return self.create_index(unique, clustered)
        return self._create_other()

    def _create_other(self) -> s.Statement:
        word = self.word()
        if word in ("USER", "ROLE"):
            return self.principal("create", word)
        if word == "SEQUENCE":
            return self.sequence(alter=False)
        if word == "SYNONYM":
            name = self.dotted()
            self.expect("FOR")
            return d.CreateSynonym(name, self.dotted())
        parse = _CREATED.get(word)
        if parse is None:
            raise unsupported(f"CREATE {word}")
        return parse(self)

    def alter(self) -> s.Statement:
        """ALTER ..."""
        first = self.at
        self.expect("ALTER")
        key = self.key()
        if key in MODULES:
            return self.module(first, "alter")
        if key == "DATABASE" and self.key(1) == "SCOPED":
            return self._scoped()
        if key == "AUTHORIZATION" and self.key(1) == "ON" and self.key(2) not in ("DATABASE", "SERVER", "ENDPOINT"):
            self.at += 1
            return self.authorization()
        if key in ADMIN_OBJECTS or key == "AUTHORIZATION":
            self.at = first
            return self._admin()
        return self._alter_other_kind()

    def _alter_other_kind(self) -> s.Statement:
        word = self.word()
        if word in ("USER", "ROLE"):
            return self.principal("alter", word)
        if word == "SEQUENCE":
            return self.sequence(alter=True)
        parse = {"TABLE": self.alter_table, "INDEX": self.alter_index, "SCHEMA": self.alter_schema}.get(word)
        if parse is None:
            raise unsupported(f"ALTER {word}")
        return parse()

    def _scoped(self) -> s.Statement:
        self.at += 2
        if self.word() != "CONFIGURATION":
            self.fail()
        if self.sees("FOR"):
            raise unsupported("ALTER DATABASE SCOPED CONFIGURATION FOR SECONDARY")
        if self.key() == "CLEAR":
            self.at += 2
            return s.Nothing("ALTER DATABASE SCOPED CONFIGURATION CLEAR")
        self.expect("SET")
        name = self.word()
        self.expect("=")
        self.at += 1
        return d.ScopedConfiguration(name, self.values[self.at - 1].upper())

    def drop_statement(self) -> s.Statement:
        """DROP ..."""
        first = self.at
        self.expect("DROP")
        if self.key() in ADMIN_OBJECTS:
            self.at = first
            return self._admin()
        return self.drop()

    def grant(self) -> s.Statement:
        """GRANT, DENY, REVOKE; those at server scope go to the instance."""
        return self._admin() if self.is_server_grant() else self.permission()

    def update_or_statistics(self) -> s.Statement:
        """UPDATE, or UPDATE STATISTICS."""
        if self.key(1) != "STATISTICS":
            return self.update()
        self.at += 2
        self.dotted()
        if self.sees("("):
            self.skip_parens()
        elif self.is_name() and not (self.kind() == "word" and self.key(1) == ":"):
            self.name()
        if self.take("WITH"):
            while self.kind() in ("word", "number", "symbol") and (
                self.is_name() or self.sees_any(",", "=") or self.kind() == "number" or self.sees("PERCENT")
            ):
                self.at += 1
        return s.Nothing("UPDATE STATISTICS")

    # -- statements of the instance

    def _admin(self) -> s.Statement:
        """Everything up to the next word that begins a statement."""
        first = self.at
        verb, kind = self.key(), self.key(1)
        self.at += 2 if verb in ("ALTER", "CREATE", "DROP", "BACKUP", "RESTORE") else 1
        settable = verb in ("ALTER", "CREATE") and kind in ("DATABASE", "SERVER", "EVENT", "AVAILABILITY")
        depth = 0
        while not self.ended:
            key = self.key()
            if depth == 0 and (key == ";" or (key in STARTERS and self._begins(key, settable, verb))):
                break
            if key == "SET":
                settable = False
            depth += {"(": 1, ")": -1}.get(key, 0)
            self.at += 1
        return s.Admin(self.tokens.public(first, self.at))

    def _begins(self, key: str, settable: bool, verb: str) -> bool:
        before = self.keys[self.at - 1]
        if key == "WITH" or (key == "IF" and before in ("DATABASE", "LOGIN")):  # DROP DATABASE IF EXISTS
            return False
        if before in ("=", "WITH", ",", ".", "::", "ON", "TO", "FROM") or (before == "SET" and key != "SELECT"):
            return False
        if key == "SET":
            return not settable
        if verb in ("GRANT", "DENY", "REVOKE"):
            return key not in ("ALTER", "CREATE", "SELECT", "EXECUTE", "GRANT", "SHUTDOWN")
        if key in ("ENABLE", "DISABLE"):
            return verb != "ALTER" and self.key(1) == "TRIGGER"
        if key in ("DROP", "ALTER") and verb == "ALTER":
            return self.key(1) not in ("MEMBER", "FILE", "FILEGROUP", "CREDENTIAL", "EVENT", "TARGET")
        return key != "GO"


_PARSERS: dict[str, Callable[[BatchParser], s.Statement]] = {
    "SELECT": BatchParser.select,
    "(": BatchParser.select,
    "WITH": BatchParser.with_statement,
    "INSERT": BatchParser.insert,
    "UPDATE": BatchParser.update_or_statistics,
    "DELETE": BatchParser.delete,
    "MERGE": BatchParser.merge,
    "TRUNCATE": BatchParser.truncate,
    "DECLARE": BatchParser.declare,
    "SET": BatchParser.set_statement,
    "IF": BatchParser.if_statement,
    "WHILE": BatchParser.while_statement,
    "BEGIN": BatchParser.begin,
    "COMMIT": BatchParser.commit,
    "ROLLBACK": BatchParser.rollback,
    "SAVE": BatchParser.save,
    "RETURN": BatchParser.return_statement,
    "BREAK": BatchParser.word_statement,
    "CONTINUE": BatchParser.word_statement,
    "GOTO": BatchParser.goto,
    "PRINT": BatchParser.print_statement,
    "RAISERROR": BatchParser.raiserror,
    "WAITFOR": BatchParser.waitfor,
    "USE": BatchParser.use,
    "EXEC": BatchParser.execute,
    "EXECUTE": BatchParser.execute,
    "OPEN": BatchParser.cursor_action,
    "CLOSE": BatchParser.cursor_action,
    "DEALLOCATE": BatchParser.cursor_action,
    "FETCH": BatchParser.fetch,
    "CREATE": BatchParser.create,
    "ALTER": BatchParser.alter,
    "DROP": BatchParser.drop_statement,
    "GRANT": BatchParser.grant,
    "DENY": BatchParser.grant,
    "REVOKE": BatchParser.grant,
}

_CREATED: dict[str, Callable[[BatchParser], s.Statement]] = {
    "TABLE": BatchParser.create_table,
    "SCHEMA": BatchParser.create_schema,
    "TYPE": BatchParser.create_type,
    "STATISTICS": BatchParser.create_statistics,
}


@lru_cache(maxsize=512)
def _parse_cached(text: str) -> tuple[s.Statement, ...]:
    return tuple(BatchParser(lex(text)).batch())


def parse_batch(text: str) -> tuple[s.Statement, ...]:
    """Statements of a batch; short batches are kept, so that their plans are found again."""
    if len(text) > 20_000:
        return tuple(BatchParser(lex(text)).batch())
    return _parse_cached(text)
