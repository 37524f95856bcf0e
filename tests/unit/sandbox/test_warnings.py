"""Warnings: flags on the right month, once for each version of the data, and of nobody who has not authorised it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.line import stream
from tests.support.policy_questions import TODAY, city_bundle, city_catalog
from tests.support.warned import BANK, DAY, PURPOSE, RIVAL, SETTLED, TEMPLATE, Warned, asked, firm, warned

from louver.errors import Refused, Unproven
from louver_sandbox.audit import Entry
from louver_sandbox.plan import warnings as planning
from louver_sandbox.plan.plan import plan as planned
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.plan.warnings import about_many, judge_warnings
from louver_sandbox.policy.called import Called
from louver_sandbox.policy.lookups import admit
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.templates import Template
from louver_sandbox.refusals import lookups as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Facts, Request
from louver_sandbox.warning_plan import WarningCase, WarningPlan
from louver_sandbox.warnings.flags import decode_flags

ONE, TWO = firm(1), firm(2)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Warned]:
    with warned(tmp_path) as made:
        made.rows["gov.ent_registry"] = [(ONE,), (TWO,)]
        yield made


@pytest.fixture(scope="module")
def plan() -> WarningPlan:
    case = WarningCase(replace(BANK, fingerprint=""), PURPOSE, TEMPLATE, TODAY)
    return judge_warnings(case, city_catalog(), city_bundle())[0]


def newest(line: Warned, kind: str) -> Entry:
    return [entry for entry in line.books.log.entries(limit=1000) if entry.fields["kind"] == kind][-1]


def insured(line: Warned, subject: str, *heads: int) -> None:
    months = [(subject, date(2025 + place // 12, 1 + place % 12, 1), head) for place, head in enumerate(heads)]
    line.rows["gov.ss_ent_month"] = [row for row in line.rows["gov.ss_ent_month"] if row[0] != subject] + months


def next_version(line: Warned) -> int:
    line.version += 1
    return line.evaluation.round()


def test_a_flag_comes_up_in_the_month_in_which_it_should_and_goes_again(line: Warned) -> None:
    mine = line.borrower(ONE)
    insured(line, ONE, 100, 90)
    assert line.evaluation.round() == 0
    insured(line, ONE, 100, 90, 71)
    assert next_version(line) == 0
    insured(line, ONE, 100, 90, 71, 69)
    assert next_version(line) == 1
    (notice,) = line.told()
    assert (notice.subscription, notice.raised, notice.cleared) == (mine.id, ("headcount_drop",), ())
    insured(line, ONE, 100, 90, 71, 69, 68)
    assert next_version(line) == 0, "what is up already is no news"
    insured(line, ONE, 100, 90, 71, 69, 68, 80)
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    assert next_version(line) == 1
    (change,) = line.told(notice.id)
    assert (change.raised, change.cleared) == (("dishonest",), ("headcount_drop",))


def test_every_flag_of_the_design_comes_up_for_its_own_reason(line: Warned) -> None:
    made = {
        flag: line.borrower(firm(place)) for place, flag in enumerate(("tax_arrears", "dishonest", "power_drop"), 10)
    }
    line.rows["gov.ent_registry"] = [(one.subject,) for one in made.values()]
    line.rows["gov.tax_quarter"] = [
        (made["tax_arrears"].subject, date(2026, 4, 1), 5), (made["dishonest"].subject, date(2024, 1, 1), 9),
        (made["dishonest"].subject, date(2026, 1, 1), 0), (made["dishonest"].subject, date(2026, 4, 1), 0),
    ]  # fmt: skip
    line.rows["gov.court_dishonest"] = [
        (made["dishonest"].subject, None),
        (made["power_drop"].subject, date(2026, 5, 1)),
    ]
    line.rows["gov.utl_month"] = [
        (
            made["power_drop"].subject,
            kind,
            date(2025 + (6 + month) // 12, (6 + month) % 12 + 1, 1),
            10 if month > 8 else 100,
        )
        for month in range(12)
        for kind in ("电", "水")
    ]
    line.evaluation.round()
    assert {one.subscription: one.raised for one in line.told()} == {one.id: (flag,) for flag, one in made.items()}


def test_the_data_are_read_once_for_each_version_and_for_what_is_new(line: Warned) -> None:
    line.borrower(ONE)
    line.evaluation.round()
    line.evaluation.round()
    line.restarted().round()
    assert len(line.statements) == 1
    line.borrower(TWO)
    line.evaluation.round()
    assert len(line.statements) == 2
    assert ONE not in line.statements[1]
    next_version(line)
    assert len(line.statements) == 3
    assert line.kinds().count("warning_admission") == line.kinds().count("warning_outcome") == 3


def test_many_are_evaluated_batch_by_batch_and_every_one(tmp_path: Path) -> None:
    with warned(tmp_path, batch=4) as line:
        subjects = [firm(number) for number in range(10)]
        line.rows["gov.ent_registry"] = [(one,) for one in subjects]
        line.rows["gov.court_dishonest"] = [(one, None) for one in subjects]
        made = [line.borrower(one) for one in subjects]
        assert line.evaluation.round() == 10
        assert len(line.statements) == 3
        assert {one.subscription for one in line.told()} == {one.id for one in made}


def uncovered(line: Warned) -> dict[str, str]:
    """Authorisations that do not cover the second firm, by why."""
    revoked = line.consent(TWO)
    line.consents.revoke(revoked, BANK.institution)
    return {
        "none": "",
        "unknown": "0" * 32,
        "another bank's": line.consent(TWO, RIVAL),
        "another firm's": line.consent(ONE),
        "another purpose's": line.consent(TWO, purpose="LOAN_ORIGINATION"),
        "not begun": line.consent(TWO, granted_on=(DAY + timedelta(days=1)).isoformat()),
        "another scope": line.consent(TWO, scope=("gov.tax_quarter",)),
        "revoked": revoked,
    }


def test_without_cover_nobody_stands_in_the_list_and_nothing_is_told(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None), (TWO, None)]
    rows, entries = {}, {}
    for place, (why, authorisation) in enumerate(uncovered(line).items()):
        with closing(sqlite3.connect(line.books.state.location)) as other:  # each why by itself
            other.execute("UPDATE warning_subscriptions SET created = '2020-01-01'")
            other.commit()
        made = line.subscribe(TWO, authorisation)
        line.evaluation.round()
        assert TWO not in line.statements[-1], why
        rows[why] = line.statements[-1].count("('~')")
        entry = newest(line, "warning_admission")
        entries[why] = {
            name: value for name, value in entry.fields.items() if name not in ("time", "index", "commitments")
        }
        line.subscriptions.cancel(BANK, made.id)
        assert place >= 0
    assert list(line.told()) == []
    assert set(rows.values()) == {1}
    covered = line.borrower(TWO)
    line.evaluation.round()
    entry = newest(line, "warning_admission")
    said = {name: value for name, value in entry.fields.items() if name not in ("time", "index", "commitments")}
    assert all(one == said for one in entries.values()), "why stands in a commitment alone"
    assert [one.subscription for one in line.told()] == [covered.id]


def test_an_authorisation_is_used_once_and_not_by_two_subscriptions(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    shared = line.consent(ONE)
    first, second = line.subscribe(ONE, shared), line.subscribe(ONE, shared)
    line.evaluation.round()
    line.rows["gov.court_dishonest"] = []
    next_version(line)
    assert {one.subscription for one in line.told()} == {first.id}
    assert len(line.told()) == 2
    assert second.id not in {one.subscription for one in line.told()}


def test_a_revocation_while_the_rows_are_read_counts(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None), (TWO, None)]
    given = line.consent(ONE)
    line.subscribe(ONE, given)
    other = line.borrower(TWO)

    def revoke(statement: str) -> None:
        line.consents.revoke(given, BANK.institution)

    line.meet = revoke
    assert line.evaluation.round() == 1
    assert [one.subscription for one in line.told()] == [other.id]


def test_what_was_raised_before_a_revocation_is_told_no_more_and_nothing_says_why(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None), (TWO, None)]
    given = line.consent(ONE)
    line.subscribe(ONE, given)
    kept = line.borrower(TWO)
    line.evaluation.round()
    first, second = line.told()
    line.consents.revoke(given, None, "operator")
    assert [one.subscription for one in line.told()] == [kept.id]
    assert list(line.told(first.id)) == [second], "the place is a random id, and still one to go on from"
    line.rows["gov.court_dishonest"] = []
    assert next_version(line) == 1, "that it is gone is told of the other alone"


def test_it_ends_with_its_last_day_and_with_the_authorisations(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None), (TWO, None)]
    line.subscribe(ONE, line.consent(ONE), until=DAY + timedelta(days=3))
    line.borrower(TWO)
    line.evaluation.round()
    assert len(line.told()) == 2
    line.clock.now += timedelta(days=4)
    assert len(line.told()) == 1
    line.clock.now += timedelta(days=200)
    assert len(line.told()) == 0
    next_version(line)
    assert len(line.statements) == 1


@pytest.mark.parametrize("kind", ["warning_admission", "warning_outcome"])
def test_a_crash_loses_nothing_and_tells_nothing_twice(line: Warned, kind: str) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    mine = line.borrower(ONE)
    with closing(sqlite3.connect(line.books.state.location)) as other:
        other.execute(
            f"CREATE TRIGGER broken BEFORE INSERT ON entries WHEN NEW.kind = '{kind}' BEGIN SELECT RAISE(ABORT, 'x'); END"
        )
        line.evaluation.round()
        assert len(line.incidents) == 1
        assert bool(line.statements) is (kind == "warning_outcome"), "no row is read that the log does not explain"
        assert list(line.told()) == []
        assert line.evaluation.round() == 0, "a failure is not tried again at once"
        other.execute("DROP TRIGGER broken")
    assert line.restarted().round() == 1
    assert [one.subscription for one in line.told()] == [mine.id]
    assert line.restarted().round() == 0


def told_by(*columns: pa.Array) -> bytes:
    names = ["id", "c1", "c2", "c3", "c4"]
    return stream(pa.table(dict(zip(names, columns, strict=True))))


def test_a_worker_that_lies_is_believed_nothing(line: Warned) -> None:
    line.borrower(ONE)
    flags, other = pa.array([True]), pa.array([TWO])
    lies = [
        told_by(other, flags, flags, flags, flags),
        told_by(pa.array([ONE]), pa.array([5000]), flags, flags, flags),
        told_by(pa.array([ONE] * 17), *([pa.array([True] * 17)] * 4)),
        b"",
        told_by(pa.array([ONE]), flags, flags, flags, flags) * 2,
    ]
    for lie in lies:
        line.meet = lambda statement, lie=lie: lie  # type: ignore[misc]
        assert line.restarted().round() == 0
    assert line.kinds().count("aborted") == len(line.incidents) == len(lies)
    assert list(line.told()) == []
    line.meet = lambda statement: None
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    line.restarted().round()
    told = line.told()
    assert len(told) == 1
    with pytest.raises(Unproven):
        replace(told, institution="bank_b").verify(line.books.log.key)


def test_what_policies_end_is_evaluated_no_more_and_logged_once_a_day(line: Warned) -> None:
    line.borrower(ONE)
    line.refusal = refuse.template_unknown(TEMPLATE, Ruling("default-deny", "1"), ())
    for _ in range(3):
        line.evaluation.round()
    assert line.kinds().count("warning_refused") == 1
    assert line.statements == []


def test_a_subscription_is_taken_whatever_it_is_about(line: Warned) -> None:
    entries = []
    for subject, authorisation in (
        (ONE, line.consent(ONE)),
        ("91370299MA3NOBODY1", ""),
        (TWO, line.consent(TWO, RIVAL)),
    ):
        line.subscribe(subject, authorisation)
        entry = newest(line, "warning_subscription")
        entries.append({*entry.fields} | {str(entry.fields["until"]), str(entry.fields["policies"])})
    assert entries[0] == entries[1] == entries[2]


def test_limits_of_policy_hold_for_each_institution(line: Warned, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        line.subscriptions.cancel(BANK, line.borrower(ONE).id)
    with pytest.raises(Refused) as often:
        line.borrower(ONE)
    assert often.value.code == "LVR-5147"
    line.subscribe(ONE, line.consent(ONE, RIVAL), who=RIVAL)
    line.clock.now += timedelta(days=31)
    line.subscribe(ONE, "", until=SETTLED)
    with pytest.raises(Refused) as none:
        line.subscriptions.subscribe([])
    assert none.value.code == "LVR-5150"
    twice = asked(ONE, "")
    with pytest.raises(Refused):
        line.subscriptions.subscribe([twice, twice])


def test_all_of_a_call_are_taken_or_none(line: Warned) -> None:
    before = len(line.subscriptions.listed(BANK, "", 100))
    with pytest.raises(Refused):
        line.subscriptions.subscribe([asked(ONE, ""), asked(TWO, "", until=DAY - timedelta(days=1))])
    assert len(line.subscriptions.listed(BANK, "", 100)) == before
    assert line.kinds()[-1] == "refusal"


def named(template: str) -> tuple[Policy, Template]:
    return next((made, one) for made in city_bundle().policies for one in made.templates if one.name == template)


def test_the_statement_about_many_tells_of_each_what_a_lookup_would(line: Warned, plan: WarningPlan) -> None:
    drawn = random.Random(8)
    subjects = [firm(number) for number in range(40)]
    line.rows["gov.ent_registry"] = [(one,) for one in subjects if drawn.random() < 0.9]
    for one in subjects:
        insured(line, one, *(drawn.choice([0, 7, 10, 100]) for _ in range(drawn.randrange(5))))
        for month in range(1, drawn.randrange(1, 8)):
            line.rows["gov.utl_month"].append((one, "电", date(2026, month, 1), drawn.choice([1, 5, 100])))
            line.rows["gov.tax_quarter"].append((one, date(2026, month, 1), drawn.choice([None, 0, 0, 3])))
        line.rows["gov.court_dishonest"] += [(one, drawn.choice([None, DAY])) for _ in range(drawn.randrange(3))]
    case = plan.case
    calls = {
        one: Called(*named(case.template), one, "", Request("r", case.subject, PURPOSE, named(case.template)[1].sql))
        for one in subjects
    }
    lookups = [planned(admit(one, city_catalog(), city_bundle(), Facts(TODAY))) for one in calls.values()]
    assert all([str(ref.table) for ref in one.sources] == [str(ref.table) for ref in plan.sources] for one in lookups)
    statements = [about_many(plan, subjects), *(one.cores[0].statement for one in lookups)]
    together, *alone = line.run_all(plan.sources, statements)
    told = decode_flags(together, subjects, plan.flags)
    for subject, reply in zip(subjects, alone, strict=True):
        rows = pa.ipc.open_stream(reply).read_all().to_pylist()
        expected = [tuple(flag for flag, up in zip(plan.flags, row.values(), strict=True) if up) for row in rows]
        assert ([told[subject]] if subject in told else []) == expected
    assert {flag for flags in told.values() for flag in flags} == set(plan.flags)


def test_a_statement_that_is_not_the_verified_one_is_never_planned(
    plan: WarningPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrongly(statement: str) -> str:
        return planning._PLACE.sub(r'(\1 IN (SELECT "id" FROM "asked"))', statement, count=1)

    case = plan.case
    for broken in (wrongly, lambda text: text, lambda text: text.replace("~each", firm(3))):
        monkeypatch.setattr(planning, "_about_each", broken)
        with pytest.raises(PlanUnverified):
            judge_warnings(case, city_catalog(), city_bundle())


def test_of_a_suspended_institution_nothing_is_evaluated_and_nothing_is_told_to_it(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    made, other = line.borrower(ONE), line.subscribe(ONE, line.consent(ONE, RIVAL), who=RIVAL)
    line.suspensions.suspend("bank_a", "a key was found", "operator:wang")
    assert line.evaluation.round() == 1
    assert [one.subscription for one in line.told(who=RIVAL)] == [other.id]
    assert line.kinds().count("warning_refused") == 1
    assert line.evaluation.round() == 0
    assert line.kinds().count("warning_refused") == 1, "said once a day"
    line.suspensions.resume("bank_a", "a new key", "operator:wang")
    line.suspensions.resume("bank_a", "a new key", "operator:li")
    assert line.evaluation.round() == 1
    line.suspensions.suspend("bank_a", "again", "operator:wang")
    with pytest.raises(Refused, match="suspended"):
        line.told()
    line.suspensions.resume("bank_a", "a new key", "operator:wang")
    line.suspensions.resume("bank_a", "a new key", "operator:li")
    assert [one.subscription for one in line.told()] == [made.id]


def test_who_is_suspended_while_a_batch_runs_is_told_of_it_by_the_log_alone(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    line.borrower(ONE)

    def suspended(statement: str) -> None:
        line.meet = lambda statement: None
        line.suspensions.suspend("bank_a", "a key was found", "operator:wang")

    line.meet = suspended
    assert line.evaluation.round() == 0
    *_, aborted = [entry.fields for entry in line.books.log.entries(limit=1000) if entry.fields["kind"] == "aborted"]
    assert (aborted["reason"], aborted["institution"]) == ("suspended", "bank_a")
    line.suspensions.resume("bank_a", "a new key", "operator:wang")
    line.suspensions.resume("bank_a", "a new key", "operator:li")
    assert line.evaluation.round() == 1


def test_two_services_that_evaluate_the_same_tell_it_once(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    made = line.borrower(ONE)
    first, second, inner = line.evaluation, line.restarted(), list[int]()

    def meanwhile(statement: str) -> None:
        line.meet = lambda statement: None
        inner.append(second.round())

    line.meet = meanwhile
    assert first.round() == 0
    assert inner == [1]
    assert [one.subscription for one in line.told()] == [made.id]


def test_what_policy_allows_no_more_is_told_no_more(line: Warned) -> None:
    line.rows["gov.court_dishonest"] = [(ONE, None)]
    made = line.borrower(ONE)
    line.evaluation.round()
    asked: list[tuple[str, str, str]] = []

    def withdrawn(institution: str, template: str, purpose: str) -> bool:
        asked.append((institution, template, purpose))
        return False

    line.may_be_told, before = withdrawn, line.may_be_told
    assert list(line.told()) == []
    assert asked == [("bank_a", "post-loan-warning@1", "POST_LOAN")]
    assert line.kinds()[-1] == "warning_outcome", "where nothing is told nothing is logged"
    line.may_be_told = before
    assert [one.subscription for one in line.told()] == [made.id]
