"""Rows of the database Contacts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, timedelta, timezone
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.tables import Row, Sizes, before, bulk, guid, table

FIRST_CONTACT = 1000
"""Contact ids begin here and every seventh is missing, as after years of deleting."""


def contact_id(index: int) -> int:
    """The id of the n-th contact."""
    return FIRST_CONTACT + index + index // 6


SOME_CONTACT = f"{FIRST_CONTACT} + (x.n * 31 % {{contacts}}) + (x.n * 31 % {{contacts}}) / 6"
"""The same as T-SQL over a number ``x.n``."""


def any_contact(rng: Random, sizes: Sizes) -> int:
    """The id of a contact that exists."""
    return contact_id(rng.randrange(sizes.contacts))


@table(
    "Contacts",
    "dbo.Account",
    "AccountId, Code, Name, Region, Tier, MonthlyQuota, SenderRate, Settings, IsActive, CreatedAt",
    identity=True,
)
def accounts(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Customers of the company."""
    for number in range(1, sizes.accounts + 1):
        settings = (
            f'<settings><limit day="{rng.randint(1, 31)}"/><name>{rng.choice(words.FIRST_NAMES)}</name></settings>'
        )
        yield (
            number,
            f"AC{number:05d}",
            f"{rng.choice(words.LAST_NAMES)} & Co {number}",
            rng.choice(words.COUNTRIES),
            rng.randint(1, 5),
            rng.choice((0, 250_000, 9_000_000_000)),
            rng.choice((None, 0.5, 1.25, 3.4e38)),
            settings if number % 4 else None,
            number % 9 != 0,
            before(rng, 4000),
        )


@table(
    "Contacts",
    "dbo.Contact",
    "ContactId, AccountId, Email, FirstName, LastName, BirthDate, Country, Score, "
    "LifetimeValue, ExternalId, OptInAt, CreatedAt, ModifiedAt, IsSuppressed",
    identity=True,
)
def contacts(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """People; about half of what may be unknown is unknown."""
    suppressed = set(suppressed_indexes(sizes))
    for index in range(sizes.contacts):
        known = rng.random()
        zone = timezone(timedelta(minutes=rng.choice((-480, -210, 0, 60, 330, 765))))
        created = before(rng, 3000)
        yield (
            contact_id(index),
            1 + index % sizes.accounts,
            email(index, rng),
            rng.choice(words.FIRST_NAMES) if known > 0.2 else None,
            rng.choice(words.LAST_NAMES) if known > 0.3 else None,
            date(1930, 1, 1) + timedelta(days=rng.randrange(28_000)) if known > 0.7 else None,
            rng.choice(words.COUNTRIES) if known > 0.1 else None,
            Decimal(rng.randrange(-9_999, 99_999_999)).scaleb(-4),
            Decimal(rng.randrange(9_999_999)).scaleb(-4) if known > 0.5 else None,
            guid(rng) if known > 0.6 else None,
            created.replace(microsecond=0, tzinfo=UTC).astimezone(zone) if known > 0.15 else None,
            created,
            before(rng, 500) if known > 0.8 else None,
            index in suppressed,
        )


def email(index: int, rng: Random) -> str:
    """An address nobody has: the domains are reserved for examples."""
    return f"reader.{index}@{rng.choice(words.DOMAINS)}"


@table("Contacts", "dbo.ContactAttribute", "ContactId, Name, Value")
def attributes(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What accounts store about their readers."""
    names = ("shoe size", "language", "note")
    for number in range(sizes.some(18_000)):
        if number // len(names) < sizes.contacts:
            value = (str(rng.randint(30, 50)), rng.choice(words.COUNTRIES), words.note(rng))[number % 3]
            yield contact_id(number // 3), names[number % 3], None if rng.random() < 0.05 else value


@table("Contacts", "dbo.ContactNote", "NoteId, ContactId, Body, WrittenBy, WrittenAt", identity=True)
def notes(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Remarks of support people, every odd text among them."""
    for number in range(1, sizes.some(1_500, 40) + 1):
        body = words.ODD_TEXTS[number] if number < len(words.ODD_TEXTS) else words.note(rng)
        written = before(rng, 900).replace(tzinfo=timezone(timedelta(hours=rng.randint(-11, 13))))
        yield number * 2, any_contact(rng, sizes), body, rng.choice(words.FIRST_NAMES), written


@table("Contacts", "dbo.List", "ListId, AccountId, Name, Description, DoubleOptIn", identity=True)
def lists(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Mailing lists."""
    for number in range(1, sizes.lists + 1):
        about = None if number % 3 == 0 else words.paragraph(rng, 2)
        yield number, 1 + number % sizes.accounts, f"{words.subject(rng)} ({number})", about, number % 5 != 0


_INDEX = "((x.n % {per_list} + x.n / {per_list} * 977) % {contacts})"
bulk(
    "Contacts",
    "dbo.ListMember",
    "ListId, ContactId, AddedAt, Origin",
    f"SELECT 1 + x.n / {{per_list}}, {FIRST_CONTACT} + {_INDEX} + {_INDEX} / 6,\n"
    "    DATEADD(MINUTE, -(x.n * 61 % 1500000), CAST('2024-05-01T05:30:00' AS smalldatetime)),\n"
    "    SUBSTRING('FIAS', x.n % 4 + 1, 1)",
    lambda sizes: sizes.lists * sizes.per_list,
)


@table("Contacts", "dbo.Segment", "SegmentId, ParentId, ListId, Name, Definition, LastSize")
def segments(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Parts of lists, some within others."""
    for number in range(1, sizes.some(240) + 1):
        rule = f'<segment><where field="Country" equals="{rng.choice(words.COUNTRIES)}"/><!-- {number} --></segment>'
        parent = number // 3 if number % 3 == 0 else None
        yield (
            number,
            parent,
            rng.randint(1, sizes.lists),
            f"Segment {number} ✓",
            rule,
            rng.choice((None, 0, 17, 2**31 - 1)),
        )


@table("Contacts", "dbo.SuppressionReason", "ReasonId, Code, Label")
def reasons(_rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """Why somebody gets no mail."""
    labels = (
        "asked us to stop",
        "address does not exist",
        "reported as spam",
        "blocked by law",
        "data deleted",
        "other",
    )
    for number, (code, label) in enumerate(
        zip(("ASKED", "HARD", "SPAM", "LAW", "GDPR", "OTHER"), labels, strict=True), 1
    ):
        yield number, code, label
    yield 255, "LEGACY", ""


def suppressed_indexes(sizes: Sizes) -> range:
    """Which contacts are suppressed: a fixed comb through all of them."""
    return range(11, sizes.contacts, 29)


@table(
    "Contacts",
    "dbo.Suppression",
    "SuppressionId, ContactId, Email, ReasonId, Source, LiftedAt, CreatedAt",
    identity=True,
)
def suppressions(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """One in force for each suppressed contact, and some lifted ones as history."""
    for number, index in enumerate(suppressed_indexes(sizes), 1):
        asked = before(rng, 900)
        yield number * 3, contact_id(index), f"gone.{index}@example.com", rng.randint(1, 6), "web", None, asked
        if number % 5 == 0:
            lifted = (asked - timedelta(days=30)).replace(microsecond=0)
            yield number * 3 + 1, contact_id(index), f"gone.{index}@example.com", 255, "import", lifted, lifted


@table(
    "Contacts", "dbo.ImportBatch", "AccountId, FileName, Content, ContentHash, RejectRatio, Fee, StartedAt, TookTime"
)
def imports(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Files that were imported, with their bytes."""
    for number in range(sizes.some(80)):
        content = rng.randbytes(rng.choice((0, 1, 512, 9000)))
        took = (before(rng, 1)).time()
        yield (
            rng.randint(1, sizes.accounts),
            f"контакты {number}.csv",
            content if number % 7 else None,
            hashlib.sha256(content).digest(),
            rng.random(),
            Decimal(rng.randrange(-2_147_483_648, 2_147_483_647)).scaleb(-4),
            before(rng, 700),
            took if number % 3 else None,
        )


@table("Contacts", "sms.PhoneNumber", "PhoneId, ContactId, Number, Carrier, CostPerPart, IsBlocked", identity=True)
def phones(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Numbers for text messages."""
    for number in range(1, sizes.some(3_000, 20) + 1):
        owner = any_contact(rng, sizes) if number % 11 else None
        carrier = rng.choice((None, "O₂", "Vodafone", "京信", ""))
        yield (
            number,
            owner,
            f"+44{7_000_000_000 + number}",
            carrier,
            Decimal(rng.randint(100, 900)).scaleb(-4),
            number % 40 == 0,
        )


@table("Contacts", "sms.Unsubscribe", "Number, Keyword, ReceivedAt, HonouredAt")
def sms_unsubscribes(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """STOP, in all languages."""
    for number in range(1, sizes.some(300) + 1):
        received = before(rng, 300).replace(tzinfo=timezone(timedelta(hours=1)))
        honoured = received + timedelta(seconds=rng.randint(1, 90)) if number % 10 else None
        yield f"+44{7_000_000_000 + number}", rng.choice(("STOP", "стоп", "停止", "ARRÊT", "stop ")), received, honoured


@table("Contacts", "consent.Consent", "ConsentId, ContactId, Purpose, GivenAt, WithdrawnAt, Proof, IpAddress, Wording")
def consents(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What was agreed to, and the proof of it."""
    for _ in range(sizes.some(4_000)):
        given = before(rng, 1500).replace(tzinfo=timezone(timedelta(hours=rng.choice((0, 1, 2)))))
        withdrawn = given + timedelta(days=rng.randint(1, 90)) if rng.random() < 0.2 else None
        yield (
            guid(rng),
            any_contact(rng, sizes),
            rng.choice(("newsletter", "offers", "sms", "profiling")),
            given,
            withdrawn,
            rng.randbytes(rng.choice((0, 20, 64))) if rng.random() < 0.6 else None,
            rng.randbytes(16) if rng.random() < 0.5 else None,
            words.paragraph(rng, 1) if rng.random() < 0.3 else None,
        )


@table("Contacts", "audit.ContactChange", "ContactId, Change, OldEmail, NewEmail, ChangedBy, ChangedAt")
def changes(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """The audit trail of the years before."""
    for number in range(sizes.some(3_000, 20)):
        kind = "IUUUD"[number % 5]
        address = f"reader.{number}@example.com"
        yield (
            any_contact(rng, sizes),
            kind,
            None if kind == "I" else address,
            None if kind == "D" else address.upper(),
            rng.choice(("mailer_app", "sa", "CORP\\Ελένη")),
            before(rng, 900),
        )
