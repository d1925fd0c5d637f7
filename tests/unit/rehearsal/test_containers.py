"""What a container's end says of itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runbook.rehearsal.oncontainer import GIB, OnContainer, Shape
from runbook.rehearsal.providing import Wanted

OLD = Wanted("old", "SQL01", 2019)


@pytest.mark.parametrize(
    ("state", "said", "message"),
    [
        ({"OOMKilled": True, "ExitCode": 137}, b"", "the container for old ran out of memory: it has 3 GiB"),
        (
            {"OOMKilled": False, "ExitCode": 1},
            b"one\n\x1b two \n",
            "the container for old ended with 1 before it answered",
        ),
        ({"ExitCode": 1}, b"", "it said nothing"),
    ],
)
def test_how_a_container_ended(state: dict[str, object], said: bytes, message: str) -> None:
    """The engine's word that memory ran out counts before what the container said last."""
    container = SimpleNamespace(attrs={"State": state}, logs=lambda tail: said)
    error = OnContainer(shapes={"old": Shape(memory=3 * GIB)})._ended(container, OLD)  # type: ignore[arg-type]
    assert message in error.message
    assert error.hint
