"""Which throwaway servers a plan is rehearsed on."""

from __future__ import annotations

import os
import re

from runbook.errors import Refused
from runbook.plan.models import Plan
from runbook.rehearsal.clearing import PROVIDERS
from runbook.rehearsal.oncontainer import OnContainer, Shape
from runbook.rehearsal.providing import Provider


def provider(plan: Plan, on: str, *, accepts_licence: bool) -> Provider:
    """``on``: sandbox or container. Refused for containers of servers that the plan does not have."""
    if on != "container":
        return PROVIDERS[on]()
    planned = plan.rehearsal.containers
    unknown = sorted(set(planned) - set(plan.servers))
    if unknown:
        raise Refused(
            f"rehearsal.containers names {unknown[0]}, which is no server of the plan",
            hint=f"The plan has {', '.join(plan.servers)}.",
        )
    shapes = {
        name: Shape(_image(plan, name), one.memory, one.cpus, one.patience.total_seconds())
        for name, one in planned.items()
    }
    shapes |= {name: Shape(_image(plan, name)) for name in plan.servers if name not in planned}
    return OnContainer(accepts_licence, shapes)


def _image(plan: Plan, name: str) -> str:
    """The environment's before the plan's; empty: Microsoft's, by the version."""
    planned = plan.rehearsal.containers.get(name)
    version = plan.servers[name].version
    given = (f"RUNBOOK_IMAGE_{re.sub(r'[^A-Z0-9]', '_', name.upper())}", f"RUNBOOK_IMAGE_{version}")
    found = next(filter(None, map(os.environ.get, given)), "")
    return found or (planned.image or "" if planned else "")
