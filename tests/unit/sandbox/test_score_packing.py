"""Scores added up without being read are those added up in clear, in every slot, by either way of shifting."""

from __future__ import annotations

import random
from decimal import Decimal

import gmpy2
import pytest
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.sealed import small_key

from louver.errors import Unproven
from louver.scoring import layout
from louver.scoring.results import Scores, opened
from louver.sealing.keys import PublicKey
from louver.sealing.randomisers import randomisers
from louver_sandbox import scorer
from louver_sandbox.sealing import packing
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


# the table


class Squarings:
    """How many squarings the library was asked for: a power takes one for each bit of its exponent."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.total = 0
        honest, honest_list = gmpy2.powmod, gmpy2.powmod_base_list

        def one(base: mpz, exponent: mpz, modulus: mpz) -> mpz:
            self.total += exponent.bit_length() - 1
            return honest(base, exponent, modulus)

        def several(bases: list[mpz], exponent: mpz, modulus: mpz) -> list[mpz]:
            self.total += len(bases) * (exponent.bit_length() - 1)
            made: list[mpz] = honest_list(bases, exponent, modulus)
            return made

        patch.setattr(gmpy2, "powmod", one)
        patch.setattr(gmpy2, "powmod_base_list", several)


def packs_of(subjects: int, drawn: random.Random) -> list[list[Bins]]:
    """Full packs of somebody."""
    return [[somebody(drawn) for _ in range(SLOTS)] for _ in range(subjects // SLOTS)]


def test_however_many_subjects_come_shifting_costs_at_most_twice_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least is to shift sums for a few subjects, and to have made the table at once for many."""
    drawn, used = random.Random(7), Squarings(monkeypatch)
    ciphertexts, (power,) = scorecards.ciphertexts(MADE, KEY), randomisers(KEY.public, 1)
    entries = sum(SIZES) * (SLOTS - 1)
    table, shifted = entries * layout.SLOT_BITS, 0
    held = Scorer(BELOW)
    used.total = 0
    for _ in range(3 * entries // SLOTS):
        held.score("m", KEY.public, ciphertexts, SIZES, packs_of(SLOTS, drawn), [power])
        shifted += SLOTS * layout.SLOT_BITS
        assert used.total <= 2 * min(shifted, table) + SLOTS * layout.SLOT_BITS
    assert used.total > table, "it was made"
    before = used.total
    held.score("m", KEY.public, ciphertexts, SIZES, packs_of(10 * SLOTS, drawn), [power] * 10)
    assert used.total == before, "and from then on nothing is shifted"


@pytest.mark.parametrize("more", [0, SLOTS])
def test_a_table_is_made_from_as_many_subjects_on_as_it_is_worth(more: int) -> None:
    drawn, (power,) = random.Random(8), randomisers(KEY.public, 1)
    worth = scorecards.points(MADE, KEY).worth_a_table
    assert worth == 40 * (SLOTS - 1)
    held, ciphertexts = Scorer(BELOW), scorecards.ciphertexts(MADE, KEY)
    packs = packs_of(worth + more, drawn)
    made = held.score("m", KEY.public, ciphertexts, SIZES, packs, [power] * len(packs))
    points, _ = held._known["m"]
    assert points.prepared == (len(packs) * SLOTS > worth)
    expected = [Decimal(scorecards.plain_score(MADE, one)) / 10 for one in packs[-1] if one]
    assert read(made[-1], list(range(SLOTS))) == expected


def test_a_message_waits_for_a_part_of_the_table_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SQUARINGS", 2 * sum(SIZES) * layout.SLOT_BITS)
    drawn, (power,) = random.Random(9), randomisers(KEY.public, 1)
    held, ciphertexts = Scorer(BELOW), scorecards.ciphertexts(MADE, KEY)
    packs = packs_of(scorecards.points(MADE, KEY).worth_a_table + SLOTS, drawn)
    held.score("m", KEY.public, ciphertexts, SIZES, packs[1:], [power] * (len(packs) - 1))
    points, _ = held._known["m"]
    used, messages = Squarings(monkeypatch), 0
    while not points.prepared:
        before = used.total
        (left,) = held.score("m", KEY.public, ciphertexts, SIZES, packs[:1], [power])
        assert used.total - before <= packing.SQUARINGS + SLOTS * layout.SLOT_BITS
        expected = [Decimal(scorecards.plain_score(MADE, one)) / 10 for one in packs[0] if one]
        assert read(left, list(range(SLOTS))) == expected, "with half a table scores are the same"
        messages += 1
    assert messages == -(-(SLOTS - 1) // 2)


def test_a_table_that_takes_too_much_memory_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    points = scorecards.points(MADE, KEY)
    monkeypatch.setattr(packing, "TABLE_BYTES", sum(SIZES) * SLOTS * KEY.public.width - 1)
    assert not points.fits_a_table
    drawn, (power,) = random.Random(10), randomisers(KEY.public, 1)
    held, ciphertexts = Scorer(BELOW), scorecards.ciphertexts(MADE, KEY)
    packs = packs_of(2 * points.worth_a_table, drawn)
    held.score("m", KEY.public, ciphertexts, SIZES, packs, [power] * len(packs))
    known, _ = held._known["m"]
    assert len(known._table) == 1
    monkeypatch.setattr(packing, "TABLE_BYTES", packing.TABLE_BYTES + 1)
    assert points.fits_a_table


@pytest.mark.parametrize(("bits", "bins"), [(2048, 2340), (3072, 1040), (4096, 585)])
def test_the_largest_tables_are_as_the_module_says(bits: int, bins: int) -> None:
    """With a key of that size, which only its length matters of; a slot of it is less than one message's share."""
    key = PublicKey((mpz(1) << bits) - 1)
    for number, fits in ((bins - 5, True), (bins + 5, False)):
        points = Points(key, [mpz(1)] * (1 + number), [number])
        assert points.fits_a_table == fits
    assert bins * layout.SLOT_BITS < 2 * packing.SQUARINGS
