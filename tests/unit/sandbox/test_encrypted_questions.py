"""Encrypted columns in SQL: what may be asked of them, what it comes to, and what each answer says of its protection."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.support.encrypted import A07, CONTRACT, SECRET, STRICT, asked, lending, permit, shown, some_lending
from tests.support.relations import readings, run
from tests.support.sealed import REAL, real_key
from tests.support.seeded_noise import SeededSampler, Silent

from louver.errors import Refused
from louver_sandbox.encrypted_core import ContractRules, EncryptedRules, Protection
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import PlanUnverified, verify
from louver_sandbox.policy.encrypted import strictest
from louver_sandbox.release.encrypted import NoSampler, NoSecret, told
from louver_sandbox.stages import Members, Treatment

LENDING = some_lending()
GRADED = "FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no"


@pytest.mark.parametrize(
    ("encrypted", "clear"),
    [
        ("sum(l.amount)", "sum(l.amount)"),
        ("sum(12 * l.amount)", "sum(12 * l.amount)"),
        ("sum(-l.days * 3)", "sum(-l.days * 3)"),
        ("sum(l.amount) FILTER (WHERE l.branch = '东')", "sum(l.amount) FILTER (WHERE l.branch = '东')"),
        ("sum(CASE WHEN l.branch = '东' THEN l.amount ELSE 0 END)", "sum(l.amount) FILTER (WHERE l.branch = '东')"),
        ("sum(l.amount * (l.branch = '东')::INT)", "sum(l.amount) FILTER (WHERE l.branch = '东')"),
        ("sum(l.days * CASE WHEN l.branch = '西' THEN 1 ELSE 0 END)", "sum(l.days) FILTER (WHERE l.branch = '西')"),
        ("avg(l.amount)", "avg(l.amount)"),
        ("avg(CASE WHEN l.branch = '东' THEN l.days END)", "avg(l.days) FILTER (WHERE l.branch = '东')"),
        ("count(l.amount)", "count(l.amount)"),
    ],
)
def test_what_is_asked_of_ciphertexts_is_what_it_is_of_amounts(encrypted: str, clear: str, tmp_path: Path) -> None:
    sql = "SELECT l.branch, l.id_no < 'u0100' AS old, {} AS v FROM bank_a.loan l GROUP BY ALL ORDER BY 1, 2"
    found = asked(LENDING, permit(LENDING, sql.format(encrypted), None, public=True), tmp_path, None, None)
    plain = LENDING.plain(sql)
    made = permit(replace(LENDING, world=plain), sql.format(clear), None, public=True)
    truth = run(plain, replace(made, facts=replace(made.facts, sealing_key=""))).release.rows
    assert len(truth) == 4
    assert found.plan.treatment is Treatment.EXACT
    for own, other in zip(found.opened.rows, truth, strict=True):
        assert own[:2] == other[:2]
        assert (own[2] is None) == (other[2] is None)
        assert own[2] is None or abs(Decimal(own[2]) - Decimal(str(other[2]))) < Decimal("0.0001")


@pytest.mark.parametrize("bits", REAL)
def test_every_path_opens_to_the_same_at_the_sizes_in_use(bits: int, tmp_path: Path) -> None:
    real, small = some_lending(48, real_key(bits)), some_lending(48)
    sql = f"SELECT t.grade, sum(l.amount) AS s, avg(-3 * l.days) AS m {GRADED} GROUP BY 1"
    public = "SELECT l.branch, sum(l.amount) AS s, avg(l.days) AS m FROM bank_a.loan l GROUP BY 1"
    folders = [tmp_path / "real", tmp_path / "small"]
    for folder in folders:
        folder.mkdir()
    for asking, rules in ((sql, CONTRACT), (sql, STRICT), (public, None)):
        both = [
            asked(of, permit(of, asking, rules, public=rules is None), folder, Silent()).by_key
            for of, folder in zip((real, small), folders, strict=True)
        ]
        assert both[0] == both[1]
        assert len(both[0]) == (2 if rules is None else 4)
    assert real.key.public.bits == bits


def test_sums_by_protected_groups_are_judged_as_their_rows_are(tmp_path: Path) -> None:
    grades = {f"u{number:04}": "ABCD"[number % 4] if number < 60 else "A" for number in range(200)}
    grades |= {f"u{number:04}": "D" for number in range(3)}
    few = {firm for firm, grade in grades.items() if grade == "C"}
    kept = {firm: grade for firm, grade in grades.items() if grade != "C" or firm in sorted(few)[:3]}
    found = asked(lending(LENDING.loans, kept), permit(lending(LENDING.loans, kept), A07), tmp_path, Silent())
    assert set(found.by_key) == {"A", "B", "D"}
    assert found.by_key["B"][0] == sum(grade == "B" for grade in kept.values())


def test_the_answer_says_which_protection_there_is_and_stays_within_what_it_states(tmp_path: Path) -> None:
    exact = asked(LENDING, permit(LENDING, A07), tmp_path, Silent())
    noisy = asked(LENDING, permit(LENDING, A07), tmp_path, SeededSampler(3))
    (told,) = [notice for notice in noisy.answer.notices if notice.code == "ENCRYPTED_INPUT"]
    assert (told.rule, told.count) == ("contract", 2)
    assert "no value of yours is above 1000" in told.message
    (owed,) = [one for one in noisy.answer.accuracy if one.column == "owed"]
    measure = noisy.plan.encrypted.measures[0]  # type: ignore[union-attr]  # it has one
    assert Decimal(owed.below) * 100 == half_width(DiscreteGaussian(measure.noise))
    moved = [abs(noisy.by_key[grade][1] - exact.by_key[grade][1]) for grade in "ABCD"]
    assert any(moved)
    assert max(moved) < 10 * Decimal(owed.standard_error)


def test_noise_is_paid_for_exactly_as_it_is_drawn() -> None:
    made = plan(permit(LENDING, A07))
    (paid,) = made.privacy
    assert made.encrypted is not None
    sensitivity = 1000 * 100
    scales = {one.sum_of: one.noise for one in made.encrypted.measures}
    assert len(scales) == 1  # a sum and an average of the same are one number
    assert paid.cost.rho == sum(Fraction(sensitivity**2) / (2 * scale**2) for scale in scales.values())
    assert paid.cost.rho <= CONTRACT.each.rho
    assert (paid.dataset, paid.terms.lifetime) == ("gov.tax_credit", CONTRACT.lifetime)
    twice = plan(permit(LENDING, A07.replace("avg(l.amount)", "sum(2 * l.days)")))
    assert twice.privacy[0].cost.rho <= CONTRACT.each.rho


def test_a_column_with_a_bound_of_its_own_has_noise_for_that(tmp_path: Path) -> None:
    sql = A07.replace("avg(l.amount) AS mean", "sum(3 * l.days) AS days")
    plain, bounded = (
        plan(permit(LENDING, sql, rules)) for rules in (CONTRACT, replace(CONTRACT, most_of=(("days", Decimal(9)),)))
    )
    assert plain.encrypted is not None
    assert bounded.encrypted is not None
    (owed, days), (same, less) = (
        [one.noise for one in made.encrypted.measures] for made in (plain, bounded) if made.encrypted
    )
    assert owed == same
    assert abs(days / less - Fraction(1000, 9)) < Fraction(1, 10**6)
    assert bounded.privacy[0].cost.rho <= CONTRACT.each.rho
    assert plain.question != bounded.question
    found = asked(
        LENDING, permit(LENDING, sql, replace(CONTRACT, most_of=(("days", Decimal(9)),))), tmp_path, Silent()
    )
    assert "1000 (amount), 9 (days) as you have signed" in shown(found.answer)


def test_a_subject_counts_with_no_more_rows_than_noise_hides(tmp_path: Path) -> None:
    loans = [{"id_no": f"u{n % 40:04}", "amount": 100, "days": 1, "branch": "东"} for n in range(160)]
    of = lending(loans, {f"u{n:04}": "ABCD"[n % 4] for n in range(40)})
    sql = f"SELECT t.grade, count(*) AS n, sum(l.amount) AS s {GRADED} GROUP BY 1"
    for rows in (1, 3, 20):
        found = asked(of, permit(of, sql, replace(CONTRACT, rows=rows)), tmp_path, Silent())
        assert found.by_key == {grade: (40, Decimal(min(rows, 4) * 10)) for grade in "ABCD"}


def test_without_trust_each_row_is_told_by_chance_the_same_for_ever(tmp_path: Path) -> None:
    first = asked(LENDING, permit(LENDING, A07, STRICT), tmp_path, None)
    again = asked(LENDING, permit(LENDING, A07.replace("AS owed", "AS debts"), STRICT), tmp_path, None)
    other = asked(LENDING, permit(LENDING, A07, STRICT), tmp_path, None, b"t" * 32)
    assert first.by_key == again.by_key != other.by_key
    assert first.answer.arrow != again.answer.arrow
    made = first.plan.encrypted
    assert made is not None
    # Five groups (one is none of them), e^4: a row keeps its own with chance 1000 / kept_of, never more.
    kept = Fraction(1000, made.kept_of)
    assert 53.5 < float(1 + kept * 5 / (1 - kept)) <= 54.5982
    assert {grade: row[0] for grade, row in first.by_key.items()} == dict.fromkeys("ABCD", 50)
    assert [charge.kind for charge in first.plan.charges] == ["query", "predicate", "chance", "chance_of_all"]
    assert first.plan.privacy == ()


def test_rows_keep_their_group_as_often_as_stated_and_sums_are_put_right_on_average() -> None:
    made = plan(permit(LENDING, A07, STRICT)).encrypted
    assert made is not None
    assert made.told is not None
    count = 200_000
    wide = replace(made, rows=count)
    row = np.arange(count, dtype="<u8")
    cells: tuple[tuple[object, ...], ...] = (("A",), ("B",), ("C",), ("D",))
    present = np.ones(count, "u1").tobytes()
    found = Members(cells, (row % 4).astype("<u8").tobytes(), row.tobytes(), row.tobytes(), present, ())
    drawn = told(found, np.ones(count, bool), wide, SECRET)
    kept = 1000 / wide.kept_of + (1 - 1000 / wide.kept_of) / 5
    # Seven standard deviations: a false alarm in 10^11.
    assert abs((drawn == row % 4).mean() - kept) < 7 * (kept * (1 - kept) / count) ** 0.5
    for group in range(4):
        right = (wide.kept_of * 5 * (drawn == group).sum() - (wide.kept_of - 1000) * count) / wide.over
        assert abs(right - count / 4) < 7 * 0.01 * (count / 4)


def test_every_answer_is_randomised_anew(tmp_path: Path) -> None:
    first, again = (asked(LENDING, permit(LENDING, A07), tmp_path, Silent()) for _ in range(2))
    assert first.by_key == again.by_key
    assert first.answer.arrow != again.answer.arrow


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        (f"SELECT t.grade, max(l.amount) AS m {GRADED} GROUP BY 1", (1, 17)),
        (f"SELECT t.grade, count(DISTINCT l.amount) AS m {GRADED} GROUP BY 1", (1, 17)),
        (f"SELECT t.grade, sum(l.amount * l.days) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount * 0.5) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount * 2000000) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount + 1) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(abs(l.amount)) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(coalesce(l.amount, 0)) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(CASE WHEN l.amount > 5 THEN 1 ELSE 0 END) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.days) FILTER (WHERE l.amount > 5) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, avg(CASE WHEN t.arrears THEN l.amount ELSE 0 END) AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount) AS m {GRADED} WHERE l.amount > 5 GROUP BY 1", None),
        (f"SELECT l.days, count(*) AS n {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount) / 2 AS m {GRADED} GROUP BY 1", None),
        (f"SELECT t.grade, sum(l.amount) AS m {GRADED} GROUP BY 1 HAVING sum(l.amount) > 5", None),
        (f"SELECT t.grade, sum(l.amount) AS m {GRADED} GROUP BY 1 ORDER BY 2", None),
        ("SELECT l.amount FROM bank_a.loan l", None),
        ("SELECT l.id_no FROM bank_a.loan l ORDER BY l.amount", None),
        ("SELECT count(*) AS n FROM bank_a.loan l JOIN bank_a.loan k ON l.amount = k.amount", None),
        ("SELECT sum(a) AS s FROM (SELECT amount AS a FROM bank_a.loan) x", None),
        ("SELECT avg(s) AS s FROM (SELECT branch, sum(amount) AS s FROM bank_a.loan GROUP BY 1) x", None),
    ],
)
def test_anything_else_is_refused_at_its_place(sql: str, place: tuple[int, int] | None) -> None:
    with pytest.raises(Refused, match="LVR-5302") as caught:
        plan(permit(LENDING, sql, public="gov." not in sql))
    assert "encrypted" in caught.value.message
    assert caught.value.line == 1
    assert place is None or (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (f"SELECT sum(l.amount) AS s {GRADED} GROUP BY t.grade", "not shown"),
        (f"SELECT t.grade, sum(l.amount) AS s {GRADED} GROUP BY ROLLUP (t.grade)", "grouping sets"),
        (f"SELECT * FROM (SELECT t.grade, sum(l.amount) AS s {GRADED} GROUP BY 1) x WHERE s > 5", ""),
        (
            "SELECT l.branch, sum(l.amount) AS a, sum(k.amount) AS b FROM bank_a.loan l "
            "JOIN bank_a.loan k ON k.id_no = l.id_no GROUP BY 1",
            "several encrypted tables",
        ),
    ],
)
def test_answers_of_another_form_are_refused(sql: str, why: str) -> None:
    with pytest.raises(Refused, match=r"LVR-530[25]") as caught:
        plan(permit(LENDING, sql, public="gov." not in sql))
    assert why in caught.value.message


@pytest.mark.parametrize("kind", ["LEFT", "FULL"])
@pytest.mark.parametrize("rules", [CONTRACT, STRICT])
def test_rows_that_an_outer_join_adds_are_no_rows_of_a_sum(kind: str, rules: EncryptedRules) -> None:
    """Counted as rows they would carry a group of two loans over any threshold."""
    outer = f"FROM gov.tax_credit t {kind} JOIN bank_a.loan l ON t.uscc = l.id_no"
    with pytest.raises(Refused, match=r"LVR-530[29]"):
        plan(permit(LENDING, f"SELECT t.grade, count(*) AS n, sum(l.amount) AS s {outer} GROUP BY 1", rules))
    turned = "FROM bank_a.loan l RIGHT JOIN gov.tax_credit t ON t.uscc = l.id_no"
    with pytest.raises(Refused, match="LVR-5302"):
        plan(permit(LENDING, f"SELECT t.grade, sum(l.amount) AS s {turned} GROUP BY 1", rules))
    # With the loans kept whole, firms may be missing: such a row is in no protected group.
    kept = "FROM bank_a.loan l LEFT JOIN gov.tax_credit t ON t.uscc = l.id_no"
    assert plan(permit(LENDING, f"SELECT t.grade, sum(l.amount) AS s {kept} GROUP BY 1", rules)).encrypted


def test_terms_key_and_treatment_decide_before_anything_is_planned() -> None:
    with pytest.raises(Refused, match="LVR-5304"):
        plan(permit(LENDING, A07, None))
    made = permit(LENDING, A07)
    with pytest.raises(Refused, match="LVR-5303"):
        plan(replace(made, facts=replace(made.facts, sealing_key="another")))
    with pytest.raises(Refused, match="LVR-5306"):
        plan(replace(made, treatment=Treatment.DP))
    joined = "JOIN gov.tax_credit u ON u.district = t.district"
    with pytest.raises(Refused, match="LVR-5309"):
        plan(permit(LENDING, f"SELECT t.grade, sum(l.amount) AS s {GRADED} {joined} GROUP BY 1"))


def test_chances_need_known_groups_and_enough_rows() -> None:
    with pytest.raises(Refused, match="LVR-5308"):
        plan(permit(LENDING, f"SELECT t.district, sum(l.amount) AS s {GRADED} GROUP BY 1", STRICT))
    with pytest.raises(Refused, match="LVR-5307") as caught:
        plan(permit(LENDING, A07, replace(STRICT, error_percent=5)))
    assert "200 rows in 4 groups" in caught.value.message
    with pytest.raises(Refused, match="LVR-5302"):
        plan(
            permit(
                LENDING, f"SELECT t.grade, sum(l.amount) FILTER (WHERE t.arrears) AS s {GRADED} GROUP BY 1", STRICT
            )
        )


def test_nothing_leaves_without_noise_secret_or_a_protection_that_was_planned(tmp_path: Path) -> None:
    with pytest.raises(NoSampler):
        asked(LENDING, permit(LENDING, A07), tmp_path, None)
    with pytest.raises(NoSecret):
        asked(LENDING, permit(LENDING, A07, STRICT), tmp_path, None, None)
    made = plan(permit(LENDING, A07))
    assert made.encrypted is not None
    bare = replace(made.encrypted, protection=Protection.NONE)
    silent = replace(
        made.encrypted, measures=tuple(replace(one, noise=Fraction(0)) for one in made.encrypted.measures)
    )
    for changed in (
        replace(made, encrypted=bare),
        replace(made, encrypted=silent),
        replace(made, privacy=()),
        replace(made, seal=None),
        replace(made, encrypted=replace(made.encrypted, unit_rows=0)),
    ):
        with pytest.raises(PlanUnverified):
            verify(changed, readings(changed))
    verify(made, readings(made))


def test_the_strictest_terms_hold_and_silence_forbids() -> None:
    assert strictest([CONTRACT, None]) is None
    assert strictest([]) is None
    assert strictest([CONTRACT, STRICT]) == STRICT
    larger = replace(CONTRACT, most=Decimal(5000), rows=3)
    assert strictest([CONTRACT, larger]) == replace(CONTRACT, most=Decimal(5000), rows=3)
    days = replace(CONTRACT, most_of=(("days", Decimal(30)),))
    both = strictest([days, replace(CONTRACT, most=Decimal(500), most_of=(("fees", Decimal(7)),))])
    assert isinstance(both, ContractRules)
    assert both.most_of == (("days", Decimal(500)), ("fees", Decimal(1000))), "each at its largest under any of them"
