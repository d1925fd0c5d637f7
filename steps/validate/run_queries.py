"""The plan's own questions to the upgraded databases."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from runbook.api import (
    Block,
    Budget,
    Decision,
    Pass,
    Phase,
    QueryCheck,
    ReadContext,
    ServerError,
    Sizes,
    Skip,
    Step,
    named_lines,
)

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Answer:
    """What one query returned: the first value of the first row; ``error`` when it returned nothing."""

    name: str
    value: Value = None
    error: str = ""
    at_least: int | None = None
    equals: Value = None


@dataclass(frozen=True)
class Facts:
    """All answers, in the order of the plan."""

    answers: tuple[Answer, ...] = ()


class RunQueries(Step):
    """Run the plan's own queries on the upgraded databases."""

    phase = Phase.VALIDATE
    after = ("check-version", "compare-proof", "run-scripts")

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(sorted({self.plan.query_server(check).name for check in self.plan.checks.queries}))

    def budget(self, sizes: Sizes) -> Budget:  # noqa: ARG002  (the plan states what its queries need)
        return Budget(0.5 + 0.1 * len(self.plan.checks.queries))

    def observe(self, ctx: ReadContext) -> Facts:
        return Facts(tuple(_ask(ctx, check) for check in ctx.plan.checks.queries))

    def decide(self, facts: Facts) -> Decision:
        if not facts.answers:
            return Skip("the plan has no queries")
        wrong = [why for answer in facts.answers if (why := _complaint(answer))]
        if wrong:
            return Block(f"the plan's queries fail: {named_lines(wrong)}", "Run them yourself on a rehearsed copy.")
        return Pass(f"{len(facts.answers)} queries answered as they must")


def _ask(ctx: ReadContext, check: QueryCheck) -> Answer:
    ctx.checkpoint()
    answer = Answer(check.name, at_least=check.at_least, equals=check.equals)
    try:
        result = ctx.reader(ctx.plan.query_server(check).name).query(check.database, check.sql, max_rows=1)
    except ServerError as error:
        if error.in_doubt:
            raise
        return Answer(check.name, error=error.message, at_least=check.at_least, equals=check.equals)
    if not result.rows or not result.rows[0]:
        return Answer(check.name, error="no row", at_least=check.at_least, equals=check.equals)
    return Answer(answer.name, _plain(result.rows[0][0]), "", answer.at_least, answer.equals)


def _plain(value: object) -> Value:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _complaint(answer: Answer) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if answer.error:
        return f"{answer.name}: {answer.error}"
    if answer.at_least is not None:
        number = _number(answer.value)
        if number is None or number < answer.at_least:
            return f"{answer.name}: {answer.value}, wanted at least {answer.at_least}"
    if answer.equals is not None and not _equal(answer.value, answer.equals):
        return f"{answer.name}: {answer.value}, wanted {answer.equals}"
    return ""


def _equal(found: Value, wanted: Value) -> bool:
    """Equal as a person would say: 5 and 5.0, the bit 1 and true; text only as it stands."""
    left, right = _number(found), _number(wanted)
    if left is not None and right is not None:
        return left == right
    return str(found) == str(wanted)


def _number(value: Value) -> float | None:
    return value if isinstance(value, int | float) else None
