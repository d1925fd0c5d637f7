"""Intents, undos and kept findings as JSON and back, by their dataclass (pydantic does the work)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from runbook.errors import JournalError
from runbook.step import Undo

T = TypeVar("T")


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(shape: type) -> TypeAdapter[Any]:
    if shape not in _adapters:
        _adapters[shape] = TypeAdapter(shape)
    return _adapters[shape]


def to_json(value: Any) -> Any:
    """A frozen dataclass (or None) as JSON-able data."""
    return None if value is None else _adapter(type(value)).dump_python(value, mode="json")


def from_json(shape: type[T], data: Any) -> T:
    """The inverse; JournalError when the record does not fit the shape any more."""
    try:
        built: T = _adapter(shape).validate_python(data)
    except ValidationError as error:
        raise JournalError(
            f"a record of {shape.__name__} cannot be read: {error.errors()[0]['msg']}",
            hint="The program that wrote it was another version; finish the run with that one.",
        ) from error
    return built


def undo_to_json(undo: Undo | None) -> dict[str, Any] | None:
    """As recorded with ``step-started``."""
    if undo is None:
        return None
    return {"name": undo.name, "version": undo.version, "data": to_json(undo)}


def undo_from_json(record: Mapping[str, Any], known: Mapping[str, type[Undo]]) -> Undo:
    """Build the way back again from what was recorded before the effect."""
    found = known.get(record["name"])
    if found is None:
        raise JournalError(
            f"the way back {record['name']} is not known here",
            hint="Install the package it came from (entry point group runbook.steps), then: runbook resume",
        )
    return from_json(found, record["data"])
