"""Rows of the database Archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.people import SOME_CONTACT
from mailer_data.tables import Row, Sizes, bulk, table

LONG_AGO = datetime(2012, 1, 1)  # noqa: DTZ001
SMALLEST_DATETIME = datetime(1753, 1, 1)  # noqa: DTZ001
LARGEST_SMALLDATETIME = datetime(2079, 6, 6, 23, 59)  # noqa: DTZ001


@table("Archive", "dbo.OldCampaign", "CampaignId, Subject, SentAt, ArchivedAt")
def old_campaigns(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Campaigns from before the present system; the very first has SQL Server's smallest date."""
    for number in range(sizes.old_campaigns):
        sent = SMALLEST_DATETIME if number == 0 else LONG_AGO + timedelta(minutes=rng.randrange(10**6))
        yield number - 50, words.subject(rng), sent if number % 8 != 7 else None, LARGEST_SMALLDATETIME


bulk(
    "Archive",
    "dbo.OldDelivery",
    "DeliveryId, CampaignId, ContactId, SentAt",
    f"SELECT CAST({-(2**62)} AS bigint) + x.n, x.n * 7 % {{old_campaigns}} - 50, {SOME_CONTACT},\n"
    "    DATEADD(SECOND, x.n * 7919, CAST('2012-01-01T00:00:00.007' AS datetime))",
    lambda sizes: sizes.some(14_000),
)


@table("Archive", "dbo.OldMail", "Body, Attachment", batch=20)
def old_mails(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Large values: the first attachment has a quarter of a mebibyte."""
    for number in range(sizes.some(100)):
        size = 262_144 if number == 0 else rng.choice((0, 1, 8_000, 8_001))
        yield (
            words.markup(rng, rng.randint(1, 12)) if number % 5 else None,
            rng.randbytes(size) if number % 3 == 0 else None,
        )


@table(
    "Archive",
    "legacy.[Customer Data 2009]",
    "[Customer No.], [Full Name], [odd ]] name], [select], [Größe in m²], [名前]",
)
def customer_data(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """A table whose names need every rule of quoting."""
    for number in range(sizes.some(250)):
        yield (
            number * number,
            rng.choice(words.ODD_TEXTS),
            rng.choice((None, "", "x  ", "[y]")),
            rng.choice((None, True, False)),
            Decimal(rng.randrange(-9_999_999, 9_999_999)).scaleb(-2),
            rng.choice((None, "田中", "🗾")),
        )
