"""Averaging: the same people, asked for in ten thousand ways, so that noise would cancel (the way of sticky noise by
text: one rewriting, one draw)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from tests.support.attackers.releasers import Answer

CONJUNCTS = ("late", "house < 200", "age >= 30")
"""Who is asked for."""

_SPELLINGS = {
    "late": ("late", "late IS TRUE", "late = TRUE", "NOT (NOT late)", "CASE WHEN late THEN TRUE ELSE FALSE END"),
    "house < 200": ("house < 200", "house <= 199", "NOT (house >= 200)", "200 > house", "house BETWEEN 0 AND 199"),
    "age >= 30": ("age >= 30", "age > 29", "NOT (age < 30)", "2 * age >= 60", "age BETWEEN 30 AND 200"),
}

_QUESTIONS = (
    "SELECT count(*) AS a{n} FROM gov.person AS p{n} WHERE {condition}",
    "SELECT count(p{n}.person_id) FROM gov.person p{n} WHERE {condition}",
    "SELECT count(DISTINCT person_id) AS a{n} FROM gov.person WHERE {condition}",
    "SELECT count(*) FILTER (WHERE {condition}) FROM gov.person",
    "SELECT sum(CASE WHEN {condition} THEN 1 ELSE 0 END) AS a{n} FROM gov.person",
    "WITH w{n} AS (SELECT * FROM gov.person WHERE {condition}) SELECT count(*) FROM w{n}",
    "SELECT count(*) FROM (SELECT late, house, age FROM gov.person) AS d{n} WHERE {condition}",
)


def rewritings(number: int, seed: int = 0) -> list[str]:
    """So many conditions, no two alike, that the same people satisfy."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        parts = [chance.choice(_SPELLINGS[one]) for one in CONJUNCTS]
        parts += [
            chance.choice(("house >= -{n}", "age <> {n}", "{n} > age")).format(n=chance.randrange(200, 100_000))
        ]
        chance.shuffle(parts)
        found[" AND ".join(parts)] = None
    return list(found)


def questions(number: int, seed: int = 0) -> list[str]:
    """So many questions for the number of these people, with aliases and measures of every kind."""
    return [
        _QUESTIONS[n % len(_QUESTIONS)].format(n=n, condition=condition)
        for n, condition in enumerate(rewritings(number, seed))
    ]


def average(answers: Sequence[Answer]) -> float:
    """What somebody takes for the exact number."""
    return float(np.mean([answer for answer in answers if answer is not None]))
