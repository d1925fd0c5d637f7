"""The same trivial steps under DBOS on SQLite, as it configures itself; prints the seconds of one workflow."""

from __future__ import annotations

import json
import sys
import time

from dbos import DBOS

from benchmarks.measure import scratch

SWITCHES: dict[str, bool] = {}


@DBOS.step()
def throw(switch: str) -> bool:
    """The effect."""
    SWITCHES[switch] = True
    return SWITCHES[switch]


@DBOS.workflow()
def night(steps: int) -> int:
    """Steps one after another."""
    for number in range(steps):
        throw(f"step-{number:05}")
    return steps


def main(steps: int) -> float:
    """Seconds of a workflow, after one that warms up."""
    with scratch() as directory:
        DBOS(
            config={
                "name": "bench",
                "system_database_url": f"sqlite:///{directory / 'dbos.db'}",
                "log_level": "ERROR",
                "enable_otlp": False,
            }
        )
        DBOS.launch()
        try:
            night(20)
            begun = time.perf_counter()
            night(steps)
            return time.perf_counter() - begun
        finally:
            DBOS.destroy()


if __name__ == "__main__":
    print(json.dumps({"seconds": main(int(sys.argv[1]))}))
