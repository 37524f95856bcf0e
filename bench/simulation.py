"""A simulation of a draft over a year of questions: how soon it tells something, and how long it takes.

A small city's log is filled with refused questions (one table by many conditions, so many different ones, each
asked many times). The tax department's policy with one more purpose is simulated over them as `SimulatePolicy` does
it. `first_s` is when the first questions were told of as judged and `total_s` the whole, both from the call on, where
an officer has called before, as whoever has opened a page has; `cold_first_s` is the first call after the service's
start; `cpu_s` is what the whole took of the processor, for a machine that others use. 100,000
questions of 2,000 kinds; `--full` 5,000 kinds.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.audited import fill
from tests.support.installation import below, processor_seconds, small_city
from tests.support.line import ask
from tests.support.policy_questions import BANK_A, LIBRARY

from bench.report import arguments, report
from louver_sandbox import journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.drafting.office import Office
from louver_sandbox.drafting.simulation import Simulation
from louver_sandbox.premises import utc_now
from louver_sandbox.service.edge import new_incident
from louver_sandbox.wiring import Platform

ENTRIES = 100_000
KINDS, KINDS_FULL = 2_000, 5_000
BEFORE = "purposes: [POST_LOAN, MODEL_BUILD, RESEARCH]"
AFTER = "purposes: [LOAN_ORIGINATION, POST_LOAN, MODEL_BUILD, RESEARCH]"


def questions(kinds: int) -> Iterator[tuple[dict[str, JSON], dict[str, str]]]:
    """Refusals without end, `kinds` of them different."""
    made = []
    for number in range(kinds):
        sql = f"SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year <> {number} GROUP BY grade"
        request = replace(ask(sql, purpose="LOAN_ORIGINATION", request_id=f"r{number}"), subject=BANK_A)
        made.append((journal.common(request, "refusal") | {"code": "LVR-2009"}, dict(journal.private(request))))
    while True:
        yield from made


def simulated(office: Office, draft: str, *, to_the_end: bool) -> tuple[float, Simulation | None, float]:
    """After how many seconds the first were told of as judged, the last that was told, and the processor's time."""
    begun, first, spent = time.monotonic(), 0.0, 0.0
    last: Simulation | None = None
    office.warm()
    content = str(office.at_desk("content", draft)["content"]).encode()
    for found, judged in office.simulation(content, 30, 3, threading.Event()):
        last = found
        first = first or (time.monotonic() - begun if judged else 0.0)
        spent = time.process_time() + sum(map(processor_seconds, below(os.getpid())))
        if first and not to_the_end:
            break
    return first, last, spent


def main() -> None:
    """Prints one line of JSON."""
    options = arguments(__doc__)
    kinds = KINDS_FULL if options.full else KINDS
    with tempfile.TemporaryDirectory() as folder:
        city = small_city(Path(folder))
        with Platform(city.settings, utc_now, new_incident) as platform:
            office = Office(platform)
            fill(platform.books.log, ENTRIES, source=questions(kinds))
            draft = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8").replace(BEFORE, AFTER, 1)
            cold, _, _ = simulated(office, draft, to_the_end=False)
            before = time.process_time() + sum(map(processor_seconds, below(os.getpid())))
            begun = time.monotonic()
            first, last, spent = simulated(office, draft, to_the_end=True)
            total = time.monotonic() - begun
            office.close()
            if last is None or last.asked < ENTRIES or sum(last.moves.values()) < ENTRIES:
                raise SystemExit(f"the simulation is not of these questions: {last}")
            figures = {
                "questions": last.asked,
                "kinds": last.distinct,
                "first_s": first,
                "cold_first_s": cold,
                "total_s": total,
            }
            figures["cpu_s"] = spent - before
            report("simulation", [figures], figures)


if __name__ == "__main__":
    main()
