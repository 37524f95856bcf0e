"""Secret scorecards: subjects a second, added up, randomised anew and packed, against python-paillier.

    make bench NAME=score ARGS="--bits 2048 --subjects 560 --rounds 5"

Twenty binned features on one core. The rival multiplies twenty encrypted weights with 16-bit features of a subject,
adds them up and randomises the sum (`phe` with gmpy2), as its users do. Processor time, medians, and the median of
the ratios of each round, both sides being in every round (BENCH.md `seal`; CRYPTO 2.3 and 6).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import phe
from gmpy2 import mpz

from louver.scoring import layout
from louver.sealing.ciphertexts import Owner, encrypt
from louver.sealing.keys import PrivateKey, generate_key
from louver.sealing.randomisers import randomisers
from louver_sandbox.sealing.packing import Bins, Points

FEATURES, BINS = 20, 8
RIVAL_SUBJECTS = 6
BARS = {"pooled": 50.0, "inline": 20.0}


@dataclass(frozen=True)
class Round:
    """Microseconds of processor time for each subject."""

    rival: float
    pooled: float
    inline: float


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


def measured(key: PrivateKey, subjects: int, rounds: int) -> list[Round]:
    """Every round with all competitors. Raises RuntimeError when the scores are not the plain ones."""
    drawn = random.Random(1)
    public = phe.PaillierPublicKey(int(key.public.n))
    weights = [public.encrypt(drawn.randrange(2**16)) for _ in range(FEATURES)]
    table = [[drawn.randrange(2**14) for _ in range(BINS)] for _ in range(FEATURES)]
    numbers = [layout.OFFSET, *(each for of in table for each in of)]
    points = Points(
        key.public, encrypt(numbers, key.public, randomisers(key.public, len(numbers))), [BINS] * FEATURES
    )
    points.prepare()
    slots = layout.slots(key.public)
    firms: list[tuple[int, ...]] = [tuple(drawn.randrange(BINS) for _ in range(FEATURES)) for _ in range(subjects)]
    packs: list[Sequence[Bins]] = [firms[start : start + slots] for start in range(0, subjects, slots)]

    def scored(powers: Sequence[mpz]) -> list[mpz]:
        return [points.leaving(pack, power, random.randrange) for pack, power in zip(packs, powers, strict=True)]

    found = []
    for _ in range(rounds):
        pool = randomisers(key.public, len(packs))
        found.append(
            Round(
                spent(lambda: [rival(weights, drawn) for _ in range(RIVAL_SUBJECTS)], RIVAL_SUBJECTS),
                spent(lambda pool=pool: scored(pool), subjects),  # type: ignore[misc]
                spent(lambda: scored(randomisers(key.public, len(packs))), subjects),
            )
        )
    _check(key, scored(randomisers(key.public, len(packs))), firms, table, slots)
    return found


def _check(
    key: PrivateKey, made: Sequence[mpz], firms: Sequence[tuple[int, ...]], table: Sequence[Sequence[int]], slots: int
) -> None:
    plain = Owner(key).decrypt(made)
    window = 1 << layout.SCORE_BITS
    for place, bins in enumerate(firms):
        slot = plain[place // slots] >> place % slots * layout.SLOT_BITS
        if slot % window - layout.OFFSET != sum(of[number] for of, number in zip(table, bins, strict=True)):
            raise RuntimeError("a score is not the plain one")


def main() -> int:
    """Prints the figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=int, default=2048)
    parser.add_argument("--subjects", type=int, default=560)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    rounds = measured(generate_key(wanted.bits), wanted.subjects, wanted.rounds)
    print(
        f"{FEATURES} features of {BINS} bins, {wanted.bits} bits, {wanted.subjects} subjects, {wanted.rounds} rounds"
    )
    print(f"phe with gmpy2          {statistics.median(one.rival for one in rounds):10.1f} us a subject")
    missed = False
    for name, bar in BARS.items():
        took = statistics.median(getattr(one, name) for one in rounds)
        ratio = statistics.median(one.rival / getattr(one, name) for one in rounds)
        missed |= ratio < bar
        print(f"Louver, r^n {name:8}    {took:10.1f} us a subject, {ratio:6.1f} times as fast (bar {bar:.0f})")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
