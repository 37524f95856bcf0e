"""Secret scorecards: a subject's score, added up, randomised anew and packed, beside python-paillier on gmpy2.

Twenty features of eight bins on one core. The rival multiplies twenty encrypted weights with 16-bit features of a
subject, adds them up and randomises the sum, as its users do. Processor time, both sides in every round.

Keys: `scorecard_x` their time over ours with randomisers in stock, `scorecard_inline_x` with r^n made on the spot,
both for a model whose table is made. `first_x` and `first_inline_x` are the same before it is: a scorer makes a
model's table once it has scored `table_from` subjects by it, each scorer for itself; `table_s` and `table_mib` are
what one takes, and `table_message_s` the longest that one message waits for it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import phe
from gmpy2 import mpz

from bench.report import arguments, report
from louver.scoring import layout
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, generate_key
from louver.sealing.randomisers import randomisers
from louver_sandbox.sealing.packing import SQUARINGS, Bins, Points

FEATURES, BINS = 20, 8
RIVAL_SUBJECTS = 4
SUBJECTS, ROUNDS = 280, 5
SUBJECTS_FULL, ROUNDS_FULL = 1120, 9


@dataclass(frozen=True)
class Round:
    """Microseconds of processor time for each subject: theirs, ours by a table, and ours before there is one."""

    rival: float
    pooled: float
    inline: float
    first: float
    first_inline: float


@dataclass(frozen=True)
class Table:
    """From how many subjects on it is made, its seconds, its mebibytes, and the longest of its parts in seconds."""

    worth: int
    seconds: float
    mib: float
    longest: float


def spent(work: Callable[[], object], subjects: int) -> float:
    """Microseconds of processor time a subject."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) / subjects * 1e6


def rival(weights: Sequence[phe.EncryptedNumber], drawn: random.Random) -> phe.EncryptedNumber:
    """One subject's score as python-paillier makes it."""
    total = weights[0] * drawn.randrange(1, 2**16)
    for weight in weights[1:]:
        total = total + weight * drawn.randrange(1, 2**16)
    total.obfuscate()
    return total


def measured(key: PrivateKey, subjects: int, rounds: int) -> tuple[list[Round], Table]:
    """Every round with all competitors. Raises RuntimeError when the scores are not the plain ones."""
    drawn = random.Random(1)
    public = phe.PaillierPublicKey(int(key.public.n))
    weights = [public.encrypt(drawn.randrange(2**16)) for _ in range(FEATURES)]
    table = [[drawn.randrange(2**14) for _ in range(BINS)] for _ in range(FEATURES)]
    numbers = [layout.OFFSET, *(each for of in table for each in of)]
    ciphertexts = encrypt(numbers, key.public, randomisers(key.public, len(numbers)))
    first, points = (Points(key.public, ciphertexts, [BINS] * FEATURES) for _ in range(2))
    made = prepared(points)
    slots = layout.slots(key.public)
    firms: list[tuple[int, ...]] = [tuple(drawn.randrange(BINS) for _ in range(FEATURES)) for _ in range(subjects)]
    packs: list[Sequence[Bins]] = [firms[start : start + slots] for start in range(0, subjects, slots)]

    def scored(by: Points, powers: Sequence[mpz]) -> list[mpz]:
        return [by.leaving(pack, power, random.randrange) for pack, power in zip(packs, powers, strict=True)]

    def taken(by: Points) -> tuple[float, float]:
        """With randomisers in stock, and with none."""
        stock = randomisers(key.public, len(packs))
        pooled = spent(lambda: scored(by, stock), subjects)
        return pooled, spent(lambda: scored(by, randomisers(key.public, len(packs))), subjects)

    found = []
    for _ in range(rounds):
        theirs = spent(lambda: [rival(weights, drawn) for _ in range(RIVAL_SUBJECTS)], RIVAL_SUBJECTS)
        found.append(Round(theirs, *taken(points), *taken(first)))
    for by in (points, first):
        _check(key, scored(by, randomisers(key.public, len(packs))), firms, table, slots)
    return found, made


def prepared(points: Points) -> Table:
    """Makes the table as a scorer does, a part with each message."""
    parts = []
    while not points.prepared:
        begin = time.process_time()
        points.prepare(SQUARINGS)
        parts.append(time.process_time() - begin)
    entries = FEATURES * BINS * layout.slots(points.key)
    return Table(points.worth_a_table, sum(parts), entries * points.key.width / 2**20, max(parts))


def _check(
    key: PrivateKey, made: Sequence[mpz], firms: Sequence[tuple[int, ...]], table: Sequence[Sequence[int]], slots: int
) -> None:
    plain = Owner(key).decrypt(made)
    window = 1 << layout.SCORE_BITS
    for place, bins in enumerate(firms):
        slot = plain[place // slots] >> place % slots * layout.SLOT_BITS
        if slot % window - layout.OFFSET != sum(of[number] for of, number in zip(table, bins, strict=True)):
            raise RuntimeError("a score is not the plain one")


def ratio(rounds: Sequence[Round], name: str) -> float:
    """Their time over ours, the median of the rounds."""
    return float(statistics.median(one.rival / getattr(one, name) for one in rounds))


WAYS = {
    "pooled": "by table, randomisers in stock",
    "inline": "by table, r^n made inline",
    "first": "before there is a table, randomisers in stock",
    "first_inline": "before there is a table, r^n made inline",
}


def main() -> None:
    """Make a model, time both sides, report."""
    told = arguments(__doc__ or "", bits="size of the key, 2048 if not given")
    subjects, turns = (SUBJECTS_FULL, ROUNDS_FULL) if told.full else (SUBJECTS, ROUNDS)
    rounds, table = measured(generate_key(told.bits or 2048), subjects, turns)
    theirs = statistics.median(one.rival for one in rounds)
    rows = [
        {"a subject's score": what, "us": statistics.median(getattr(one, name) for one in rounds), "phe, us": theirs,
         "x": ratio(rounds, name)}
        for name, what in WAYS.items()
    ]  # fmt: skip
    figures = {
        "scorecard_x": round(ratio(rounds, "pooled"), 1),
        "scorecard_inline_x": round(ratio(rounds, "inline"), 1),
        "first_x": round(ratio(rounds, "first"), 1),
        "first_inline_x": round(ratio(rounds, "first_inline"), 1),
        "table_from": table.worth,
        "table_s": round(table.seconds, 2),
        "table_mib": round(table.mib, 1),
        "table_message_s": round(table.longest, 2),
    }
    report("secret scorecards beside python-paillier 1.5 on gmpy2", rows, figures)


if __name__ == "__main__":
    main()
