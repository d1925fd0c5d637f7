"""Takes a rehearsal away when whoever rehearsed is gone, however that ended; a process of its own, started beside it.

Standard input is its lifeline: nobody else holds the other end, so the end of file means that the rehearsal is over.
When it ended as it should there is nothing left to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from runbook.rehearsal.place import POLL, VARIABLE, Place

AGAIN = 5
"""Times that it looks once more, a second apart."""
FREE_SECONDS = 10.0
"""For the system to free the lock of who was killed: it frees what a process had in no order."""
PATIENCE = 60.0
"""Seconds it gets to see that there is nothing to do."""


@contextmanager
def reaping(place: Place) -> Iterator[None]:
    """For the length of a rehearsal."""
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    process = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "runbook.rehearsal.reaper", str(place.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=kept,
        start_new_session=True,
    )
    try:
        yield
    finally:
        place.free()  # what could not be taken away is whoever's can
        with suppress(subprocess.TimeoutExpired):  # it goes on by itself
            process.communicate(timeout=PATIENCE)


def main(directory: Path) -> int:
    """Until the lifeline ends, then clean."""
    sys.stdin.buffer.read()
    place = Place(directory)
    for _ in range(int(FREE_SECONDS / POLL)):
        if place.is_cleaned or not place.is_in_use:
            break
        Event().wait(POLL)
    if not place.is_cleaned and not place.is_in_use:
        from runbook.rehearsal.clearing import provider_of  # noqa: PLC0415 - only when there is something to do

        made = provider_of(place)
        place.clean(made)
        for _ in range(AGAIN):  # what was being made while its maker died
            Event().wait(1.0)
            made.remove(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
