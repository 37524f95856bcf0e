"""Hundreds of lookups (at length a thousand) of a bank that wants to know why it is told nothing: by time, by size, by text.

The story: bank A holds a list of numbers. Of some it has an authorisation that was revoked, of others one that never
covered what it asks, and some belong to nobody. It asks for all of them, in an order that it does not choose, with
others in between that are told, and compares what comes back. What every one of them is made of is compared exactly;
the times with the two-sample test of Kolmogorov and Smirnov, at a level of one false alarm in a thousand million.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import defaultdict
from datetime import date, timedelta

import duckdb
import pytest
from tests.support.installation import Service, patiently
from tests.support.lengths import at_length

import louver
from louver.results import Answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CALLS = at_length(180, 1000)
LEVEL = 1e-9
TEMPLATE = "enterprise-report@1"
SCOPE = ["gov.tax_credit", "gov.tax_quarter", "gov.ss_ent_month", "gov.ent_registry"]
REFUSED = ("revoked", "out of scope", "absent")


def seen(answer: Answer) -> tuple[object, ...]:
    """All that is in an answer but for the request's own id, with the sizes of what names it."""
    assert answer.receipt is not None
    told = [(notice.code, notice.count, notice.rule, notice.message) for notice in answer.notices]
    return answer.rows, answer.stream, told, dict(answer.cost), answer.treatment, answer.privacy, answer.quality


def authorised(bank: louver.Client, subject: str, scope: list[str]) -> str:
    return bank.record_authorisation(
        subject,
        purpose="LOAN_ORIGINATION",
        scope=scope,
        granted_on=date.today() - timedelta(days=1),
        expires_on=date.today() + timedelta(days=300),
        evidence_sha256=hashlib.sha256(b"signed").hexdigest(),
        uses=0,
    )


def apart(one: list[float], other: list[float]) -> float:
    """How likely two samples of one distribution are to differ so (Kolmogorov and Smirnov, two-sided)."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(one, other, method="asymp").pvalue)


def test_no_test_of_time_size_or_text_tells_refused_lookups_apart(served: Service) -> None:
    with duckdb.connect() as engine:
        found = engine.execute(
            f"SELECT uscc FROM read_parquet('{served.city.world}/gov.ent_registry/*.parquet') ORDER BY 1 LIMIT 60"
        ).fetchall()
    firms = [str(firm) for (firm,) in found]
    drawn = random.Random(8)
    with served.connect("bank_a") as bank:
        asked: list[tuple[str, str, str]] = []
        for kind, subjects in zip(("told", *REFUSED[:2]), (firms[:20], firms[20:40], firms[40:]), strict=True):
            scope = SCOPE if kind != "out of scope" else SCOPE[:1]
            consents = [authorised(bank, subject, scope) for subject in subjects]
            if kind == "revoked":
                for consent in consents:
                    bank.revoke_authorisation(consent)
            asked += [(kind, *pair) for pair in zip(subjects, consents, strict=True)]
        for number in range(20):
            nobody = f"91370299MA3ZZ{number:03d}ZZ"
            asked.append(("absent", nobody, authorised(bank, nobody, SCOPE)))
        order = [asked[place % len(asked)] for place in range(CALLS)]
        drawn.shuffle(order)
        times, looks, sizes = defaultdict(list), defaultdict(set), defaultdict(set)
        for kind, subject, consent in order:
            begin = time.perf_counter()
            answer = patiently(
                lambda subject=subject, consent=consent: bank.lookup(  # type: ignore[misc]
                    TEMPLATE, subject, authorisation=consent, purpose="LOAN_ORIGINATION"
                )
            )
            times[kind].append(time.perf_counter() - begin)
            assert bool(answer.rows) is (kind == "told")
            if kind != "told":
                looks[kind].add(repr(seen(answer)))
                assert answer.receipt is not None
                sizes[kind].add(len(answer.receipt.entry))
    assert len(set().union(*looks.values())) == 1, "one text, whatever the reason"
    # What differs in length are the numbers of the log's entries: those of one kind are as long as those of another.
    assert all(max(sizes[kind]) - min(sizes["absent"]) <= 8 for kind in REFUSED)
    for kind in REFUSED[:2]:
        assert apart(times[kind], times["absent"]) > LEVEL, f"{kind} takes another time than absent"
