"""What a score tells, against counting every combination one by one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver.scoring.telling import Telling, TooWide

CARDS = st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=4), min_size=1, max_size=5)


def entropy(counts: Iterable[int]) -> float:
    held = list(counts)
    return -sum(each / sum(held) * math.log2(each / sum(held)) for each in held)


@settings(max_examples=60, deadline=None)
@given(CARDS, st.integers(1, 12))
def test_it_is_what_counting_all_combinations_says(points: list[list[int]], crowd: int) -> None:
    apart = [sorted(set(of)) for of in points]
    everyone = list(product(*apart))
    scores = Counter(map(sum, everyone))
    telling = Telling(points)
    assert telling.lonely(crowd) == sum(scores[sum(one)] < crowd for one in everyone) / len(everyone)
    for number, share in enumerate(telling.of_features()):
        by_score: dict[int, list[int]] = defaultdict(list)
        for one in everyone:
            by_score[sum(one)].append(one[number])
        before = entropy(Counter(one[number] for one in everyone).values())
        left = sum(len(held) / len(everyone) * entropy(Counter(held).values()) for held in by_score.values())
        assert share == pytest.approx((before - left) / before if before else 0, abs=1e-9)


def test_counts_beyond_a_word_are_exact() -> None:
    """Forty features of four bins have 2^80 combinations; all but the ends of the scale have company."""
    telling = Telling([[0, 1, 2, 3]] * 40)
    assert telling.lonely(2) == 2 / 4**40
    assert telling.lonely(42) == (2 + 2 * 40) / 4**40
    assert all(0 < share < 0.01 for share in telling.of_features())


def test_more_scores_than_can_be_gone_through_are_none() -> None:
    with pytest.raises(TooWide):
        Telling([[0, 2**16]] * 200)
