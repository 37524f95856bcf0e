"""A logistic scorecard of the Polish bankruptcy data, its points encrypted: every score the plain one, the AUC the same.

At the size of key that banks have, as a scorer and the client do it: the model is audited, 5,910 firms are binned, added
up under encryption in a scorer's messages, with its table from where that is worth it, opened and checked. The plain
scores are the card's own, of the bins' names, in decimals.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.real.conftest import DATA, FILES
from tests.support import scorecards
from tests.support.sealed import whole_key

from louver.scoring import audit, layout
from louver.scoring.cards import FeatureSet, Scorecard
from louver.scoring.models import Opening, prepare
from louver.scoring.results import Scores, opened
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey
from louver_sandbox import scorer
from louver_sandbox.sealing.packing import Scorer

FEATURES, BINS = 20, 5
FILE = DATA / FILES["company_accounts"]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def data(file: Path) -> tuple[Floats, Integers]:
    """Ratios and outcomes of the 5,910 firms of the last year before."""
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    rows = np.asarray(table["horizon_file_year"].to_pylist()) == 5
    names = [name for name in table.schema.names if name.startswith("a")]
    values = np.array(
        [[np.nan if v is None else v for v in table[name].to_pylist()] for name in names], dtype=float
    ).T
    return values[rows], np.asarray(table["bankrupt"].to_pylist(), dtype=np.int64)[rows]


def binned(values: Floats) -> Integers:
    """Missing, and quantiles: bins of heavy tails."""
    edges = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    found = sum((values >= edge).astype(np.int64) for edge in edges) + 1
    return np.where(np.isnan(values), 0, found)


def separation(bins: Integers, bankrupt: Integers) -> Floats:
    """The information value of each column."""
    value = np.zeros(bins.shape[1])
    for place in range(BINS):
        bad = ((bins == place) & (bankrupt[:, None] == 1)).sum(0) + 0.5
        good = ((bins == place) & (bankrupt[:, None] == 0)).sum(0) + 0.5
        shares = bad / bankrupt.sum(), good / (1 - bankrupt).sum()
        value += (shares[0] - shares[1]) * np.log(shares[0] / shares[1])
    return value


def trained(bins: Integers, bankrupt: Integers) -> Floats:
    """Logistic regression on the bins by Newton's method with a small ridge; the last weight is the intercept."""
    columns = np.concatenate([(bins == place).astype(float) for place in range(BINS)], axis=1)
    design = np.concatenate([columns, np.ones((len(bins), 1))], axis=1)
    weights = np.zeros(design.shape[1])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (bankrupt - chance) - 0.5 * weights
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + 0.5 * np.eye(design.shape[1])
        weights += np.linalg.solve(curve, slope)
    return weights


def auc(scores: Sequence[Decimal], bankrupt: Integers) -> Fraction:
    """How often, of all pairs of a firm that fails and one that does not, the first has the lower score; ties count
    half. By definition, pair by pair, and exact."""
    units = np.array([int(score * 10) for score in scores])
    bad, good = units[bankrupt == 1], units[bankrupt == 0]
    lower, same = (int(sign(bad[:, None], good[None, :]).sum()) for sign in (np.less, np.equal))
    return Fraction(2 * lower + same, 2 * len(bad) * len(good))


def test_every_firm_scores_as_in_clear() -> None:
    if not FILE.exists():
        pytest.skip(f"the real data are not here ({FILE.name}); set LOUVER_REAL_DATA to where they are")
    values, bankrupt = data(FILE)
    bins = binned(values)
    chosen = np.argsort(-separation(bins, bankrupt))[:FEATURES]
    bins = bins[:, chosen]
    weights = trained(bins, bankrupt)
    # Points as scorecards have them: 20 of them double the odds, to a tenth.
    points = np.round(-weights[:-1].reshape(BINS, FEATURES).T * 200 / np.log(2)).astype(np.int64)
    names = ["missing", "lowest", "low", "high", "highest"]
    told = [{"name": f"a{number}", "bins": names, "ordered": True} for number in range(FEATURES)]
    features = FeatureSet("polish", json.dumps({"title": "t", "features": told}, sort_keys=True))
    card = Scorecard(
        "bankruptcy",
        "1",
        "polish",
        1,
        6000,
        {f"a{place}": dict(zip(names, map(int, of), strict=True)) for place, of in enumerate(points)},
        {f"a{place}": "as trained" for place in range(FEATURES)},
    )
    key = whole_key()
    made = prepare(card, features, "bank_a", key)
    assert audit.findings(made) == ()
    firms = [tuple(map(int, row)) for row in bins]
    slots = layout.slots(key.public)
    packs = [tuple(firms[start : start + slots]) for start in range(0, len(firms), slots)]
    opened_scores = by_scorers(made, key, packs, len(firms))
    plain = [card.score({f"a{place}": names[number] for place, number in enumerate(firm)}) for firm in firms]
    assert len(plain) == 5910
    assert opened_scores == plain
    assert auc(opened_scores, bankrupt) == auc(plain, bankrupt)
    assert auc(plain, bankrupt) > Fraction(85, 100)
    assert len(set(plain)) > 500, "they differ"


def by_scorers(
    made: Opening, key: PrivateKey, packs: Sequence[tuple[tuple[int, ...], ...]], count: int
) -> list[Decimal]:
    """What a scorer's replies open to, message after message, of one scorer."""
    held, contents = Scorer(random.Random(7).randrange), []
    ciphertexts, sizes = tuple(scorecards.ciphertexts(made, key)), tuple(len(of) for of in made.points)
    for start in range(0, len(packs), scorer.PACKS):
        part = packs[start : start + scorer.PACKS]
        # The owner makes the same r^n as anybody, in a fraction of the time.
        powers = tuple(Owner(key).randomisers(len(part)))
        job = scorer.Job(made.model.digest, int(key.public.n), sizes, ciphertexts, tuple(part), powers)
        reply = scorer.answer(held, scorer.job_to_bytes(job))
        width = key.public.width
        contents += [reply[at : at + width] for at in range(0, len(reply), width)]
    points, _ = held._known[made.model.digest]
    assert points.prepared, "both ways of shifting were taken"
    slots = layout.slots(key.public)
    places = tuple(divmod(number, slots) for number in range(count))
    scores = Scores(made.model.digest, key.kid, places, tuple(contents))
    found = opened(Scores.from_bytes(scores.to_bytes(), key.public.width), key, "bankruptcy", "1", 1)
    return [score for score in found if score is not None]
