"""The command line: parses, calls the function of that name in ``runbook.commands``, prints."""

from runbook.cli.main import main

__all__ = ["main"]
