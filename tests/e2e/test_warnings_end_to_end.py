"""Warnings through the real client and service: flags of authorised borrowers, and nothing of anybody else.

The whole of B09 of the design, with its variants: flags are right against the world, no amount leaves, and an
authorisation of another purpose, bank, subject, day or scope tells what no authorisation tells.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pytest
from tests.support.installation import Service, eventually
from tests.support.matched_city import louver_command

import louver
from louver import Refused
from louver.warnings import Borrower, Notices, opened
from louver_sandbox.demo.city import City

TEMPLATE, PURPOSE = "post-loan-warning@1", "POST_LOAN"
SCOPE = ["gov.tax_quarter", "gov.ss_ent_month", "gov.court_dishonest", "gov.utl_month"]
TODAY = date.today()
SETTLED = TODAY + timedelta(days=200)
FLAGS = ("tax_arrears", "headcount_drop", "dishonest", "power_drop")
TRUTH = """
SELECT r.uscc,
       coalesce((SELECT max(arrears_amt) > 0 FROM (SELECT arrears_amt FROM tax_quarter t WHERE t.uscc = r.uscc
                 ORDER BY quarter DESC LIMIT 2)), false),
       coalesce((SELECT 10 * arg_max(headcount, pay_month) < 7 * arg_min(headcount, pay_month) FROM ss_ent_month s
                 WHERE s.uscc = r.uscc AND headcount IS NOT NULL), false),
       EXISTS (SELECT 1 FROM court_dishonest d WHERE d.subject_id = r.uscc AND removed_on IS NULL)
FROM ent_registry r WHERE subject_class = 'E' ORDER BY 1
"""


@pytest.fixture(scope="module")
def truth(city: City) -> dict[str, tuple[str, ...]]:
    """Of every firm the first three flags, counted from the world by other SQL."""
    with duckdb.connect() as engine:
        for table in ("ent_registry", "tax_quarter", "ss_ent_month", "court_dishonest"):
            engine.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{city.world}/gov.{table}/*.parquet')")
        rows = engine.execute(TRUTH).fetchall()
    return {
        str(firm): tuple(flag for flag, up in zip(FLAGS[:3], told, strict=True) if up) for firm, *told in rows
    }


def consent(bank: louver.Client, firm: str, **more: object) -> str:
    given: dict[str, object] = {
        "purpose": PURPOSE,
        "scope": SCOPE,
        "granted_on": TODAY - timedelta(days=1),
        "expires_on": SETTLED,
        "evidence_sha256": hashlib.sha256(b"signed by hand").hexdigest(),
    }
    return bank.record_authorisation(firm, **{**given, **more})  # type: ignore[arg-type]


def everything(bank: louver.Client) -> dict[str, tuple[str, ...]]:
    """What has been told of each subscription so far."""
    return {notice.subscription: notice.raised for notice in bank.warnings.poll()}


def test_flags(served: Service, truth: dict[str, tuple[str, ...]]) -> None:
    flagged = [firm for firm, flags in truth.items() if flags]
    clear = [firm for firm, flags in truth.items() if not flags]
    print(len(flagged), len(clear))
    with served.connect("bank_a", PURPOSE) as bank:
        print(bank.warnings.templates())
        wanted = [Borrower(firm, consent(bank, firm), SETTLED) for firm in flagged[:20] + clear[:20]]
        made = list(bank.warnings.subscribe_all(TEMPLATE, wanted))
        assert eventually(lambda: len(everything(bank)) >= 20, 30)
        told = everything(bank)
        for one in made:
            print(truth[one.subject], told.get(one.id))
        print(bank.warnings.poll().document[:600])
