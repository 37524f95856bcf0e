"""B08 of the demo: a bank's scorecard that nobody but the bank reads, over firms that have authorised it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import louver
from louver.scoring.audit import certify
from louver.scoring.cards import FeatureSet, Scorecard
from louver.scoring.results import ScoreAnswer
from louver_sandbox.demo.city import City

AUDITOR = "model-auditor"
MODEL = "small-firms"
PURPOSE = "LOAN_ORIGINATION"
SCOPE = ("gov.court_dishonest", "gov.pen_penalty", "gov.ss_ent_month", "gov.tax_credit", "gov.tax_quarter")
EVIDENCE = "5c" * 32
"""Stands for the digest of a signed document: nobody in this city signs any."""
BASE = 600

POINTS: Mapping[str, Sequence[int]] = {
    "tax_score": [0, 36, 50, 58, 67, 76, 85],
    "tax_grade": [0, 40, 30, 20, 10, -40, 0],
    "arrears": [0, 0, -45, -60],
    "zero_quarters": [0, 10, 0, -20],
    "revenue": [-10, 0, 8, 16, 24, 32],
    "invoices": [-5, 0, 6, 12, 18],
    "headcount": [0, 5, 11, 19, 26, 38],
    "insurance_arrears": [0, 0, -20, -40],
    "penalties": [0, 0, -25, -50, -75],
    "dishonest": [0, 0, -55],
}
"""For each feature of the city's set and each of its bins."""


def card(features: FeatureSet, version: str = "1") -> Scorecard:
    """The scorecard. Tax grades are on a scale to the eye, but M is for new firms; auditors are told so."""
    points = {one.name: dict(zip(one.bins, POINTS[one.name], strict=True)) for one in features.features}
    why = {"tax_grade": "grades are no scale: M is for new firms"}
    return Scorecard(MODEL, version, features.name, 0, BASE, points, why)


def registered(bank: louver.Client, city: City) -> str:
    """Encrypts the card, has the city's auditor sign for it, and registers it: the model's name."""
    (features,) = bank.feature_sets()
    opening = bank.prepare_model(card(features))
    key = load_pem_private_key((city.settings.secrets / "auditors" / f"{AUDITOR}.key").read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("an auditor signs with Ed25519")
    return bank.register_model(opening.model, certify(opening, AUDITOR, key)).name


def scored(bank: louver.Client, model: str, firms: Sequence[str], until: date) -> tuple[ScoreAnswer, str]:
    """Scores firms that all have authorised it, but for the last; and the authorisation of the first."""
    held = [
        bank.record_authorisation(
            firm,
            purpose=PURPOSE,
            scope=SCOPE,
            granted_on=date(2026, 1, 1),
            expires_on=until,
            evidence_sha256=EVIDENCE,
        )
        for firm in firms[:-1]
    ]
    applicants = [*zip(firms[:-1], held, strict=True), (firms[-1], "none")]
    return bank.score(applicants, model=model, purpose=PURPOSE), held[0]
