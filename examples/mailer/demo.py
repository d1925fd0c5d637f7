"""The main job on the example system: ``make demo``.

``python -m examples.mailer.demo`` starts two simulated SQL Servers, fills the old one, starts the application,
upgrades it with ``runbook execute --window 4h``, and shows that the application answers from the new server,
that exactly the jobs that were enabled are enabled there, and that the record holds together.

``--ready`` stops before the upgrade and leaves everything running, to try things; ``--clean`` ends it all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from examples.mailer import prepare, seed
from runbook.home import Home
from runbook.sandbox import manage

HERE = Path(__file__).resolve().parent
PLAN = HERE / "runbook.yaml"
STATE = HERE / "state" / "app"
PID = STATE / "app.pid"
SERVERS = {"OLDSQL": "2019", "NEWSQL": "2022"}


def say(text: str) -> None:
    """One line of the demo, apart from what runbook itself prints."""
    print(f"demo: {text}", flush=True)


def ready(scale: float) -> None:
    """Fresh servers, the example's data on the old one, the application running."""
    clean()
    refuse_taken_port()
    home = Home.find()
    infos = {name: manage.start(home.sandbox / name, name, version) for name, version in SERVERS.items()}
    say(f"two simulated servers: {', '.join(f'{n} ({v}) on port {infos[n].port}' for n, v in SERVERS.items())}")
    began = time.monotonic()
    old = infos["OLDSQL"].directory / "server.json"
    counts = seed.seed(seed.connector(None, old), scale)
    say(f"{sum(counts.values()):,} rows in {len(counts)} tables, in {time.monotonic() - began:.1f} s")
    prepare.render_config(STATE, old, infos["NEWSQL"].directory / "server.json")
    app = prepare.start_app(STATE)
    PID.write_text(str(app.process.pid), encoding="ascii")
    say(f"the application answers at {app.url} from {health()['server']}")


def refuse_taken_port() -> None:
    """Say so before anything is loaded."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", prepare.APP_PORT)) == 0:
            sys.exit(
                f"error: something else answers on port {prepare.APP_PORT}, which the example's plans name\n"
                "HINT: End it, or use a copy for another port: examples.mailer.prepare.lay_out()."
            )


def health() -> dict[str, object]:
    """What the application says of itself."""
    url = f"http://127.0.0.1:{prepare.APP_PORT}/health?bypass={prepare.BYPASS_TOKEN}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def jobs(server: str) -> dict[str, bool]:
    """Agent jobs of a server: name -> enabled."""
    connect = seed.connector(None, Home.find().sandbox / server / "server.json")
    cnx = connect()
    try:
        return {name: bool(on) for name, on in seed.query(cnx, "SELECT name, enabled FROM msdb.dbo.sysjobs")}
    finally:
        cnx.close()


def runbook(*arguments: str) -> int:
    """Run the command line, as a person would."""
    say("$ runbook " + " ".join(arguments))
    return subprocess.run([sys.executable, "-m", "runbook", *arguments], check=False).returncode


def upgrade() -> int:
    """The night, and what it left behind; returns the exit code of execute."""
    before = jobs("OLDSQL")
    code = runbook("execute", os.path.relpath(PLAN), "--window", "4h", "--yes")
    after = jobs("NEWSQL") if code == 0 else jobs("OLDSQL")
    say(f"the application answers from {health()['server']}")
    enabled = sum(before.values())
    say(f"Agent jobs: {enabled} of {len(before)} enabled before, {sum(after.values())} of {len(after)} after, "
        f"{'the same ones' if before == after else 'NOT THE SAME ONES'}")  # fmt: skip
    verified = runbook("audit", "verify")
    return code or verified or int(before != after)


def clean() -> None:
    """End the application and the servers, and delete their data; the journal stays."""
    if PID.exists():
        pid = int(PID.read_text(encoding="ascii"))
        if b"app.py" in _command_of(pid):
            os.kill(pid, signal.SIGTERM)
        PID.unlink()
    (STATE / "maintenance.html").unlink(missing_ok=True)
    for name in SERVERS:
        directory = Home.find().sandbox / name
        if directory.exists():
            manage.reset(directory)


def stop() -> None:
    """End the application and the servers; data stays, servers start again when a command needs them."""
    if PID.exists():
        os.kill(int(PID.read_text(encoding="ascii")), signal.SIGTERM)
        PID.unlink()
    for name in SERVERS:
        manage.stop(Home.find().sandbox / name)


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ready", action="store_true", help="stop before the upgrade and leave everything running")
    parser.add_argument("--clean", action="store_true", help="end the servers and the application, delete their data")
    parser.add_argument("--keep", action="store_true", help="leave everything running after the upgrade")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 makes about 250,000 rows (default)")
    options = parser.parse_args()
    if options.clean:
        clean()
        return 0
    began = time.monotonic()
    ready(options.scale)
    if options.ready:
        say(f"now, for example: runbook execute {os.path.relpath(PLAN)} --window 60s --yes")
        return 0
    code = upgrade()
    if not options.keep:
        stop()
    say(f"exit code {code}, {time.monotonic() - began:.0f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
