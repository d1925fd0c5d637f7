"""Takes away what rehearsals left: before the next one, and when somebody asks for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from runbook.errors import Refused
from runbook.home import Home
from runbook.rehearsal.oncontainer import OnContainer
from runbook.rehearsal.onsandbox import OnSandbox
from runbook.rehearsal.place import Place, left_behind, root_of, said
from runbook.rehearsal.providing import Provider

PROVIDERS: Mapping[str, Callable[[], Provider]] = {"sandbox": OnSandbox, "container": OnContainer}
"""As they are where nothing is started any more."""


def provider_of(place: Place) -> Provider:
    """Whose servers are there. One that does not say was left before it had any."""
    return PROVIDERS.get(place.on, OnSandbox)()


def clear(home: Home, say: Callable[[str], None]) -> int:
    """Take away what rehearsals left whose process is gone; returns how many that were. What cannot be taken away now
    (no engine answers) is left for the next time, and said."""
    found = [place for place in left_behind(home) if not place.is_cleaned]
    return sum(_cleaned(place, say, "what is left of rehearsal {} is taken away") for place in found)


def _cleaned(place: Place, say: Callable[[str], None], done: str) -> bool:
    identity = place.directory.name
    try:
        place.clean(provider_of(place))
    except (Refused, OSError) as error:
        why = said(error) if isinstance(error, OSError) else error.message
        say(f"what is left of rehearsal {identity} cannot be taken away now: {why}")
        return False
    say(done.format(identity))
    return True


def clean(home: Home, say: Callable[[str], None]) -> int:
    """``runbook rehearse --clean``: also the evidence of those that went wrong. Returns how many there were."""
    found = [place for place in left_behind(home) if _cleaned(place, say, "rehearsal {} is gone")]
    for place in found:
        shutil.rmtree(place.directory, ignore_errors=True)
    return len(found) + sum(_forgotten(home, make(), say) for make in PROVIDERS.values())


def _forgotten(home: Home, provider: Provider, say: Callable[[str], None]) -> int:
    """What carries the name of a rehearsal of this home whose very directory is gone."""
    found = [path for path in sorted(provider.left(root_of(home).resolve())) if not path.exists()]
    for path in found:
        provider.remove(path)
        say(f"rehearsal {path.name} is gone")
    return len(found)
