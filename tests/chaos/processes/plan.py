"""The plan of a night on real processes."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.processes.tale import Tale

SCRIPT = "ALTER TABLE dbo.Item ADD Consent bit NULL\nGO\nUPDATE dbo.Item SET Consent = 1\nGO\n"

_TARGET = """\
  new: {url: "sandbox://NEWSQL?version=2022", expect: {server_name: NEWSQL, version: 2022}}
target: new
repoint: {kind: file, path: database.ini, replace: [{from: "server = old", to: "server = new"}]}
carry: {logins: true, jobs: true}
"""


def plan_text(tale: Tale, databases: Sequence[str], port: int) -> str:
    """As a file. A plan that is to go back has a check that cannot hold."""
    side_by_side = tale.strategy == "side-by-side"
    wanted = "equals: -1" if tale.turn == "a check fails" else "at_least: 1"
    serving = "new" if side_by_side else "old"
    scripts = "".join(f"  - {{database: {name}, files: [{name}.sql]}}\n" for name in databases)
    return f"""\
runbook: 1
name: chaos
strategy: {tale.strategy}
window: {{length: {tale.window:.0f}s, reserve: 2s}}
servers:
  old: {{url: "sandbox://OLDSQL?version=2019", expect: {{server_name: OLDSQL, version: 2019}}}}
{_TARGET if side_by_side else ""}source: old
databases: [{", ".join(f"{{name: {name}}}" for name in databases)}]
on_loss: {tale.on_loss}
journal_copy: {tale.journal_copy}
gate:
  kind: file
  path: maintenance.html
  text: "planned maintenance, back by {{closes_at}}"
  probes:
    - url: "http://127.0.0.1:{port}/"
      closed: {{status: 503, contains: "planned maintenance"}}
      open: {{status: 200, contains: Mailer}}
checks:
  queries:
    - {{name: rows are there, database: {databases[0]}, sql: "SELECT COUNT(*) FROM dbo.Item", {wanted}}}
  http:
    - {{name: it answers, url: "http://127.0.0.1:{port}/health", contains: "server = {serving}"}}
sessions: {{grace: 0s}}
jobs: {{running: stop}}
preflight: {{headroom: 1}}
{"" if side_by_side else "scripts:" + chr(10) + scripts}"""
