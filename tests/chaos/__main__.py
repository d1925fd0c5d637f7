# ruff: noqa: T201
"""``make chaos``: many generated stories, and what was tried in them.

SEED=n       the same stories again (else drawn, and printed)
RUNS=n       how many, in virtual time (default 10,000; one in five is a mailer night)
KIND=k RUN=n exactly one, told in words; with SHRINK=1 made smaller if it breaks a promise
REAL=n       how many on real processes (default 200), where tests/chaos/real.py is there
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
import time

from tests.chaos.running import Tally, in_words, many

SHOWN = 3
"""Stories that break a promise are told in words, up to this many."""


def main() -> int:
    """0: every promise was kept; 1: one was broken."""
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    run = os.environ.get("RUN")
    if run:
        told = in_words(os.environ.get("KIND") or "graphs", seed, int(run), shrink=bool(os.environ.get("SHRINK")))
        print(told)
        return int("BROKEN: " in told)
    runs = int(os.environ.get("RUNS") or 10_000)
    wanted = {"graphs": runs - runs // 5, "nights": runs // 5}
    print(f"chaos with SEED={seed}: {', '.join(f'{count} {kind}' for kind, count in wanted.items())}", flush=True)
    ok = _tell(wanted, seed, os.cpu_count() or 1)
    if importlib.util.find_spec("tests.chaos.real"):
        ok = _tell({"real": int(os.environ.get("REAL") or 200)}, seed, 2) and ok
    return 0 if ok else 1


def _tell(wanted: dict[str, int], seed: int, processes: int) -> bool:
    began, tally, all_of_them = time.monotonic(), Tally(), sum(wanted.values())
    for part in many(wanted, seed, processes):
        tally.merge(part)
        if sys.stdout.isatty():
            print(f"\r{tally.runs} of {all_of_them}, {len(tally.broken)} broken ", end="", flush=True)
    if sys.stdout.isatty():
        print()
    _show(tally, time.monotonic() - began)
    for kind, run, what in tally.broken[:SHOWN]:
        print(f"\n{what}\n{in_words(kind, seed, run)}")
    for kind, run, what in tally.broken[SHOWN:]:
        print(f"\nalso broken: make chaos SEED={seed} KIND={kind} RUN={run}: {what}")
    return not tally.broken


def _show(tally: Tally, seconds: float) -> None:
    for title, found in (("endings", tally.endings), ("deadline", tally.promised), ("what was tried", tally.tried)):
        print(f"\n{title}")
        for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
            if count:
                print(f"  {count:>9,}  {name}")
    print(f"\n{tally.runs:,} runs in {seconds:.0f} s, {tally.runs / max(seconds, 0.001):.0f} a second")
    print("every promise was kept" if not tally.broken else f"{len(tally.broken)} runs broke a promise")


if __name__ == "__main__":
    sys.exit(main())
