"""What a rehearsal found, for a terminal, a CI system and a summary page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.rehearsal.blaming import sentence, suspects
from runbook.rehearsal.judging import NOT_PLAYED, RIGHT, SEVERITY, Verdict

MEANING = {
    0: "every ending was the right one",
    10: "a night ended elsewhere than it should, with the system in service on a proven setup",
    20: "a night needed a person, or ended neither old nor new",
    30: "a night could not be played",
}
STALE = "what was rehearsed is not the plan as it is now"
AS_IT_IS = "Rehearse it again, as it is now."
UNKEPT = "the record of it could not be kept"
SEE_TO_IT = "See to it, and rehearse it again: execute asks for the record."


@dataclass(frozen=True)
class Report:
    """A rehearsal that came to its end. Instants are aware UTC."""

    identity: str
    plan: str
    fingerprint: str
    on: str
    at: datetime
    seconds: float
    verdicts: tuple[Verdict, ...]
    not_rehearsed: tuple[str, ...]
    whole: bool
    measured: dict[str, Any]
    evidence: str = ""
    changed: tuple[str, ...] = ()
    """What became another one in the plan or its files meanwhile: then nothing is certified."""
    unkept: str = ""
    """Why its record could not be written: then nothing is certified either."""

    @property
    def code(self) -> int:
        """The worst of all."""
        stale = NOT_PLAYED if self.changed or self.unkept else RIGHT
        return max((stale, *(one.code for one in self.verdicts)), key=SEVERITY.index)

    @property
    def is_kept(self) -> bool:
        """Whether it goes on record. Of a plan that became another one only that it went wrong."""
        return not self.changed or any(one.code for one in self.verdicts)

    @property
    def meaning(self) -> str:
        """Of the code."""
        unplayed = any(one.code == NOT_PLAYED for one in self.verdicts)
        if self.code != NOT_PLAYED or unplayed:
            return MEANING[self.code]
        return STALE if self.changed else UNKEPT

    @property
    def suspects(self) -> tuple[str, ...]:
        """Steps whose way back is to be looked at first."""
        return suspects(self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """The documented schema (docs/json.md)."""
        return {
            "rehearsal": self.identity,
            "plan": self.plan,
            "fingerprint": self.fingerprint,
            "on": self.on,
            "at": self.at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "right": self.code == RIGHT,
            "code": self.code,
            "whole": self.whole,
            "changed": list(self.changed),
            "unkept": self.unkept or None,
            "scenarios": [one.to_json() for one in self.verdicts],
            "suspects": list(self.suspects),
            "not_rehearsed": list(self.not_rehearsed),
            "measured": self.measured,
            "evidence": self.evidence or None,
        }


def table(report: Report) -> Iterator[str]:
    """Scenario, ending, seconds, proof; what was wrong below its line."""
    width = max((len(one.scenario.name) for one in report.verdicts), default=8)
    yield f"{'':<2}{'scenario':<{width}}  {'ending':<22} {'seconds':>7}  proof"
    for one in report.verdicts:
        yield line(one, width)
        yield from (f"    {'at ' + one.step + ': ' if one.step else ''}{wrong}" for wrong in one.wrong)
    if report.suspects:
        yield sentence(report.suspects)
    yield from (f"not rehearsed: {what}" for what in report.not_rehearsed)
    if report.changed or report.unkept:
        yield _uncertified(report)
        yield f"HINT: {_remedy(report)}"
    elif report.measured:
        yield "what the steps took is kept: runbook check, plan and execute compute with it"
    wrong = sum(one.code != RIGHT for one in report.verdicts)
    yield f"{len(report.verdicts)} scenarios, {wrong} wrong, {report.seconds:.0f} s"
    yield f"exit code {report.code}: {report.meaning}"
    if report.evidence:
        yield f"what is left of the wrong ones: {report.evidence}"


def _uncertified(report: Report) -> str:
    if not report.changed:
        return f"no certificate: {report.unkept}"
    return f"no certificate: the plan was changed while it was rehearsed: {'; '.join(report.changed)}"


def _remedy(report: Report) -> str:
    return AS_IT_IS if report.changed else SEE_TO_IT


def told(one: Verdict, done: int, of: int) -> str:
    """One scenario as it ends, while others go on."""
    came = f"{one.ending}, {one.seconds:.0f} s" if one.code == RIGHT else f"WRONG: {one.ending}"
    return f"{done:>{len(str(of))}} of {of}: {one.scenario.name}: {came}"


def line(one: Verdict, width: int) -> str:
    """One scenario."""
    mark = "  " if one.code == RIGHT else "! "
    return f"{mark}{one.scenario.name:<{width}}  {one.ending:<22} {one.seconds:>7.1f}  {one.proof}".rstrip()


def junit(report: Report) -> bytes:
    """JUnit XML as CI systems read it: a suite for each family, what ended wrong is a failure. A plan that was changed
    meanwhile is an error of its own."""
    of = {"name": f"runbook rehearse {report.plan}"}
    uncertified = bool(report.changed or report.unkept)
    totals = _counts(report.verdicts, report.seconds, uncertified)
    del totals["skipped"]  # Jenkins knows it of a suite only
    root = ET.Element("testsuites", {**of, **totals})
    for family in dict.fromkeys(one.scenario.family for one in report.verdicts):
        of_it = [one for one in report.verdicts if one.scenario.family == family]
        suite = _suite(root, report, family, _counts(of_it, sum(one.seconds for one in of_it)))
        for one in of_it:
            _case(suite, report.plan, one)
    if uncertified:
        suite = _suite(root, report, "plan", _counts((), 0.0, True))
        name, what = ("unchanged", STALE) if report.changed else ("kept", UNKEPT)
        case = ET.SubElement(suite, "testcase", name=name, classname=f"{report.plan}.plan", time="0.000")
        error = ET.SubElement(case, "error", message=what, type=f"exit {NOT_PLAYED}")
        error.text = _printable(f"{_uncertified(report)}\n{_remedy(report)}")
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def junit_of_none(plan: str, why: str, code: int) -> bytes:
    """JUnit XML where there was no rehearsal: one error that says why."""
    counts = {**_counts((), 0.0, True), "skipped": "0"}
    root = ET.Element("testsuites", {"name": f"runbook rehearse {plan}", "tests": "1", "failures": "0", "errors": "1"})
    suite = ET.SubElement(root, "testsuite", {"name": f"{plan}.plan", **counts})
    case = ET.SubElement(suite, "testcase", name="rehearsed", classname=f"{plan}.plan", time="0.000")
    ET.SubElement(case, "error", message=_printable(why.partition("\n")[0]), type=f"exit {code}").text = _printable(why)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def markdown_of_none(plan: str, why: str, code: int) -> str:
    """The same for a summary page."""
    return f"## Rehearsal of {_cell(plan)}: none\n\n{_cell(why)}\n\nExit code {code}.\n"


def _suite(root: ET.Element, report: Report, name: str, counts: dict[str, str]) -> ET.Element:
    stamp = report.at.replace(tzinfo=None).isoformat(timespec="seconds")
    about = {"name": f"{report.plan}.{name}", "timestamp": stamp, "hostname": report.on}
    return ET.SubElement(root, "testsuite", {**about, **counts})


def _counts(verdicts: Sequence[Verdict], seconds: float, changed: bool = False) -> dict[str, str]:
    unplayed = sum(one.code == NOT_PLAYED for one in verdicts)
    wrong = sum(one.code != RIGHT for one in verdicts) - unplayed
    counts = {"tests": len(verdicts) + changed, "failures": wrong, "errors": unplayed + changed, "skipped": 0}
    return {**{key: str(count) for key, count in counts.items()}, "time": f"{seconds:.3f}"}


def _case(suite: ET.Element, plan: str, one: Verdict) -> None:
    case = ET.SubElement(
        suite, "testcase", name=one.scenario.name, classname=f"{plan}.{one.scenario.family}", time=f"{one.seconds:.3f}"
    )
    if one.code != RIGHT:
        at = f" at {one.step}" if one.step else ""
        message = f"{one.ending}{at}, expected {one.scenario.ending}"
        what = "error" if one.code == NOT_PLAYED else "failure"
        failure = ET.SubElement(case, what, message=_printable(message), type=f"exit {one.code}")
        failure.text = _printable("\n".join(one.wrong))
    ET.SubElement(case, "system-out").text = _printable(f"{one.ending}: {one.proof}")


def _printable(text: str) -> str:
    """XML has no control characters."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def markdown(report: Report) -> str:
    """A page as GitHub and GitLab show it."""
    lines = [
        f"## Rehearsal of {_cell(report.plan)}: {'right' if report.code == RIGHT else 'WRONG'}",
        "",
        f"{len(report.verdicts)} scenarios on {report.on} in {report.seconds:.0f} s.",
        "",
        "| | scenario | ending | seconds | proof |",
        "|---|---|---|---:|---|",
    ]
    for one in report.verdicts:
        mark = "✓" if one.code == RIGHT else "✗"
        wrong = "; ".join(one.wrong)
        said = f"{one.step}: {wrong}" if wrong and one.step else wrong or one.proof
        cells = (mark, one.scenario.name, one.ending, f"{one.seconds:.1f}", said)
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if report.suspects:
        lines += ["", _cell(sentence(report.suspects)) + "."]
    if report.not_rehearsed:
        lines += ["", "Not rehearsed:", "", *(f"- {_cell(what)}" for what in report.not_rehearsed)]
    if report.changed or report.unkept:
        lines += ["", f"{_cell(_uncertified(report))}. {_remedy(report)}"]
    return "\n".join([*lines, "", f"Exit code {report.code}: {report.meaning}.", ""])


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
