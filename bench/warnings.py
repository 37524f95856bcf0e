"""Warnings after the loan: how long a new version of the data takes until every subscription is evaluated on it.

The real platform in this process, with real checkers, workers, snapshots, log and state store. The borrowers are
firms and other entries of the register, each with an authorisation and a subscription of its own, put into the books
as rows, since recording them one by one is not what is measured. `first_s` is the first evaluation, in which every
flag that is up makes a notice; `seconds` one on a new version of the data, with every authorisation read again and
nothing else known of the last; `service_cpu_s` is what of it this process has computed, workers aside, and
`lookup_p50_ms` what another institution's lookup takes meanwhile.

The goal (issue 8) is 100,000 borrowers within 60 s for each version of the data, over a world of a million persons,
which `--full` makes (some minutes); `--persons N` makes another, and has at most as many borrowers as it has firms.
"""

import tempfile
import threading
import time
import uuid
from datetime import date, timedelta
from pathlib import Path

import duckdb
from sqlalchemy import insert, select, update

from bench.report import arguments, quantile, report
from bench.support.city import city
from louver_sandbox.consents import authorisations
from louver_sandbox.pipeline import Call
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Request
from louver_sandbox.warnings.tables import notices, subscriptions
from louver_sandbox.wiring import Platform

PERSONS, PERSONS_FULL, BORROWERS = 10_000, 1_000_000, 100_000
TEMPLATE, PURPOSE = "post-loan-warning@1", "POST_LOAN"
SCOPE = '["gov.tax_quarter","gov.ss_ent_month","gov.court_dishonest","gov.utl_month"]'


def _incident(error: Exception) -> str:
    raise error


def subscribed(platform: Platform, data: Path, most: int) -> list[str]:
    """Puts an authorisation and a subscription of each borrower into the books; their numbers."""
    files = f"'{data}/gov.ent_registry/*.parquet'"
    with duckdb.connect() as engine:
        query = f"SELECT uscc FROM read_parquet({files}) ORDER BY subject_class <> 'E', hash(uscc) LIMIT {most}"
        firms = [str(firm) for (firm,) in engine.execute(query).fetchall()]
    today, until = date.today().isoformat(), (date.today() + timedelta(days=300)).isoformat()
    with platform.state.transaction() as tx:
        held = [
            {
                "id": str(uuid.uuid4()), "grantee": "bank_a", "unit": "enterprise", "subject": firm, "purpose":
                PURPOSE, "scope": SCOPE, "granted_on": today, "expires_on": until, "evidence_sha256": "ab" * 32,
                "single_consent": 0, "adverse_notice": 0, "uses": 1, "entry": 0,
            }
            for firm in firms
        ]  # fmt: skip
        tx.execute(insert(authorisations), held)
        rows = [
            {
                "id": str(uuid.uuid4()), "institution": "bank_a", "template": TEMPLATE, "purpose": PURPOSE,
                "unit": "enterprise", "subject": one["subject"], "authorisation": one["id"], "until": until,
                "request_digest": "", "created": "2026-01-01T00:00:00+00:00", "flags": "[]", "entry": place,
            }
            for place, one in enumerate(held)
        ]  # fmt: skip
        tx.execute(insert(subscriptions), rows)
    return firms


class Beside(threading.Thread):
    """Lookups of another institution while warnings are evaluated."""

    def __init__(self, platform: Platform, firm: str) -> None:
        super().__init__(daemon=True)
        self._platform, self._firm = platform, firm
        self.ended, self.took = threading.Event(), list[float]()

    def run(self) -> None:
        """Asks until it is told to end."""
        who = self._platform.registry.institution("bank_b")
        while who is not None and not self.ended.is_set():
            begin = time.monotonic()
            given = {"subject": self._firm, "authorisation": ""}
            asked = Request(str(uuid.uuid4()), who, "LOAN_ORIGINATION", "registration@1", given, "template")
            self._platform.pipeline.answer(asked, Call(60.0, threading.Event(), lambda stage: None))
            self.took.append(time.monotonic() - begin)


def measured(settings: Settings, borrowers: int) -> dict[str, float | int]:
    """The figures of one installation."""
    with Platform(settings, utc_now, _incident) as platform:
        platform.warm()
        firms = subscribed(platform, settings.data, borrowers)
        begin = time.monotonic()
        raised = platform.evaluation.round()
        first = time.monotonic() - begin
        with platform.state.transaction() as tx:  # what a new version of the data leaves to be done
            tx.execute(update(subscriptions).values(evaluated="an earlier version"))
        beside = Beside(platform, firms[0])
        beside.start()
        begin, own = time.monotonic(), time.process_time()
        changed = platform.evaluation.round()
        again, computed = time.monotonic() - begin, time.process_time() - own
        beside.ended.set()
        beside.join()
        with platform.state.reading() as tx:
            told = len(tx.execute(select(notices.c.seq)).all())
    if changed or told != raised:
        raise RuntimeError("flags of the same data have changed")
    return {
        "borrowers": len(firms),
        "raised": raised,
        "first_s": round(first, 1),
        "seconds": round(again, 1),
        "service_cpu_s": round(computed, 1),
        "lookup_p50_ms": round(quantile(beside.took, 0.5) * 1e3, 1),
    }


def main() -> None:
    """Prints the figures."""
    wanted = arguments(__doc__ or "", persons="how many persons the world has")
    persons = wanted.persons or (PERSONS_FULL if wanted.full else PERSONS)
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(city(Path(folder), persons).settings, BORROWERS)
    report("warnings for each version of the data", [figures], {"persons": persons, **figures})


if __name__ == "__main__":
    main()
