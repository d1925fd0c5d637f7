"""Views, procedures, functions, triggers and the smaller objects."""

from __future__ import annotations

import re

from runbook.sandbox.contract import SqlError
from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.ddl import TableParser

DML_EVENTS = ("INSERT", "UPDATE", "DELETE")


class ModuleParser(TableParser):
    """Objects whose definition is kept as text."""

    def definition(self, first: int) -> str:
        """The whole batch, with ALTER or CREATE OR ALTER at token ``first`` turned to CREATE."""
        text, start = self.tokens.text, self.tokens.starts[first]
        if self.keys[first] == "ALTER":
            return text[:start] + "CREATE" + text[self.tokens.ends[first] :]
        if self.keys[first + 1] == "OR":
            return text[: self.tokens.ends[first]] + text[self.tokens.ends[first + 2] :]
        return text

    def module(self, first: int, mode: str) -> s.Statement:
        """The statement must stand first in its batch."""
        kind = self.word()
        if first != 0:
            names = {"PROC": "PROCEDURE"}
            text = f"'CREATE/ALTER {names.get(kind, kind)}' must be the first statement in a query batch."
            raise SqlError(111, text, 15, line=self.tokens.line(first))
        definition = self.definition(first)
        parsers = {"VIEW": self._view, "FUNCTION": self._function, "TRIGGER": self._trigger}
        return parsers.get(kind, self._procedure)(mode, definition)

    def _view(self, mode: str, definition: str) -> d.CreateModule:
        found = d.CreateModule("V", mode, self.dotted(), definition)
        if self.sees("("):
            found.columns = self.names()
        found.options = self._with_options()
        self.expect("AS")
        found.query = self.query()
        if self.take("WITH", "CHECK", "OPTION"):
            found.check_option = True
        self.take(";")
        if not self.ended:
            self.fail()
        return found

    def _with_options(self) -> list[str]:
        options: list[str] = []
        if not self.take("WITH"):
            return options
        while True:
            word = self.word()
            if word == "EXECUTE":
                self.expect("AS")
                if self.kind() == "string" or self.word() not in ("CALLER", "OWNER", "SELF"):
                    raise unsupported("WITH EXECUTE AS 'user'")
            elif word in ("NATIVE_COMPILATION", "ENCRYPTION"):
                raise unsupported(f"WITH {word}")
            elif word in ("RETURNS", "CALLED"):
                word += " NULL ON NULL INPUT"
                while self.take_any("NULL", "ON", "INPUT"):
                    pass
            options.append(word)
            if not self.take(","):
                return options

    def _parameters(self) -> list[d.Parameter]:
        found: list[d.Parameter] = []
        while self.kind() == "variable":
            name = self._variable()
            self.take("AS")
            parameter = d.Parameter(name, self.type_name())
            self.take("NULL")
            if self.take("VARYING"):
                raise unsupported("a cursor parameter")
            if self.take("="):
                parameter.default = self._default_value()
            while True:
                word = self.take_any("OUTPUT", "OUT", "READONLY")
                if not word:
                    break
                parameter.output |= word != "READONLY"
                parameter.readonly |= word == "READONLY"
            found.append(parameter)
            if not self.take(","):
                return found
        return found

    def _default_value(self) -> n.Node:
        if self.kind() == "word" and self.is_name() and self.key(1) != "(":
            self.at += 1
            return n.Literal("string", self.values[self.at - 1])
        return self._factor()

    def _procedure(self, mode: str, definition: str) -> d.CreateModule:
        found = d.CreateModule("P", mode, self.dotted(), definition)
        if self.take(";"):
            raise unsupported("a numbered procedure")
        bracketed = self.take("(")
        found.parameters = self._parameters()
        if bracketed:
            self.expect(")")
        found.options = self._with_options()
        if self.take("FOR"):
            self.expect("REPLICATION")
        self.expect("AS")
        self._no_external()
        found.body = self.statements()
        return found

    def _no_external(self) -> None:
        if self.sees("EXTERNAL"):
            raise unsupported("a CLR module")

    def _function(self, mode: str, definition: str) -> d.CreateModule:
        found = d.CreateModule("FN", mode, self.dotted(), definition)
        self.expect("(")
        found.parameters = self._parameters()
        self.expect(")")
        if self.word() != "RETURNS":
            self.fail()
        if self.take("TABLE"):
            return self._inline(found)
        if self.kind() == "variable":
            found.kind, found.returns_table = "TF", self._variable()
            self.expect("TABLE")
            found.table_body = self.table_body()
        else:
            found.returns = self.type_name()
        found.options = self._with_options()
        self.take("AS")
        self._no_external()
        self.expect("BEGIN")
        found.body = self.statements("END")
        self.expect("END")
        return self._ended(found)

    def _inline(self, found: d.CreateModule) -> d.CreateModule:
        found.kind = "IF"
        found.options = self._with_options()
        self.take("AS")
        self._no_external()
        statement = self.return_statement()
        if not isinstance(statement, s.Return) or statement.query is None:
            self.fail()
        found.query = statement.query
        return self._ended(found)

    def _ended(self, found: d.CreateModule) -> d.CreateModule:
        while self.take(";"):
            pass
        if not self.ended:
            self.fail()
        return found

    def _trigger(self, mode: str, definition: str) -> d.CreateModule:
        found = d.CreateModule("TR", mode, self.dotted(), definition)
        self.expect("ON")
        if self.take("ALL"):
            raise unsupported("a server trigger")
        if self.take("DATABASE"):
            raise unsupported("a DDL trigger")
        found.parent = self.dotted()
        found.options = self._with_options()
        if self.take("INSTEAD"):
            self.expect("OF")
            found.instead_of = True
        elif not self.take("FOR") and self.word() != "AFTER":
            self.fail()
        while True:
            event = self.take_any(*DML_EVENTS)
            if not event:
                self.fail()
            found.events.append(event)
            if not self.take(","):
                break
        self.take("NOT", "FOR", "REPLICATION")
        self.expect("AS")
        self._no_external()
        found.body = self.statements()
        return found

    # -- smaller objects

    def create_schema(self) -> s.Statement:
        """CREATE SCHEMA name AUTHORIZATION owner."""
        name = "" if self.sees("AUTHORIZATION") else self.name()
        owner = self.name() if self.take("AUTHORIZATION") else ""
        if self.sees_any("CREATE", "GRANT", "DENY"):
            raise unsupported("CREATE SCHEMA with elements")
        return d.CreateSchema(name or owner, owner)

    def alter_schema(self) -> s.Statement:
        """ALTER SCHEMA x TRANSFER y."""
        schema = self.name()
        if self.word() != "TRANSFER":
            self.fail()
        kind = "OBJECT"
        if self.key(1) == "::":
            kind = self.word()
            self.at += 1
        return d.TransferSchema(schema, kind, self.dotted())

    def sequence(self, alter: bool) -> s.Statement:
        """CREATE or ALTER SEQUENCE."""
        found = d.SequenceStatement(self.dotted(), alter, None, {})
        if self.take("AS"):
            found.type = self.type_name()
        while self.kind() == "word":
            word = self.key()
            if word not in ("START", "RESTART", "INCREMENT", "MINVALUE", "MAXVALUE", "CYCLE", "CACHE", "NO"):
                break
            self.at += 1
            self._sequence_option(found, word)
        return found

    def _sequence_option(self, found: d.SequenceStatement, word: str) -> None:
        if word == "NO":
            word = self.word()
            found.options[word] = 0 if word in ("CYCLE", "CACHE") else None
            return
        if word == "CYCLE":
            found.options[word] = 1
            return
        self.take_any("WITH", "BY")
        has_number = self.kind() == "number" or self.sees("-")
        found.options[word] = self.integer() if has_number else None

    def create_type(self) -> s.Statement:
        """CREATE TYPE FROM or AS TABLE."""
        name = self.dotted()
        if self.take("FROM"):
            base = self.type_name()
            nullable = not self.take("NOT", "NULL")
            self.take("NULL")
            return d.CreateType(name, base, nullable, None)
        self.expect("AS")
        self.take("TABLE") or self.fail()
        return d.CreateType(name, None, nullable=True, table=self.table_body())

    def create_statistics(self) -> s.Statement:
        """CREATE STATISTICS."""
        name = self.name()
        self.expect("ON")
        found = d.CreateStatistics(name, self.dotted(), self.names())
        if self.take("WHERE"):
            raise unsupported("filtered statistics")
        if self.take("WITH"):
            while self.kind() in ("word", "number") and (self.is_name() or self.kind() == "number"):
                self.at += 1
                self.take(",")
        return found

    def drop(self) -> s.Statement:
        """DROP of everything inside a database."""
        kind = self.word()
        if kind == "INDEX":
            return self.drop_index()
        if kind == "APPLICATION":
            raise unsupported("DROP APPLICATION ROLE")
        kind = {"PROC": "PROCEDURE"}.get(kind, kind)
        if_exists = self.take("IF", "EXISTS")
        names = [self.dotted()]
        while self.take(","):
            names.append(self.dotted())
        if kind == "TRIGGER" and self.take("ON"):
            raise unsupported("a DDL trigger")
        return d.Drop(kind, names, if_exists)

    def trigger_switch(self, enable: bool) -> s.Statement:
        """ENABLE or DISABLE TRIGGER."""
        self.at += 1
        self.expect("TRIGGER")
        names: list[tuple[str, ...]] = []
        if not self.take("ALL"):
            names.append(self.dotted())
            while self.take(","):
                names.append(self.dotted())
        self.expect("ON")
        if self.sees_any("ALL", "DATABASE"):
            raise unsupported("a DDL trigger")
        return d.TriggerSwitch(enable, names, self.dotted(), "OBJECT")


def text_of_create(definition: str) -> re.Match[str] | None:
    """The span of the object's name in a stored definition; kept for sp_rename checks."""
    return re.search(r"\bCREATE\s+\w+\s+([\w.\[\]\"]+)", definition, re.IGNORECASE)
