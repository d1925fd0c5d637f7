"""The order of the tests: those that wait for a window to close begin first, spread over all workers."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End-to-end tests to the front of each worker's share; the same order in every worker."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if "tests/e2e" in str(item.path)]
    short = [item for item in items if "tests/e2e" not in str(item.path)]
    share = len(short) // workers + 1
    shares = [long[worker::workers] + short[worker * share : (worker + 1) * share] for worker in range(workers)]
    items[:] = [item for one in shares for item in one]
