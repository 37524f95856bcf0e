"""Sums are rounded after their noise: to bases by declared bounds, which tell nothing, or by each cell's noise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.noisy import SUMS, ask, count_of, firm, sum_of, world
from tests.support.relations import Row, question, readings

from louver.errors import Refused
from louver_sandbox.obligations import RoundingKind, ThresholdRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.release.release import release

assert SUMS.noise is not None
FIRMS: list[Row] = [firm(number, "AB"[number % 2], revenue=f"{10 + number % 9}.25") for number in range(120)]
FEN = {str(row["uscc"]): int(Decimal(str(row["revenue"])) * 100) for row in FIRMS}
TOTAL = "SELECT sum(revenue) FROM gov.firm"


def by_cell(kind: RoundingKind, base: int = 5) -> ThresholdRules:
    assert SUMS.noise is not None
    return replace(SUMS, noise=replace(SUMS.noise, rounding=kind, base=base))


def by_bounds(kind: RoundingKind = RoundingKind.RANDOM) -> ThresholdRules:
    assert SUMS.noise is not None
    return replace(SUMS, noise=replace(SUMS.noise, rounding=kind, base=5, by_bounds=True))


def one(sql: str, rules: ThresholdRules, firms: list[Row] = FIRMS) -> Decimal:
    """The only value of an answer."""
    ((value,),) = ask(sql, firms, rules).release.rows
    return Decimal(str(value))


def drawn(sql: str, rules: ThresholdRules, firms: list[Row] = FIRMS, times: int = 40) -> list[tuple[object, ...]]:
    """The first row of the answer, drawn by many secrets."""
    execution = ask(sql, firms, rules).execution
    return [release(execution, secret=seed.to_bytes(32)).rows[0] for seed in range(times)]


@pytest.mark.parametrize("kind", [RoundingKind.BASE, RoundingKind.RANDOM, RoundingKind.CONTROLLED])
def test_a_sum_is_a_multiple_of_a_step_that_is_coarser_than_twice_its_noise(kind: RoundingKind) -> None:
    """The largest two firms add 18.25 each: noise of a deviation of 51.62, thus a base of 200 or 500."""
    shown = {Decimal(str(value)) for (value,) in drawn(TOTAL, by_cell(kind))}
    assert all(value % 200 == 0 or value % 500 == 0 for value in shown)
    assert len(shown) > 1
    noisy = Decimal(sum_of(FEN, "gov.firm.revenue")) / 100
    assert abs(one(TOTAL, by_cell(kind)) - noisy) <= (500 if kind is RoundingKind.RANDOM else 250)


def test_without_rounding_a_sum_has_all_its_digits() -> None:
    assert one(TOTAL, SUMS) == Decimal(sum_of(FEN, "gov.firm.revenue")) / 100


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(f.revenue) AS s FROM gov.firm AS f WHERE f.staff > 0",
        "SELECT sum(s) FROM (SELECT uscc, sum(revenue) AS s FROM gov.firm GROUP BY uscc) x",
        "SELECT sum(CASE WHEN staff > 0 THEN revenue END) FROM gov.firm",
    ],
)
@pytest.mark.parametrize("rules", [by_cell(RoundingKind.RANDOM), by_bounds()], ids=["cell", "bounds"])
def test_one_sum_has_one_number_in_every_form(sql: str, rules: ThresholdRules) -> None:
    assert one(sql, rules, FIRMS[::-1]) == one(TOTAL, rules)


def test_an_average_is_made_of_rounded_parts() -> None:
    sql = "SELECT avg(revenue), sum(revenue), count(*) FROM gov.firm"
    ((average, total, count),) = ask(sql, FIRMS, by_cell(RoundingKind.BASE)).release.rows
    assert count == 5 * round(count_of(list(FEN)) / 5)
    assert average == pytest.approx(float(Decimal(str(total)) / Decimal(str(count))))


def test_a_sum_of_numbers_that_are_not_negative_stays_so() -> None:
    firms = [firm(number, "A", revenue="3.00") for number in range(12)]
    shown = [Decimal(str(value)) for (value,) in drawn(TOTAL, by_cell(RoundingKind.RANDOM), firms)]
    assert min(shown) >= 0
    assert len(set(shown)) > 1


def test_rows_of_subjects_with_several_are_rounded_more_coarsely_than_counts() -> None:
    """The largest firms have four rows: a deviation of 11.3, where the policy's base of 5 would hide nothing."""
    shown = drawn("SELECT count(*), count(DISTINCT uscc) FROM gov.return", by_cell(RoundingKind.RANDOM), FIRMS[:60])
    assert all(int(str(rows)) % 25 == 0 for rows, _ in shown)
    assert any(int(str(firms)) % 25 for _, firms in shown)


def test_a_table_of_rows_with_totals_has_the_base_that_its_coarsest_number_needs() -> None:
    sql = "SELECT section, count(*) FROM gov.return GROUP BY ROLLUP (section)"
    execution = ask(sql, FIRMS[:60], by_cell(RoundingKind.CONTROLLED)).execution
    added_up = 0
    for seed in range(10):
        found = release(execution, secret=seed.to_bytes(32))
        rows = {row[0]: int(str(row[1])) for row in found.rows}
        assert all(value % 25 == 0 for value in rows.values())
        adds_up = "TOTALS_ADD_UP" in {notice.code for notice in found.notices}
        assert not adds_up or rows[None] == rows["A"] + rows["B"]
        added_up += adds_up
    assert added_up


def test_equal_sums_stop_meaning_equal_sets() -> None:
    """A sum with a firm and without it: hardly ever the same number without rounding, often with it."""
    pair = [TOTAL, TOTAL + " WHERE uscc <> 'F8'"]
    for rules, least, most in ((SUMS, 0, 0.02), (by_cell(RoundingKind.RANDOM), 0.25, 0.75), (by_bounds(), 0.25, 0.9)):
        both = [ask(sql, FIRMS, rules).execution for sql in pair]
        alike = 0
        for seed in range(200):
            first, second = (release(execution, secret=seed.to_bytes(32)).rows for execution in both)
            alike += first == second
        assert least * 200 <= alike <= most * 200


def test_a_base_by_bounds_is_public_and_the_same_for_every_cell() -> None:
    """Of revenue 0 to 50 is declared: twice the noise of two firms with 50 each is 283, thus 500."""
    sql = "SELECT section, sum(revenue) FROM gov.firm GROUP BY section"
    ran = ask(sql, FIRMS, by_bounds())
    (core,) = ran.plan.cores
    assert [total.base for total in core.noisy] == [500_00]
    assert all(Decimal(str(row[1])) % 500 == 0 for row in ran.release.rows)
    (stated,) = ran.release.accuracy
    assert (stated.kind, stated.relative_error) == ("sum", "")
    assert Decimal(stated.standard_error) == Decimal("353.554")
    for seed in range(50):
        for section, shown in release(ran.execution, secret=seed.to_bytes(32)).rows:
            true = Decimal(sum(FEN[str(row["uscc"])] for row in FIRMS if row["section"] == section)) / 100
            assert -Decimal(stated.below) <= true - Decimal(str(shown)) <= Decimal(stated.above)


def test_a_sum_that_declared_bounds_do_not_hide_is_withheld_and_said_so() -> None:
    """A giant far beyond what the catalogue declares."""
    firms = [*FIRMS, firm(999, "A", revenue="300.00")]
    ran = ask("SELECT section, sum(revenue), count(*) FROM gov.firm GROUP BY 1 ORDER BY 1", firms, by_bounds())
    assert [row[1] is None for row in ran.release.rows] == [True, False]
    assert all(row[2] is not None for row in ran.release.rows)
    assert ("VALUES_WITHHELD", "noise", 1) in {(note.code, note.rule, note.count) for note in ran.release.notices}
    assert one("SELECT sum(revenue) FROM gov.firm", by_cell(RoundingKind.BASE), firms) >= 0


def test_several_rows_of_a_subject_are_several_bounds() -> None:
    """Four declared rows of a firm in gov.return; at most 20 of staff."""

    def base(sql: str) -> int:
        (core,) = plan(question(world(FIRMS), sql, rules=by_bounds())).cores
        (total,) = core.noisy
        return total.base

    assert base("SELECT sum(revenue) FROM gov.return") == 2_000_00
    assert base("SELECT sum(revenue * staff) FROM gov.firm") == 10_000_00


def test_what_nothing_is_declared_of_is_refused_under_bases_by_bounds() -> None:
    sql = "SELECT sum(f.revenue * o.share) FROM gov.firm f JOIN gov.owner o ON f.uscc = o.uscc"
    with pytest.raises(Refused, match=r"LVR-2322: .*declared bounds"):
        ask(sql, FIRMS, by_bounds())
    assert ask(sql, FIRMS[:40], by_cell(RoundingKind.RANDOM)).release.accuracy[0].kind == "sum"


def test_bases_make_other_questions_and_are_verified() -> None:
    rules = [SUMS, by_cell(RoundingKind.RANDOM), by_bounds()]
    made = [plan(question(world(FIRMS), TOTAL, rules=one)) for one in rules]
    assert len({one.question for one in made}) == 3
    for number, base in ((1, 100), (2, 0)):
        (core,) = made[number].cores
        other = replace(core, noisy=tuple(replace(total, base=base) for total in core.noisy))
        with pytest.raises(PlanUnverified, match="another base"):
            verify(replace(made[number], cores=(other,)), readings(made[number]))
