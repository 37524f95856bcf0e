"""Scores added up without being read are those added up in clear, in every slot, by either way of shifting."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.sealed import small_key

from louver.errors import Unproven
from louver.scoring import layout
from louver.scoring.results import Scores, opened
from louver.sealing.randomisers import randomisers
from louver_sandbox import scorer
from louver_sandbox.sealing.packing import Bins, Misfit, Points, Scorer

KEY = small_key()
FEATURES = scorecards.feature_set((4, 2, 5, 3, 4, 2, 6, 3, 4, 7))
MADE = scorecards.opening(KEY, FEATURES, scorecards.card(FEATURES, decimals=1))
SIZES = [len(of) for of in MADE.points]
SLOTS = layout.slots(KEY.public)
BELOW = random.Random(9).randrange


def somebody(drawn: random.Random) -> tuple[int, ...]:
    return tuple(drawn.randrange(most) for most in SIZES)


def read(content: mpz, places: list[int | None]) -> list[Decimal | None]:
    """What the owner opens."""
    packs = (int(content).to_bytes(KEY.public.width, "big"),)
    scores = Scores("m", KEY.kid, tuple(None if slot is None else (0, slot) for slot in places), packs)
    return list(opened(Scores.from_bytes(scores.to_bytes(), KEY.public.width), KEY, "small-firms", "1", 1))


@pytest.mark.parametrize("table", [False, True])
def test_every_slot_opens_to_the_plain_score(table: bool) -> None:
    drawn = random.Random(3)
    subjects: list[Bins] = [somebody(drawn) for _ in range(SLOTS)]
    subjects[2] = None
    held = scorecards.points(MADE, KEY)
    if table:
        held.prepare()
    (power,) = randomisers(KEY.public, 1)
    left = held.leaving(subjects, power, BELOW)
    expected = [None if one is None else Decimal(scorecards.plain_score(MADE, one)) / 10 for one in subjects]
    assert len({each for each in expected if each is not None}) > 3
    assert read(left, [None if one is None else slot for slot, one in enumerate(subjects)]) == expected


def test_the_extremes_stay_in_their_slots() -> None:
    """The largest and the smallest scores that can be, beside one another, with the largest floods."""
    features = scorecards.feature_set((2,) * 16)
    points = [[-(2**14), 2**14] for _ in range(16)]
    made = scorecards.opening(KEY, features, scorecards.card(features, points, base=-1))
    held = scorecards.points(made, KEY)
    (power,) = randomisers(KEY.public, 1)
    subjects = [(0,) * 16, (1,) * 16] * (SLOTS // 2)
    left = held.leaving(subjects, power, lambda most: most - 1)
    found = read(left, list(range(len(subjects))))
    assert found == [Decimal(-(2**18) - 1) / 10, Decimal(2**18 - 1) / 10] * (SLOTS // 2)


def test_a_slot_without_a_score_opens_to_nothing_that_passes() -> None:
    held = scorecards.points(MADE, KEY)
    (power,) = randomisers(KEY.public, 1)
    left = held.leaving([somebody(random.Random(1)), None], power, BELOW)
    with pytest.raises(Unproven, match="does not open"):
        read(left, [0, 1])


def test_a_scorer_gives_what_one_process_gives_and_refuses_what_does_not_fit() -> None:
    drawn = random.Random(4)
    packs = tuple(tuple(somebody(drawn) for _ in range(SLOTS)) for _ in range(2))
    powers = tuple(randomisers(KEY.public, 2))
    job = scorer.Job(
        MADE.model.digest, int(KEY.public.n), tuple(SIZES), tuple(scorecards.ciphertexts(MADE, KEY)), packs, powers
    )
    assert scorer.job_of(scorer.job_to_bytes(job)) == job
    reply = scorer.answer(Scorer(BELOW), scorer.job_to_bytes(job))
    width = KEY.public.width
    assert len(reply) == 2 * width
    for pack, at in zip(packs, (0, width), strict=True):
        left = mpz(int.from_bytes(reply[at : at + width], "big"))
        expected = [Decimal(scorecards.plain_score(MADE, one)) / 10 for one in pack]
        assert read(left, list(range(SLOTS))) == expected
    for bad in ((*packs[0][0][:-1], SIZES[-1]), packs[0][0][:-1], (-1, *packs[0][0][1:])):
        with pytest.raises(Misfit):
            Scorer(BELOW).score(job.digest, KEY.public, job.ciphertexts, SIZES, [[bad]], powers[:1])
    with pytest.raises(Misfit):
        Points(KEY.public, job.ciphertexts[:-1], SIZES)
    with pytest.raises(Misfit):
        Points(KEY.public, job.ciphertexts[:1], [])


def test_scores_that_are_cut_off_are_told() -> None:
    whole = Scores("m", KEY.kid, ((0, 1), None), (b"\1" * KEY.public.width,)).to_bytes()
    for broken in (whole[:-1], whole + b"\0", b"", whole[:20], whole.replace(b"[0,1]", b"[9,1]")):
        with pytest.raises(Unproven):
            Scores.from_bytes(broken, KEY.public.width)
