"""Rows of the database Campaigns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.people import SOME_CONTACT, any_contact
from mailer_data.tables import EPOCH, Row, Sizes, before, bulk, guid, table

FIRST_CAMPAIGN = 5000
FIRST_TICKET = 9_000_000_000
FAR_FUTURE = datetime(2099, 1, 1)  # noqa: DTZ001
STATES = ("sent", "sent", "sent", "sent", "sent", "sent", "draft", "scheduled", "stopped", "sending")


def any_campaign(rng: Random, sizes: Sizes) -> int:
    """The number of a campaign that exists."""
    return FIRST_CAMPAIGN + rng.randrange(sizes.campaigns)


def sequences(sizes: Sizes) -> Iterator[str]:
    """Where the sequences stand after rows that brought their own numbers."""
    yield f"ALTER SEQUENCE dbo.CampaignNumber RESTART WITH {FIRST_CAMPAIGN + sizes.campaigns}"
    yield f"ALTER SEQUENCE send.TicketNumber RESTART WITH {FIRST_TICKET + 10 * queued(sizes)}"


def queued(sizes: Sizes) -> int:
    """How many tickets wait."""
    return sizes.some(2_000, 40)


def templates_count(sizes: Sizes) -> int:
    """How many templates there are."""
    return sizes.some(80)


@table(
    "Campaigns",
    "content.Template",
    "TemplateId, AccountId, Name, Html, PlainText, Thumbnail, IsArchived",
    identity=True,
)
def templates(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Designs; one of them is larger than any page of the database."""
    for number in range(1, templates_count(sizes) + 1):
        html = words.markup(rng, 400 if number == 1 else rng.randint(1, 6))
        yield (
            number,
            rng.randint(1, sizes.accounts),
            f"Template №{number}",
            html,
            f"Text of template {number}\r\n" * 3,
            rng.randbytes(rng.randint(50, 900)) if number % 3 else None,
            number % 13 == 0,
        )


@table("Campaigns", "content.TemplateVersion", "TemplateId, VersionNo, Html, Checksum256, SavedAt")
def template_versions(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Earlier states of the designs."""
    for number in range(1, templates_count(sizes) + 1):
        for version in (-1, 1, 2):
            html = words.markup(rng, 2)
            digest = hashlib.sha256(html.encode("utf-16-le")).digest()
            yield number, version, html, digest if version > 0 else None, before(rng, 800)


@table("Campaigns", "content.Image", "ImageId, FileName, MimeType, Bytes, AltText")
def images(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Pictures that mails show."""
    for number in range(sizes.some(60)):
        yield (
            guid(rng),
            f"bild-{number}-ø.png",
            "image/png",
            b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randint(0, 4000)),
            rng.choice((None, "", "Ein Bild 🖼️")),
        )


@table(
    "Campaigns",
    "dbo.Campaign",
    "CampaignId, AccountId, TemplateId, Subject, Preheader, FromName, State, Budget, SendRate, CreatedAt, SentAt",
)
def campaigns(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What was sent, and what will be."""
    for number in range(sizes.campaigns):
        state = STATES[number % len(STATES)]
        created = before(rng, 700)
        yield (
            FIRST_CAMPAIGN + number,
            1 + number % sizes.accounts,
            rng.randint(1, templates_count(sizes)) if number % 17 else None,
            words.subject(rng),
            words.paragraph(rng, 1) if number % 2 else None,
            rng.choice(words.LAST_NAMES),
            state,
            Decimal(rng.randrange(100_000_000)).scaleb(-4) if number % 3 else None,
            Decimal(rng.randint(1, 10_000)).scaleb(-2) if number % 4 else None,
            created,
            created + timedelta(hours=rng.randint(1, 40)) if state == "sent" else None,
        )


@table("Campaigns", "dbo.CampaignVariant", "CampaignId, Letter, Subject, Share")
def variants(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Two subject lines for each campaign."""
    for number in range(sizes.campaigns):
        share = Decimal(rng.randint(0, 10_000)).scaleb(-4)
        yield FIRST_CAMPAIGN + number, "A", None, share
        yield FIRST_CAMPAIGN + number, "B", words.subject(rng), 1 - share


@table("Campaigns", "dbo.CampaignList", "CampaignId, ListId, Exclude")
def campaign_lists(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Where campaigns go."""
    for number in range(sizes.campaigns):
        for list_id in sorted(rng.sample(range(1, sizes.lists + 1), 1 + number % 3)):
            yield FIRST_CAMPAIGN + number, list_id, rng.random() < 0.1


@table("Campaigns", "dbo.Link", "LinkId, CampaignId, Url, Token, DoNotTrack", identity=True)
def links(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Tracked links; a few are marked as not to be tracked."""
    for number in range(1, sizes.links + 1):
        token = f"{rng.getrandbits(64):016x}{'aA'[number % 2]}"
        url = f"https://shop.example.com/{rng.choice(('sale', 'größe', '商品', 'a%20b'))}/{number}?utm=mail&id={number}"
        yield number, any_campaign(rng, sizes), url, token, number % 12 == 0


@table("Campaigns", "send.Schedule", "CampaignId, SendDate, SendTime, TimeZone, Repeats")
def schedules(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """When campaigns go out."""
    for number in range(sizes.campaigns):
        day = (EPOCH + timedelta(days=rng.randint(-700, 60))).date()
        at = time(rng.randrange(24), rng.choice((0, 15, 30, 45)))
        zone = rng.choice(("GMT Standard Time", "UTC", "Tokyo Standard Time"))
        yield FIRST_CAMPAIGN + number, day, at, zone, rng.choice((None, 0, 7, 255))


@table("Campaigns", "send.Queue", "TicketNo, CampaignId, ContactId, DueAt, Attempts, State, LastError")
def queue(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Mail that waits. Most of it is due far in the future, so that an idle demo stays idle."""
    for number in range(queued(sizes)):
        state = "WWWWWWSF"[number % 8]
        due = before(rng, 20) if number % 10 == 0 else FAR_FUTURE + timedelta(minutes=number)
        error = "451 4.7.1 попробуйте позже" if state == "F" else None
        yield (
            FIRST_TICKET + 10 * number,
            any_campaign(rng, sizes),
            any_contact(rng, sizes),
            due.replace(microsecond=0),
            0 if state == "W" else rng.randint(1, 5),
            state,
            error,
        )


bulk(
    "Campaigns",
    "send.Delivery",
    "DeliveryId, CampaignId, ContactId, SentAt, Outcome",
    f"SELECT x.n + 1, {FIRST_CAMPAIGN} + x.n * 37 % {{campaigns}}, {SOME_CONTACT},\n"
    "    DATEADD(SECOND, -(x.n * 1511), CAST('2024-05-01T05:30:00.123' AS datetime2(3))),\n"
    "    SUBSTRING('DDDDDDDDSB', x.n % 10 + 1, 1)",
    lambda sizes: sizes.deliveries,
    identity=True,
)


@table("Campaigns", "send.Bounce", "DeliveryId, Code, Diagnostic, ReceivedAt, ProcessedAt")
def bounces(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Mail that came back."""
    for number in range(sizes.some(1_500)):
        received = before(rng, 400)
        yield (
            1 + rng.randrange(sizes.deliveries),
            rng.choice(("5.1.1", "5.7.1", "4.2.2", "4.7.0")),
            rng.choice((None, "mailbox unavailable", "почтовый ящик переполнен", "")),
            received.replace(tzinfo=timezone(timedelta(hours=-5))),
            received if number % 4 else None,
        )


@table("Campaigns", "send.Reply", "CampaignId, Sender, Raw, Body, ReceivedAt, ProcessedAt")
def replies(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What readers wrote back, received and queued."""
    for number in range(sizes.some(400)):
        body = words.note(rng)
        received = before(rng, 100)
        yield (
            any_campaign(rng, sizes) if number % 6 else None,
            f"reader.{number}@example.org",
            body.encode(),
            body if number % 5 else None,
            received.replace(tzinfo=timezone(timedelta(hours=9))),
            received + timedelta(minutes=2) if number % 2 else None,
        )


@table("Campaigns", "send.Throttle", "Domain, PerMinute, Backoff")
def throttles(rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """How fast a provider takes mail."""
    for number in range(25):
        yield f"provider-{number}.example", rng.choice((1, 600, 32767)), rng.choice((1.5, 2.0, 1e-300, 1.1))
