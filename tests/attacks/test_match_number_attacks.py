"""Attacks on numbers and sums of matches: a bank that wants to know of one id without asking for hits.

Each succeeds against a naive variant kept here, and fails against the line. What stops each is ADR 55: noise for one
subject more or less, paid for out of a budget that no batch, key, day or second institution gets around.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from tests.support.matching import House, Listed, firm, house, match_bundle, numbers, terms, tomorrow
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.seeded_noise import SeededSampler

from louver.errors import Refused
from louver_sandbox.matching.releasing import Met, release
from louver_sandbox.policy.match_numbers import NumberRules, number_rules
from louver_sandbox.policy.match_terms import MatchMode, NumberTerms
from louver_sandbox.store import schema

SPACE = range(600)
LISTED = [n for n in SPACE if n % 7 == 3]
ON_IT = frozenset(firm(n) for n in LISTED)
BUDGET = numbers(each=1, allowance=4, lifetime=16)
"""That of the library's policy."""
ANSWERS = 12
"""How many numbers that allowance pays for."""
RULES = number_rules(NumberTerms.model_validate(BUDGET), 1)


@pytest.fixture
def here(tmp_path: Path) -> Any:
    bundle = match_bundle(
        matching=terms(ids_per_day=10**6, ids_per_month=10**6, answers_per_month=1000, numbers=BUDGET),
        budget={"queries_per_day": 1000, "predicates_per_day": 10},
    )
    with house(tmp_path, [Listed(firm(n)) for n in LISTED], bundle=bundle) as made:
        yield made


class NoiseBySet:
    """A naive service: noise that follows from the subjects that met, so that it cannot be averaged, a threshold and
    rounding. This is what official statistics do with cells, and what matches once did here."""

    base, k = 5, 5

    def __init__(self, secret: bytes = b"naive") -> None:
        self._secret = secret

    def count(self, ids: Sequence[str]) -> int | None:
        met = sorted(ON_IT.intersection(ids))
        if len(met) < self.k:
            return None
        drawn = hashlib.sha256(repr((self._secret, met)).encode()).digest()
        return self.base * round((len(met) + drawn[0] % 9 - 4) / self.base)


class ApartByK(NoiseBySet):
    """The same with the rule that no batch may differ in fewer than k ids from an earlier one. The service is even
    granted to see the ids."""

    def __init__(self) -> None:
        super().__init__()
        self._earlier: list[set[str]] = []

    def count(self, ids: Sequence[str]) -> int | None:
        if any(len(set(ids) ^ other) < self.k for other in self._earlier if set(ids) != other):
            raise PermissionError("too near an earlier batch")
        self._earlier.append(set(ids))
        return super().count(ids)


def book(number: int) -> list[str]:
    """One of many books of an enemy, none of which holds the ids from 500 on."""
    return [firm(n) for n in range(500) if (n * 31 + number * 17) % 5]


def differences(naive: NoiseBySet, target: str, junk: int = 0) -> bool:
    """Whether a batch and the same with the target ever differ, over ten books."""
    for number in range(10):
        made_up = [f"NOBODY{number}X{extra}X{secrets.token_hex(4)}" for extra in range(junk)]
        if naive.count(book(number)) != naive.count([*book(number), target, *made_up]):
            return True
    return False


TARGETS = range(500, 530)


def test_noise_by_set_tells_every_id_by_a_batch_that_differs_in_it() -> None:
    naive = NoiseBySet()
    assert [n for n in TARGETS if differences(naive, firm(n))] == [n for n in TARGETS if n in LISTED]


def test_a_rule_that_batches_differ_by_k_ids_falls_to_ids_that_nobody_has() -> None:
    """Why there is no such rule here: whoever asks can make ids up, and nobody can see which."""
    with pytest.raises(PermissionError):
        differences(ApartByK(), firm(503))
    naive = ApartByK()
    assert [n for n in TARGETS if differences(naive, firm(n), junk=8)] == [n for n in TARGETS if n in LISTED]


def test_a_threshold_on_the_true_number_tells_the_id_that_reaches_it() -> None:
    """Four known hits and one id more. Here nothing is compared with the true number."""
    known, naive = [firm(n) for n in LISTED[:4]], NoiseBySet()
    for n in TARGETS:
        assert (naive.count([*known, firm(n)]) is not None) is (n in LISTED)


def attacked(rules: NumberRules, answers: int, is_listed: bool, sampler: SeededSampler) -> bool:
    """The best guess about one id from a whole budget: all of it on batches that hold the id, by an enemy that knows
    the truth of everything else in them (the optimal test between two normal distributions)."""
    known = 300
    met = Met(known + is_listed, 0)
    said = [release(met, MatchMode.COUNT, 10**5, rules, sampler) for _ in range(answers)]
    return statistics.fmean(said) > known + 0.5


def test_a_whole_allowance_on_one_id_is_little_better_than_guessing() -> None:
    """The bound of ADR 55: what is paid is rho, and no test between the two lists has more than this chance."""
    trials, sampler = 4000, SeededSampler(55)
    right = sum(attacked(RULES, ANSWERS, bool(n % 2), sampler) is bool(n % 2) for n in range(trials)) / trials
    bound = statistics.NormalDist().cdf(math.sqrt(2 * float(RULES.cost.rho) * ANSWERS) / 2)
    assert 0.64 < bound < 0.66
    assert right <= bound + 0.04, "five deviations above it"
    naive = sum(differences(NoiseBySet(b"%d" % n), firm(n)) is (n in LISTED) for n in TARGETS) / len(TARGETS)
    assert naive == 1


def spent(house_: House, ids: Sequence[str], **more: Any) -> int | str:
    """A number, or the code of the refusal."""
    try:
        found = house_.ask(ids, "count", **more).number
    except Refused as refused:
        return refused.code
    assert found is not None
    return found


def test_the_line_pays_for_every_batch_that_differs_and_ends(here: House) -> None:
    """Through the line: junk, another key, another day and another institution are all paid for."""
    target, answers = firm(503), []
    for number in range(40):
        ids = [*book(0), *([target] if number % 2 else []), f"NOBODY{number}"]
        answers.append(spent(here, ids))
    assert answers.count("LVR-3013") == 40 - ANSWERS
    assert all(isinstance(one, int) for one in answers[:ANSWERS])
    assert len(set(answers[:ANSWERS])) > 3, "each is a draw of its own, so that equal answers mean nothing"
    assert isinstance(spent(here, book(0), who=BANK_B), int)
    tomorrow(here, 40)
    assert isinstance(spent(here, book(0)), int)


def test_no_number_of_institutions_and_months_gets_beyond_the_lifetime(here: House) -> None:
    """16 at one in a million is rho 3.2: some 140 answers, to everybody together and for ever. Here with a shorter
    life, since each takes a while."""
    short = match_bundle(
        matching=terms(ids_per_day=10**6, ids_per_month=10**6, answers_per_month=1000,
                       numbers=numbers(each=1, allowance=2, lifetime=3)),
        budget={"queries_per_day": 1000, "predicates_per_day": 10},
    )  # fmt: skip
    here.line._judging = type(here.line._judging)(here.catalog, short, lambda policies, now: None)
    said: list[int | str] = []
    for _ in range(4):
        for who in (BANK_A, BANK_B):
            said += [spent(here, book(0), who=who) for _ in range(3)]
        tomorrow(here, 32)
    assert sum(isinstance(one, int) for one in said) == 7
    assert set(said[-6:]) <= {"LVR-3012", "LVR-3013"}


def test_the_same_batch_over_and_over_is_one_draw(here: House) -> None:
    """Naive noise for each request is averaged away. Here the same commitment has the same number."""
    truth = len({firm(n) for n in LISTED} & set(book(0)))
    rng = secrets.SystemRandom()
    naive = statistics.fmean(truth + rng.choice(range(-4, 5)) for _ in range(20_000))
    assert round(naive) == truth
    assert len({spent(here, book(0), seed=bytes([9] * 32)) for _ in range(30)}) == 1


def test_few_hits_many_and_none_look_the_same(here: House) -> None:
    """There is a number whatever met, in entries of the same size."""
    nobody = [f"NOBODY{n}" for n in range(19)]
    for one in (firm(LISTED[0]), firm(LISTED[0] + 1)):
        assert isinstance(spent(here, [one, *nobody]), int)
    first, second = here.entries("outcome")
    assert {*first} == {*second}
    assert "withheld" not in str(first)


def test_a_sum_does_not_tell_which_amounts_it_is_made_of(here: House) -> None:
    """Superincreasing amounts read every hit out of one exact sum. Here noise is for the largest amount, so that
    every amount drowns in it, and a bound that is too small for the amounts is no batch."""
    listed, others = [firm(n) for n in LISTED[:10]], [firm(n + 1) for n in LISTED[:10]]
    ids = [id_ for pair in zip(listed, others, strict=True) for id_ in pair]
    amounts = [2**n for n in range(len(ids))]
    assert decoded(ids, sum(amount for amount, id_ in zip(amounts, ids, strict=True) if id_ in listed)) == set(listed)
    right = []
    for _ in range(6):
        found = here.ask(ids, "sum", amounts=amounts, largest=amounts[-1]).number
        assert found is not None
        guess = decoded(ids, found)
        right += [(id_ in guess) is (id_ in listed) for id_ in ids]
    assert 0.3 < sum(right) / len(right) < 0.7, "of 120 bits as many as a coin has"
    with pytest.raises(Refused, match="LVR-5105"):
        here.ask(ids, "sum", amounts=amounts, largest=1)


def decoded(ids: Sequence[str], total: int) -> set[str]:
    """Whose bits a sum holds."""
    return {id_ for n, id_ in enumerate(ids) if total >> n & 1}


def test_amounts_cannot_outgrow_what_a_policy_lets_anybody_declare(here: House) -> None:
    with pytest.raises(Refused, match="LVR-5110"):
        here.ask([firm(n) for n in range(25)], "sum", amounts=[10**9] * 25, largest=10**9)


def test_a_number_that_is_no_longer_kept_is_drawn_and_paid_for_again(here: House) -> None:
    """The answer is pruned or purged, its entries stand: a retry for nothing would be a second draw of the noise."""
    identity = "4d7d5f0a-0f5e-4b7e-9a3b-7d8f3c1f5a01"
    ask = partial(here.ask, book(0), "count", request_id=identity, seed=bytes([9] * 32))
    ask()
    ask()
    assert len(here.entries("admission")) == 1
    with here.books.state.transaction() as tx:
        tx.execute(delete(schema.answers))
    ask()
    first, again = here.entries("admission")
    assert again["privacy"] == first["privacy"] != []
    ask()
    assert len(here.entries("admission")) == 2
