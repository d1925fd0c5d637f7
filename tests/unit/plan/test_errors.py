"""The tree of errors: codes, rendering, and what derives from what."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from runbook import errors
from runbook.errors import PlanChanged, RunbookError, ServerError, render


def below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


DRAWN = dict(re.findall(r"[├└]── (\w+)(?: +(\d+))?", errors.__doc__ or ""))


def test_tree_is_the_one_that_is_drawn() -> None:
    """The module's docstring draws every class, and no other, with the code of each branch."""
    real = {kind.__name__: kind for kind in [RunbookError, *below(RunbookError), *below(errors.ControlFlow)]}
    assert set(DRAWN) == {*real, "ControlFlow"}
    for name, code in DRAWN.items():
        assert not code or getattr(real[name], "exit_code") == int(code)  # noqa: B009


def test_codes() -> None:
    """Each error carries one of the documented exit codes."""
    assert {kind.exit_code for kind in below(RunbookError) if issubclass(kind, RunbookError)} == {2, 20, 30, 40}
    assert all(kind.exit_code == 30 for kind in below(errors.Refused) if issubclass(kind, RunbookError))


@pytest.mark.parametrize("kind", [errors.Cancelled, errors.Fenced])
def test_control_flow_passes_except_exception(kind: type[errors.ControlFlow]) -> None:
    """Control flow is not caught where errors are."""
    assert not issubclass(kind, Exception)
    assert kind("the window closes").reason == "the window closes"


def test_rendering() -> None:
    """The message on one line, then the hint; control characters cannot forge lines."""
    assert render(RunbookError("it broke")) == ["error: it broke"]
    assert render(RunbookError("no\nerror: way", hint="Look.")) == ["error: no\\nerror: way", "HINT: Look."]
    changed = PlanChanged("the plan changed", changes=["a: 1 -> 2"], hint="Use the old one.")
    assert render(changed) == ["error: the plan changed", "  a: 1 -> 2", "HINT: Use the old one."]


def test_server_error_says_whether_it_is_in_doubt() -> None:
    """Number, severity, statement and doubt travel with the error; the statement is not rendered."""
    error = ServerError("cannot open backup device", number=3201, severity=16, statement="BACKUP ...", in_doubt=True)
    assert (error.number, error.severity, error.in_doubt) == (3201, 16, True)
    assert render(error) == ["error: cannot open backup device"]
    assert ServerError("gone").in_doubt is False
