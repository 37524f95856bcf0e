"""What the flags of the warning after the loan find of borrowers in trouble: recall and precision.

The city's departments deliver damaged data (`--persons`, 20,000 by default), tidied and published; every firm is
subscribed to, and the platform evaluates the demo's warning on that. Truth are the flags of the clean city of the
same seed, counted by other SQL. So what is scored is what damage does to flags, and the statement that the platform
makes of a template. The last line holds any flag against loans that end badly, at which flags can only hint.

`--full` takes 200,000 persons.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlalchemy import select

from bench.report import arguments, report
from bench.support.city import tools
from bench.warnings import subscribed
from louver_sandbox.demo.city import build
from louver_sandbox.demo.world import generate
from louver_sandbox.premises import utc_now
from louver_sandbox.warnings.tables import notices, subscriptions
from louver_sandbox.wiring import Platform

PERSONS, PERSONS_FULL, SEED = 20_000, 200_000, 9
FLAGS = ("tax_arrears", "headcount_drop", "dishonest", "power_drop")
TRUTH = """
SELECT r.uscc,
       coalesce((SELECT max(arrears_amt) > 0 FROM (SELECT arrears_amt FROM tax_quarter t WHERE t.uscc = r.uscc
                 ORDER BY quarter DESC LIMIT 2)), false),
       coalesce((SELECT 10 * arg_max(headcount, pay_month) < 7 * arg_min(headcount, pay_month) FROM ss_ent_month s
                 WHERE s.uscc = r.uscc AND headcount IS NOT NULL), false),
       EXISTS (SELECT 1 FROM court_dishonest d WHERE d.subject_id = r.uscc AND removed_on IS NULL),
       coalesce((SELECT 10 * avg(usage_qty) FILTER (WHERE n <= 3) < 6 * avg(usage_qty) FILTER (WHERE n <= 12)
                 FROM (SELECT usage_qty, (SELECT count(DISTINCT o.bill_month) FROM utl_month o WHERE o.kind = '电'
                              AND o.subject_id = u.subject_id AND o.bill_month >= u.bill_month) AS n
                       FROM utl_month u WHERE u.kind = '电' AND u.subject_id = r.uscc)), false)
FROM ent_registry r ORDER BY 1
"""
"""Each firm's flags as DOMAIN 4.5 B09 says them."""
TABLES = ("ent_registry", "tax_quarter", "ss_ent_month", "court_dishonest", "utl_month")

Flagged = Mapping[str, frozenset[str]]
"""The flags of each firm."""


@dataclass(frozen=True)
class Score:
    """One flag: of how many firms it is true, of how many of these it was told, and of how many others."""

    flag: str
    there: int
    found: int
    false: int

    @property
    def recall(self) -> float:
        """The share of the firms for which it is true that it was told of."""
        return self.found / self.there if self.there else 1.0

    @property
    def precision(self) -> float:
        """The share of those that it was told of for which it is true."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0


def true_flags(world: Path) -> Flagged:
    """The flags of every firm of a world, with nothing in between."""
    with duckdb.connect() as engine:
        for table in TABLES:
            engine.execute(f"CREATE TABLE {table} AS FROM read_parquet('{world}/gov.{table}/*.parquet')")
        rows = engine.execute(TRUTH).fetchall()
    return {str(firm): frozenset(name for name, up in zip(FLAGS, told, strict=True) if up) for firm, *told in rows}


def scores(true: Flagged, told: Flagged) -> Iterator[Score]:
    """Each flag, of the firms that were subscribed to."""
    for flag in FLAGS:
        there = {firm for firm in told if flag in true[firm]}
        raised = {firm for firm, flags in told.items() if flag in flags}
        yield Score(flag, len(there), len(there & raised), len(raised - there))


def told_flags(platform: Platform, data: Path) -> Flagged:
    """What the platform tells of every firm, once each is subscribed to."""
    firms = subscribed(platform, data, most=10**9)
    platform.evaluation.round()
    with platform.state.reading() as tx:
        found = select(subscriptions.c.subject, notices.c.raised).where(notices.c.subscription == subscriptions.c.id)
        raised = {str(firm): frozenset(json.loads(flags)) for firm, flags in tx.execute(found)}
    return {firm: raised.get(firm, frozenset()) for firm in firms}


def defaulted(world: Path, told: Flagged) -> Score:
    """Any flag against the borrowers one of whose loans ends badly."""
    with duckdb.connect() as engine:
        book = f"read_parquet('{world}/bank_a.loan_book/*.parquet')"
        rows = engine.execute(
            f"SELECT id_no, bool_or(defaulted) FROM {book} WHERE cust_class = 'E' GROUP BY 1"
        ).fetchall()
    bad, good = ({str(firm) for firm, ended in rows if ended is way} for way in (True, False))
    flagged = {firm for firm, flags in told.items() if flags}
    return Score("any flag: defaulted", len(bad), len(bad & flagged), len(good & flagged))


def _incident(error: Exception) -> str:
    raise error


def main() -> None:
    """Prints the figures."""
    wanted = arguments(__doc__ or "", persons="how many persons the city has")
    persons = wanted.persons or (PERSONS_FULL if wanted.full else PERSONS)
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder) / "home", persons, tools(), lambda text: None, seed=SEED, dirt=1.0)
        clean = Path(folder) / "clean"
        generate(persons=persons, seed=SEED, out=clean)
        with Platform(made.settings, utc_now, _incident) as platform:
            platform.warm()
            told = told_flags(platform, made.settings.data)
        found = list(scores(true_flags(clean), told))
        ends = defaulted(clean, told)
    rows = [
        {
            "flag": one.flag,
            "true of": one.there,
            "told of": one.found,
            "false": one.false,
            "recall": round(one.recall, 3),
            "precision": round(one.precision, 3),
        }
        for one in (*found, ends)
    ]
    there, hits, false = (sum(getattr(one, name) for one in found) for name in ("there", "found", "false"))
    figures = {
        "persons": persons,
        "firms": len(told),
        "flags": there,
        "recall": round(hits / there, 4),
        "precision": round(hits / (hits + false), 4),
    }
    report("flags of the warning after the loan on damaged data", rows, figures)


if __name__ == "__main__":
    main()
