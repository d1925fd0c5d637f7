"""What CI systems get: JUnit XML that counts right, a Markdown table that holds together, JSON."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xmlschema

from runbook.rehearsal.judging import Verdict, not_played
from runbook.rehearsal.reports import Report, junit, junit_of_none, markdown, markdown_of_none, table
from runbook.rehearsal.scenarios import Ending, Family, Scenario

GOOD = Verdict(Scenario("forward", Family.NIGHT, Ending.NEW), 0, "new setup", 12.3, "4 rows of 2 tables as before")
BAD = Verdict(
    Scenario("fail:repoint", Family.FAIL, Ending.OLD, "repoint"), 20, "held", 3.0, "", "repoint", ("a | b\n<c> \x00",)
)
REPORT = Report(
    "20260321-100000-abcdef", "small", "f" * 64, "sandbox", datetime(2026, 3, 21, 10, tzinfo=UTC), 15.5, (GOOD, BAD),
    ("hosts are not touched",), True, {"steps": {}},
)  # fmt: skip


SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def test_junit_is_valid(tmp_path: Path) -> None:
    """Against the schema of the format, with and without anything wrong in it."""
    for verdicts, changed in (((GOOD, BAD), ()), ((GOOD,), ("name: 'a' -> 'b'",)), ((), ())):
        path = tmp_path / "junit.xml"
        path.write_bytes(junit(replace(REPORT, verdicts=verdicts, changed=changed)))
        SCHEMA.validate(str(path))


def test_where_there_was_none(tmp_path: Path) -> None:
    """What keeps it from being rehearsed is an error of its own, for CI too."""
    why = "error: rehearsal.seed ended with 3: no | room\x00\nHINT: Try it: sh seed.sh"
    path = tmp_path / "junit.xml"
    path.write_bytes(junit_of_none("runbook", why, 30))
    SCHEMA.validate(str(path))
    (error,) = ET.parse(path).getroot().iter("error")
    assert error.get("message") == "error: rehearsal.seed ended with 3: no | room?"
    assert (error.get("type"), "HINT: Try it" in (error.text or "")) == ("exit 30", True)
    assert "no \\| room" in markdown_of_none("runbook", why, 30)


def test_the_schema_is_that_of_the_format(pytester: pytest.Pytester) -> None:
    """What pytest itself writes is valid against it, and what is left out or made up is not."""
    pytester.makepyfile("""
        import pytest
        def test_good(): print("said")
        def test_bad(): assert False
        @pytest.mark.skip(reason="not now")
        def test_skipped(): pass
    """)
    pytester.runpytest_subprocess("--junitxml=theirs.xml", "-p", "no:cacheprovider")
    SCHEMA.validate(str(pytester.path / "theirs.xml"))
    good = junit(REPORT).decode()
    for broken in (
        good.replace(' tests="1"', "", 1),
        good.replace(" classname=", " class=", 1),
        good.replace(' time="', ' time="~', 1),
    ):
        assert broken != good
        assert not SCHEMA.is_valid(broken)


def test_junit_counts() -> None:
    """As the schema of Jenkins wants it: suites whose numbers fit their cases, failures with message, type and text."""
    root = ET.fromstring(junit(REPORT))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "0")
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.tag == "testsuite"
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert datetime.fromisoformat(str(suite.get("timestamp"))).tzinfo is None
        assert all(case.get("name") and case.get("classname") and float(str(case.get("time"))) for case in cases)
        assert {child.tag for case in cases for child in case} <= {"failure", "system-out"}


def test_junit_names_scenario_and_step() -> None:
    """What went wrong can be read without opening anything else; no character breaks the file."""
    failure = ET.fromstring(junit(REPORT)).find(".//testcase[@name='fail:repoint']/failure")
    assert failure is not None
    assert failure.get("message") == "held at repoint, expected old setup"
    assert failure.text == "a | b\n<c> ?"


def test_the_table() -> None:
    """One line each, what is wrong below it with its step, then what was not rehearsed and the meaning of the code."""
    lines = list(table(REPORT))
    assert lines[1].split() == ["forward", "new", "setup", "12.3", *GOOD.proof.split()]
    assert lines[2].startswith("! fail:repoint")
    assert lines[3].startswith("    at repoint: a | b")
    assert "not rehearsed: hosts are not touched" in lines
    assert lines[-1].endswith("exit code 20: a night needed a person, or ended neither old nor new")


def test_markdown_rows_hold_together() -> None:
    """A bar, a line break or a tag in a reason does not break the table."""
    row = next(line for line in markdown(REPORT).splitlines() if "fail:repoint" in line)
    assert row.replace("\\|", "").count("|") == 6
    assert "&lt;c>" in row


def test_json() -> None:
    """Everything that is shown, for programs."""
    found = json.loads(json.dumps(REPORT.to_json()))
    assert (found["right"], found["code"], found["whole"]) == (False, 20, True)
    assert [one["right"] for one in found["scenarios"]] == [True, False]


def test_a_night_that_could_not_be_played() -> None:
    """No failure of the plan, so an error for CI; it counts unless another night was played and ended wrong."""
    unplayed = not_played(Scenario("back", Family.NIGHT, Ending.OLD), "the container for old ended with 1", 4.0)
    assert replace(REPORT, verdicts=(GOOD, unplayed)).code == 30
    assert replace(REPORT, verdicts=(unplayed, BAD)).code == 20
    root = ET.fromstring(junit(replace(REPORT, verdicts=(GOOD, unplayed))))
    assert (root.get("failures"), root.get("errors")) == ("0", "1")
    error = root.find(".//testcase[@name='back']/error")
    assert error is not None
    assert error.text == "the container for old ended with 1"


def test_a_plan_that_was_changed_meanwhile() -> None:
    """One line and a hint, on every page; the exit code is that of what could not be rehearsed, and a night that ended
    wrong still counts more."""
    changed = replace(REPORT, verdicts=(GOOD,), changed=("contents of a.sql changed", "name: 'a' -> 'b'"))
    said = "no certificate: the plan was changed while it was rehearsed: contents of a.sql changed; name: 'a' -> 'b'"
    lines = list(table(changed))
    assert lines[lines.index(said) + 1] == "HINT: Rehearse it again, as it is now."
    assert lines[-1] == "exit code 30: what was rehearsed is not the plan as it is now"
    assert not any("is kept" in line for line in lines), "what is not kept was said to be"
    assert "contents of a.sql changed" in markdown(changed)
    assert json.loads(json.dumps(changed.to_json()))["changed"] == list(changed.changed)
    root = ET.fromstring(junit(changed))
    assert [root.get(what) for what in ("tests", "failures", "errors")] == ["2", "0", "1"], "CI shows it as right"
    error = root.find(".//testcase[@classname='small.plan']/error")
    assert error is not None
    assert str(error.text).splitlines() == [said, "Rehearse it again, as it is now."]
    wrong = replace(changed, verdicts=(GOOD, BAD))
    assert (wrong.code, wrong.to_json()["right"]) == (20, False)
    assert (changed.is_kept, wrong.is_kept) == (False, True), "an older rehearsal would count although this went wrong"
