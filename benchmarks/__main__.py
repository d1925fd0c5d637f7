"""``python -m benchmarks``: every target in one table; exit 1 when one is missed, unless ``--lenient``.

All numbers are ratios of what was measured in turns within this run (medians), apart from seconds to turn back and
mebibytes. ``--only a,b,c,d,e,f`` measures a part.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import fanout, journal, predicting, scale, starting, turning
from benchmarks.measure import Line, Samples
from tests.sshd import PROGRAM


def part_a() -> list[Line]:
    """What a step costs."""
    samples = Samples()
    journal.against_bare(samples, 25)
    journal.against_dbos(samples, 20)
    lines = [
        Line(
            f"a  journal of a {name} / bare commits",
            samples.ratio(f"journal of a {name}"),
            1.5 if name == journal.PLAIN else None,  # the record of a statement is a durable commit more of its own
            "x",
            f"{_us(samples.measured(f'journal of a {name}'))} against {_us(samples.baseline(name))}",
        )
        for name in (journal.PLAIN, journal.SPEAKING)
    ]
    lines += [
        Line(
            f"a  {name}: engine and journal / bare commits",
            samples.ratio(name),
            None,
            "x",
            f"{_us(samples.measured(name))} against {_us(samples.baseline(name))} for {commits} durable commits",
        )
        for name, commits in ((journal.PLAIN, 2), (journal.SPEAKING, 3))
    ]
    theirs, ours = samples.measured("dbos"), samples.baseline("dbos")
    detail = f"{_us(theirs)} a step under DBOS on SQLite, {_us(ours)} here"
    return [*lines, Line("a  DBOS / step", samples.ratio("dbos"), 3.0, "x", detail, at_least=True)]


def part_b() -> list[Line]:
    """Large plans."""
    samples = Samples()
    scale.against_small(samples, 25)
    lines = [
        Line(
            f"b  {scale.LARGE} steps / {scale.SMALL} steps, {shape}, a step",
            samples.ratio(shape),
            1.5,
            "x",
            f"{_us(samples.measured(shape))} against {_us(samples.baseline(shape))} a step",
        )
        for shape in scale.SHAPES
    ]
    peak = max(measured for measured, _ in samples.pairs["memory"])
    return [*lines, Line(f"d  peak memory of {scale.LARGE} steps", peak, 150.0, "MiB", "of a process of its own")]


def part_c() -> list[Line]:
    """Turning back."""
    samples = Samples()
    turning.hanging(samples, 8)
    turning.hanging_on_a_server(samples, 12)
    return [
        Line(
            f"c  turn-back point to first undo effect, {what}",
            samples.measured(name),
            1.0,
            "s",
            f"{_ms(samples.measured(name))}, {_ms(samples.baseline(name))} since the decision was recorded",
        )
        for name, what in (("hang", "a call hangs"), ("server", "a statement hangs"))
    ]


def part_d() -> list[Line]:
    """The command line."""
    samples = Samples()
    starting.against_nothing(samples, 20)
    lines = [Line("d  runbook --help / python -c pass", samples.ratio("--help"), 10.0, "x", _both(samples, "--help"))]
    for name, (steps, _) in starting.SIZES.items():
        what = f"d  status on {samples.notes[name]:,.0f} events of {steps:,} steps / --help"
        target = 3.0 if steps == scale.SMALL else None
        lines.append(Line(what, samples.ratio(name), target, "x", _both(samples, name)))
    return lines


def part_e() -> list[Line]:
    """Many hosts."""
    if not Path(PROGRAM).exists():
        print("e  skipped: sshd is not installed; as root: apt-get install openssh-server")
        return []
    samples = Samples()
    fanout.against_others(samples, 60)
    lines = []
    for kind in fanout.KINDS:
        what = f"{len(fanout.WORDS)} {kind} on each of {fanout.HOSTS} hosts"
        for name in (f"ansible {kind}", f"pyinfra {kind}"):
            ratio, both = samples.ratio(name), _both(samples, name)
            lines.append(Line(f"e  {name.split()[0]} / this, {what}", ratio, 2.0, "x", both, at_least=True))
        bare = f"bare {kind}"
        lines.append(Line(f"e  this / bare ssh, {what}", samples.ratio(bare), None, "x", _both(samples, bare)))
    return lines


def part_f() -> list[Line]:
    """What rehearsals predict."""
    found = predicting.compared()
    for text in predicting.rows(found):
        print(text, flush=True)
    lines = []
    for whats, name in ((("do", "look"), "steps"), (("undo",), "ways back")):
        off, predicted, took = found.off(*whats)
        detail = f"{predicted:.1f} s predicted for all {name} together, {took:.1f} s taken"
        lines.append(
            Line(f"f  prediction of the {name} from 1 % (grown x{predicting.GROW}), off by", off, 0.3, "", detail)
        )
    point, outcome = found.turn_back_predicted, found.turn_back_by_outcome
    detail = f"{point:.0f} s kept for the way back, by outcome {outcome:.0f} s, computed without measuring"
    detail += f" {found.turn_back_computed:.0f} s"
    lines.append(Line("f  turn-back point that follows from it, off by", abs(point / outcome - 1), 0.3, "", detail))
    enough, of_all = found.granted()
    detail = f"{enough} of {of_all} steps and ways back took no longer than granted"
    return [*lines, Line("f  granted enough", enough / of_all, None, "", detail)]


PARTS: dict[str, Callable[[], list[Line]]] = {
    "a": part_a, "b": part_b, "c": part_c, "d": part_d, "e": part_e, "f": part_f,
}  # fmt: skip


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _both(samples: Samples, name: str) -> str:
    return f"{_ms(samples.measured(name))} against {_ms(samples.baseline(name))}"


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--lenient", action="store_true", help="print only, always exit 0")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, e.g. a,d")
    options = parser.parse_args()
    begun = time.perf_counter()
    missed = 0
    for name in options.only.split(","):
        for line in PARTS[name]():
            missed += not line.met
            print(line, flush=True)
    print(f"{missed} targets missed, {time.perf_counter() - begun:.0f} s")
    return 1 if missed and not options.lenient else 0


if __name__ == "__main__":
    sys.exit(main())
