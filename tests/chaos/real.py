"""Generated nights on real processes: sandbox servers, executors, guards, and what can happen to them in a night.

``generate`` and ``tell`` are what :mod:`tests.chaos.running` asks of a kind of story; see docs/chaos.md.
"""

from __future__ import annotations

import os

from tests.chaos.graphs import Told
from tests.chaos.processes import hands
from tests.chaos.processes.judging import Judge
from tests.chaos.processes.system import forget_template
from tests.chaos.processes.tale import Tale, generate
from tests.chaos.processes.telling import Night

__all__ = ["generate", "tell"]


def tell(tale: Tale) -> Told:
    """Let it happen and judge it. Everything it started has ended when this returns; the files of a night that broke a
    promise stay, and the last line of its trace says where."""
    hands.end_with_the_parent()
    told = Told()
    night = Night(tale, told)
    try:
        night.tell()
        Judge(night).judge()
    except Exception as error:  # noqa: BLE001
        night.breaks(f"{type(error).__name__}: {error}")
    except SystemExit:
        night.end()
        forget_template()
        os._exit(1)  # the pool would go on waiting for the one that is gone
    finally:
        night.end()
        if told.broken:
            night.say(f"everything of it is in {night.system.home}")
    return told
