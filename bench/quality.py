"""What the rules of quality find of the damage that the world itself lists: recall and precision.

The same city twice, clean and damaged (`--persons`, 20,000 by default): its alarms on the clean one are false, and
what it counts more on the damaged one was found. Every row has one defect at most, so the counts add up. Decisions
that the city publishes late by design are no false alarms: they are judged by the calendar once more.

`--full` takes 200,000 persons.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pyarrow.parquet as pq

from bench.report import arguments, report
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.demo import world as demo_world
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.conflicts import conflicts
from louver_sandbox.quality.measure import measure
from louver_sandbox.quality.model import Measured

PERSONS, PERSONS_FULL, SEED, TODAY = 20_000, 200_000, 9, date(2026, 7, 1)
DECLARATIONS = Path(demo_world.__file__).parent.parent / "catalog"
LATE = "published_on is within 7 working days of decided_on"

Defect = tuple[str, str, str]
"""Table, column and kind, as the list of defects has them."""
RULES: Mapping[tuple[str, str, str], tuple[Defect, ...]] = {
    ("gov.pop_person", "birth_date", "is not after the day of the data"): (
        ("gov.pop_person", "birth_date", "impossible_date"),
    ),
    ("gov.pop_person", "", "the street is in the district"): (
        ("gov.pop_person", "street_code", "conflicting_address"),
    ),
    ("gov.ent_registry", "ent_name", "is a firm_name"): (
        ("gov.ent_registry", "ent_name", "traditional_characters"),
        ("gov.ent_registry", "ent_name", "pinyin_noise"),
    ),
    ("gov.ent_registry", "", "established since 1949-10-01"): (
        ("gov.ent_registry", "established_on", "impossible_date"),
    ),
    ("gov.tax_quarter", "", "no row stands twice"): (("gov.tax_quarter", "*", "duplicate_row"),),
    ("gov.tax_quarter", "revenue", "revenue is of the order of its subject's others"): (
        ("gov.tax_quarter", "revenue", "wan_for_yuan"),
    ),
    ("gov.hf_account", "person_id", "is a citizen_number"): (
        ("gov.hf_account", "person_id", "fifteen_digit_id"),
        ("gov.hf_account", "person_id", "lower_case_x"),
    ),
    ("gov.hf_account", "", "no row stands twice"): (("gov.hf_account", "*", "duplicate_row"),),
    ("gov.re_property", "owner_id", "is a subject_code"): (("gov.re_property", "owner_id", "fifteen_digit_id"),),
    ("gov.re_property", "district_code", "is in the domain"): (("gov.re_property", "district_code", "retired_code"),),
    ("gov.pen_penalty", "published_on", LATE): (("gov.pen_penalty", "published_on", "late_publication"),),
    ("gov.pen_penalty", "decided_on", "is not after the day of the data"): (
        ("gov.pen_penalty", "decided_on", "impossible_date"),
    ),
    ("gov.pen_penalty", "", "no row stands twice"): (("gov.pen_penalty", "*", "duplicate_row"),),
}
CONFLICT: Defect = ("gov.ent_registry", "legal_rep_name", "conflicting_name")


@dataclass(frozen=True)
class Score:
    """One rule: how many defects there are, how many it found, and how many alarms are none."""

    table: str
    rule: str
    kinds: str
    there: int
    found: int
    false: int

    @property
    def recall(self) -> float:
        """The share of the defects that were found."""
        return self.found / self.there

    @property
    def precision(self) -> float:
        """The share of the alarms that are defects."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0


def scores(clean: Path, dirty: Path) -> Iterator[Score]:
    """Every rule against the list of defects of the damaged city."""
    rows = pq.read_table(dirty / "truth" / "dirt.parquet").to_pylist()
    planted = Counter((row["table"], row["column"], row["kind"]) for row in rows)
    catalogs = [load_catalog([DECLARATIONS], folder) for folder in (clean, dirty)]
    tables = sorted({table for table, _, _ in RULES})
    before, after = ({table: measured(catalog, table) for table in tables} for catalog in catalogs)
    for (table, column, rule), defects in RULES.items():
        there = sum(planted[defect] for defect in defects)
        alarms, false = after[table][column, rule].faulty, before[table][column, rule].faulty
        if rule == LATE:
            there, false = late(dirty), 0
        if there:
            yield Score(table, f"{column} {rule}".strip(), ", ".join(kind for *_, kind in defects), there,
                        min(alarms - false, there), false + max(0, alarms - false - there))  # fmt: skip
    told = [next(one for one in conflicts(one.tables, connect) if one.element == "person_name") for one in catalogs]
    yield Score("gov.ent_registry", "person_name beside gov.pop_person", CONFLICT[2], planted[CONFLICT],
                told[1].conflicts - told[0].conflicts, told[0].conflicts)  # fmt: skip


def measured(catalog: Catalog, table: str) -> dict[tuple[str, str], Measured]:
    """What is measured of a table, by column and rule."""
    found = measure(catalog.tables[TableName(*table.split("."))], catalog.tables, connect, predicate_sql, TODAY)
    return {(item.column, item.rule): item for item in found.measured}


def late(folder: Path) -> int:
    """Decisions published after more than seven working days, counted day by day."""
    found = pq.read_table(folder / "gov.pen_penalty", columns=["decided_on", "published_on"]).to_pylist()
    pairs = [(row["decided_on"], row["published_on"]) for row in found if row["decided_on"] and row["published_on"]]
    worked = [
        (done, chinese_calendar.get_workdays(begun + timedelta(1), done)) for begun, done in pairs if begun < done
    ]
    return sum(len(days) >= 7 and done > days[6] for done, days in worked)


def main() -> None:
    """Prints the figures."""
    wanted = arguments(__doc__ or "", persons="how many persons the city has")
    persons = wanted.persons or (PERSONS_FULL if wanted.full else PERSONS)
    with tempfile.TemporaryDirectory() as folder:
        clean, dirty = Path(folder) / "clean", Path(folder) / "dirty"
        for path, dirt in ((clean, 0.0), (dirty, 1.0)):
            demo_world.generate(persons=persons, seed=SEED, dirt=dirt, out=path)
        found = list(scores(clean, dirty))
    rows = [
        {
            "table": one.table,
            "rule": one.rule,
            "defects": one.kinds,
            "there": one.there,
            "found": one.found,
            "false alarms": one.false,
            "recall": round(one.recall, 3),
            "precision": round(one.precision, 3),
        }
        for one in found
    ]
    there, hits, false = (sum(getattr(one, name) for one in found) for name in ("there", "found", "false"))
    figures = {
        "persons": persons,
        "defects": there,
        "recall": round(hits / there, 4),
        "precision": round(hits / (hits + false), 4),
    }
    report("rules of quality against the list of defects", rows, figures)


if __name__ == "__main__":
    main()
