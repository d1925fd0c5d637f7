"""(b) A plan of 5,000 steps against one of 500: cost of a step, and the memory of the large one."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

from benchmarks import toys
from benchmarks.measure import Samples, child, rounds, scratch
from runbook.graph import Node

SMALL, LARGE = 500, 5000
SHAPES: dict[str, Callable[[int], list[Node]]] = {"chain": toys.chain, "wide": toys.wide}


def against_small(samples: Samples, seconds: float) -> None:
    """Each in a process of its own, in turns."""
    for _ in rounds(seconds, at_least=2, at_most=5):
        for shape in SHAPES:
            large = child("benchmarks.scale", shape, str(LARGE))
            small = child("benchmarks.scale", shape, str(SMALL))
            samples.add(shape, large["seconds"] / LARGE, small["seconds"] / SMALL)
            samples.add("memory", large["mebibytes"], small["mebibytes"])


def run(shape: str, steps: int) -> dict[str, float]:
    """Seconds of driving, and the peak memory of this process."""
    with scratch(memory=True) as directory, toys.engine(directory / "journal.db", SHAPES[shape](steps)) as engine:
        begun = time.perf_counter()
        engine.drive()
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]))))
