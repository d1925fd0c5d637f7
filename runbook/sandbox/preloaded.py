"""``python -m runbook.sandbox.preloaded``: the server process, loaded once and forked for each line of standard input;
see :mod:`runbook.forking`."""

from __future__ import annotations

import sys

from runbook.forking import preloaded
from runbook.sandbox.__main__ import load, main

if __name__ == "__main__":
    preloaded(load, lambda: sys.exit(main()))
