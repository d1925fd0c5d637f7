"""The commented plan that `runbook init` writes. What only a person can know is marked, and refused until filled in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TemplateStrategy = Literal["side-by-side", "scripts"]
"""What a first plan can be written for; an in-place upgrade is written from the documentation, when its way back has
been measured."""


@dataclass(frozen=True)
class ServerFacts:
    """What a look at the live server told, and how to log in there. ``jobs`` counts the SQL Agent jobs."""

    url: str
    version: int | None = None
    server_name: str | None = None
    databases: Sequence[str] = ()
    jobs: int = 0
    user: str | None = None
    password: str | None = None
    """The reference as it was given; without one a name is proposed."""
    trust_certificate: bool = False


def render(server_facts: ServerFacts | None, strategy: TemplateStrategy) -> str:
    """Return a plan's text for this strategy; without facts the server is left to fill in."""
    facts = server_facts or ServerFacts(url=_fill("the server to upgrade, such as mssql://sql01"))
    side_by_side = strategy == "side-by-side"
    parts = [
        _head(strategy),
        _servers(facts, side_by_side),
        _databases(facts),
        _GATE,
        _clients(facts),
        _SIDE_BY_SIDE if side_by_side else _scripts(facts),
        _checks(facts),
        _tail(strategy),
    ]
    return "\n".join(parts)


def _fill(what: str) -> str:
    return f"<fill in: {what}>"


def _quoted(text: str) -> str:
    """Quote for YAML; what an editor would not show (and YAML might take for a line break) is escaped."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))


def _head(strategy: TemplateStrategy) -> str:
    return f"""\
# A plan for `runbook check`, `runbook plan` and `runbook execute`.
# Values marked <fill in: ...> are yours to write; `runbook check` lists those that are left.
# `runbook schema` prints the JSON Schema, with every key explained.
runbook: 1                       # format version of this file
name: {"move-to-new-server" if strategy == "side-by-side" else "upgrade-scripts"}
strategy: {strategy}
window:
  length: 4h                     # the system is back in service within this time, new or old
  # reserve: 10m                 # kept free before the window closes; default 5 %, at least 5s, at most 10m
"""


def _servers(facts: ServerFacts, side_by_side: bool) -> str:
    lines = ["servers:", *_server("old", facts)]
    if side_by_side:
        lines += ["  new:", f"    url: {_quoted(_fill('the new server, such as mssql://sql02'))}"]
        lines += ["    # user: sa", "    # password: env:NEW_PASSWORD", "    # expect: {version: 2022}"]
    lines += ["source: old", *(["target: new"] if side_by_side else [])]
    return "\n".join(lines) + "\n"


def _server(name: str, facts: ServerFacts) -> list[str]:
    secret = f"password: {_quoted(facts.password) if facts.password else f'env:{name.upper()}_PASSWORD'}"
    lines = [f"  {name}:", f"    url: {_quoted(facts.url)}"]
    lines += [f"    user: {_quoted(facts.user)}"] if facts.user else ["    # user: sa    # without: Windows login"]
    lines += [f"    {'' if facts.user else '# '}{secret}    # by reference only: env:NAME or file:PATH"]
    lines += ["    trust_certificate: true      # nobody vouches for it"] if facts.trust_certificate else []
    pins = {"server_name": facts.server_name and _quoted(facts.server_name), "version": facts.version}
    known = [f"      {key}: {value}" for key, value in pins.items() if value]
    return [
        *lines,
        *(["    expect:                      # identity, looked at before every step", *known] if known else []),
    ]


def _databases(facts: ServerFacts) -> str:
    names = facts.databases or (_fill("a database; one line each"),)
    return "\n".join(["databases:", *(f"  - name: {_quoted(name)}" for name in names)]) + "\n"


_GATE = f"""\
gate:                            # keeps users out until everything is validated
  kind: file                     # file | command | none
  path: {_quoted(_fill("the maintenance file the front end honours, such as app/maintenance.html"))}
  text: "Planned maintenance until {{closes_at}}. Please try again later."
  # probes:                      # what users see from outside
  #   - url: http://127.0.0.1:8090/
  #     closed: {{status: 503, contains: "Planned maintenance"}}
  #     open: {{status: 200}}
"""


def _clients(facts: ServerFacts) -> str:
    count = f"{facts.jobs} found" if facts.jobs else "none found, or not looked"
    return f"""\
jobs: {{running: wait, wait: 5m}}  # SQL Agent jobs ({count}): those that run are awaited, then stopped
sessions: {{grace: 10s}}           # how long sessions get to leave
"""


_SIDE_BY_SIDE = f"""\
# exchange:                      # one directory for backup files, as each server sees it
#   source: /backup/exchange
#   target: /mnt/exchange
repoint:                         # how clients find the new server
  kind: file                     # file | command
  path: {_quoted(_fill("the configuration file that names the server"))}
  replace:
    - from: {_quoted(_fill("text in it that names the old server"))}
      to: {_quoted(_fill("text that names the new server"))}
carry: {{logins: true, jobs: true}}
"""


def _scripts(facts: ServerFacts) -> str:
    database = facts.databases[0] if facts.databases else _fill("the database the scripts run in")
    return f"""\
scripts:                         # run in this order
  - database: {_quoted(database)}
    files: [{_quoted(_fill("a T-SQL file, relative to this plan"))}]
"""


def _checks(facts: ServerFacts) -> str:
    database = _quoted(facts.databases[0]) if facts.databases else "NAME"
    return f"""\
# checks:                        # validated while users are still kept out
#   queries:
#     - {{name: "rows are there", database: {database}, sql: "SELECT COUNT(*) FROM dbo.T", at_least: 1}}
#   http:
#     - {{name: "app answers", url: "http://127.0.0.1:8090/health", status: 200}}
"""


def _tail(strategy: TemplateStrategy) -> str:
    example = "seed-restore: 20m" if strategy == "side-by-side" else "run-scripts: 20m"
    return f"""\
proof: {{workers: 4, level: content}}                                  # content | sample | count
preflight: {{checkdb_max_age: 7d, clock_skew: 5s, headroom: 1.2}}
limits: {{workers: 8}}             # steps side by side
on_loss: resume                  # what the guard does when the executor is lost: resume | revert | alarm
journal_copy: server            # the journal a second time: server (msdb of the source), a directory, or none
# budgets:                       # time per step where nothing was measured yet
#   {example}
"""
