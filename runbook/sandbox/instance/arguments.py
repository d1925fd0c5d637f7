"""Arguments of the instance's procedures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runbook.sandbox.contract import Sink, SqlError


class Arguments:
    """Values by parameter name (without @, lower case); what was not given is None."""

    def __init__(self, values: dict[str, Any], named: dict[str, Any], sink: Sink) -> None:
        self._values = values
        self._named = named
        self._sink = sink

    def __getitem__(self, name: str) -> Any:
        return self._values.get(name)

    def get(self, name: str) -> Any:
        """The value, None when it was not given or does not exist."""
        return self._values.get(name)

    def was_given(self, name: str) -> bool:
        """Was the parameter named or filled, whatever its value?"""
        return name in self._values

    def flag(self, name: str, *, default: bool) -> bool:
        """A 0/1 parameter."""
        value = self._values.get(name)
        return default if value is None else bool(int(value))

    def out(self, name: str, value: Any) -> None:
        """Set an OUTPUT parameter, if the caller asked for it."""
        for key in list(self._named):
            if key.lstrip("@").lower() == name:
                self._named[key] = value

    def say(self, message: str) -> None:
        """An informational message."""
        self._sink.info(0, message)


def bind(
    procedure: str, parameters: Sequence[str], positional: Sequence[Any], named: dict[str, Any], sink: Sink
) -> Arguments:
    """Match what was given with the parameters. Raises 8144 (too many), 8145 (unknown name)."""
    if len(positional) > len(parameters):
        raise SqlError(8144, f"Procedure or function {procedure} has too many arguments specified.", 16)
    values = dict(zip(parameters, positional, strict=False))
    for key, value in named.items():
        name = key.lstrip("@").lower()
        if name not in parameters:
            raise SqlError(8145, f"{key} is not a parameter for procedure {procedure}.", 16)
        values[name] = value
    return Arguments(values, named, sink)
