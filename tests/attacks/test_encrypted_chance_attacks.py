"""Attacks on rows that are told by chance (CRYPTO 5.1, ADR 52): asking again in other words, and reading the draw.

The naive variant draws for each text of a question, as a service does that remembers answers by their SQL.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.support.encrypted import SECRET, STRICT, Lending, asked, lending, permit
from tests.support.relations import committed, readings, reply_to, snapshots

from louver.errors import Refused
from louver_sandbox.commit import charge
from louver_sandbox.encrypted_core import EncryptedPlan, StrictRules
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.policy.encrypted import written
from louver_sandbox.policy.terms import StrictTerms
from louver_sandbox.release.decode import decode
from louver_sandbox.release.encrypted import bounded, told
from louver_sandbox.stages import Plan
from louver_sandbox.store import State

NOW = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
FIRMS = 120
GRADES = {f"u{n:04}": "AB"[(n * n + n // 3) % 2] for n in range(FIRMS)}
GRADED = "FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no"
SUMS = f"SELECT t.grade, sum(l.amount) AS s {GRADED} WHERE t.grade IN ('A', 'B') GROUP BY 1"
TRUE_A = np.array([GRADES[f"u{n:04}"] == "A" for n in range(FIRMS)])


@pytest.fixture(scope="module")
def of() -> Lending:
    """A bank that has encrypted 2^n for its n-th customer, or whatever else: the draw does not depend on it."""
    loans = [{"id_no": f"u{n:04}", "amount": 2**n, "days": 0, "branch": "东"} for n in range(FIRMS)]
    return lending(loans, GRADES)


def spellings() -> list[str]:
    """Fifty ways to write one question."""
    fixed = "t.grade IN ('A', 'B')"
    more = [
        "t.grade IN ('B', 'A', 'A')",
        "(t.grade = 'A' OR t.grade = 'B')",
        "NOT (t.grade <> 'A' AND t.grade <> 'B')",
        "t.grade BETWEEN 'A' AND 'B'",
        "t.grade >= 'A' AND t.grade <= 'B'",
        "t.grade < 'C'",
        "t.grade NOT IN ('C', 'D')",
        "NOT t.grade IN ('D', 'C')",
        "CASE WHEN t.grade = 'C' THEN 1 WHEN t.grade = 'D' THEN 2 ELSE 0 END = 0",
        "upper(t.grade) <= 'B'",
        "(t.arrears OR NOT t.arrears)",
        "CAST(t.arrears AS INT) < 2",
        "coalesce(t.grade, 'x') <> 'x'",
        "t.grade IS NOT NULL",
        "length(t.grade) = 1",
        "NOT NOT t.grade IN ('A', 'B')",
    ]
    wheres = [f"{fixed} AND {one}" for one in more] + [f"{one} AND {fixed}" for one in more]
    found = [SUMS.replace(f"WHERE {fixed}", f"WHERE {where}") for where in wheres]
    found += [
        sql.replace("FROM bank_a.loan l JOIN", "FROM bank_a.loan AS own JOIN").replace("l.", "own.")
        for sql in found[:10]
    ]
    found += [sql.replace("sum(l.amount) AS s", "sum(2 * l.days) AS d, sum(l.amount) AS s") for sql in found[:10]]
    return found[:50]


def draw(of: Lending, planned: Plan, label: str | None = None) -> np.ndarray:
    """In which group each row of the upload is told to be, as the bank reads it off one sum of powers of two."""
    made = planned.encrypted
    assert made is not None
    with snapshots(of.world, planned) as connection:
        found = decode(reply_to(connection, planned), committed(planned)).members
    assert found is not None
    one = made if label is None else replace(made, label=label)
    numbers: np.ndarray = told(found, bounded(found, made), one, SECRET)
    in_a: np.ndarray = numbers == made.number_of["A",]
    return in_a


def guessed(draws: list[np.ndarray]) -> float:
    """How often somebody is right about a customer who counts draws, and knows that of three labels a row keeps its own
    with chance (e - 1) / (e + 2) and has any by one in three otherwise."""
    kept = (math.e - 1) / (math.e + 2)
    return float(np.mean((np.mean(draws, axis=0) > kept / 2 + (1 - kept) / 3) == TRUE_A))


def default() -> StrictRules:
    """The terms of a grant that says `protection: strict` and nothing else, for as few rows as these."""
    rules = written(StrictTerms(protection="strict"))
    assert isinstance(rules, StrictRules)
    return replace(rules, error_percent=1000)


def test_fifty_spellings_are_one_draw_and_average_to_nothing(of: Lending) -> None:
    plans = [plan(permit(of, sql, default())) for sql in spellings()]
    assert len(set(spellings())) == len(plans) == 50
    naive = [
        draw(of, one, hashlib.sha256(sql.encode()).hexdigest())
        for one, sql in zip(plans[:1] * 50, spellings(), strict=True)
    ]
    assert guessed(naive) > 0.95, "fifty draws read nearly every customer"
    assert len({one.encrypted.label for one in plans if one.encrypted is not None}) == 1
    first, *others = [draw(of, one) for one in (*plans[:3], plans[20], plans[40])]
    assert all((one == first).all() for one in others)
    # Which is one draw: right about a customer as often as epsilon 1 lets it be, and a test of 120 can see.
    assert guessed([first]) < 0.9


def test_what_is_not_seen_to_be_the_same_is_paid_for_until_nothing_is_left(of: Lending, tmp_path: Path) -> None:
    """Conditions on the bank's own columns that always hold are other ways: as many are drawn as policy has said."""
    rules = default()
    plans = [
        plan(permit(of, SUMS.replace("WHERE", f"WHERE l.id_no >= '{low}' AND"), rules))
        for low in ("a", "b", "c", "d")
    ]
    assert len({one.encrypted.label for one in plans if one.encrypted}) == 4
    with State.open(tmp_path / "state.db") as state:

        def ask(one: Plan, institution: str = "bank_a") -> None:
            request = permit(of, SUMS, rules).bound.request
            other = replace(request, subject=replace(request.subject, institution=institution))
            with state.transaction() as tx:
                charge(tx, [each for each in one.charges if each.kind.startswith("chance")], other, NOW)

        for one in plans[: rules.labels]:
            ask(one)
        for one in plans[rules.labels :]:
            with pytest.raises(Refused, match="LVR-5310") as caught:
                ask(one)
            assert "1 of epsilon 1" in caught.value.message.replace("1.000", "1")
            assert "drawn before" in caught.value.hint
        ask(plans[0])  # for ever free
        # Another bank has its own share, and whoever comes after those that there is something for has none.
        ask(plans[1], "bank_b")
        with pytest.raises(Refused, match="LVR-5310") as caught:
            ask(plans[3], "bank_c")
        assert "all institutions" in caught.value.message


def test_a_chain_of_own_rows_leads_to_one_subject_by_one_draw_for_each_charge(tmp_path: Path) -> None:
    """A bank joins its table to itself by a column of its own that walks through all its customers, and has each link's
    column summed: one way of grouping, and each time it is other rows that are told the same subjects' groups.

    Naive: the label names tables, conditions and groups, and not whose rows are told.
    """
    after = [(n + 37) % FIRMS for n in range(FIRMS)]
    loans = [{"id_no": f"u{n:04}", "amount": 2**n, "days": 0, "branch": f"u{after[n]:04}"} for n in range(FIRMS)]
    walked, links, rules = lending(loans, GRADES), 13, default()
    chain = " ".join(f"JOIN bank_a.loan l{n} ON l{n - 1}.branch = l{n}.id_no" for n in range(1, links))
    plans = [
        plan(permit(walked, f"SELECT t.grade, sum(l{told}.amount) AS s FROM bank_a.loan l0 {chain} "
                    "JOIN gov.tax_credit t ON t.uscc = l0.id_no WHERE t.grade IN ('A', 'B') GROUP BY 1", rules))
        for told in range(links)
    ]  # fmt: skip
    for one in plans:
        verify(one, readings(one))
    one_label = "0" * 64
    read, place = [], np.arange(FIRMS)
    for one in plans:
        read.append(draw(walked, one, one_label)[place])
        place = np.array(after)[place]
    assert guessed(read) > 0.85, "thirteen draws for one charge"
    assert guessed(read) > guessed(read[:1]) + 0.1
    assert len({one.encrypted.label for one in plans if one.encrypted is not None}) == links
    request = permit(walked, SUMS, rules).bound.request
    with State.open(tmp_path / "state.db") as state, state.transaction() as tx:
        charge(tx, [each for each in plans[0].charges if each.kind.startswith("chance")], request, NOW)
        with pytest.raises(Refused, match="LVR-5310"):
            charge(tx, [each for each in plans[1].charges if each.kind.startswith("chance")], request, NOW)


def test_no_bank_takes_what_there_is_for_all_unless_a_policy_lets_it(of: Lending, tmp_path: Path) -> None:
    """Naive: an institution may have as many ways as there are for all. One bank's two questions, and `strict` has
    ended for everybody, for ever: no rule is broken, and a rival has been shut out."""
    lows = ("a", "b", "c")

    def answered(rules: StrictRules, asking: list[str], store: Path) -> list[bool]:
        plans = [plan(permit(of, SUMS.replace("WHERE", f"WHERE l.id_no >= '{low}' AND"), rules)) for low in lows]
        request, found = permit(of, SUMS, rules).bound.request, []
        with State.open(store) as state:
            for one, institution in zip(plans, asking, strict=True):
                other = replace(request, subject=replace(request.subject, institution=institution))
                try:
                    with state.transaction() as tx:
                        charge(tx, [each for each in one.charges if each.kind.startswith("chance")], other, NOW)
                except Refused:
                    found.append(False)
                else:
                    found.append(True)
        return found

    asking = ["bank_a", "bank_a", "bank_b"]
    assert answered(replace(default(), labels=2), asking, tmp_path / "naive.db") == [True, True, False]
    assert answered(default(), asking, tmp_path / "state.db") == [True, False, True]


def posterior(made: EncryptedPlan) -> float:
    """How often who sees one draw is right, at most, where each of the groups is as likely as any other."""
    kept = 1000 / made.kept_of
    return kept + (1 - kept) / made.labels


def test_powers_of_two_read_a_row_no_more_often_than_stated_at_the_default(of: Lending, tmp_path: Path) -> None:
    rules = default()
    assert (rules.epsilon, rules.labels, rules.labels_of_all) == (Fraction(1), 1, 2)
    made = plan(permit(of, SUMS, rules)).encrypted
    assert made is not None
    # Of two groups and none, and never beyond e^epsilon against evens.
    assert posterior(made) <= math.e / (math.e + 2) + 1e-9
    first = draw(of, plan(permit(of, SUMS, rules)))
    right = (first == TRUE_A).mean()
    # 120 rows, of which each is told rightly to be in A or not with chance at most 0.79: 6.3 deviations above.
    assert right < 0.79 + 6.3 * math.sqrt(0.79 * 0.21 / FIRMS)
    # At the former default of 4 nearly everybody was read, which is what lint refuses now.
    loose = plan(permit(of, SUMS, STRICT)).encrypted
    assert loose is not None
    assert posterior(loose) > 0.95
    assert draw(of, plan(permit(of, SUMS, STRICT))).tolist() != first.tolist()
    found = asked(of, permit(of, SUMS, rules), tmp_path, None)
    (notice,) = [one for one in found.answer.notices if one.code == "ENCRYPTED_INPUT"]
    assert notice.rule == "strict"
    assert "e^1 " in notice.message
    assert "e^1 for all that you are ever told so; 73.2 in 100 at most" in notice.message


def test_one_draw_is_not_shown_for_two_truths(of: Lending) -> None:
    """Were the coins the same when data change and only the label stays, rows that changed would be told for certain."""
    planned = plan(permit(of, SUMS, default()))
    made = planned.encrypted
    assert made is not None
    with snapshots(of.world, planned) as connection:
        found = decode(reply_to(connection, planned), committed(planned)).members
    assert found is not None
    cell = np.frombuffer(found.cell, "<u8").copy()
    cell[0] = 1 - cell[0]
    changed = replace(found, cell=cell.tobytes())
    everyone = bounded(found, made)
    differing = (told(found, everyone, made, SECRET) != told(changed, everyone, made, SECRET)).sum()
    assert differing > FIRMS / 4, "all rows are drawn anew, and not the one that changed"
