"""Any one slip in a good plan ends in findings or in a plan, never in a traceback."""

from __future__ import annotations

import copy
import io
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from runbook.errors import PlanErrors, render
from runbook.plan.fingerprint import diff, fingerprint
from runbook.plan.load import load_plan
from runbook.plan.models import Plan

GOOD = Path(__file__).parents[2] / "cases" / "plans" / "good"
NAMES = ("commands", "in-place", "in-place-windows", "nginx", "scripts", "side-by-side")

Place = tuple[Any, ...]


@cache
def read(name: str) -> Any:
    return YAML(typ="safe").load((GOOD / name / "runbook.yaml").read_text(encoding="utf-8"))


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places(child, (*path, key))


PLACES = [(name, place) for name in NAMES for place in places(read(name))]

odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["env:", "4h", "0s", "~", "sandbox://?", "mssql://[", "http://[", "{source.", "dbo.[", "..", "\0"]),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=6), st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
)


def mutate(document: Any, place: Place, change: str, value: Any, key: str) -> Any:
    document = copy.deepcopy(document)
    parent = document
    for part in place[:-1]:
        parent = parent[part]
    if change == "delete":
        del parent[place[-1]]
    elif change == "retype":
        parent[place[-1]] = value
    else:
        assume(isinstance(parent, dict))
        parent[key] = parent.pop(place[-1])
    return document


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp("plans") / name for name in NAMES}
    for name, folder in made.items():
        shutil.copytree(GOOD / name, folder)
    return made


def outcome(path: Path) -> Plan | PlanErrors:
    try:
        return load_plan(path)
    except PlanErrors as errors:
        return errors


def assert_orderly(path: Path) -> None:
    found = outcome(path)
    if isinstance(found, Plan):
        assert diff(fingerprint(found), fingerprint(found)) == []
    else:
        assert all(e.line >= 1 and e.column >= 1 and e.message and e.hint for e in found.errors)
        assert len(render(found)) == 2 * len(found.errors)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.sampled_from(PLACES),
    change=st.sampled_from(["delete", "retype", "rename"]),
    value=odd_values,
    key=st.text(max_size=10),
)
def test_one_slip(folders: dict[str, Path], where: tuple[str, Place], change: str, value: Any, key: str) -> None:
    """Deleting, renaming or retyping any one key of a good plan gives findings with a place and a hint, or a plan."""
    name, place = where
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.dump(mutate(read(name), place, change, value, key), stream)
    path = folders[name] / "runbook.yaml"
    path.write_text(stream.getvalue(), encoding="utf-8", errors="surrogatepass")
    assert_orderly(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80), at=st.integers(0, 2000))
def test_noise_in_the_text(folders: dict[str, Path], text: str, at: int) -> None:
    """Noise typed anywhere into the file gives findings or a plan."""
    good = (GOOD / "side-by-side" / "runbook.yaml").read_text(encoding="utf-8")
    path = folders["side-by-side"] / "runbook.yaml"
    path.write_text(good[:at] + text + good[at:], encoding="utf-8", errors="surrogatepass")
    assert_orderly(path)
