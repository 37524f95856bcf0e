"""Public credit: `gov.pen_penalty`, `gov.court_dishonest`, `gov.credit_list`, for firms and for persons.

A black entry that has expired (about one in ten) or was repaired (one in twenty) must never hit; the court's table
and the list tell the same story about the same subject.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from louver_sandbox.demo.world import codes, people
from louver_sandbox.demo.world.blueprint import NEVER, Blueprint, month_starts
from louver_sandbox.demo.world.codes import COURTS, DEPARTMENTS, LIST_CODES, LISTS, PENALTY_KINDS
from louver_sandbox.demo.world.columns import (
    Array,
    beside,
    coded,
    dates,
    digits,
    fixed_strings,
    integers,
    lists,
    money,
    spelled,
    texts,
)
from louver_sandbox.demo.world.economy import Course
from louver_sandbox.demo.world.firms import norm
from louver_sandbox.demo.world.people import Persons
from louver_sandbox.demo.world.randomness import choose, stream
from louver_sandbox.demo.world.schema import record

EXPIRED, REPAIRED = 0.11, 0.05
_COURT, _TAX_MAJOR, _WAGE, _SERIOUS, _ABNORMAL, _TAX_A, _AEO = range(len(LISTS))
_VALIDITY = np.array([entry.validity for entry in LISTS])
_CLASSES = (*codes.SUBJECT_CLASSES, "P")
_P = len(_CLASSES) - 1


@dataclass(frozen=True)
class Verdicts:
    """The three tables of one chunk, and per subject the number of penalties of the last two years."""

    penalties: pa.Table
    court: pa.Table
    lists: pa.Table
    recent: Array


@dataclass(frozen=True)
class _Subjects:
    rows: Array
    ids: pa.Array
    kind: Array
    """Index into `_CLASSES`."""
    district: Array
    since: Array
    """First and last day on which anything could happen to the subject."""
    until: Array
    mark: int
    """Leading digit of numbers, so that firms and persons never share one."""


def _penalties(
    plan: Blueprint, rng: np.random.Generator, who: _Subjects, rate: Array
) -> tuple[pa.Table, Array, Array]:
    """The table, the recent count per subject, and whether a subject has a very serious penalty."""
    counts = np.where(who.until > plan.today - 1095, np.minimum(rng.poisson(rate), 99), 0)
    subject = np.repeat(np.arange(len(counts)), counts)
    n = len(subject)
    start = np.maximum(who.since[subject], plan.today - 1095)
    decided = start + (rng.random(n) * (who.until[subject] - start + 1)).astype(np.int64)
    kind = choose(rng, [share for _, share in PENALTY_KINDS], n)
    dept = choose(rng, [share for *_, share in DEPARTMENTS], n)
    # Seven working days are nine to eleven days of the calendar; one decision in twelve is published late.
    lag = np.where(rng.random(n) < 0.08, 12 + rng.poisson(9, n), np.minimum(rng.poisson(6, n), 9))
    published = decided + lag
    repaired = published + 90 + (rng.random(n) * 500).astype(np.int64)
    has_repair = (rng.random(n) < 0.55) & (repaired <= plan.today)
    severity = 1 + choose(rng, (0.80, 0.16, 0.04), n)
    fined = np.isin(kind, (0, 2))
    fine = np.minimum(np.exp(8.3 + 1.4 * rng.standard_normal(n) + 0.8 * (severity - 1)), 2e6)
    serial = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    year = decided.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    first = int(year.min()) if n else 0
    head = texts([f"青{word}测罚〔{first + y}〕" for y in range(6) for _, word, _ in DEPARTMENTS])
    tail = beside(b"%d" % who.mark, digits(who.rows[subject], 8), digits(serial, 2), "号".encode())
    numbers = pc.binary_join_element_wise(
        spelled((year - first) * len(DEPARTMENTS) + dept, head), fixed_strings(tail), ""
    )
    silent = (kind == codes.WARNING) | (published > plan.today)
    table = record(
        "gov.pen_penalty",
        {
            "decision_no": numbers,
            "subject_class": coded(who.kind[subject], _CLASSES),
            "subject_id": coded(subject, who.ids),
            "dept": coded(dept, [name for name, *_ in DEPARTMENTS]),
            "cause_code": coded(
                dept * 4 + rng.integers(0, 4, n), [f"{i // 4 + 1:02d}{i % 4 + 1:02d}" for i in range(32)]
            ),
            "kind": coded(kind, [name for name, _ in PENALTY_KINDS]),
            "fine_amt": money(np.where(fined, fine, 0.0)),
            "decided_on": dates(decided),
            "published_on": dates(published, silent),
            "severity": integers(severity, pa.int8()),
            "repaired_on": dates(repaired, ~has_repair | silent),
        },
    )
    recent = np.bincount(subject[decided > plan.today - 730], minlength=len(counts))
    return table, recent, np.bincount(subject[severity == 3], minlength=len(counts)) > 0


def _court(
    plan: Blueprint, rng: np.random.Generator, who: _Subjects, blamed: Array
) -> tuple[pa.Table, Array, Array, Array]:
    """The table, and per entry the subject, the day of publication and the day of removal (NEVER: none)."""
    subject = np.repeat(np.flatnonzero(blamed), 1 + rng.poisson(0.4, int(blamed.sum())))
    n = len(subject)
    fate = choose(rng, (1 - EXPIRED - REPAIRED, EXPIRED, REPAIRED), n)
    back = np.where(fate == 1, 731 + rng.integers(0, 600, n), 1 + rng.integers(0, 700, n))
    published = np.maximum(plan.today - back, who.since[subject] + 60)
    published = np.minimum(published, plan.today)
    expiry = published + int(_VALIDITY[_COURT])
    repaired = published + (rng.random(n) * (plan.today - published)).astype(np.int64)
    removed = np.where(fate == 2, repaired, np.where(expiry < plan.today, expiry, NEVER))
    filed = np.maximum(published - rng.integers(30, 400, n), who.since[subject])
    year = published.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    serial = np.arange(n) - np.searchsorted(subject, subject)
    case = beside(
        b"(", digits(year, 4), b")LU02CS", b"%d" % who.mark, digits(who.rows[subject], 8), digits(serial, 2)
    )
    amount = np.minimum(np.exp(11.3 + 1.3 * rng.standard_normal(n)), 1e7)
    table = record(
        "gov.court_dishonest",
        {
            "case_no": fixed_strings(case),
            "subject_class": coded(who.kind[subject], _CLASSES),
            "subject_id": coded(subject, who.ids),
            "court_name": coded(who.district[subject], COURTS),
            "filed_on": dates(filed),
            "published_on": dates(published),
            "amount": money(amount),
            "performance": coded(choose(rng, (0.8, 0.2), n), codes.PERFORMANCES),
            "removed_on": dates(removed, removed == NEVER),
        },
    )
    return table, subject, published, np.where(fate == 2, repaired, NEVER)


def _other_entries(
    plan: Blueprint, rng: np.random.Generator, who: _Subjects, chosen: list[tuple[int, Array]]
) -> tuple[Array, Array, Array, Array]:
    """List number, subject, day of listing and of repair (NEVER: none) of everything that is not the court's."""
    number = np.concatenate([np.full(int(mask.sum()), entry) for entry, mask in chosen])
    subject = np.concatenate([np.flatnonzero(mask) for _, mask in chosen])
    n = len(subject)
    validity = _VALIDITY[number]
    expired = rng.random(n) < EXPIRED
    back = np.where(expired, validity + rng.integers(1, 500, n), rng.random(n) * validity * 0.95)
    listed = plan.today - back.astype(np.int64)
    # Grade A is published in April of the following year and stands until the next publication.
    april = int(month_starts(np.array([(plan.rating_year + 1) * 12 + 3]))[0]) + 19
    april = april if april <= plan.today else april - 365
    listed = np.where(number == _TAX_A, np.where(expired, april - 365, april), listed)
    known = listed > who.since[subject]
    number, subject, listed = number[known], subject[known], listed[known]
    black = number != _TAX_A
    fixed = black & (number != _AEO) & (rng.random(len(number)) < REPAIRED)
    repaired = listed + (rng.random(len(number)) * (plan.today - listed)).astype(np.int64)
    return number, subject, listed, np.where(fixed, repaired, NEVER)


def _credit_lists(who: _Subjects, number: Array, subject: Array, listed: Array, repaired: Array) -> pa.Table:
    order = np.lexsort((listed, number, subject))
    number, subject, listed, repaired = number[order], subject[order], listed[order], repaired[order]
    serial = np.arange(len(subject)) - np.searchsorted(subject, subject)
    return record(
        "gov.credit_list",
        {
            "list_id": fixed_strings(beside(b"CL%d" % who.mark, digits(who.rows[subject], 8), digits(serial, 2))),
            "list_code": coded(number, LIST_CODES),
            "polarity": coded(np.where(number >= _TAX_A, 0, 1), ("R", "B")),
            "subject_class": coded(who.kind[subject], _CLASSES),
            "subject_id": coded(subject, who.ids),
            "source_dept": coded(number, [entry.keeper for entry in LISTS]),
            "listed_on": dates(listed),
            "valid_to": dates(listed + _VALIDITY[number]),
            "repaired_on": dates(repaired, repaired == NEVER),
            "measures": lists(number, [entry.measures for entry in LISTS]),
        },
    )


def _verdicts(
    plan: Blueprint,
    rng: np.random.Generator,
    who: _Subjects,
    rate: Array,
    blamed: Array,
    chosen: list[tuple[int, Array]],
) -> Verdicts:
    penalties, recent, grave = _penalties(plan, rng, who, rate)
    court, subject, published, repaired = _court(plan, rng, who, blamed)
    entries = _other_entries(plan, rng, who, [*chosen, (_SERIOUS, grave)])
    columns = (
        np.r_[np.full(len(subject), _COURT), entries[0]],
        np.r_[subject, entries[1]],
        np.r_[published, entries[2]],
        np.r_[repaired, entries[3]],
    )
    return Verdicts(penalties, court, _credit_lists(who, *columns), recent)


def firm_verdicts(plan: Blueprint, run: Course, grade: Array, chunk: int) -> Verdicts:
    """Penalties, court entries and lists of one chunk of firms; `grade` as `economy.tax_credit` returns it."""
    rng = stream(plan.seed, "justice", chunk)
    firms = run.firms
    n = len(firms)
    until = np.minimum(firms.closed, plan.today)
    who = _Subjects(run.rows, run.uscc, firms.subject_class, firms.district, firms.born, until, 1)
    size = 0.3 * np.log1p(firms.employees)
    rate = np.exp(-2.4 - 0.55 * firms.z + size + norm("penalty", firms.section))
    chosen = [
        (_TAX_MAJOR, firms.arrears & (rng.random(n) < 0.08)),
        (_WAGE, firms.arrears & (rng.random(n) < 0.10) & (firms.insured > 0)),
        (_ABNORMAL, firms.open & ~firms.giant & (rng.random(n) < 0.015)),
        (_TAX_A, grade == 0),
        (_AEO, (firms.subject_class == codes.E) & firms.open & (firms.z > 1.2) & (rng.random(n) < 0.05)),
    ]
    return _verdicts(plan, rng, who, rate, firms.dishonest, chosen)


def person_verdicts(plan: Blueprint, persons: Persons, ids: pa.Array, chunk: int) -> Verdicts:
    """The same three tables for one chunk of persons; only adults can be blamed."""
    rng = stream(plan.seed, "justice", chunk, 1)
    n = len(persons.rows)
    since = persons.birth + 18 * 366
    who = _Subjects(persons.rows, ids, np.full(n, _P), persons.live, since, np.full(n, plan.today), 2)
    rate = np.where(since < plan.today, 0.003, 0.0)
    blamed = people.dishonest(plan, persons.rows, persons.age) & (since < plan.today)
    return _verdicts(plan, rng, who, rate, blamed, [(_TAX_MAJOR, blamed & (rng.random(n) < 0.03))])
