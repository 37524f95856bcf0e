"""Which cells of a bank's own subjects are withheld for what is outside of them is what the definition says.

The definition takes sets of subjects row by row (`tests/support/naive_classes.py`); the product counts them in the
engine. Worlds are small, thresholds low, and every question meets an uploaded list.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import cast

import pytest
from tests.support.generated import agree
from tests.support.generated_release import expected_answer
from tests.support.generated_world import GeneratedWorld
from tests.support.relations import Row, World, column, enterprise, question, run, table

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.catalog.model import Column, Role, SpaceKind, UnitType
from louver_sandbox.core_plan import Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release import notices
from louver_sandbox.release.classes import Classes, judges_classes
from louver_sandbox.release.parts import Parts

QUESTIONS = 30
RULES = ThresholdRules({UnitType.PERSON: 2, UnitType.ENTERPRISE: 2})


def _unique(name: str) -> Column:
    made = column(name)
    return Column(made.name, made.type, made.nullable, made.level, made.role, unique=True)


def _world(tax: Sequence[Row], loans: Sequence[Row], one_each: bool) -> World:
    gov = table(
        "gov.tax",
        [
            column("uscc", nullable=False),
            column("grade"),
            column("district"),
            column("late", BOOLEAN),
            column("n", INTEGER),
            Column("month", INTEGER, False, 2, Role.TIME),
        ],
        [enterprise(rows_per_unit=1 if one_each else None)],
    )
    public = table("gov.region", [_unique("district"), column("zone", level=1)])
    own = table(
        "bank_a.loan",
        [_unique("id_no"), column("branch"), column("bad", BOOLEAN), column("size", INTEGER)],
        [enterprise("id_no")],
        space=SpaceKind.INSTITUTION,
    )
    names = table("bank_a.names", [_unique("grade"), column("nick")], space=SpaceKind.INSTITUTION)
    regions = [{"district": name, "zone": zone} for name, zone in (("x", "S"), ("y", "S"), ("z", "N"))]
    nicks = [{"grade": "A", "nick": "good"}, {"grade": "B", "nick": "bad"}, {"grade": "C", "nick": "bad"}]
    rows = {gov.name: tax, public.name: regions, own.name: loans, names.name: nicks}
    return World((gov, public, own, names), rows)


SUBJECTS = [f"f{number}" for number in range(9)]


def _tax(random: Random) -> Row:
    return {
        "uscc": random.choice(SUBJECTS),
        "grade": random.choice(["A", "B", "B", "C", None]),
        "district": random.choice(["x", "y", "z", None]),
        "late": random.choice([True, False, None]),
        "n": random.choice([0, 1, 2, None]),
        "month": random.choice([1, 2]),
    }


def _loan(random: Random, name: str) -> Row:
    bad, size = random.choice([True, False]), random.choice([0, 1, 2])
    return {"id_no": name, "branch": random.choice("pq"), "bad": bad, "size": size}


FROM = [
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no",
    "gov.tax t JOIN bank_a.loan l ON t.uscc = l.id_no AND t.late",
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no AND t.month = 1",
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no AND t.n >= l.size",
    "bank_a.loan l LEFT JOIN gov.tax t ON t.uscc = l.id_no AND t.late",
    "(SELECT uscc, grade, district, late, n, month FROM gov.tax WHERE n > 0) t JOIN bank_a.loan l ON t.uscc = l.id_no",
    "(SELECT uscc AS u, max(grade) AS grade, max(district) AS district, bool_or(late) AS late, max(n) AS n, "
    "count(*) AS month FROM gov.tax GROUP BY uscc) t JOIN bank_a.loan l ON t.u = l.id_no",
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no JOIN gov.region r ON r.district = t.district",
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no JOIN bank_a.names r ON r.grade = t.grade",
    "bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no JOIN bank_a.names r ON r.grade = t.grade AND r.nick = 'bad'",
    "(SELECT uscc, min(grade) AS grade, min(district) AS district, bool_or(late) AS late, max(n) AS n, "
    "count(*) AS month FROM gov.tax WHERE late OR n > 0 GROUP BY uscc) t JOIN bank_a.loan l ON t.uscc = l.id_no",
    "(SELECT uscc, grade, district, bool_or(late) AS late, max(n) AS n, count(*) FILTER (WHERE n > 0) AS month "
    "FROM gov.tax WHERE late GROUP BY uscc, grade, district) t JOIN bank_a.loan l ON t.uscc = l.id_no",
]
KEYS = [
    "",
    "t.grade",
    "t.month",
    "l.branch",
    "t.grade, t.district",
    "t.late, l.branch",
    "t.n > 0, l.bad",
    "ROLLUP (t.grade, t.district)",
    "GROUPING SETS ((t.grade), (t.district), ())",
    "GROUPING SETS ((l.branch, t.grade), (l.branch))",
]
WHERE = ["", "", "t.grade = 'B'", "t.late", "l.bad", "t.grade IN ('A', 'B') AND l.bad", "t.n > l.size", "t.month = 2"]
MEASURES = ["count(*) AS c", "count(*) AS c, count(*) FILTER (WHERE t.late) AS f", "sum(t.n) AS s, count(*) AS c"]


def _asked(random: Random) -> str:
    source, keys, where = random.choice(FROM), random.choice(KEYS), random.choice(WHERE)
    if random.random() < 1 / 4:
        # Of those whose subjects a condition of their own selects, few others are left to be judged beside.
        source, keys, where = random.choice(FROM[-3:]), random.choice(["", "l.branch"]), ""
    if " r ON" in source and keys and random.random() < 1 / 2:
        keys = "r.zone" if "region" in source else "r.nick"
    listed = keys.replace("ROLLUP (", "").replace(")", "") if "ROLLUP" in keys else keys
    if "SETS" in keys:
        listed = "l.branch, t.grade" if "branch" in keys else "t.grade, t.district"
    names = [f"{part.strip()} AS k{place}" for place, part in enumerate(listed.split(",")) if part]
    shown = ", ".join([*names, random.choice(MEASURES)])
    ends = (f" WHERE {where}" if where else "", f" GROUP BY {keys}" if keys else "")
    return f"SELECT {shown} FROM {source}{''.join(ends)}"


@pytest.mark.parametrize("seed", range(2))
def test_what_leaves_is_what_the_definition_says(seed: int) -> None:
    random, judged, kept = Random(seed), 0, 0
    for _ in range(QUESTIONS):
        one_each = random.random() < 1 / 2
        rows = [_tax(random) for _ in range(random.randint(6, 24))]
        tax = list({row["uscc"]: row for row in rows}.values()) if one_each else rows
        listed = sorted(random.sample(SUBJECTS, random.randint(3, 9)))
        world, sql = _world(tax, [_loan(random, name) for name in listed], one_each), _asked(random)
        found = scans(question(world, sql).bound.relation)
        protected = frozenset(scan.id for scan in found if scan.table.name == "tax")
        permit = question(world, sql, protected=protected, rules=RULES)
        try:
            ran = run(world, permit)
        except Refused:
            continue
        expected = expected_answer(permit, cast("GeneratedWorld", world))
        assert expected is not None
        assert agree(ran.release.rows, expected), (sql, ran.release.rows, expected, tax, listed)
        if any(judges_classes(core) for core in ran.plan.cores):
            judged += 1
            kept += any(Classes(Parts(core)).kept_back(ran.execution.rows[0], RULES) for core in ran.plan.cores)
            assert ran.release.remainder is None
            keyed = any(column.part is Part.KEY for core in ran.plan.cores for column in core.columns)
            assert notices.CELLS_WITHHELD not in ran.codes() or not keyed
    assert judged > QUESTIONS / 2
    assert kept > QUESTIONS / 10
