"""Where different subjects meet, what the requester knows does not decide who meets whom (PRIVACY 5.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.relations import Row, World, column, firms, question, returns, run, table

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import TableName

AREA = table(
    "gov.area",
    [replace(column("district", nullable=False), unique=True), column("zone")],
)
"""A public table: a zone for each district."""

LISTED = table(
    "gov.listed",
    [replace(column("code", nullable=False), unique=True), column("market")],
)
"""A public table by firms' own codes."""

TAX, REGISTRY = TableName("gov", "tax"), TableName("gov", "registry")

PAIRS = "FROM gov.tax a JOIN gov.tax b ON b.score = a.score"

OWN = f"{PAIRS} JOIN bank_a.loan n ON n.id_no = a.uscc JOIN bank_a.loan m ON m.id_no = b.uscc"


def city() -> World:
    rows = returns("A", 20) + returns("B", 20)
    loans = [{"id_no": row["uscc"], "balance": 1, "bad": False, "branch": "x"} for row in rows]
    world = firms(rows, loans)
    public: dict[TableName, list[Row]] = {
        AREA.name: [{"district": "A", "zone": "n"}, {"district": "B", "zone": "s"}],
        LISTED.name: [{"code": row["uscc"], "market": "m"} for row in rows],
    }
    # Subjects meet by a column that is public: by an attribute they may not beside own tables (LVR-2316).
    tables = [
        replace(
            table,
            columns=tuple(replace(one, level=1) if one.name == "score" else one for one in table.columns),
        )
        for table in world.tables
    ]
    return World((*tables, AREA, LISTED), {**world.rows, **public})


def answered(sql: str) -> bool:
    """Whether the question is answered; refused for another reason than LVR-2309 it raises."""
    world = city()
    found = scans(question(world, sql).bound.relation)
    protected = frozenset(scan.id for scan in found if scan.table in (TAX, REGISTRY))
    try:
        run(world, question(world, sql, protected=protected))
    except Refused as refused:
        if refused.code == "LVR-2309":
            return False
        raise
    return True


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) {OWN} WHERE n.branch = m.branch",
        f"SELECT count(*) {OWN} WHERE n.branch = 'x' OR m.branch = 'y'",
        f"SELECT count(*) {OWN} AND n.balance > b.revenue",
        f"SELECT count(*) FILTER (WHERE n.branch = m.branch) {OWN}",
        f"SELECT sum(CASE WHEN n.branch = m.branch THEN 1 ELSE 0 END) {OWN}",
        f"SELECT n.branch = m.branch, count(*) {OWN} GROUP BY 1",
        f"SELECT count(*) FROM (SELECT n.branch = m.branch AS same {OWN}) x WHERE same",
        f"SELECT count(*) FROM (SELECT n.branch AS p, m.branch AS q {OWN} UNION ALL SELECT district, district "
        "FROM gov.tax) x WHERE p = q",
        "SELECT count(*) FROM gov.tax a JOIN bank_a.loan n ON n.id_no = a.uscc WHERE EXISTS (SELECT 1 FROM gov.tax b "
        "JOIN bank_a.loan m ON m.id_no = b.uscc WHERE m.branch = n.branch AND b.arrears)",
        f"SELECT count(*) {PAIRS} JOIN gov.listed p ON p.code = a.uscc JOIN gov.listed q ON q.code = b.uscc "
        "WHERE p.market = q.market",
        f"SELECT count(*) {PAIRS} JOIN bank_a.loan n ON n.id_no = a.uscc JOIN gov.area p ON p.zone = n.branch "
        "AND p.district = b.district",
    ],
)
def test_known_columns_of_one_subject_do_not_choose_another(sql: str) -> None:
    assert not answered(sql)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT n.branch, m.branch, count(*) {OWN} WHERE n.balance > 0 AND m.bad GROUP BY 1, 2",
        f"SELECT sum(CASE WHEN n.bad THEN b.revenue END) {OWN}",
        f"SELECT count(*) {OWN} AND n.balance > a.revenue",
        f"SELECT count(*) {PAIRS} JOIN gov.area p ON p.district = a.district JOIN gov.area q "
        "ON q.district = b.district WHERE (p.zone = 'n' AND q.zone = 's') OR (p.zone = 's' AND q.zone = 'n')",
        "SELECT count(*) FROM gov.tax a JOIN gov.registry r USING (uscc) JOIN bank_a.loan n ON n.id_no = a.uscc "
        "WHERE n.branch = r.section",
        "SELECT count(*) FROM (SELECT uscc, district FROM gov.tax UNION ALL SELECT uscc, section FROM gov.registry) x "
        "JOIN bank_a.loan n ON n.id_no = x.uscc WHERE n.branch = x.district",
        f"SELECT count(*) {OWN} WHERE n.balance > (SELECT max(balance) FROM bank_a.loan) AND a.revenue > b.revenue",
    ],
)
def test_known_columns_may_be_about_one_subject(sql: str) -> None:
    assert answered(sql)
