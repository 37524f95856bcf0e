"""Windows of budgets and the history as policies write them: what is loaded, what is refused at its place, what
several grants come to, and that a bundle signed before them stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.asked_before import looking_back
from tests.support.line import NOON, ask, firms
from tests.support.policy_questions import bundle_of, grant_document, policy
from tests.unit.sandbox.test_policy_load import PLATFORM, POLICY

from louver_sandbox.accounting.ledger import Account, Balance
from louver_sandbox.obligations import AccessBudget, Period, WindowLimit
from louver_sandbox.pipeline import facts_at, judge
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.history import smallest_budget
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.model import Grant
from louver_sandbox.policy.terms import HistoryTerms
from louver_sandbox.selections import FLAGGED, Response
from louver_sandbox.service import budgets
from louver_sandbox.stages import Plan

COUNT = "SELECT count(*) AS n FROM gov.firm WHERE section = 'A'"


def problems(folder: Path, budget: str, history: str = "{}") -> list[str]:
    text = POLICY.replace(
        "budget: {queries_per_day: 10, predicates_per_day: 10}",
        f"history: {history}\n    budget: {{queries_per_day: 10, predicates_per_day: 10{budget}}}",
    )
    (folder / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (folder / "tax.yaml").write_text(text, encoding="utf-8")
    try:
        load_library([folder])
    except PolicyRefused as refused:
        return [str(problem) for problem in refused.problems]
    return []


@pytest.mark.parametrize(
    ("budget", "history"),
    [
        ("", "{}"),
        (", queries_per_month: 100, predicates_per_year: 7", "{}"),
        (", queries_in_all: 1", "{overlap: refuse, subset: 'off', window: lifetime}"),
    ],
)
def test_windows_and_history_are_loaded(tmp_path: Path, budget: str, history: str) -> None:
    assert problems(tmp_path, budget, history) == []


@pytest.mark.parametrize(
    ("budget", "history", "place", "says"),
    [
        (", queries_per_month: 0", "{}", "tax.yaml:18:", "too small"),
        (", queries_per_year: 200000", "{}", "tax.yaml:18:", "above the floor of 100000"),
        (", queries_per_week: 5", "{}", "tax.yaml:18:", "queries_per_week"),
        ("", "{subset: warn}", "tax.yaml:17:", "one of the allowed words"),
        ("", "{window: week}", "tax.yaml:17:", "one of the allowed words"),
        ("", "{tracker: refuse}", "tax.yaml:17:", "tracker"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(
    tmp_path: Path, budget: str, history: str, place: str, says: str
) -> None:
    (problem,) = problems(tmp_path, budget, history)
    assert place in problem
    assert says in problem


def test_a_bundle_that_names_neither_has_neither_in_its_canonical_form() -> None:
    made = policy(grant_document(table="gov.firm"), owner="测试部门")
    content = bundle_content(bundle_of(made).platform, [made])
    assert b"history" not in content
    assert b"per_month" not in content
    assert bundle_content(parse_bundle(content).platform, parse_bundle(content).policies) == content
    named = policy(
        grant_document(table="gov.firm", history={"subset": "refuse"}, budget={**_DAY, "queries_per_year": 5}),
        owner="测试部门",
    )
    again = parse_bundle(bundle_content(bundle_of(named).platform, [named])).policies[0].grants[0]
    assert (again.history.subset, again.budget.queries_per_year) == (Response.REFUSE, 5)


_DAY = {"queries_per_day": 10, "predicates_per_day": 10}


def test_of_several_budgets_the_smallest_number_of_each_window_holds() -> None:
    one = AccessBudget(5, 9, (WindowLimit("query", Period.MONTH, 20), WindowLimit("query", Period.YEAR, 90)))
    other = AccessBudget(7, 3, (WindowLimit("query", Period.MONTH, 10), WindowLimit("predicate", Period.YEAR, 8)))
    found = smallest_budget([one, other])
    assert (found.queries_per_day, found.predicates_per_day) == (5, 3)
    assert found.windows("query") == ((Period.MONTH, 10), (Period.YEAR, 90))
    assert found.windows("predicate") == ((Period.YEAR, 8),)
    assert smallest_budget([other, one]) == found


def planned(history: dict[str, str], budget: dict[str, int]) -> Plan:
    return judge(ask(COUNT), firms(), looking_back(history, budget), facts_at(NOON))


def test_a_plan_brings_the_windows_and_the_history_of_its_grants() -> None:
    plan = planned({"subset": "refuse", "window": "year"}, {"queries_per_month": 5})
    query, predicate = plan.charges
    assert (query.kind, query.further) == ("query", ((Period.MONTH, 5),))
    assert (predicate.kind, predicate.further) == ("predicate", ())
    assert (plan.history.subset, plan.history.margins, plan.history.window) == ("refuse", "flag", "year")
    assert planned({}, {}).history == FLAGGED
    assert HistoryTerms() == HistoryTerms.model_validate({})
    assert Grant.model_validate(grant_document()).history == HistoryTerms()


def test_a_dry_run_says_what_is_left_when_it_is_renewed_and_what_is_refused() -> None:
    plan = planned({"overlap": "refuse"}, {})
    account = Account("bank_a", "gov.firm", "RESEARCH", "query", Period.MONTH, "2026-07")
    told = budgets.rules(plan, [Balance(account, 9, 2, NOON), Balance(account, 9, 3, NOON)])
    assert [(notice.rule, notice.count) for notice in told] == [("budget.query.month", 6), ("history.overlap", 0)]
    assert "6 of 9 queries a month" in told[0].message
    assert "2026-07-01T12:00+08:00" in told[0].message
    assert all(notice.message_zh for notice in told)
