"""Tables, indexes and constraints."""

from __future__ import annotations

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.nodes import TypeName
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.control import ControlParser
from runbook.sandbox.language.types import builtin_type


class TableParser(ControlParser):
    """CREATE and ALTER of tables and indexes."""

    def create_table(self) -> s.Statement:
        """CREATE TABLE, after those words."""
        name = self.dotted()
        if self.sees("AS"):
            raise unsupported("CREATE TABLE ... AS")
        body = self.table_body()
        self._placement()
        return d.CreateTable(name, body)

    def _placement(self) -> None:
        while True:
            if self.take("ON") or self.take_any("TEXTIMAGE_ON", "FILESTREAM_ON"):
                self.any_name()
                if self.sees("("):
                    raise unsupported("a partition scheme")
            elif self.sees("WITH", "("):
                self.take("WITH")
                self._check_table_options(self.skip_parens())
            else:
                return

    def _check_table_options(self, text: str) -> None:
        for word in ("SYSTEM_VERSIONING", "MEMORY_OPTIMIZED", "LEDGER", "FILETABLE", "REMOTE_DATA_ARCHIVE"):
            if word in text.upper():
                raise unsupported(f"the table option {word}")

    def table_body(self) -> d.TableBody:
        """``( column | constraint | index , ... )``."""
        self.expect("(")
        body = d.TableBody([], [])
        while True:
            self._element(body)
            if not self.take(","):
                break
            if self.sees(")"):
                break
        self.expect(")")
        return body

    def _element(self, body: d.TableBody) -> None:
        if self.sees_any("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
            body.constraints.append(self.constraint())
        elif self.sees("INDEX"):
            self.at += 1
            body.constraints.append(self._inline_index())
        elif self.key() == "PERIOD" and self.key(1) == "FOR":
            raise unsupported("a system-versioned table")
        else:
            body.columns.append(self.column())

    def _inline_index(self, column: str = "") -> d.ConstraintDef:
        found = d.ConstraintDef("INDEX", self.name())
        found.unique = self.take("UNIQUE")
        found.clustered = self._clustered()
        found.columns = self._key_columns() if self.sees("(") else [(column, False)]
        self._index_tail(found)
        return found

    def column(self) -> d.ColumnDef:
        """A column definition with its inline constraints."""
        name = self.name()
        if self.take("AS"):
            return self._computed(name)
        if self.is_name() or self.sees("NATIONAL"):
            column = d.ColumnDef(name, self.type_name())
        elif name.lower() == "timestamp":
            column = d.ColumnDef(name, _timestamp())
        else:
            self.fail()
        while self._column_option(column):
            pass
        return column

    def _computed(self, name: str) -> d.ColumnDef:
        first = self.at
        self.condition()
        column = d.ColumnDef(name, None, computed=self.source(first, self.at))
        column.persisted = self.take("PERSISTED")
        if self.take("NOT", "NULL"):
            column.nullable = False
        while self.sees_any("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "FOREIGN"):
            column.constraints.append(self.constraint(name))
        return column

    def _column_option(self, column: d.ColumnDef) -> bool:
        if self.take("NULL"):
            column.nullable = True
        elif self.take("NOT", "NULL"):
            column.nullable = False
        elif self.take("NOT"):
            self.expect("FOR", "REPLICATION")
        elif self.take("COLLATE"):
            column.collation = self.name()
        elif self.take("IDENTITY"):
            column.identity = self._identity()
        elif self.take("ROWGUIDCOL"):
            column.rowguid = True
        elif self.take("SPARSE"):
            column.sparse = True
        elif self.take("INDEX"):
            column.constraints.append(self._inline_index(column.name))
        elif self.sees_any("MASKED", "ENCRYPTED", "GENERATED", "FILESTREAM", "HIDDEN"):
            raise unsupported(f"the column option {self.key()}")
        elif self.sees_any("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "FOREIGN", "DEFAULT"):
            column.constraints.append(self.constraint(column.name))
        else:
            return False
        return True

    def _identity(self) -> tuple[int, int]:
        if not self.take("("):
            return (1, 1)
        seed = self.integer()
        self.expect(",")
        step = self.integer()
        self.expect(")")
        return (seed, step)

    def constraint(self, column: str = "") -> d.ConstraintDef:
        """A constraint; ``column`` is set for one written behind a column."""
        name = self.name() if self.take("CONSTRAINT") else ""
        word = self.take_any("PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "REFERENCES", "DEFAULT")
        if word in ("PRIMARY", "UNIQUE"):
            return self._key_constraint(word, name, column)
        if word == "CHECK":
            self.take("NOT", "FOR", "REPLICATION")
            return d.ConstraintDef("CHECK", name, expression=self._parenthesised_condition(), for_column=column)
        if word in ("FOREIGN", "REFERENCES"):
            return self._foreign_key(word, name, column)
        if word == "DEFAULT":
            return self._default(name, column)
        raise self.wrong()

    def _parenthesised_condition(self) -> str:
        first = self.at
        self.expect("(")
        self.condition()
        self.expect(")")
        return self.source(first, self.at)

    def _default(self, name: str, column: str) -> d.ConstraintDef:
        first = self.at
        self.expression()
        found = d.ConstraintDef("DEFAULT", name, expression=self.source(first, self.at), for_column=column)
        if self.take("FOR"):
            found.for_column = self.name()
        found.with_values = self.take("WITH", "VALUES")
        return found

    def _key_constraint(self, word: str, name: str, column: str) -> d.ConstraintDef:
        if word == "PRIMARY":
            self.expect("KEY")
        found = d.ConstraintDef("PRIMARY KEY" if word == "PRIMARY" else "UNIQUE", name)
        found.clustered = self._clustered()
        found.columns = self._key_columns() if self.sees("(") else [(column, False)]
        found.unique = True
        self._index_tail(found)
        return found

    def _clustered(self) -> bool | None:
        word = self.take_any("CLUSTERED", "NONCLUSTERED")
        if self.key() in ("COLUMNSTORE", "HASH"):
            raise unsupported(f"a {self.key()} index")
        return {"CLUSTERED": True, "NONCLUSTERED": False}.get(word)

    def _key_columns(self) -> list[tuple[str, bool]]:
        self.expect("(")
        found = []
        while True:
            name = self.name()
            found.append((name, self.take_any("ASC", "DESC") == "DESC"))
            if not self.take(","):
                break
        self.expect(")")
        return found

    def _index_tail(self, found: d.ConstraintDef) -> None:
        if self.kind() == "word" and self.key() == "INCLUDE":
            self.at += 1
            found.includes = self.names()
        if self.take("WHERE"):
            first = self.at
            self.condition()
            found.where = self.source(first, self.at)
        if self.take("WITH"):
            if self.sees("("):
                found.options = _options(self.skip_parens())
            elif self.word() == "FILLFACTOR" and self.take("="):
                found.options = {"FILL_FACTOR": str(self.integer())}
        while self.sees("ON") and self.kind(1) in ("word", "quoted"):
            self.at += 1
            self.any_name()
            if self.sees("("):
                raise unsupported("a partition scheme")

    def _foreign_key(self, word: str, name: str, column: str) -> d.ConstraintDef:
        found = d.ConstraintDef("FOREIGN KEY", name, [(column, False)])
        if word == "FOREIGN":
            self.expect("KEY")
            if self.sees("("):
                found.columns = [(c, False) for c in self.names()]
            self.expect("REFERENCES")
        found.reference = self.dotted()
        found.reference_columns = self.names() if self.sees("(") else []
        while self.take("ON"):
            event = self.take_any("DELETE", "UPDATE")
            action = self.word()
            if action in ("NO", "SET"):
                action += " " + self.word()
            if event == "DELETE":
                found.on_delete = action
            else:
                found.on_update = action
        self.take("NOT", "FOR", "REPLICATION")
        return found

    # -- ALTER TABLE

    def alter_table(self) -> s.Statement:
        """ALTER TABLE, after those words."""
        name = self.dotted()
        with_check: bool | None = None
        if self.sees("WITH") and self.key(1) in ("CHECK", "NOCHECK"):
            with_check = self.key(1) == "CHECK"
            self.at += 2
        if self.take("ADD"):
            return d.AlterTable(name, "add", body=self._added(), with_check=with_check)
        if self.take("ALTER", "COLUMN"):
            return self._alter_column(name)
        if self.take("DROP"):
            return d.AlterTable(name, "drop", names=self._dropped())
        word = self.take_any("CHECK", "NOCHECK")
        if word:
            self.expect("CONSTRAINT")
            return d.AlterTable(name, word.lower(), names=self._all_or_names(), with_check=with_check)
        return self._alter_other(name)

    def _alter_other(self, name: tuple[str, ...]) -> s.Statement:
        word = self.word()
        if word in ("ENABLE", "DISABLE") and self.take("TRIGGER"):
            return d.AlterTable(name, word.lower() + " trigger", names=self._all_or_names())
        if word == "REBUILD":
            if self.take("WITH"):
                self.skip_parens()
            return d.AlterTable(name, "rebuild")
        if word == "SET" and self.sees("("):
            text = self.skip_parens()
            if "LOCK_ESCALATION" in text.upper():
                return d.AlterTable(name, "set")
        raise unsupported(f"ALTER TABLE ... {word}")

    def _added(self) -> d.TableBody:
        body = d.TableBody([], [])
        while True:
            if self.sees("DEFAULT"):
                body.constraints.append(self.constraint())
            else:
                self._element(body)
            if not self.take(","):
                return body

    def _alter_column(self, table: tuple[str, ...]) -> s.Statement:
        name = self.name()
        if self.sees_any("ADD", "DROP"):
            raise unsupported(f"ALTER COLUMN ... {self.key()}")
        column = d.ColumnDef(name, self.type_name())
        while self._column_option(column):
            pass
        if self.take("WITH", "("):
            while not self.take(")"):
                self.at += 1
        return d.AlterTable(table, "alter column", column=column)

    def _dropped(self) -> list[tuple[str, str, bool]]:
        found, kind = [], "CONSTRAINT"
        while True:
            word = self.take_any("COLUMN", "CONSTRAINT")
            kind = word or kind
            if_exists = self.take("IF", "EXISTS")
            found.append((kind, self.name(), if_exists))
            if self.take("WITH", "("):
                while not self.take(")"):
                    self.at += 1
            if not self.take(","):
                return found

    def _all_or_names(self) -> list[tuple[str, str, bool]]:
        if self.take("ALL"):
            return [("ALL", "", False)]
        found = [("NAME", self.name(), False)]
        while self.take(","):
            found.append(("NAME", self.name(), False))
        return found

    # -- indexes

    def create_index(self, unique: bool, clustered: bool | None) -> s.Statement:
        """CREATE INDEX, after INDEX."""
        found = d.ConstraintDef("INDEX", self.name(), unique=unique, clustered=clustered)
        self.expect("ON")
        table = self.dotted()
        found.columns = self._key_columns()
        self._index_tail(found)
        return d.CreateIndex(table, found)

    def alter_index(self) -> s.Statement:
        """``ALTER INDEX name|ALL ON table REBUILD|REORGANIZE|DISABLE|SET``."""
        name = "" if self.take("ALL") else self.name()
        self.expect("ON")
        table = self.dotted()
        action = self.word()
        if self.take("PARTITION"):
            self.expect("=")
            self.at += 1
        if self.take("WITH") or action == "SET":
            self.skip_parens()
        return d.AlterIndex(name, table, action)

    def drop_index(self) -> s.Statement:
        """DROP INDEX, both forms."""
        if_exists = self.take("IF", "EXISTS")
        items = []
        while True:
            name = self.dotted()
            if self.take("ON"):
                items.append((name[-1], self.dotted()))
            else:
                items.append((name[-1], name[:-1]))
            if self.take("WITH", "("):
                while not self.take(")"):
                    self.at += 1
            if not self.take(","):
                return d.DropIndex(items, if_exists)


def _timestamp() -> TypeName:
    return TypeName(("timestamp",), builtin_type("timestamp"))


def _options(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        found[key.strip().upper().replace("FILLFACTOR", "FILL_FACTOR")] = value.strip().upper()
    return found
