"""INSERT, UPDATE, DELETE, MERGE, TRUNCATE."""

from __future__ import annotations

from collections.abc import Callable

from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.query import COMPOUND, QueryParser


class DmlParser(QueryParser):
    """Statements that change rows."""

    def execute(self) -> s.Execute:
        """EXEC; defined with the flow statements."""
        raise NotImplementedError

    def select(self) -> s.Statement:
        """A SELECT statement, with or without CTEs in front."""
        return s.SelectStatement(self.query())

    def with_statement(self) -> s.Statement:
        """``WITH ... SELECT | INSERT | UPDATE | DELETE | MERGE``."""
        at = self.at
        ctes = self.common_tables()
        word = self.key()
        if word in ("SELECT", "(", "VALUES"):
            self.at = at
            return self.select()
        parsers: dict[str, Callable[[], s.Insert | s.Update | s.Delete | s.Merge]] = {
            "INSERT": self.insert,
            "UPDATE": self.update,
            "DELETE": self.delete,
            "MERGE": self.merge,
        }
        if word not in parsers:
            self.fail()
        statement = parsers[word]()
        statement.ctes = ctes
        return statement

    # -- targets and output

    def _target(self) -> n.TableRef | n.VariableTable:
        if self.kind() == "variable":
            self.at += 1
            return n.VariableTable(self.values[self.at - 1].lower())
        parts = self._object_name()
        if self.sees("(") and parts[-1].upper() in ("OPENQUERY", "OPENROWSET"):
            raise unsupported(parts[-1])
        return n.TableRef(parts, None, self._hints())

    def _outputs(self) -> list[s.Output]:
        found = []
        while self.take("OUTPUT"):
            items = [self.select_item()]
            while self.take(","):
                items.append(self.select_item())
            output = s.Output(items)
            if self.take("INTO"):
                output.into = self._target()
                output.columns = self.names() if self.sees("(") else []
            found.append(output)
        return found

    # -- INSERT

    def insert(self) -> s.Insert:
        """INSERT in all its forms."""
        self.expect("INSERT")
        top = self.top()
        self.take("INTO")
        target = self._target()
        columns = self._column_list()
        outputs = self._outputs()
        source: n.Query | s.Execute | n.Values | None
        if self.take("DEFAULT"):
            self.expect("VALUES")
            source = None
        elif self.sees("VALUES"):
            source = self.values_list()
        elif self.sees_any("EXEC", "EXECUTE"):
            source = self.execute()
        else:
            source = self.query()
        statement = s.Insert(target, columns, source, outputs, top=top)
        statement.max_recursion = source.max_recursion if isinstance(source, n.Query) else self.options()
        return statement

    def _column_list(self) -> list[str]:
        if not self.sees("(") or self.key(1) in ("SELECT", "WITH", "("):
            return []
        self.expect("(")
        found = [self.dotted()[-1]]
        while self.take(","):
            found.append(self.dotted()[-1])
        self.expect(")")
        return found

    # -- UPDATE

    def update(self) -> s.Update:
        """UPDATE with FROM, OUTPUT and variable assignments."""
        self.expect("UPDATE")
        top = self.top()
        target = self._target()
        if isinstance(target, n.TableRef) and not target.hints:
            target.hints = self._hints()
        self.expect("SET")
        statement = s.Update(target, self._assignments(), top=top)
        self._tail(statement)
        return statement

    def _assignments(self) -> list[s.Assignment]:
        found = [self._assignment()]
        while self.take(","):
            found.append(self._assignment())
        return found

    def _assignment(self) -> s.Assignment:
        if self.kind() == "variable":
            variable = self.value().lower()
            self.at += 1
            op = self._assign_op()
            if op == "=" and self.is_name() and self._column_assignment_ahead():
                column = self.dotted()
                return s.Assignment(column, self._assign_op(), self._assigned(), variable)
            return s.Assignment((), op, self._assigned(), variable)
        column = self.dotted()
        if self.sees("("):
            raise unsupported("a column method such as .WRITE in UPDATE")
        return s.Assignment(column, self._assign_op(), self._assigned())

    def _column_assignment_ahead(self) -> bool:
        ahead = 1
        while self.key(ahead) == ".":
            ahead += 2
        return self.key(ahead) == "=" or self.key(ahead) in COMPOUND

    def _assign_op(self) -> str:
        op = self.key()
        if op != "=" and op not in COMPOUND:
            self.fail()
        self.at += 1
        return op

    def _assigned(self) -> n.Node:
        return n.Name(("default",)) if self.take("DEFAULT") else self.expression()

    def _tail(self, statement: s.Update | s.Delete) -> None:
        statement.output = self._outputs()
        if self.take("FROM"):
            statement.source = self.from_list()
        if self.take("WHERE"):
            if self.sees("CURRENT", "OF"):
                raise unsupported("WHERE CURRENT OF")
            statement.where = self.condition()
        statement.max_recursion = self.options()

    # -- DELETE

    def delete(self) -> s.Delete:
        """``DELETE [FROM] t ...``."""
        self.expect("DELETE")
        top = self.top()
        self.take("FROM")
        statement = s.Delete(self._target(), top=top)
        self._tail(statement)
        return statement

    def truncate(self) -> s.Statement:
        """TRUNCATE TABLE."""
        self.expect("TRUNCATE", "TABLE")
        name = self.dotted()
        if self.sees("WITH"):
            raise unsupported("TRUNCATE TABLE ... WITH (PARTITIONS ...)")
        return s.Truncate(name)

    # -- MERGE

    def merge(self) -> s.Merge:
        """MERGE."""
        self.expect("MERGE")
        if self.sees("TOP"):
            raise unsupported("MERGE TOP")
        self.take("INTO")
        target = self._target()
        if isinstance(target, n.TableRef):
            target.alias = self._table_alias() if not self.sees("USING") else None
        self.expect("USING")
        source = self.table_source()
        self.expect("ON")
        on = self.condition()
        clauses = []
        while self.take("WHEN"):
            clauses.append(self._merge_clause())
        if not clauses:
            self.fail()
        statement = s.Merge(target, source, on, clauses, self._outputs())
        statement.max_recursion = self.options()
        return statement

    def _merge_clause(self) -> s.MergeClause:
        kind = "matched"
        if self.take("NOT"):
            self.expect("MATCHED")
            kind = "target"
            if self.take("BY"):
                kind = {"TARGET": "target", "SOURCE": "source"}.get(self.word(), "")
        else:
            self.expect("MATCHED")
        condition = self.condition() if self.take("AND") else None
        self.expect("THEN")
        action = self.take_any("UPDATE", "DELETE", "INSERT")
        clause = s.MergeClause(kind, condition, action)
        if action == "UPDATE":
            self.expect("SET")
            clause.assignments = self._assignments()
        elif action == "INSERT":
            clause.columns = self._column_list()
            if self.take("DEFAULT"):
                self.expect("VALUES")
            else:
                self.expect("VALUES")
                clause.values = self._row()
        elif not action or not kind:
            self.fail()
        return clause
