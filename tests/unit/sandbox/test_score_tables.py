"""Tables of models are made ahead, once, and every scorer that starts afterwards scores by them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.sealed import small_key

from louver.scoring import layout
from louver.scoring.results import Scores, opened
from louver.sealing.keys import PublicKey
from louver_sandbox import scorer
from louver_sandbox.delegates import AddUpInProcess
from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.pipeline import Failed
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import CheckerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.scoring.ahead import Ahead
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.sealing import tables
from louver_sandbox.sealing.packing import Points, shifted
from louver_sandbox.sealing.sealer import Sealer

KEY, OTHER = small_key(), small_key(2)
FEATURES = scorecards.feature_set((4, 2, 5, 3, 4, 2, 6, 3))
MADE = scorecards.opening(KEY, FEATURES, scorecards.card(FEATURES, decimals=1))
SIZES = [len(of) for of in MADE.points]
SLOTS = layout.slots(KEY.public)
SEALED = scorecards.ciphertexts(MADE, KEY)
DIGEST = MADE.model.digest


def model(digest: str) -> RegisteredModel:
    told = (digest, "bank_a", "m", "1", "credit", "f", KEY.kid, 1, "r", MADE.model.content, "a", "2026-Q3", "", 1)
    return RegisteredModel(*told)


def ahead(folder: Path, live: list[str], shift: Callable[[PublicKey, Sequence[mpz]], list[mpz]] = shifted) -> Ahead:
    return Ahead(folder, lambda: live, model, lambda kid: KEY.public, shift, lambda: None)


def kept(folder: Path) -> list[mpz] | None:
    """What a scorer finds that starts now."""
    with tables.Kept(folder) as found:
        return found.of(DIGEST, KEY.public, SEALED)


def in_parts(of: Ahead) -> int:
    """Makes all that is missing; in how many parts."""
    parts = 0
    while of.make_next():
        parts += 1
    return parts


def test_a_table_is_what_a_scorer_would_make_itself(tmp_path: Path) -> None:
    live = [DIGEST]
    of = ahead(tmp_path, live)
    assert in_parts(of) == SLOTS - 1
    found = kept(tmp_path)
    itself = scorecards.points(MADE, KEY)
    itself.prepare()
    assert Points(KEY.public, SEALED, SIZES, found)._table == itself._table
    assert in_parts(of) == 0, "it is made once"
    assert in_parts(ahead(tmp_path, live)) == 0, "and outlives the service"
    # A key that is present no more takes its models' tables with it.
    live.clear()
    assert in_parts(of) == 0
    assert list(tmp_path.iterdir()) == []


def test_half_a_table_is_none(tmp_path: Path) -> None:
    of = ahead(tmp_path, [DIGEST])
    of.make_next()
    assert list(tmp_path.iterdir()) == []

    def fails(key: PublicKey, ciphertexts: Sequence[mpz]) -> list[mpz]:
        raise Failed("died")

    broken = ahead(tmp_path, [DIGEST], fails)
    for _ in range(2):
        with pytest.raises(Failed):
            broken.make_next()
    assert list(tmp_path.iterdir()) == []


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        damaged,
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(b""),
        lambda path: tables.keep(path.parent, DIGEST, KEY.public, SEALED),
        lambda path: tables.keep(path.parent, DIGEST, OTHER.public, SEALED * SLOTS),
        lambda path: tables.keep(path.parent, DIGEST, KEY.public, [*SEALED[1:], SEALED[0]] * SLOTS),
        lambda path: path.unlink(),
    ],
    ids=["a bit", "cut off", "empty", "one slot", "another key", "another model", "gone"],
)
def test_what_is_no_table_of_this_model_is_left_alone(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    tables.keep(tmp_path, DIGEST, KEY.public, SEALED * SLOTS)
    assert kept(tmp_path) is not None
    spoil(tables.path_of(tmp_path, DIGEST))
    assert kept(tmp_path) is None


@pytest.fixture
def scorers(tmp_path: Path) -> Iterator[CheckerPool]:
    """As a service has them, confined."""
    zygote = Zygote(
        scorer.ENTRY,
        preload=scorer.PRELOAD,
        prepare=scorer.PREPARE,
        environment={**WORKER_ENVIRONMENT, scorer.LOCATION: str(tmp_path)},
        limits=Limits(open_files=64 + tables.MOST_OPEN),
        readable=(tmp_path,),
    )
    with zygote, CheckerPool(zygote, size=1, reply_cap=scorer.REPLY_CAP) as pool:
        yield pool


def test_a_confined_scorer_makes_the_table_and_the_next_one_scores_by_it(
    scorers: CheckerPool, tmp_path: Path
) -> None:
    with Sealer(lambda kid: KEY.public, most=1, stock=0) as sealer:
        add_up = AddUpInProcess(scorers, 1, sealer, 60)
        of = Ahead(tmp_path, lambda: [DIGEST], model, lambda kid: KEY.public, add_up.shifted, add_up.renew)
        assert in_parts(of) == SLOTS - 1
        # So that it shows by which a scorer scores: in this table the last slot's points are those of another subject.
        entries = kept(tmp_path)
        assert entries is not None
        last = len(entries) - len(SEALED) + 1
        entries[last], entries[last + 1] = entries[last + 1], entries[last]
        tables.keep(tmp_path, DIGEST, KEY.public, entries)
        add_up.renew()
        drawn = random.Random(4)
        firms = [tuple(drawn.randrange(most) for most in SIZES) for _ in range(SLOTS - 1)]
        packs = [(*firms, (0, *firms[0][1:]))]
        (content,) = add_up(model(DIGEST), KEY.public, SEALED, SIZES, packs)
    scores = Scores("m", KEY.kid, tuple((0, slot) for slot in range(SLOTS)), (content,))
    found = list(opened(scores, KEY, "small-firms", "1", 1))
    swapped = (1, *firms[0][1:])
    expected = [Decimal(scorecards.plain_score(MADE, one)) / 10 for one in (*firms, swapped)]
    assert found == expected
    assert expected[-1] != Decimal(scorecards.plain_score(MADE, packs[0][-1])) / 10
