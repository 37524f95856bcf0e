"""A logistic scorecard of the Polish bankruptcy data, its points encrypted: every score the plain one, the AUC the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.real.conftest import DATA, FILES
from tests.support import scorecards
from tests.support.sealed import small_key

from louver.scoring import audit, layout
from louver.scoring.cards import FeatureSet, Scorecard
from louver.scoring.models import prepare
from louver.sealing.ciphertexts import Owner
from louver.sealing.randomisers import randomisers

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


def auc(scores: Integers, bankrupt: Integers) -> float:
    """How often a firm that fails has the lower score; ties count half."""
    ranks = np.searchsorted(np.sort(scores), scores, "left") + np.searchsorted(np.sort(scores), scores, "right") + 1
    bad = int(bankrupt.sum())
    above = ranks[bankrupt == 1].sum() / 2 - bad * (bad + 1) / 2
    return 1 - float(above) / (bad * (len(bankrupt) - bad))


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
    key = small_key()  # the arithmetic is that of a large one, and takes a twentieth of the time
    made = prepare(card, features, "bank_a", key)
    assert audit.findings(made) == ()
    held, slots = scorecards.points(made, key), layout.slots(key.public)
    held.prepare()
    firms = [tuple(map(int, row)) for row in bins]
    packs = [firms[start : start + slots] for start in range(0, len(firms), slots)]
    powers = randomisers(key.public, len(packs))
    left = [held.leaving(pack, power, random.randrange) for pack, power in zip(packs, powers, strict=True)]
    factor = layout.alpha(key, "bankruptcy", "1")
    opened = [
        layout.score(plain, slot, factor)
        for plain, pack in zip(Owner(key).decrypt(left), packs, strict=True)
        for slot in range(len(pack))
    ]
    expected = 6000 + points[np.arange(FEATURES), bins].sum(axis=1)
    assert len(opened) == 5910
    assert opened == expected.tolist()
    assert auc(np.array(opened), bankrupt) == auc(expected, bankrupt)
    assert auc(expected, bankrupt) > 0.85
