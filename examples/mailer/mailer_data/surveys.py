"""Rows of the database Surveys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta, timezone
from decimal import Decimal
from random import Random

from mailer_data import words
from mailer_data.people import any_contact
from mailer_data.tables import Row, Sizes, before, guid, table

KINDS = ("text", "choice", "number", "date", "text", "choice")


def forms_count(sizes: Sizes) -> int:
    """How many sign-up forms there are."""
    return sizes.some(40, 4)


@table("Surveys", "dbo.Survey", "SurveyId, AccountId, Title, Language, OpensOn, ClosesOn, Theme", identity=True)
def surveys(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Questionnaires."""
    for number in range(1, sizes.surveys + 1):
        opens = date(2023, 1, 1) + timedelta(days=rng.randrange(700))
        theme = f'<theme colour="#{rng.randrange(1 << 24):06x}"><logo/>é</theme>' if number % 2 else None
        yield (
            number,
            rng.randint(1, sizes.accounts),
            f"{words.subject(rng)}?",
            rng.choice(("en-GB", "de", "zh-Hant", "ar")),
            opens,
            opens + timedelta(days=40) if number % 3 else None,
            theme,
        )


def question_id(survey: int, position: int) -> int:
    """Question ids follow from the survey's."""
    return survey * 100 + position


@table("Surveys", "dbo.Question", "QuestionId, SurveyId, Position, Wording, Kind, IsRequired", identity=True)
def questions(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Six questions each."""
    for survey in range(1, sizes.surveys + 1):
        for position, kind in enumerate(KINDS, 1):
            yield (
                question_id(survey, position),
                survey,
                position,
                words.paragraph(rng, 1) + "?",
                kind,
                rng.random() < 0.4,
            )


@table("Surveys", "dbo.Choice", "QuestionId, Position, Label")
def choices(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Answers to choose from."""
    for survey in range(1, sizes.surveys + 1):
        for position, kind in enumerate(KINDS, 1):
            if kind == "choice":
                for number in range(5):
                    yield question_id(survey, position), number, f"{rng.choice(words.FIRST_NAMES)} {number}"


@table("Surveys", "dbo.Response", "ResponseId, SurveyId, ContactId, StartedAt, FinishedAt", identity=True)
def responses(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Who took part; one in six did not finish."""
    for number in range(1, sizes.responses + 1):
        started = before(rng, 400)
        finished = started + timedelta(seconds=rng.randint(20, 3000)) if number % 6 else None
        yield number, 1 + number % sizes.surveys, any_contact(rng, sizes) if number % 3 else None, started, finished


@table("Surveys", "dbo.Answer", "ResponseId, QuestionId, TextValue, NumberValue, DateValue")
def answers(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What they said."""
    for number in range(1, sizes.responses + 1):
        survey = 1 + number % sizes.surveys
        for position, kind in enumerate(KINDS, 1):
            if rng.random() < 0.8:
                text = words.note(rng) if kind in ("text", "choice") else None
                amount = Decimal(rng.randrange(-(10**17), 10**17)).scaleb(-6) if kind == "number" else None
                day = date(1999, 12, 31) + timedelta(days=rng.randrange(9_000)) if kind == "date" else None
                yield number, question_id(survey, position), text, amount, day


@table("Surveys", "dbo.HandOver", "ResponseId, HeldSince, WrittenAt")
def hand_overs(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Responses on their way to the main system; the last ones are still held."""
    for number in range(1, sizes.responses + 1):
        held = before(rng, 30).replace(microsecond=0)
        yield number, held, held + timedelta(seconds=40) if number < sizes.responses * 9 // 10 else None


def _form_ids(sizes: Sizes) -> list[str]:
    rng = Random("forms")
    return [str(guid(rng)) for _ in range(forms_count(sizes))]


@table("Surveys", "forms.SignUpForm", "FormId, ListId, Title, Fields, Slug")
def sign_up_forms(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """Forms on customers' sites."""
    for number, form in enumerate(_form_ids(sizes)):
        fields = f'<fields><field name="Email" required="1"/><field name="{rng.choice(words.FIRST_NAMES)}"/></fields>'
        yield form, rng.randint(1, sizes.lists), f"Sign up № {number} 💌", fields, f"form-{number}"


@table("Surveys", "forms.Submission", "FormId, Email, Fields, SentAt, Captcha")
def submissions(rng: Random, sizes: Sizes) -> Iterator[Row]:
    """What was typed into them."""
    forms = _form_ids(sizes)
    for number in range(sizes.some(2_500)):
        sent = before(rng, 200).replace(microsecond=0, tzinfo=timezone(timedelta(hours=rng.randint(-3, 3))))
        typed = '{"name": "' + rng.choice(words.FIRST_NAMES) + '"}' if number % 4 else None
        yield rng.choice(forms), f"new.{number}@example.org", typed, sent, rng.choice((None, 0.25, 0.999))
