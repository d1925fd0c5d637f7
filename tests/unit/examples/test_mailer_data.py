"""The demo's rows and scripts: reproducible, large enough, of every type, and good T-SQL."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from examples.mailer import seed
from runbook.plan.batches import split_batches
from runbook.plan.load import load_plan

ROOT = Path(seed.__file__).parent
sys.path.insert(0, str(ROOT))

from mailer_data.literal import literal  # noqa: E402
from mailer_data.people import suppressed_indexes  # noqa: E402
from mailer_data.tables import REGISTRY, Bulk, Sizes, Table  # noqa: E402

SMALL = Sizes.of(0.01)
TYPES = """
int tinyint smallint bigint bit decimal numeric money smallmoney float real date time datetime smalldatetime datetime2
datetimeoffset char varchar varchar(max) nchar nvarchar nvarchar(max) binary varbinary varbinary(max) uniqueidentifier
xml rowversion
"""


def schema() -> str:
    """All table scripts as one text."""
    return "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob("schema/*.1-tables.sql")))


MADE_HERE = [each for each in REGISTRY if isinstance(each, Table)]
MADE_THERE = [each for each in REGISTRY if isinstance(each, Bulk)]


@pytest.mark.parametrize("table", MADE_HERE, ids=lambda table: table.full_name)
def test_rows_are_the_same_every_time(table) -> None:
    """Generating a table twice gives equal rows, as many values as columns."""
    rows = list(table.generate(SMALL))
    assert rows
    assert rows == list(table.generate(SMALL))
    assert {len(row) for row in rows} == {len(table.columns.split(", "))}


def test_at_full_scale_there_are_more_than_two_hundred_thousand_rows() -> None:
    """The issue's 200,000 are reached without what triggers and jobs add."""
    full = Sizes.of(1.0)
    there = sum(table.count(full) for table in MADE_THERE)
    here = sum(sum(1 for _ in table.generate(full)) for table in MADE_HERE)
    assert there + here > 200_000


def test_bulk_statements_cover_their_numbers() -> None:
    """Ten thousand numbers a statement, the last one cut off at the count; every size is filled in."""
    for table in MADE_THERE:
        statements = list(table.statements(Sizes.of(1.0)))
        assert len(statements) == -(-table.count(Sizes.of(1.0)) // 10_000)
        assert statements[-1].endswith(f"WHERE x.n < {table.count(Sizes.of(1.0))}")
        assert not re.search(r"[{}]", statements[0])


def test_there_are_forty_tables_of_every_type_in_six_databases() -> None:
    """Breadth of the schema: tables, types, schemas other than dbo, cascades, computed columns, sequences."""
    text = schema()
    assert len(re.findall(r"(?m)^CREATE TABLE", text)) >= 40
    missing = [name for name in TYPES.split() if not re.search(rf"\s{re.escape(name)}[\s(,]", text)]
    assert not missing
    for needed in ("ON DELETE CASCADE", "ON DELETE SET NULL", "PERSISTED", "CREATE SEQUENCE", "IDENTITY(", "CHECK ("):
        assert needed in text
    assert len({table.database for table in REGISTRY}) == len(seed.DATABASES)


def test_keys_of_the_small_load_are_unique() -> None:
    """No generated primary key occurs twice, where the key is the first column of an identity load."""
    for table in (each for each in MADE_HERE if each.identity):
        keys = [row[0] for row in table.generate(SMALL)]
        assert len(keys) == len(set(keys)), table.full_name
    assert len(suppressed_indexes(SMALL)) > 0


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "NULL"),
        (True, "1"),
        (-5, "-5"),
        (0.1, "0.1e0"),
        (1e300, "1e+300"),
        (Decimal("0.0001"), "0.0001"),
        (Decimal("1E+3"), "1000"),
        ("O'Brien 👍", "N'O''Brien 👍'"),
        ("", "N''"),
        (b"", "0x"),
        (b"\x00\xff", "0x00ff"),
        (date(1, 1, 1), "'0001-01-01'"),
        (time(1, 2, 3), "'01:02:03.000'"),
        (datetime(2024, 2, 29, 1, 2, 3, 4000), "'2024-02-29T01:02:03.004'"),  # noqa: DTZ001
        (datetime(2024, 2, 29, tzinfo=UTC), "'2024-02-29T00:00:00.000+00:00'"),
        (UUID(int=1), "'00000000-0000-0000-0000-000000000001'"),
    ],
)
def test_literals(value, wanted) -> None:
    """Each Python value has one T-SQL spelling that no date format or language of a session changes."""
    assert literal(value) == wanted


def scripts() -> list[Path]:
    """Every T-SQL file of the demo."""
    return [*sorted(ROOT.glob("schema/*.sql")), *sorted(ROOT.glob("sql/*.sql"))]


@pytest.mark.skipif(shutil.which("maxdop", path=str(Path(sys.executable).parent)) is None, reason="needs maxdop")
@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.name)
def test_scripts_pass_microsofts_parser(script: Path, tmp_path: Path) -> None:
    """Every file is T-SQL of SQL Server 2019, quoted identifiers on, as ODBC has them."""
    config = tmp_path / "maxdop.json"
    config.write_text(json.dumps({"initialQuotedIdentifiers": True, "parserVersion": "2019"}))
    tool = Path(sys.executable).parent / "maxdop"
    done = subprocess.run(
        [tool, "--config", config, script], capture_output=True, text=True, timeout=30, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


def test_upgrade_scripts_hold_the_awkward_batches() -> None:
    """GO in comments and texts is no separator, an indented one with a remark is, and GO 3 runs three times."""
    cut = {path.name: split_batches(path.read_text("utf-8")) for path in ROOT.glob("sql/*.sql")}
    first = cut["001_consent_tables.sql"]
    assert len(first) == 5
    assert first[1].sql.count("\nGO\n") == 1
    assert [batch.count for batch in cut["004_campaign_retention.sql"]] == [1, 1, 1, 1, 3, 1]


@pytest.mark.parametrize("name", ["runbook.yaml", "schema-upgrade.yaml"])
def test_plans_are_good_plans(name: str) -> None:
    """Both plans load without a finding, and their gate's text names the end of the window."""
    plan = load_plan(ROOT / name)
    assert plan.gate.kind == "file"
    assert "{closes_at}" in plan.gate.content.read_text("utf-8")


def test_the_maintenance_text_has_one_placeholder_only() -> None:
    """Braces of styles would break whoever fills the placeholder in with str.format."""
    text = (ROOT / "maintenance.html").read_text("utf-8")
    assert re.findall(r"[{}]", text) == ["{", "}"]
    assert "planned maintenance" in text
