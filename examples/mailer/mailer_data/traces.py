"""Rows of the database Tracking."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta, timezone
from decimal import Decimal
from random import Random
from uuid import UUID

from mailer_data import words
from mailer_data.mail import FIRST_CAMPAIGN
from mailer_data.people import SOME_CONTACT, any_contact
from mailer_data.tables import EPOCH, Row, Sizes, before, bulk, table

AGENTS = 40


@table("Tracking", "dbo.UserAgent", "UserAgentId, Name, IsRobot", identity=True)
def user_agents(rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """What readers read with."""
    for number in range(1, AGENTS + 1):
        yield number, f"Mozilla/5.0 (compatible; reader {number}; {rng.choice(words.COUNTRIES)})", number % 8 == 0


bulk(
    "Tracking",
    "dbo.MailOpen",
    "CampaignId, ContactId, OpenedAt, UserAgentId",
    f"SELECT {FIRST_CAMPAIGN} + x.n * 43 % {{campaigns}}, {SOME_CONTACT},\n"
    "    DATEADD(SECOND, -(x.n * 1999), CAST('2024-05-01T05:29:59.999' AS datetime2(3))),\n"
    f"    CASE WHEN x.n % 9 = 0 THEN NULL ELSE 1 + x.n % {AGENTS} END",
    lambda sizes: sizes.some(24_000, 50),
)


@table("Tracking", "dbo.Click", "LinkId, ContactId, ClickedAt, IpAddress")
def clicks(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Followed links."""
    for number in range(sizes.some(12_000, 30)):
        clicked = before(rng, 600).replace(tzinfo=timezone(timedelta(hours=rng.randint(-8, 10))))
        yield 1 + rng.randrange(sizes.links), any_contact(rng, sizes) if number % 4 else None, clicked, _address(rng)


def _address(rng: Random) -> bytes | None:
    kind = rng.random()
    if kind < 0.3:
        return None
    return ipaddress.ip_address(0x0A000000 + rng.getrandbits(24)).packed if kind < 0.8 else rng.randbytes(16)


def visit_id(number: int) -> UUID:
    """The id of the n-th visit."""
    return UUID(int=Random(f"visit {number}").getrandbits(128), version=4)


@table("Tracking", "dbo.Visit", "VisitId, ContactId, StartedAt, Seconds, Latitude, Longitude, PagePath")
def visits(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Visits to the customers' sites."""
    for number in range(sizes.visits):
        where = (rng.uniform(-90, 90), rng.uniform(-180, 180)) if number % 3 else (None, None)
        yield (
            visit_id(number),
            any_contact(rng, sizes) if number % 2 else None,
            before(rng, 500),
            rng.choice((None, 0, 12, 32767)),
            *where,
            f"/{rng.choice(words.FIRST_NAMES)}/{number}",
        )


@table("Tracking", "dbo.Conversion", "VisitId, Amount, Cost, Currency, Basket, ConvertedAt")
def conversions(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What visits were worth."""
    for number in range(sizes.some(1_200)):
        basket = (
            f"<basket><item sku='Ä-{number}' qty='{rng.randint(1, 9)}'>{rng.choice(words.FIRST_NAMES)}</item></basket>"
        )
        yield (
            visit_id(number % sizes.visits),
            Decimal(rng.randrange(1, 90_000_000)).scaleb(-4),
            Decimal(rng.randrange(0, 90_000)).scaleb(-4),
            rng.choice(("GBP", "EUR", "JPY")),
            basket if number % 3 else None,
            before(rng, 400).replace(second=0, microsecond=0),
        )


@table("Tracking", "dbo.RawEvent", "Kind, ReceivedAt, Payload, Weight")
def raw_events(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Events as they came in. Every fourth row is an exact double of the one before it."""
    row: Row = ("open", EPOCH, None, None)
    for number in range(sizes.some(8_000, 40)):
        if number % 4 != 3:
            row = (
                rng.choice(("open", "click", "visit", "roi")),
                before(rng, 30).replace(microsecond=0),
                words.note(rng) if number % 2 else None,
                rng.choice((None, 0.0, 0.1, 1.5, -2.75)),
            )
        yield row


@table("Tracking", "rollup.DailyCampaign", "CampaignId, Day, Opens, Clicks")
def daily(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Sums by day."""
    for number in range(sizes.campaigns):
        for day in range(20):
            opened = rng.choice((0, rng.randint(1, 5_000)))
            yield FIRST_CAMPAIGN + number, (EPOCH - timedelta(days=day)).date(), opened, rng.randint(0, opened)


@table("Tracking", "rollup.HourlyClick", "HourStart, Clicks")
def hourly(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Sums by hour."""
    for number in range(sizes.some(1_500)):
        yield EPOCH.replace(minute=0) - timedelta(hours=number), rng.randint(0, 500)
