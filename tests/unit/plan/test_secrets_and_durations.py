"""Secrets stay hidden; durations read and write alike."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import SecretMissing
from runbook.plan.durations import Duration, format_duration, parse_duration
from runbook.secrets import Secret, SecretRef


def ref(text: str, directory: Path = Path()) -> SecretRef:
    parsed = SecretRef.parse(text, directory)
    return SecretRef(parsed.kind, parsed.name, directory, key="servers.old.password")


def test_secret_is_shown_nowhere() -> None:
    """str, repr, format, %-formatting, JSON and exceptions do not show a secret."""
    secret = Secret("hunter2")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>20}",
        "{}".format(secret),  # noqa: UP032 - the spelling of older code is what is tried
        repr([secret]),
        repr({1: secret}),
    ]
    assert not any("hunter2" in text for text in shown)
    assert not isinstance(secret, str)
    with pytest.raises(TypeError):
        json.dumps(secret)
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2") != Secret("other")
    assert secret != "hunter2"


def test_from_the_environment() -> None:
    """env:NAME reads the variable when asked, not before."""
    assert ref("env:PW").resolve({"PW": "x y "}).reveal() == "x y "


@pytest.mark.parametrize("environ", [{}, {"PW": ""}])
def test_variable_not_there(environ: dict[str, str]) -> None:
    """A missing or empty variable is refused, with the plan's key and the variable."""
    with pytest.raises(SecretMissing, match=r"^servers\.old\.password: the environment variable PW is ") as caught:
        ref("env:PW").resolve(environ)
    assert caught.value.exit_code == 30
    assert caught.value.hint


def test_from_a_file(tmp_path: Path) -> None:
    """file:PATH is relative to the plan; the last line break is not part of the secret."""
    (tmp_path / "pw").write_bytes(b"\xef\xbb\xbfhunter2 \r\n")
    assert ref("file:pw", tmp_path).resolve().reveal() == "hunter2 "


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"", "is empty"), (b"\xff\xfe", "not readable")]
)
def test_file_not_usable(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A file that is missing, empty or not text is refused without a word of its content."""
    if content is not None:
        (tmp_path / "pw").write_bytes(content)
    with pytest.raises(SecretMissing, match=reason) as caught:
        ref("file:pw", tmp_path).resolve()
    assert caught.value.message.startswith("servers.old.password: the file pw")


@pytest.mark.parametrize("text", ["hunter2", "env:", "env:a b", "file:", "vault:x", "", "ENV:PW"])
def test_no_reference(text: str) -> None:
    """Anything but env:NAME and file:PATH is refused without repeating it."""
    with pytest.raises(ValueError, match=r"^not a reference to a secret$"):
        SecretRef.parse(text, Path())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("4h", 14400),
        ("1h30m", 5400),
        ("7d", 604800),
        ("0s", 0),
        ("1.5s", 1.5),
        ("1d2h", 93600),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """Every way to write a duration that plans know."""
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_duration(text).seconds == float(seconds)


@pytest.mark.parametrize("text", ["", "4", "h", "4 h", "30m1h", "-5s", "1h1h", "4H", "1e3s", "٣s", "1w", "4h\n5m"])
def test_no_durations(text: str) -> None:
    """What is not clearly a duration is refused."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**13))
def test_duration_round_trip(microseconds: int) -> None:
    """What is written reads back as the same length, to the microsecond."""
    length = Duration(microseconds=microseconds)
    assert parse_duration(format_duration(length)) == length
