"""The mailer's pages as HTML. Everything that comes from a database or a browser is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0 auto; max-width: 60rem; padding: 0 1.25rem 3rem; }
  header { border-bottom: 1px solid #8885; display: flex; flex-wrap: wrap; gap: 1.5rem; padding: 1rem 0; }
  header strong { font-size: 1.25rem; } nav a { margin-right: 1rem; }
  dl { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); margin: 1.5rem 0; }
  dl div { border: 1px solid #8885; border-radius: .5rem; padding: .75rem 1rem; }
  dt { color: #777; font-size: .9rem; } dd { font-size: 1.6rem; margin: 0; font-variant-numeric: tabular-nums; }
  table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .5rem; text-align: start; }
  tr + tr { border-top: 1px solid #8883; } .wide { overflow-x: auto; }
  form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1.5rem 0; }
  label { display: grid; font-size: .9rem; } input, button { font: inherit; padding: .35rem .6rem; }
  footer { color: #777; font-size: .9rem; margin-top: 2rem; }
"""


def frame(title: str, body: str) -> str:
    """A whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · Mailer</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        '<header><strong>Mailer</strong><nav><a href="/">Overview</a> <a href="/contacts">Contacts</a></nav></header>\n'
        f"<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def message(title: str, text: str) -> str:
    """A page with one sentence."""
    return frame(title, f"<p>{escape(text)}</p>")


def home(counts: dict[str, int], server: tuple[str, str]) -> str:
    """The overview."""
    boxes = "".join(f"<div><dt>{escape(name)}</dt><dd>{count:,}</dd></div>\n" for name, count in counts.items())
    name, version = (escape(part) for part in server)
    return frame("Overview", f"<dl>\n{boxes}</dl>\n<footer>Served from {name}, SQL Server {version}</footer>")


def contacts(rows: Sequence[tuple[object, ...]], added: str) -> str:
    """The newest contacts and the form for one more."""
    said = f'<p role="status">Contact {escape(added)} was saved.</p>\n' if added.isdigit() else ""
    head = "".join(f"<th>{name}</th>" for name in ("No.", "Name", "Address", "Country", "Mail", "Since"))
    lines = "".join(_contact(row) for row in rows) or '<tr><td colspan="6">Nobody yet.</td></tr>\n'
    return frame("Contacts", f'{said}{_FORM}<div class="wide"><table>\n<tr>{head}</tr>\n{lines}</table></div>')


def _contact(row: tuple[object, ...]) -> str:
    number, name, email, country, suppressed, since = row
    cells = (number, name or "–", email, country or "–", "stopped" if suppressed else "yes", str(since)[:16])
    return "<tr>" + "".join(f'<td dir="auto">{escape(str(cell))}</td>' for cell in cells) + "</tr>\n"


_FORM = """<form method="post" action="/contacts">
<label>First name <input name="first_name" maxlength="80"></label>
<label>Last name <input name="last_name" maxlength="80"></label>
<label>E-mail <input name="email" type="email" required maxlength="254"></label>
<button>Add contact</button>
</form>
"""
