"""Numbers of subjects leave with the noise that their own set decides, and whatever cannot have it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.noisy import (
    NOISE,
    NONE,
    ROUNDED,
    SECRET,
    TABLES,
    K,
    ask,
    count_of,
    firm,
    key_of,
    sections,
    world,
)
from tests.support.relations import Row, question

from louver.errors import Refused
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import Part
from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.rounding import Rounding, RoundingMode, rounded
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.noise import NoiseSecretMissing
from louver_sandbox.release.release import release
from louver_sandbox.service import explaining, rules_told
from louver_sandbox.stages import Execution

FIRMS = sections(A=30, B=17, C=3, D=4)
UNITS = {name: [str(row["uscc"]) for row in FIRMS if row["section"] == name] for name in "ABCD"}
SECTIONS = "SELECT section, count(*) AS n FROM gov.firm GROUP BY section ORDER BY section"


def test_every_cell_and_the_remainder_have_the_noise_of_their_own_units() -> None:
    ran = ask(SECTIONS, FIRMS)
    assert ran.release.rows == (("A", count_of(UNITS["A"])), ("B", count_of(UNITS["B"])))
    assert ran.release.remainder == (None, count_of(UNITS["C"] + UNITS["D"]))
    assert ran.codes() == {"CELLS_WITHHELD": 2, "REMAINDER_RELEASED": 1, "PERTURBED": 1}


def test_the_noise_is_that_of_the_secret() -> None:
    some = {
        ask("SELECT count(*) FROM gov.firm", FIRMS, secret=bytes([number] * 32)).release.rows for number in range(20)
    }
    assert len(some) > 3


def test_a_rounded_count_is_a_multiple_by_the_same_key() -> None:
    (row,) = ask("SELECT count(*) FROM gov.firm", FIRMS, ROUNDED).release.rows
    units = [str(row["uscc"]) for row in FIRMS]
    assert row == (rounded(count_of(units), Rounding(RoundingMode.RANDOM, 5), key_of(units)),)
    assert (
        ask("SELECT count(*) FROM gov.firm", FIRMS, ROUNDED).plan.question
        != plan(question(world(FIRMS), "SELECT count(*) FROM gov.firm", rules=NOISE)).question
    )


@pytest.mark.parametrize(
    "question",
    [
        "count(DISTINCT uscc) FROM gov.firm WHERE section = 'A'",
        "count(uscc) FROM gov.firm WHERE section = 'A'",
        "sum(1) FROM gov.firm WHERE section = 'A'",
        "count(*) FILTER (WHERE section = 'A') FROM gov.firm",
        "sum(CASE WHEN section = 'A' THEN 1 ELSE 0 END) FROM gov.firm",
        "count(CASE WHEN section = 'A' THEN uscc END) FROM gov.firm",
        "count(DISTINCT uscc) FROM gov.return WHERE section = 'A' AND quarter > 1",
    ],
)
def test_one_set_of_subjects_has_one_number_however_it_is_counted(question: str) -> None:
    assert ask(f"SELECT {question}", FIRMS).release.rows == ((count_of(UNITS["A"]),),)


def test_a_condition_counts_the_units_that_meet_it() -> None:
    firms = [firm(number, "A", arrears=number % 3 == 0) for number in range(60)]
    late = [str(row["uscc"]) for row in firms if row["arrears"]]
    every = count_of([str(row["uscc"]) for row in firms])
    sql = "SELECT count(*) FILTER (WHERE arrears), count(*) FROM gov.firm"
    assert ask(sql, firms).release.rows == ((count_of(late), every),)
    assert ask("SELECT count(*) FROM gov.firm WHERE arrears", firms).release.rows == ((count_of(late),),)


def test_subjects_with_several_rows_are_counted_as_subjects() -> None:
    sql = "SELECT section, count(DISTINCT uscc) FROM gov.return GROUP BY section ORDER BY 1"
    assert ask(sql, FIRMS).release.rows == (("A", count_of(UNITS["A"])), ("B", count_of(UNITS["B"])))


def test_a_join_that_changes_no_row_changes_no_noise() -> None:
    """The owners are persons, of whom one may own several firms: the firms alone decide the number of rows."""
    firms = sections(A=60)
    units, persons = [f"F{number}" for number in range(60)], [f"P{number}" for number in range(30)]
    sql = "SELECT count(*), count(DISTINCT uscc), count(DISTINCT person_id) FROM gov.owner"
    (row,) = ask(sql, firms).release.rows
    assert row == (count_of(units), count_of(units), count_of(persons, UnitType.PERSON))
    joined = "SELECT count(*) FROM gov.firm f JOIN gov.owner o ON f.uscc = o.uscc"
    assert ask(joined, firms).release.rows == ((count_of(units),),)


def test_what_is_computed_is_computed_from_perturbed_numbers() -> None:
    firms = [firm(number, "A", arrears=number % 3 == 0) for number in range(60)]
    late = [str(row["uscc"]) for row in firms if row["arrears"]]
    every = count_of([str(row["uscc"]) for row in firms])
    sql = "SELECT count(*) FILTER (WHERE arrears) * 1.0 / count(*) AS share, 2 * count(*) AS twice FROM gov.firm"
    ran = ask(sql, firms)
    assert ran.release.rows[0][0] == pytest.approx(count_of(late) / every)
    assert ran.release.rows[0][1] == 2 * every
    share, twice = ran.release.accuracy
    (plain,) = ask("SELECT count(*) AS n FROM gov.firm", firms).release.accuracy
    assert (share.kind, share.below) == ("computed", "")
    assert "number of subjects or rows is from" in share.message
    assert (twice.kind, int(twice.below), int(twice.above)) == ("count", 2 * int(plain.below), 2 * int(plain.above))


def test_having_sees_the_number_that_leaves() -> None:
    shown = count_of(UNITS["B"])
    sql = "SELECT section FROM gov.firm GROUP BY section HAVING count(*) = {}"
    assert ask(sql.format(shown), FIRMS).release.rows == (("B",),)
    for other in {shown - 1, shown + 1, len(UNITS["B"])} - {shown, count_of(UNITS["A"])}:
        assert ask(sql.format(other), FIRMS).release.rows == ()


def test_every_column_says_how_exact_it_is() -> None:
    (one,) = ask(SECTIONS, FIRMS).release.accuracy
    assert (one.column, one.kind, one.standard_error) == ("n", "count", "2.001")
    (other,) = ask(SECTIONS, FIRMS, ROUNDED).release.accuracy
    assert Decimal(other.standard_error) > Decimal(one.standard_error)
    assert Decimal(other.below) >= Decimal(one.below) > 0
    assert ask(SECTIONS, FIRMS, NONE).release.accuracy == ()


@pytest.mark.parametrize("rules", [NOISE, ROUNDED], ids=["noise", "rounded"])
def test_the_interval_holds_as_often_as_it_says(rules: ThresholdRules) -> None:
    """Over secrets, which are draws of the keys: 95 of 100, and a little less for chance."""
    sql, held = "SELECT count(*) FROM gov.firm WHERE section = 'A'", 0
    ran = ask(sql, FIRMS, rules)
    (one,) = ran.release.accuracy
    for number in range(400):
        ((shown,),) = release(ran.execution, secret=number.to_bytes(32)).rows
        assert isinstance(shown, int)
        held += shown - int(one.below) <= len(UNITS["A"]) <= shown + int(one.above)
    assert held >= 370


def test_several_types_of_subjects_in_one_number_share_the_doubt() -> None:
    firms = sections(A=60)
    ran = ask("SELECT count(DISTINCT uscc) + count(DISTINCT person_id) AS n FROM gov.owner", firms)
    assert ran.release.accuracy[0].kind == "count"
    assert ran.release.rows == (
        (
            count_of([f"F{number}" for number in range(60)])
            + count_of([f"P{number}" for number in range(30)], UnitType.PERSON),
        ),
    )


REFUSED = [
    "SELECT sum(revenue) FROM gov.firm",
    "SELECT avg(revenue) FROM gov.firm",
    "SELECT var_samp(revenue) FROM gov.firm",
    "SELECT count(*) FROM gov.return",
    "SELECT count(*) FILTER (WHERE arrears) FROM gov.return",
    "SELECT count(*) FROM gov.firm f JOIN gov.return r ON f.uscc = r.uscc",
    "SELECT count(*) FROM gov.firm WHERE staff > (SELECT avg(staff) FROM gov.firm)",
    "SELECT count(*) FROM gov.firm WHERE section IN (SELECT section FROM gov.firm GROUP BY 1 HAVING count(*) > 17)",
    "SELECT count(*) FROM (SELECT uscc FROM gov.firm UNION ALL SELECT uscc FROM gov.return) x",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_cannot_have_noise_is_refused_and_never_answered_without(sql: str) -> None:
    with pytest.raises(Refused, match="LVR-2322"):
        ask(sql, FIRMS)
    assert ask(sql, FIRMS, NONE).release.accuracy == ()


def test_subjects_without_a_table_are_not_counted() -> None:
    rules = ThresholdRules(K, noise=NoiseRules({UnitType.PERSON: "persons"}))
    with pytest.raises(Refused, match=r"LVR-2323: .*for 5 units \(enterprise\)"):
        ask(SECTIONS, FIRMS, rules)


def test_without_a_secret_nothing_leaves() -> None:
    ran = ask(SECTIONS, FIRMS)
    with pytest.raises(NoiseSecretMissing):
        release(ran.execution)


def told(ran_rows: Sequence[Sequence[object]], place: int, value: object) -> tuple[tuple[object, ...], ...]:
    return tuple((*row[:place], value, *row[place + 1 :]) for row in ran_rows)


def test_a_worker_that_sends_other_keys_or_numbers_is_caught() -> None:
    ran = ask(SECTIONS, FIRMS)
    (core,) = ran.plan.cores
    places = {column.name: place for place, column in enumerate(core.columns)}
    (rows,) = ran.execution.rows
    for place, value in ((places["x1"], 2**63), (places["x1"], None), (places["n"], 29)):
        with pytest.raises(WorkerLied):
            release(Execution(ran.execution.committed, (told(rows, place, value),)), secret=SECRET)


def test_a_plan_that_leaves_a_number_without_noise_is_not_released() -> None:
    ran = ask(SECTIONS, FIRMS)
    (core,) = ran.plan.cores
    bare = replace(ran.plan, cores=(replace(core, noisy=()),))
    with pytest.raises(WorkerLied):
        release(Execution(replace(ran.execution.committed, plan=bare), ran.execution.rows), secret=SECRET)


def test_without_noise_a_worker_combines_nothing() -> None:
    (core,) = ask(SECTIONS, FIRMS, NONE).plan.cores
    assert "bit_xor" not in core.statement
    assert not any(column.part is Part.COMBINED for column in core.columns)


def test_a_dry_run_says_which_noise_and_rounding_apply() -> None:
    made = plan(question(world(FIRMS), SECTIONS, rules=ROUNDED))
    found = {(rule.rule, rule.count) for rule in rules_told.rules(made)}
    assert found >= {("noise", 8), ("rounding", 5)}
    assert "PERTURBED" in {notice.code for notice in explaining.certain_notices(made)}
    plain = plan(question(world(FIRMS), SECTIONS, rules=NONE))
    assert not {"noise", "rounding"} & {rule.rule for rule in rules_told.rules(plain)}


def test_nearest_rounding_needs_no_draw() -> None:
    rules = ThresholdRules(K, noise=NoiseRules(TABLES, RoundingKind.BASE, 10))
    rows: list[Row] = sections(A=200)
    ((shown,),) = ask("SELECT count(*) FROM gov.firm", rows, rules).release.rows
    assert shown in (190, 200, 210)
