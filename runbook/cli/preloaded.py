"""``python -m runbook.cli.preloaded``: this program, loaded once and forked for each line of standard input; see
:mod:`runbook.forking`."""

from __future__ import annotations

import sys

from runbook.forking import preloaded


def _load() -> None:
    """What ``execute`` and ``resume`` load."""
    import runbook.cli.main
    import runbook.cli.night
    import runbook.commands.runs
    import runbook.journal.statements
    import runbook.plan.load  # noqa: F401
    from runbook.adapters.sqlserver.driver import odbc
    from runbook.registry import step_kinds, undo_kinds

    odbc()
    step_kinds()
    undo_kinds()


def _program() -> None:
    from runbook.cli.main import main

    sys.argv[0] = "runbook"
    main()


if __name__ == "__main__":
    preloaded(_load, _program)
