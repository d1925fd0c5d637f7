"""Plans for the usual world, written as files and loaded like any other."""

from __future__ import annotations

from pathlib import Path

from runbook.plan.load import load_plan
from runbook.plan.models import Plan

DATABASES = ("Contacts", "Campaigns", "Archive")

SIDE_BY_SIDE = """\
servers:
  old:
    url: "sandbox://OLDSQL?version={old}"
    expect: {{server_name: OLDSQL, version: {old}}}
    backup_directory: /backup
  new: {{url: "sandbox://NEWSQL?version={new}", expect: {{server_name: NEWSQL, version: {new}}}}}
source: old
target: new
exchange: {{source: /exchange, target: /exchange}}
"""

SCRIPTS = """\
servers:
  old:
    url: "sandbox://OLDSQL?version={old}"
    expect: {{server_name: OLDSQL, version: {old}}}
    backup_directory: /backup
source: old
"""

IN_PLACE = """\
hosts:
  db: {address: "ssh://dba@oldsql"}
in_place:
  host: db
  sources: /etc/apt/sources.list.d/mssql-server.list
  from: {version: 15.0.4430.1-1, source: "deb https://packages.example/mssql-server-2019 focal main"}
  to: {version: 16.0.4265.3-1, source: "deb https://packages.example/mssql-server-2022 focal main"}
  copy: /var/opt/mssql-runbook
  support: not-recommended
  way_back_measured: {seconds: 300, on: 2026-11-10}
"""

WINDOWS = """\
hosts:
  db: {address: "ssh://dba@oldsql", shell: powershell}
  hyper: {address: "ssh://root@hyper"}
in_place:
  kind: windows-setup
  host: db
  action: upgrade
  setup: 'D:\\setup.exe'
  from: {version: 15.0.4430.1}
  to: {version: 16.0.4265.3}
  edition: Standard Edition
  accept_license_terms: true
  way_back:
    host: hyper
    on: [snapshot, take, oldsql, "{run}"]
    probe: [snapshot, has, oldsql, "{run}"]
    back: [snapshot, revert, oldsql, "{run}"]
    off: [snapshot, drop, oldsql, "{run}"]
  support: supported
  way_back_measured: {seconds: 300, on: 2026-11-10}
"""
"""in_place of a Windows machine, and the hosts it needs."""

CONTAINER = """\
hosts:
  db: {address: "ssh://dba@oldsql"}
container:
  host: db
  from: {name: sql01, volume: sql01-data, version: 15.0.4430.1}
  to:
    name: sql01-2022
    volume: sql01-2022-data
    version: 16.0.4265.3
    image: mssql:2022
    options: [--publish, "1433:1433", --env, ACCEPT_EULA=Y, --restart, unless-stopped]
"""

COMMON = """\
gate:
  kind: file
  path: maintenance.html
  text: "planned maintenance, back by {{closes_at}}"
  probes:
    - url: "http://127.0.0.1:8090/"
      closed: {{status: 503, contains: "planned maintenance"}}
      open: {{status: 200, contains: Mailer}}
checks:
  queries:
    - {{name: contacts are there, database: {first}, sql: "SELECT COUNT(*) FROM dbo.{first}", at_least: 1}}
  http:
    - {{name: app answers, url: "http://127.0.0.1:8090/health?bypass=1", status: 200, contains: {server}}}
"""

REPOINT = """\
repoint:
  kind: file
  path: database.ini
  replace: [{from: "server = old", to: "server = new"}]
"""

SCRIPT = "ALTER TABLE dbo.{0} ADD Consent bit NULL\nGO\nUPDATE dbo.{0} SET Consent = 1\nGO\n"


def mailer_plan(
    directory: Path,
    strategy: str = "side-by-side",
    *,
    databases: tuple[str, ...] = DATABASES,
    window: str = "4h",
    old: int = 2019,
    new: int = 2022,
    in_place: str = IN_PLACE,
    more: str = "",
    hosts: str = "",
) -> Plan:
    """The plan that fits ``World.mailer``: ``in_place`` is what in-place needs, ``hosts`` are lines of that section,
    ``more`` is YAML appended as it is."""
    side_by_side = strategy == "side-by-side"
    server = "NEWSQL" if side_by_side else "OLDSQL"
    (directory / "database.ini").write_text("server = old\n", encoding="utf-8")
    parts = [
        f"runbook: 1\nname: mailer\nstrategy: {strategy}\nwindow: {{length: {window}}}\n",
        (SIDE_BY_SIDE if side_by_side else SCRIPTS).format(old=old, new=new),
        "databases:\n" + "".join(f"  - name: {name}\n" for name in databases),
        COMMON.format(first=databases[0], server=server),
        {"side-by-side": REPOINT, "in-place": in_place, "container": CONTAINER}.get(strategy)
        or _scripts(directory, databases),
        more,
    ]
    path = directory / "runbook.yaml"
    text = "".join(parts)
    if hosts:
        text = text.replace("hosts:\n", f"hosts:\n{hosts}", 1) if "hosts:\n" in text else f"{text}hosts:\n{hosts}"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


def _scripts(directory: Path, databases: tuple[str, ...]) -> str:
    lines = ["scripts:\n"]
    for name in databases:
        (directory / f"{name}.sql").write_text(SCRIPT.format(name), encoding="utf-8")
        lines.append(f"  - {{database: {name}, files: [{name}.sql]}}\n")
    return "".join(lines)
