"""``python -m runbook`` is the same as ``runbook``."""

from runbook.cli import main

main()
