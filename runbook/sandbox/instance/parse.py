"""A reading head over the tokens of one administrative statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook.sandbox.contract import LanguageSession, SqlError, Token
from runbook.sandbox.errors import error, unsupported


class Reader:
    """Walks over tokens; every ``expect`` raises error 102 when something else stands there."""

    def __init__(self, session: LanguageSession, text: str, tokens: Sequence[Token]) -> None:
        self.session = session
        self.text = text
        self.tokens = [t for t in tokens if not (t.kind == "symbol" and t.value == ";")]
        self.at = 0

    def peek(self, ahead: int = 0) -> Token | None:
        """The next token, or None at the end."""
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    @property
    def done(self) -> bool:
        """True at the end of the statement."""
        return self.at >= len(self.tokens)

    def syntax(self) -> SqlError:
        """The syntax error at the place of the head."""
        token = self.peek() or (self.tokens[-1] if self.tokens else None)
        return error(102, token.value if token else "")

    def is_word(self, *words: str) -> bool:
        """Do these unquoted words follow?"""
        for ahead, word in enumerate(words):
            token = self.peek(ahead)
            if token is None or token.kind != "word" or token.value.upper() != word:
                return False
        return True

    def accept(self, *words: str) -> bool:
        """Take these words if all of them follow."""
        if self.is_word(*words):
            self.at += len(words)
            return True
        return False

    def one_of(self, *words: str) -> str | None:
        """Take one of these words and return it in upper case."""
        for word in words:
            if self.accept(word):
                return word
        return None

    def expect(self, *words: str) -> None:
        """Take these words."""
        if not self.accept(*words):
            raise self.syntax()

    def symbol(self, value: str) -> bool:
        """Take this symbol if it follows."""
        token = self.peek()
        if token is not None and token.kind == "symbol" and token.value == value:
            self.at += 1
            return True
        return False

    def expect_symbol(self, value: str) -> None:
        """Take this symbol."""
        if not self.symbol(value):
            raise self.syntax()

    def word(self) -> str:
        """Take any unquoted word, in upper case."""
        token = self.peek()
        if token is None or token.kind != "word":
            raise self.syntax()
        self.at += 1
        return token.value.upper()

    def name(self) -> str:
        """Take an identifier: a word, [x], "x", or an @variable that holds a name."""
        token = self.peek()
        if token is None or token.kind not in ("word", "quoted", "variable"):
            raise self.syntax()
        self.at += 1
        if token.kind == "variable":
            return str(self.session.variable(token.value))
        return token.value

    def value(self) -> Any:
        """Take a literal or an @variable: string, number (int, or float with a point), binary (bytes), word (str)."""
        token = self.peek()
        if token is None:
            raise self.syntax()
        if token.kind == "symbol" and token.value == "-":
            self.at += 1
            return -self.value()
        self.at += 1
        if token.kind == "variable":
            return self.session.variable(token.value)
        if token.kind == "number":
            return float(token.value) if "." in token.value or "e" in token.value.lower() else int(token.value)
        if token.kind == "binary":
            return unhex(token.value)
        if token.kind in ("string", "word", "quoted"):
            return token.value
        self.at -= 1
        raise self.syntax()

    def string(self) -> str:
        """Take a string literal or an @variable."""
        token = self.peek()
        if token is None or token.kind not in ("string", "variable", "quoted"):
            raise self.syntax()
        return str(self.value())

    def integer(self) -> int:
        """Take an integer literal or an @variable."""
        value = self.value()
        if isinstance(value, bool) or not isinstance(value, int):
            try:
                return int(str(value))
            except ValueError:
                raise self.syntax() from None
        return value

    def end(self) -> None:
        """Nothing may follow."""
        if not self.done:
            raise self.syntax()

    def refuse(self, what: str) -> SqlError:
        """The refusal of an option or clause by name."""
        return unsupported(what)

    def skip_parentheses(self) -> None:
        """Take a parenthesised group, whatever is in it."""
        self.expect_symbol("(")
        depth = 1
        while depth:
            if self.done:
                raise self.syntax()
            if self.symbol("("):
                depth += 1
            elif self.symbol(")"):
                depth -= 1
            else:
                self.at += 1


def unhex(text: str) -> bytes:
    """The bytes of a 0x literal (an odd number of digits gets a leading zero)."""
    digits = text[2:] if text[:2].lower() == "0x" else text
    return bytes.fromhex("0" * (len(digits) % 2) + digits)
