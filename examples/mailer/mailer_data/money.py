"""Rows of the database Billing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.tables import Row, Sizes, before, guid, table

FIRST_INVOICE = 20_240_001


def sequences(sizes: Sizes) -> Iterator[str]:
    """Where the sequence stands after rows that brought their own numbers."""
    yield f"ALTER SEQUENCE dbo.InvoiceNumber RESTART WITH {FIRST_INVOICE + sizes.invoices}"


@table("Billing", "dbo.Currency", "Code, Name, Symbol, PerEuro")
def currencies(_rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """Money of the world."""
    yield "EUR", "Euro", "€", Decimal(1)
    yield "GBP", "Pound sterling", "£", Decimal("0.856312345")
    yield "JPY", "円", "¥", Decimal("168.123456789")
    yield "UAH", "Гривня", "₴", Decimal("42.5")
    yield "INR", "रुपया", "₹", Decimal("89.7")
    yield "BTC", "Bitcoin", "₿", Decimal("0.000016123")


@table("Billing", "dbo.TaxRate", "Country, ValidFrom, Rate")
def tax_rates(rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """Two rates for each country, one after the other."""
    for country in words.COUNTRIES:
        yield country, date(1, 1, 1), Decimal(rng.randint(0, 25)).scaleb(-2)
        yield country, date(2024, 1, 1), Decimal(rng.randint(0, 2500)).scaleb(-4)


@table("Billing", "dbo.PricePlan", "PricePlanId, Name, PerThousand, Monthly, Terms")
def price_plans(rng: Random, _sizes: Sizes) -> Iterator[Row]:
    """What mail costs; the free plan has no terms, the first one has very long ones."""
    for number, name in enumerate(("Free", "Small", "Größer", "Enterprise ∞", "Legacy"), -1):
        terms = None if name == "Free" else "All prices exclude VAT. " * (2_000 if number == 0 else 3)
        yield (
            number,
            name,
            Decimal(rng.randrange(9_999)).scaleb(-4),
            Decimal(rng.randrange(9_999_999)).scaleb(-4),
            terms,
        )


@table("Billing", "dbo.Customer", "CustomerId, PricePlanId, Name, VatNumber, Currency, Address, CreditLimit")
def customers(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """The accounts as bookkeeping sees them."""
    for number in range(1, sizes.accounts + 1):
        address = f"{number} High Street\r\n{rng.choice(words.FIRST_NAMES)}town" if number % 5 else None
        limit = Decimal("922337203685477.5807") if number == 1 else Decimal(rng.randrange(10**9)).scaleb(-4)
        yield (
            number,
            rng.randint(-1, 3),
            f"{rng.choice(words.LAST_NAMES)} & Co {number}",
            f"GB{100_000_000 + number}" if number % 3 else None,
            rng.choice(("EUR", "GBP", "JPY", "UAH", "INR")),
            address,
            limit if number % 4 else None,
        )


def _is_paid(index: int) -> bool:
    return index % 5 != 0


@table("Billing", "dbo.Invoice", "InvoiceNo, CustomerId, IssuedOn, Currency, State, Pdf")
def invoices(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Four of five are paid."""
    for index in range(sizes.invoices):
        pdf = b"%PDF-1.7\n" + rng.randbytes(300) if index % 9 == 0 else None
        state = "paid" if _is_paid(index) else rng.choice(("open", "void"))
        issued = date(2021, 1, 1) + timedelta(days=index % 1200)
        yield FIRST_INVOICE + index, 1 + index % sizes.accounts, issued, rng.choice(("EUR", "GBP")), state, pdf


@table("Billing", "dbo.InvoiceLine", "InvoiceNo, LineNumber, Item, Quantity, UnitPrice, Discount")
def invoice_lines(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Three lines each."""
    for index in range(sizes.invoices):
        for line in (1, 2, 3):
            yield (
                FIRST_INVOICE + index,
                line,
                rng.choice(("Mails, 1.000 Stück", "SMS", "Domaine dédié", "サポート")),
                Decimal(rng.randrange(1, 999_999)).scaleb(-3),
                Decimal(rng.randrange(1, 9_999_999)).scaleb(-6),
                rng.choice((None, 0.0, 0.1, 1 / 3)),
            )


def _amount(index: int) -> Decimal:
    return Decimal(100 + index * 7919 % 999_983).scaleb(-2)


@table("Billing", "dbo.Payment", "PaymentId, InvoiceNo, Amount, PaidAt, CardTail, Receipt")
def payments(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """One for each paid invoice."""
    for index in filter(_is_paid, range(sizes.invoices)):
        receipt = f"<receipt no='{index}'><amount>{_amount(index)}</amount></receipt>" if index % 2 else None
        tail = f"{rng.randrange(10_000):04d}" if index % 3 else None
        yield guid(rng), FIRST_INVOICE + index, _amount(index), before(rng, 900), tail, receipt


@table("Billing", "dbo.UsageDaily", "CustomerId, Day, Mails, SmsParts, Charge")
def usage(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What was sent each day."""
    for customer in range(1, sizes.accounts + 1):
        for day in range(sizes.some(6_000) // sizes.accounts):
            charge = Decimal(rng.randrange(10_000_000)).scaleb(-4)
            yield (
                customer,
                date(2024, 4, 30) - timedelta(days=day),
                rng.randint(0, 2**31 - 1),
                rng.randint(-5, 32_767),
                charge,
            )


@table("Billing", "ledger.Entry", "InvoiceNo, Account, Debit, Credit, BookedAt")
def entries(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Both sides of every payment."""
    for index in filter(_is_paid, range(sizes.invoices)):
        booked = before(rng, 900).replace(microsecond=0)
        yield FIRST_INVOICE + index, "120000", _amount(index), Decimal(0), booked
        yield FIRST_INVOICE + index, "840000", Decimal(0), _amount(index), booked
