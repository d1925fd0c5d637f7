"""What the mailer answers: which page, from which rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

import pyodbc

from mailer_web import health, html
from mailer_web.pool import Pool

_TAKEN = (2601, 2627)
_REFUSED = (547,)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Request:
    """One request, taken apart. ``maintenance``: the maintenance file is there and the caller looks inside."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    maintenance: bool

    def value(self, name: str) -> str:
        """A field of the form or the query, or an empty text."""
        return (self.form.get(name) or self.query.get(name) or [""])[0].strip()


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def plain(status: int, text: str, more: dict[str, str] | None = None) -> Reply:
    """An answer in plain text."""
    return Reply(status, text, {"Content-Type": "text/plain; charset=utf-8", **(more or {})})


def page(status: int, body: str) -> Reply:
    """An answer in HTML."""
    return Reply(status, body, {"Content-Type": "text/html; charset=utf-8"})


def maintenance(notice: str, retry_after: int) -> Reply:
    """The text of the maintenance file as it is."""
    kind = "html" if notice.lstrip().startswith("<") else "plain"
    return Reply(503, notice, {"Content-Type": f"text/{kind}; charset=utf-8", "Retry-After": str(retry_after)})


def respond(request: Request, pool: Pool) -> Reply:
    """The page for a request. Raises ``pyodbc.Error`` when the database does not answer."""
    if request.path == "/health":
        status, body = health.look(pool, maintenance=request.maintenance)
        return Reply(status, json.dumps(body, ensure_ascii=False), {"Content-Type": "application/json"})
    clicked = re.fullmatch(r"/click/(\d{1,9})", request.path)
    if clicked:
        return click(request, pool, int(clicked[1]))
    found = ROUTES.get(request.path)
    if found is None:
        return page(404, html.message("Not found", "There is no such page."))
    return found(request, pool)


def home(_request: Request, pool: Pool) -> Reply:
    """How much there is of everything."""
    counts = {
        "contacts": _count(pool, "Contacts", "dbo.Contact"),
        "unsubscribed": _count(pool, "Contacts", "dbo.Suppression WHERE LiftedAt IS NULL"),
        "campaigns": _count(pool, "Campaigns", "dbo.Campaign"),
        "mails delivered": _count(pool, "Campaigns", "send.Delivery"),
        "mails waiting": _count(pool, "Campaigns", "send.Waiting"),
        "clicks": _count(pool, "Tracking", "dbo.Click"),
        "survey responses": _count(pool, "Surveys", "dbo.Response"),
        "invoices": _count(pool, "Billing", "dbo.Invoice"),
        "archived campaigns": _count(pool, "Archive", "dbo.OldCampaign"),
    }
    return page(200, html.home(counts, health.server(pool)))


def contacts(request: Request, pool: Pool) -> Reply:
    """The newest contacts; POST adds one."""
    if request.method == "POST":
        return add_contact(request, pool)
    newest = pool.ask("Contacts", lambda cursor: cursor.execute(_NEWEST).fetchall())
    return page(200, html.contacts([tuple(row) for row in newest], request.value("added")))


def add_contact(request: Request, pool: Pool) -> Reply:
    """One more contact, unless the address makes no sense or is there already."""
    email = request.value("email")
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        return page(400, html.message("Not saved", "That is not an e-mail address."))
    names = [request.value(name)[:80] or None for name in ("first_name", "last_name")]
    sql = "EXEC dbo.usp_AddContact @AccountId = 1, @Email = ?, @FirstName = ?, @LastName = ?"
    try:
        row = pool.ask("Contacts", lambda cursor: cursor.execute(sql, email, *names).fetchone(), again=False)
    except pyodbc.Error as error:
        if _number(error) in _TAKEN:
            return page(409, html.message("Not saved", "That address is in the list already."))
        if _number(error) in _REFUSED:
            return page(400, html.message("Not saved", "That address was refused."))
        raise
    return Reply(303, "", {"Location": f"/contacts?added={row[0]}"})


def unsubscribe(request: Request, pool: Pool) -> Reply:
    """Stops all mail to a contact. Saying it twice does no harm."""
    contact = request.value("c")
    if request.method == "HEAD":
        return plain(405, "", {"Allow": "GET, POST"})
    if not re.fullmatch(r"\d{1,9}", contact):
        return page(400, html.message("Not understood", "This link is not complete."))
    sql = "EXEC dbo.usp_Unsubscribe @ContactId = ?, @Source = 'link'"
    known = pool.ask("Contacts", lambda cursor: cursor.execute(sql, int(contact)).fetchone(), again=True)
    if not known[0]:
        return page(404, html.message("Not found", "We do not know this reader."))
    return page(200, html.message("Unsubscribed", "You will get no more mail from us."))


def click(request: Request, pool: Pool, link: int) -> Reply:
    """On to where the link leads; recorded, unless the link is marked as not to be tracked."""
    sql = "SELECT Url, DoNotTrack FROM dbo.Link WHERE LinkId = ?"
    found = pool.ask("Campaigns", lambda cursor: cursor.execute(sql, link).fetchone())
    if found is None:
        return page(404, html.message("Not found", "This link leads nowhere."))
    if not found[1] and request.method == "GET":
        contact = request.value("c")
        who = int(contact) if re.fullmatch(r"\d{1,9}", contact) else None
        record = "EXEC dbo.usp_RecordClick @LinkId = ?, @ContactId = ?"
        pool.ask("Tracking", lambda cursor: cursor.execute(record, link, who), again=False)
    return Reply(302, "", {"Location": quote(found[0], safe=":/?&=#%+,;@")})


ROUTES: dict[str, Callable[[Request, Pool], Reply]] = {"/": home, "/contacts": contacts, "/unsubscribe": unsubscribe}
_NEWEST = (
    "SELECT TOP (50) ContactId, DisplayName, Email, Country, IsSuppressed, CreatedAt FROM dbo.Contact "
    "ORDER BY ContactId DESC"
)


def _count(pool: Pool, database: str, table: str) -> int:
    sql = f"SELECT COUNT_BIG(*) FROM {table}"
    return int(pool.ask(database, lambda cursor: cursor.execute(sql).fetchone())[0])


def _number(error: pyodbc.Error) -> int:
    """SQL Server's own number of an error; the driver writes it in brackets behind the text."""
    found = re.findall(r"\((\d+)\)", str(error.args[1])) if len(error.args) > 1 else []
    return int(found[0]) if found else 0
