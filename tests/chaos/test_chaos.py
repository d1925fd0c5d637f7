"""A slice of ``make chaos``: generated stories that end old, new, or held for a reason; see docs/chaos.md."""

from __future__ import annotations

import secrets
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chaos import graphs
from tests.chaos.running import batch, in_words, tale_of, told_of

SEEDS = [pytest.param(1, id="fixed"), pytest.param(None, id="drawn")]
DRAWN = secrets.randbelow(10**6)
"""Another one in every process of tests; it is in the command that tells the story again."""


def kept(kind: str, seed: int | None, runs: range) -> None:
    """Every promise, in all of them; the first story that breaks one is told."""
    seed = DRAWN if seed is None else seed
    tally = batch(kind, seed, runs)
    assert not tally.broken, in_words(kind, seed, tally.broken[0][1], shrink=False)
    assert tally.runs == len(runs)


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("seed", SEEDS)
def test_graphs(seed: int | None, part: int) -> None:
    """Generated graphs on threads, with faults, power cuts, stopped processes, clock steps and people."""
    kept("graphs", seed, range(part * 60, part * 60 + 60))


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("seed", SEEDS)
def test_nights(seed: int | None, part: int) -> None:
    """Generated mailer nights: no committed row is lost, whoever wrote it when."""
    kept("nights", seed, range(part * 15, part * 15 + 15))


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_graphs_that_can_be_shrunk(draw: Random) -> None:
    """The same stories, drawn by hypothesis, which makes one that breaks a promise small."""
    told = graphs.tell(graphs.generate(draw))
    assert not told.broken, told.trace


@pytest.mark.parametrize("kind", ["graphs", "nights"])
def test_the_same_numbers_tell_the_same_story(kind: str) -> None:
    """A replay shows what happened, thread by thread and to the hundredth of a second."""
    for run in range(3, 9):
        assert list(tale_of(kind, 7, run).words()) == list(tale_of(kind, 7, run).words())
        assert told_of(kind, 7, run).trace == told_of(kind, 7, run).trace
