"""Whoever knows a person's group says of the person what most of the group have: all that whole atoms can tell.

Where every answer follows from one table of atoms, no combination of answers tells more than that table. So this is
the attack that the least size of atoms is decided by: with one value of m as likely as any other, a group of g tells
e(m) / sqrt(m g) more than nothing, where e(m) is the mean of the largest of m normal numbers; at most 0.52 / sqrt(g).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from tests.support.atomic import Atomic
from tests.support.attackers.people import Known, People

Value = bool | int
Groups = Mapping[tuple[int, int], Mapping[Value, int]]
"""By district and lower edge of the age band, how many people have each value of the secret."""

WIDTH = 6


def groups(snapshot: Atomic, secret: str) -> Groups:
    """Everything there is to know, by one question."""
    asked = f"SELECT district, age, {secret}, count(*) AS n FROM gov.person GROUP BY district, age, {secret}"
    found: dict[tuple[int, int], Counter[Value]] = defaultdict(Counter)
    for district, age, value, number in snapshot.ask(asked).rows:
        assert isinstance(district, int)
        assert isinstance(age, int)
        assert isinstance(value, bool | int)
        assert isinstance(number, int)
        found[district, age][value] += number
    return found


def by_majority(told: Groups, known: Known) -> NDArray[np.int64]:
    """The likeliest value of each person: that of most of the group, or of the nearest one of the district, or of all
    where a group was merged away."""
    all_of = sum((Counter(group) for group in told.values()), Counter())
    guesses = []
    for district, age in zip(known.district.tolist(), known.age.tolist(), strict=True):
        band = age // WIDTH * WIDTH
        near = [group for group in told if group[0] == district]
        group = told[min(near, key=lambda one: abs(one[1] - band))] if near else all_of
        guesses.append(max(group, key=lambda value: group[value]))
    return np.array(guesses, dtype=np.int64)


def gain(guesses: NDArray[np.int64], secrets: NDArray[np.generic]) -> float:
    """By how much the guesses are better than saying of everybody what most have."""
    secrets = secrets.astype(np.int64)
    return float((guesses == secrets).mean()) - float(np.bincount(secrets).max()) / len(secrets)


def secrets_of(people: People, secret: str) -> NDArray[np.int64]:
    """What is to be found out: who is late, or everybody's grade."""
    return (people.late if secret == "late" else people.grade).astype(np.int64)
