"""Finds steps and undos by name: the packages ``steps`` and ``rollback``, and third parties' entry points.

An entry point of the group ``runbook.steps`` names a package laid out like ours: ``package:steps`` with its
undos in the package beside it (``package.steps`` and ``package.rollback``).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from runbook.errors import RunbookError
from runbook.step import Step, Undo

T = TypeVar("T", Step, Undo)
PHASES = ("preflight", "offline", "snapshot", "upgrade", "validate", "online")


@cache
def step_kinds() -> tuple[type[Step], ...]:
    """Every kind of step, in the order of phases and file names."""
    return tuple(_collect(Step, "steps"))  # type: ignore[type-abstract]  # subclasses of it are looked for


@cache
def undo_kinds() -> dict[str, type[Undo]]:
    """Every kind of undo, by the name it is recorded under."""
    return {kind.name: kind for kind in _collect(Undo, "rollback")}  # type: ignore[type-abstract]


def _collect(base: type[T], folder: str) -> Iterator[type[T]]:
    seen: dict[str, type[T]] = {}
    for package in _packages(folder):
        for module in _modules(package):
            for kind in _defined(module, base):
                if kind.name in seen:
                    raise RunbookError(
                        f"two kinds are called {kind.name}: {seen[kind.name].__module__} and {kind.__module__}",
                        hint="Names are stable for ever; give the newer one another name.",
                    )
                seen[kind.name] = kind
                yield kind


def _packages(folder: str) -> Iterator[ModuleType]:
    yield importlib.import_module(folder)
    for point in entry_points(group="runbook.steps"):
        yield importlib.import_module(f"{point.value.partition(':')[0]}.{folder}")


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for phase in PHASES:
        try:
            inner = importlib.import_module(f"{package.__name__}.{phase}")
        except ModuleNotFoundError as error:
            if error.name != f"{package.__name__}.{phase}":
                raise
            continue
        for found in sorted(pkgutil.iter_modules(inner.__path__), key=lambda module: module.name):
            yield importlib.import_module(f"{inner.__name__}.{found.name}")


def _defined(module: ModuleType, base: type[T]) -> Iterator[type[T]]:
    for kind in vars(module).values():
        ours = inspect.isclass(kind) and kind.__module__ == module.__name__ and issubclass(kind, base)
        if ours and not inspect.isabstract(kind):
            yield kind
