"""Facts -> decision, as data.

``tests/cases/<step-name>/*.yaml`` holds cases of one step. A file gives the ``facts`` they share, and ``cases``: a
name that states the claim, the ``facts`` that differ (merged deep; ``~`` is a value like any other), and the
``decision``: ``apply``, ``pass``, ``skip`` or ``block``, with as much of it as the claim is about. ``plan`` names the
strategy (default: the first the step is used in), ``key`` the database (default: Contacts).

A mapping with ``shape: NAME`` is what ``shapes.yaml`` says of that name, with the rest merged into it. Text that
begins with ``~`` in a decision is looked for, all other text must be equal.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from runbook.codec import to_json
from runbook.plan.models import Plan
from runbook.registry import step_kinds
from runbook.step import Apply, Block, Decision, Pass, Skip, Step
from runbook.testing.plans import mailer_plan

HERE = Path(__file__).parent
KINDS = {kind.name: kind for kind in step_kinds()}
WORDS: dict[type, str] = {Apply: "apply", Pass: "pass", Skip: "skip", Block: "block"}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


SHAPES: dict[str, Any] = read(HERE / "shapes.yaml")


def merged(base: Any, over: Any) -> Any:
    """``over`` laid on ``base``: mappings deep, everything else replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return copy.deepcopy(over)


def shaped(value: Any) -> Any:
    """The value with every ``shape`` filled in."""
    if isinstance(value, Mapping):
        plain = {key: shaped(inner) for key, inner in value.items() if key != "shape"}
        return merged(shaped(SHAPES[value["shape"]]), plain) if "shape" in value else plain
    return [shaped(inner) for inner in value] if isinstance(value, list) else value


def cases() -> Iterator[Any]:
    for path in sorted(HERE.glob("*/*.yaml")):
        if path.parent.name not in KINDS:
            continue
        content = read(path)
        for claim, case in content["cases"].items():
            facts = merged(content.get("facts", {}), case.get("facts", {}))
            yield pytest.param(path.parent.name, {**content, **case, "facts": facts}, id=f"{path.parent.name}: {claim}")


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    return {
        one: mailer_plan(tmp_path_factory.mktemp(one), one)
        for one in ("side-by-side", "scripts", "in-place", "container")
    }


def step_for(name: str, case: Mapping[str, Any], plans: Mapping[str, Plan]) -> Step:
    kind = KINDS[name]
    plan = plans[case.get("plan", sorted(kind.strategies, reverse=True)[0])]
    keyed = any(key is not None for key in kind.keys(plan))
    return kind(plan, case.get("key", "Contacts") if keyed else None)


def decided(decision: Decision) -> dict[str, Any]:
    """A decision as the files write it."""
    said: dict[str, Any] = {"is": WORDS[type(decision)]}
    if isinstance(decision, Apply):
        said |= {"intent": to_json(decision.intent), "keep": to_json(decision.keep)}
        said["undo"] = None if decision.undo is None else {"name": decision.undo.name, **to_json(decision.undo)}
    elif isinstance(decision, Pass):
        said |= {"reason": decision.reason, "keep": to_json(decision.keep)}
    elif isinstance(decision, Block):
        said |= {"reason": decision.reason, "hint": decision.hint}
    else:
        said |= {"reason": decision.reason}
    return said


def unmet(wanted: Any, found: Any, where: str = "decision") -> list[str]:
    """What of ``wanted`` is not in ``found``."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return [line for key, inner in wanted.items() for line in unmet(inner, found.get(key), f"{where}.{key}")]
    if isinstance(wanted, str) and wanted.startswith("~") and isinstance(found, str):
        return [] if wanted[1:].strip() in found else [f"{where}: {found!r} does not say {wanted[1:].strip()!r}"]
    return [] if wanted == found else [f"{where}: wanted {wanted!r}, found {found!r}"]


@pytest.mark.parametrize(("name", "case"), list(cases()))
def test_case(name: str, case: dict[str, Any], plans: dict[str, Plan]) -> None:
    """The step decides as its file says, twice the same, and its words are in style."""
    step = step_for(name, case, plans)
    shape = get_type_hints(type(step).observe)["return"]
    facts = TypeAdapter(shape).validate_python(shaped(case["facts"]))
    wanted = case["decision"]

    found = decided(step.decide(facts))

    assert not unmet({"is": wanted} if isinstance(wanted, str) else wanted, found)
    assert found == decided(step.decide(facts)), "decide is pure"
    reason = found.get("reason", "a")
    assert reason
    assert not reason.endswith(".")
    if found["is"] == "block":
        assert found["hint"][0].isupper()
        assert found["hint"].rstrip(")`").endswith((".", "?"))


@pytest.mark.parametrize("kind", list(KINDS.values()), ids=list(KINDS))
def test_every_step_has_cases(kind: type[Step]) -> None:
    """No step without cases beside it."""
    assert list((HERE / kind.name).glob("*.yaml")), f"tests/cases/{kind.name}/ is missing"
