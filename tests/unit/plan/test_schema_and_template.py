"""The JSON Schema for editors and the plan that `init` writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from runbook.errors import PlanErrors
from runbook.plan.load import FILL_IN, read_plan
from runbook.plan.models import Plan
from runbook.plan.schema import plan_json_schema
from runbook.plan.template import ServerFacts, TemplateStrategy, render

FACTS = ServerFacts(
    url="mssql://sql01\\MAIL",
    version=2019,
    server_name="SQL01\\MAIL",
    databases=["Contacts", 'odd "name": #1', "Ünïcødé 🎈"],
    jobs=7,
    user="sa",
)
STRATEGIES = get_args(TemplateStrategy)


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from objects(child)
    if isinstance(node, list):
        for child in node:
            yield from objects(child)


def test_every_key_is_described() -> None:
    """Each key an editor can offer comes with a sentence."""
    for node in objects(plan_json_schema()):
        for name, part in node.get("properties", {}).items():
            assert part.get("description", "").endswith("."), name


def test_nothing_unknown_is_allowed() -> None:
    """The schema is draft 2020-12, and refuses unknown keys everywhere, as the program does."""
    schema = plan_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(node.get("additionalProperties") is not None for node in objects(schema) if "properties" in node)


def test_defaults_are_written_as_plans_write_them() -> None:
    """Durations in defaults are such as 7d, which the schema's own pattern accepts."""
    defaults = [
        (node["default"], node["pattern"])
        for node in objects(plan_json_schema())
        if isinstance(node.get("default"), str) and "pattern" in node
    ]
    assert ("7d", defaults[0][1]) in defaults
    assert all(re.match(pattern, default) for default, pattern in defaults)


def unfilled(text: str) -> list[str]:
    with pytest.raises(PlanErrors) as caught:
        read_plan(text, Path("runbook.yaml"))
    assert {error.message for error in caught.value.errors} == {"still to be filled in"}
    return [error.key for error in caught.value.errors]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("facts", [None, FACTS])
def test_only_what_is_to_fill_in_is_refused(strategy: TemplateStrategy, facts: ServerFacts | None) -> None:
    """A fresh plan has no finding but the marked places, and every marked place is found."""
    text = render(facts, strategy)
    assert len(unfilled(text)) == len(FILL_IN.findall(text)) - 1  # one explains the mark


def test_what_a_look_at_the_server_spares() -> None:
    """With facts, the source and the databases are no longer to fill in."""
    keys = unfilled(render(FACTS, "side-by-side"))
    assert keys == ["servers.new.url", "gate.path", "repoint.path", "repoint.replace[0].from", "repoint.replace[0].to"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_filled_in_it_loads(tmp_path: Path, strategy: TemplateStrategy) -> None:
    """Filled in, the plan loads and says what the server told."""
    values = {
        "new server": "mssql://sql02",
        "T-SQL": "up.sql",
        "names the old": "server = a",
        "names the new": "server = b",
    }
    (tmp_path / "up.sql").write_text("SELECT 1;", encoding="utf-8")
    text = FILL_IN.sub(
        lambda match: next((value for key, value in values.items() if key in match[1]), "app/file.txt"),
        render(FACTS, strategy).replace("text that names the new server", "text that names the new"),
    )
    plan = read_plan(text, tmp_path / "runbook.yaml")
    assert isinstance(plan, Plan)
    assert [database.name for database in plan.databases] == list(FACTS.databases)
    assert plan.source_server.expect.server_name == FACTS.server_name
    assert str(plan.source_server.url) == FACTS.url
    assert "7 found" in text
