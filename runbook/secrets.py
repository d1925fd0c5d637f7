"""Secrets: named in the plan by reference, read when needed, shown nowhere."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn, Self

from runbook.errors import SecretMissing

HIDDEN = "***"


class Secret:
    """A value that must not be shown. Not a ``str``, so it cannot slip into a log, an argument list or JSON."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it only where the value is handed to the driver."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is: ``env:NAME`` or ``file:PATH`` (relative to the plan file).

    ``key`` is the key of the plan that holds the reference; errors name it.
    """

    kind: Literal["env", "file"]
    name: str
    directory: Path = field(default=Path(), compare=False)
    key: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str, directory: Path) -> Self:
        """Read ``env:NAME`` or ``file:PATH``; anything else is a ValueError that does not repeat the text."""
        kind, colon, name = text.partition(":")
        if not colon or not name.strip():
            raise ValueError("not a reference to a secret")
        if kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            return cls("env", name, directory)
        if kind == "file":
            return cls("file", name, directory)
        raise ValueError("not a reference to a secret")

    @property
    def path(self) -> Path:
        """The file of a ``file:`` reference, made absolute with the plan's directory."""
        return self.directory / self.name

    def resolve(self, environ: Mapping[str, str] | None = None) -> Secret:
        """Read the secret now. Raises SecretMissing, naming the key and the reference."""
        return self._from_env(os.environ if environ is None else environ) if self.kind == "env" else self._from_file()

    def _from_env(self, environ: Mapping[str, str]) -> Secret:
        value = environ.get(self.name, "")
        if not value:
            state = "empty" if self.name in environ else "not set"
            raise self._missing(
                f"the environment variable {self.name} is {state}",
                f"Set {self.name} in the environment the command runs in.",
            )
        return Secret(value)

    def _from_file(self) -> Secret:
        try:
            value = self.path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as e:  # ValueError: not UTF-8, or a NUL byte in the path
            reason = e.strerror if isinstance(e, OSError) and e.strerror else "not readable text"
            raise self._missing(
                f"the file {self.name} cannot be read: {reason.lower()}",
                "The path is relative to the plan file; check that it exists and that you may read it.",
            ) from None
        if not (stripped := value.rstrip("\r\n")):
            raise self._missing(f"the file {self.name} is empty", "Put the secret on its first line.")
        return Secret(stripped)

    def _missing(self, message: str, hint: str) -> SecretMissing:
        return SecretMissing(f"{self.key}: {message}" if self.key else message, hint=hint)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
