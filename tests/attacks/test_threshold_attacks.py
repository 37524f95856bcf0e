"""What somebody does who wants one firm's value out of protected aggregates, and which rule stops it.

Each story first shows that the attack works where the rule is not: on the exact answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.relations import Ran, Row, firms, question, returns, run

from louver.errors import Refused
from louver_sandbox.core_plan import Part
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.release import release

LOANS = "FROM loan l JOIN gov.tax t ON t.uscc = l.id_no"


def ask(sql: str, rows: Sequence[Row], loans: Sequence[Row] = (), *, protected: bool = True) -> Ran:
    world = firms(rows, loans)
    return run(world, question(world, sql, protected=None if protected else frozenset()))


def loan(id_no: str, *, bad: bool = False, balance: str = "1.00") -> Row:
    return {"id_no": id_no, "balance": Decimal(balance), "bad": bad, "branch": "a"}


def test_a_bank_that_knows_its_bad_loans_cannot_read_their_grades() -> None:
    """DOMAIN trap 1: 63 loans with 3 bad ones name the grade of three firms the bank can point at."""
    rows = [*returns("A", 63), *returns("B", 20)]
    loans = [loan(f"A{number}", bad=number < 3) for number in range(63)] + [
        loan(f"B{number}") for number in range(20)
    ]
    sql = f"SELECT t.district, count(*) n, sum(l.bad::INT) bad, avg(l.bad::INT) rate {LOANS} GROUP BY 1 ORDER BY 1"
    assert ask(sql, rows, loans, protected=False).release.rows[0][:3] == ("A", 63, 3)
    assert ask(sql, rows, loans).release.rows == (("A", 63, None, None), ("B", 20, None, None))


def test_filter_and_case_are_the_same_small_cell() -> None:
    rows = [{**row, "arrears": number < 2} for number, row in enumerate(returns("A", 20))]
    for measure in (
        "count(*) FILTER (WHERE arrears)",
        "sum(CASE WHEN arrears THEN 1 ELSE 0 END)",
        "avg(arrears::INT)",
        "sum(CASE WHEN arrears THEN revenue END)",
        "count(*) FILTER (WHERE NOT arrears)",
    ):
        sql = f"SELECT count(*), {measure} FROM gov.tax"
        assert ask(sql, rows, protected=False).release.rows[0][1] is not None
        assert ask(sql, rows).release.rows == ((20, None),), measure


def test_an_upload_of_weights_cannot_spell_out_who_is_in_a_cell() -> None:
    """Balances 1, 2, 4, 8, ... make one sum a list of subjects; dominance alone would let them pass."""
    loans = [loan(f"A{number}", balance=f"{2**number}.00") for number in range(12)]
    sql = f"SELECT sum(l.balance) {LOANS}"
    assert ask(sql, returns("A", 12), loans, protected=False).release.rows == ((Decimal("4095.00"),),)
    with pytest.raises(Refused, match="LVR-2306"):
        ask(sql, returns("A", 12), loans)


def test_one_real_firm_among_decoys_is_one_unit() -> None:
    loans = [loan("A1"), *(loan(f"decoy{number}") for number in range(400))]
    sql = f"SELECT count(*), sum(t.revenue) {LOANS}"
    assert ask(sql, returns("A", 9), loans, protected=False).release.rows == ((1, Decimal("10.00")),)
    assert ask(sql, returns("A", 9), loans).release.rows == ((None, None),)


def test_copies_of_own_rows_cannot_weigh_subjects() -> None:
    """One copy of A0, two of A1, four of A2, ...: a count over them would name the members of a cell of any size."""
    loans = [loan(f"A{number}") for number in range(10) for _ in range(2**number)]
    sql = f"SELECT count(*) {LOANS}"
    assert ask(sql, returns("A", 10), loans, protected=False).release.rows == ((1023,),)
    with pytest.raises(Refused, match="LVR-2309"):
        ask(sql, returns("A", 10), loans)
    with pytest.raises(Refused, match="LVR-2309"):
        ask("SELECT avg(t.revenue) FROM gov.tax t LEFT JOIN loan l ON l.id_no = t.uscc", returns("A", 10), loans)


def test_own_rows_grouped_by_their_subject_do_not_weigh() -> None:
    loans = [loan(f"A{number}") for number in range(10) for _ in range(2**number)]
    sql = """SELECT count(*) FROM (SELECT id_no, count(*) AS copies FROM loan GROUP BY id_no) l
        JOIN gov.tax t ON t.uscc = l.id_no"""
    assert ask(sql, returns("A", 10), loans).release.rows == ((10,),)


def test_a_second_own_table_cannot_multiply_either() -> None:
    sql = """SELECT count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no
        JOIN loan m ON m.branch = l.branch"""
    with pytest.raises(Refused, match="LVR-2309"):
        ask(sql, returns("A", 9), [loan(f"A{number}") for number in range(9)])


def test_rows_without_a_unit_never_help_a_cell() -> None:
    world = firms(returns("A", 4, quarters=3))
    sql = "SELECT count(*) FROM gov.tax t LEFT JOIN gov.registry r ON t.uscc = r.uscc AND t.staff > 99"
    assert run(world, question(world, sql)).release.rows == ((None,),)


def test_the_last_step_of_a_difference_is_withheld() -> None:
    everyone, without_one = returns("A", 5), returns("A", 4)
    sql = "SELECT sum(revenue) FROM gov.tax"
    assert ask(sql, everyone).release.rows != ((None,),)
    assert ask(sql, without_one).release.rows == ((None,),)


def lying(ran: Ran, changes: Mapping[str, object], kind: int) -> Ran:
    """The same run with a worker that changes parts of its rows of one kind."""
    names = [column.name for column in ran.plan.cores[0].columns]
    position = next(i for i, column in enumerate(ran.plan.cores[0].columns) if column.part is Part.ROW_KIND)
    rows = tuple(
        tuple(changes.get(name, value) for name, value in zip(names, row, strict=True))
        if row[position] == kind
        else row
        for row in ran.execution.rows[0]
    )
    execution = replace(ran.execution, rows=(rows,))
    return replace(ran, execution=execution, release=release(execution))


GROUPED = "SELECT district, count(*) AS n FROM gov.tax GROUP BY district"


def test_a_worker_cannot_pass_a_released_cell_into_the_remainder() -> None:
    """A remainder over the withheld cells and a released one gives the withheld ones away by difference."""
    ran = ask(GROUPED, returns("A", 9) + returns("B", 3) + returns("C", 3))
    assert ran.release.remainder == (None, 6)
    assert lying(ran, {"n": 15, "u1": 15}, kind=1).release.remainder is None
    assert lying(ran, {"u1": 7}, kind=1).release.remainder is None


@pytest.mark.parametrize("changes", [{"u1": -1}, {"u1": None}, {"u1": "9"}, {"n": -1}, {"row_kind": 7}, {"k1": "A"}])
def test_a_worker_that_contradicts_itself_is_a_fault(changes: dict[str, object]) -> None:
    ran = ask(GROUPED, returns("A", 9) + returns("B", 9))
    with pytest.raises(WorkerLied):
        lying(ran, changes, kind=0)


def test_a_worker_cannot_hide_a_giant() -> None:
    giant: list[Row] = [{**returns("A", 1)[0], "uscc": "giant", "revenue": Decimal("900.00")}]
    ran = ask("SELECT sum(revenue) AS r FROM gov.tax", returns("A", 6) + giant)
    assert ran.release.rows == ((None,),)
    with pytest.raises(WorkerLied):
        lying(ran, {"l1_1": Decimal("10.00"), "e1_1": Decimal("20.00")}, kind=0)


def test_the_statement_of_a_protected_question_holds_no_text_of_the_caller() -> None:
    world = firms()
    sql = 'SELECT district AS "x"" FROM secret --", count(*) AS "select" FROM gov.tax GROUP BY 1'
    statement = plan(question(world, sql)).cores[0].statement
    assert "secret" not in statement
    assert '"select"' not in statement
