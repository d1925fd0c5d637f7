"""The same commands on many hosts, as a step would run them; prints how many gave the right answer."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.opening import Hosts
from runbook.cancel import CancelToken
from runbook.plan.hosts import Host, name_hosts
from runbook.recording import Unrecorded
from runbook.toolkit.fleet import SIDE_BY_SIDE


def main(inventory: Path, *, effect: bool) -> int:
    """Every host's commands one after another, the hosts side by side."""
    known: dict[str, Any] = json.loads(inventory.read_text())
    paths = {key: Path(known[key]) for key in ("identity_file", "known_hosts", "ssh_config")}
    planned = {
        name: Host.model_validate({"address": f"ssh://{known['user']}@127.0.0.1:{port}", "agent": False}).model_copy(
            update=paths
        )
        for name, port in known["hosts"].items()
    }
    hosts = Hosts(name_hosts(planned))
    token = CancelToken(SystemClock())

    def work(name: str) -> int:
        host = hosts.open(name, token, Unrecorded(), "bench")
        said = [host.run(["echo", word], timeout=60, effect=effect).stdout for word in known["words"]]
        return sum(one == f"{word}\n" for one, word in zip(said, known["words"], strict=True))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        right = sum(pool.map(work, planned))
    hosts.close()
    return right


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), effect=sys.argv[2] == "effects"))
