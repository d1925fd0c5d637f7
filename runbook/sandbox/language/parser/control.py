"""Flow, variables, transactions, cursors, procedure calls."""

from __future__ import annotations

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import nodes as n
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.dml import DmlParser
from runbook.sandbox.language.parser.query import COMPOUND

DIRECTIONS = ("NEXT", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE")


class ControlParser(DmlParser):
    """Everything that is not data and not definition."""

    def statement(self) -> s.Statement:
        """One statement; the dispatcher stands in the batch parser."""
        raise NotImplementedError

    def table_body(self) -> d.TableBody:
        """Columns and constraints in parentheses; see the definition parser."""
        raise NotImplementedError

    # -- variables

    def declare(self) -> s.Statement:
        """DECLARE of variables, table variables and cursors."""
        self.expect("DECLARE")
        if self.kind() != "variable":
            return self._declare_cursor(self.name())
        found = [self._declaration()]
        while self.take(","):
            found.append(self._declaration())
        return s.Declare(found)

    def _declaration(self) -> s.Declaration:
        name = self._variable()
        self.take("AS")
        if self.take("TABLE"):
            return s.Declaration(name, None, table=self.table_body())
        if self.take("CURSOR"):
            return s.Declaration(name, None, cursor=True)
        declared = s.Declaration(name, self.type_name())
        if self.take("=", "CURSOR"):
            self.fail()
        if self.take("="):
            declared.initial = self.expression()
        return declared

    def _variable(self) -> str:
        if self.kind() != "variable":
            self.fail()
        self.at += 1
        return self.values[self.at - 1].lower()

    def set_statement(self) -> s.Statement:
        """SET of a variable or of options."""
        self.expect("SET")
        if self.kind() == "variable":
            name, op = self._variable(), self.key()
            if op != "=" and op not in COMPOUND:
                if op == ".":
                    raise unsupported("a method of a variable")
                self.fail()
            self.at += 1
            if self.take("CURSOR"):
                return s.SetCursor(name, *self._cursor_body())
            value = self.expression()
            return s.SetVariable(name, value if op == "=" else n.Binary(op[0], n.Variable(name), value))
        return self._set_option()

    def _set_option(self) -> s.Statement:
        words = [self.word()]
        if words[0] in ("TRANSACTION", "TRAN"):
            if (self.word(), self.word()) != ("ISOLATION", "LEVEL"):
                self.fail()
            level = self.word()
            if level in ("READ", "REPEATABLE"):
                level += " " + self.word()
            return s.SetOption(["TRANSACTION ISOLATION LEVEL"], level)
        if words[0] == "IDENTITY_INSERT":
            table = self.dotted()
            return s.SetOption(words, self.word(), table)
        if words[0] == "STATISTICS":
            words = ["STATISTICS " + self.word()]
        while self.take(","):
            words.append(self.word())
        if self.kind() == "word":
            return s.SetOption(words, self.word())
        return s.SetOption(words, "", argument=self.expression())

    # -- flow

    def if_statement(self) -> s.Statement:
        """``IF condition statement [ELSE statement]``."""
        self.expect("IF")
        condition = self.condition()
        then = self.required()
        at = self.at
        while self.take(";"):
            pass
        if self.take("ELSE"):
            return s.If(condition, then, self.required())
        self.at = at
        return s.If(condition, then, None)

    def required(self) -> s.Statement:
        """A statement that must follow."""
        while self.take(";"):
            pass
        if self.ended or self.sees_any("END", "ELSE"):
            self.fail()
        return self.statement()

    def while_statement(self) -> s.Statement:
        """``WHILE condition statement``."""
        self.expect("WHILE")
        return s.While(self.condition(), self.required())

    def statements(self, *enders: str) -> list[s.Statement]:
        """Statements up to one of the given words (not taken), or the end of the batch."""
        found: list[s.Statement] = []
        while True:
            while self.take(";"):
                pass
            if self.ended:
                if enders:
                    self.fail()
                return found
            if self.key() in enders:
                return found
            found.append(self.statement())

    def begin(self) -> s.Statement:
        """BEGIN: block, TRY or transaction."""
        self.expect("BEGIN")
        if self.take("TRY"):
            return self._try()
        if self.take("DISTRIBUTED") or self.sees_any("DIALOG", "CONVERSATION"):
            raise unsupported("a distributed transaction or a conversation")
        if self.take_any("TRAN", "TRANSACTION"):
            statement = self._transaction("begin")
            if self.take("WITH", "MARK") and self.kind() == "string":
                self.at += 1
            return statement
        if self.key() == "ATOMIC":
            raise unsupported("BEGIN ATOMIC")
        body = self.statements("END")
        self.expect("END")
        return s.Block(body)

    def _try(self) -> s.Statement:
        body = self.statements("END")
        self.expect("END", "TRY")
        self.take(";")
        self.expect("BEGIN", "CATCH")
        handler = self.statements("END")
        self.expect("END", "CATCH")
        return s.TryCatch(body, handler)

    def _transaction(self, action: str) -> s.Statement:
        if self.kind() == "variable":
            return s.Transaction(action, variable=self._variable())
        named = self.is_name() and not (self.kind() == "word" and self.key(1) == ":")
        return s.Transaction(action, self.name() if named and self.key() != "THROW" else "")

    def commit(self) -> s.Statement:
        """COMMIT [TRAN|WORK] [name]."""
        self.expect("COMMIT")
        if self.take_any("TRAN", "TRANSACTION"):
            statement = self._transaction("commit")
            if self.take("WITH", "("):
                while not self.take(")"):
                    self.at += 1
            return statement
        self.take("WORK")
        return s.Transaction("commit")

    def rollback(self) -> s.Statement:
        """ROLLBACK [TRAN|WORK] [name]."""
        self.expect("ROLLBACK")
        if self.take_any("TRAN", "TRANSACTION"):
            return self._transaction("rollback")
        self.take("WORK")
        return s.Transaction("rollback")

    def save(self) -> s.Statement:
        """SAVE TRAN name."""
        self.expect("SAVE")
        if not self.take_any("TRAN", "TRANSACTION"):
            self.fail()
        return self._transaction("save")

    def return_statement(self) -> s.Statement:
        """``RETURN [expression]``, or the query of an inline function."""
        self.expect("RETURN")
        if self.sees("(") and self._select_inside():
            depth = 0
            while self.take("("):
                depth += 1
            query = self.query()
            for _ in range(depth):
                self.expect(")")
            return s.Return(None, query)
        if self.sees_any("SELECT", "WITH"):
            return s.Return(None, self.query())
        no_value = self.ended or (self.kind() == "word" and not self.is_name() and self.key() not in _VALUE_WORDS)
        if no_value or self.sees_any(";", ")"):
            return s.Return(None)
        return s.Return(self.expression())

    def _select_inside(self) -> bool:
        ahead = 0
        while self.key(ahead) == "(":
            ahead += 1
        return self.key(ahead) in ("SELECT", "WITH")

    def goto(self) -> s.Statement:
        """GOTO label."""
        self.expect("GOTO")
        return s.Goto(self.name().lower())

    def print_statement(self) -> s.Statement:
        """PRINT value."""
        self.expect("PRINT")
        return s.Print(self.expression())

    def raiserror(self) -> s.Statement:
        """``RAISERROR (message, severity, state, ...) WITH options``."""
        self.expect("RAISERROR")
        self.expect("(")
        args = self.expressions()
        self.expect(")")
        options = []
        if self.take("WITH"):
            options.append(self.word())
            while self.take(","):
                options.append(self.word())
        return s.RaiseError(args, options)

    def throw(self) -> s.Statement:
        """``THROW [number, message, state]``."""
        self.expect("THROW")
        if self.kind() in ("number", "variable") or self.sees("-"):
            return s.Throw(self.expressions())
        return s.Throw([])

    def waitfor(self) -> s.Statement:
        """WAITFOR DELAY or TIME."""
        self.expect("WAITFOR")
        kind = self.take_any("DELAY", "TIME")
        if not kind:
            raise unsupported("this form of WAITFOR")
        return s.WaitFor(kind, self.expression())

    def use(self) -> s.Statement:
        """USE database."""
        self.expect("USE")
        return s.Use(self.name())

    # -- EXEC

    def execute(self) -> s.Execute:
        """EXEC of a procedure or of a string."""
        if not self.take_any("EXEC", "EXECUTE"):
            self.fail()
        if self.take("("):
            text = self.expression()
            if self.sees(","):
                raise unsupported("EXECUTE with arguments for a linked server")
            self.expect(")")
            if self.take("AS"):
                raise unsupported("EXECUTE ... AS")
            return s.Execute(text=text, at=self.name() if self.take("AT") else "")
        if self.take("AS"):
            raise unsupported("EXECUTE AS")
        statement = s.Execute()
        if self.kind() == "variable":
            statement.variable = self._variable()
            if self.take("="):
                statement.result = statement.variable
                statement.variable = self._variable() if self.kind() == "variable" else ""
        if not statement.variable:
            statement.procedure = self.dotted()
        statement.args = self.arguments()
        if self.take("WITH"):
            while self.kind() == "word" and (self.is_name() or self.sees(",")):
                self.at += 1
        return statement

    def arguments(self) -> list[s.Argument]:
        """Arguments of EXEC, named or by position."""
        found: list[s.Argument] = []
        if self.ended or self.sees(";") or not self._argument_ahead():
            return found
        found.append(self._exec_argument())
        while self.take(","):
            found.append(self._exec_argument())
        return found

    def _argument_ahead(self) -> bool:
        if self.kind() == "word":
            return self.key() in ("NULL", "DEFAULT") or (self.is_name() and self.key(1) != ":")
        return self.kind() != "symbol" or self.sees_any("-", "+")

    def _exec_argument(self) -> s.Argument:
        name = ""
        if self.kind() == "variable" and self.key(1) == "=":
            name = self._variable()
            self.at += 1
        if self.take("DEFAULT"):
            return s.Argument(name, None, default=True)
        if self.kind() == "word" and self.is_name() and self.key(1) != "(":
            self.at += 1
            value: n.Node = n.Literal("string", self.values[self.at - 1])
        elif self.kind() == "quoted":
            value = n.Literal("string", self.name())
        else:
            value = self._factor()
        return s.Argument(name, value, output=bool(self.take_any("OUTPUT", "OUT")))

    # -- cursors

    def _declare_cursor(self, name: str) -> s.Statement:
        options = []
        while self.kind() == "word" and not self.sees("CURSOR"):
            options.append(self.word())
        self.expect("CURSOR")
        more, query = self._cursor_body()
        return s.DeclareCursor(name.lower(), options + more, query)

    def _cursor_body(self) -> tuple[list[str], n.Query]:
        options = []
        while not self.sees("FOR"):
            options.append(self.word())
        self.expect("FOR")
        query = self._cursor_query()
        return options, query

    def _cursor_query(self) -> n.Query:
        ctes = self.common_tables()
        query = n.Query(self._set_level(), ctes)
        if self.take("ORDER"):
            self.expect("BY")
            query.order_by = self.order_items()
        self.options(query)
        if self.take("FOR"):
            if self.take("UPDATE"):
                raise unsupported("a cursor FOR UPDATE")
            self.word()
            self.word()
        return query

    def cursor_action(self) -> s.Statement:
        """OPEN, CLOSE, DEALLOCATE."""
        action = self.word()
        if action in ("OPEN", "CLOSE") and self.sees_any("SYMMETRIC", "MASTER", "ALL"):
            raise unsupported(f"{action} {self.key()} KEY")
        return s.CursorAction(action, self._cursor_name())

    def _cursor_name(self) -> str:
        if self.kind() == "variable":
            return self._variable()
        if self.key() == "GLOBAL" and self.is_name(1):
            self.at += 1
        return self.name().lower()

    def fetch(self) -> s.Statement:
        """``FETCH [direction] FROM cursor INTO ...``."""
        self.expect("FETCH")
        direction, position = "NEXT", None
        if self.key() in DIRECTIONS:
            direction = self.word()
            if direction in ("ABSOLUTE", "RELATIVE"):
                position = self._factor()
        self.take("FROM")
        name = self._cursor_name()
        into = []
        if self.take("INTO"):
            into.append(self._variable())
            while self.take(","):
                into.append(self._variable())
        return s.Fetch(direction, position, name, into)


_VALUE_WORDS = frozenset(
    {"CASE", "NULL", "LEFT", "RIGHT", "COALESCE", "NULLIF", "CONVERT", "TRY_CONVERT", "CURRENT_TIMESTAMP"}
)
