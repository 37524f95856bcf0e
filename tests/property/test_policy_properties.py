"""Deny by default, deny overrides, and order never matters, over generated policies and questions."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.policy_questions import (
    bundle_of,
    city_catalog,
    deny_document,
    facts,
    grant_document,
    platform,
    policy,
    question,
    use,
)

from louver.errors import Refused
from louver_sandbox.algebra.relations import scans
from louver_sandbox.algebra.types import Position
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.policy.bundle import Bundle, bundle_content, parse_bundle
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.floors import LEAST_UNITS
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.shares import MOST_PERCENT_OF_LARGEST
from louver_sandbox.stages import Admitted, Bound, Clause, InstitutionType, Subject, Treatment, Use

COLUMNS = ["uscc", "rating_year", "grade", "score"]
RIGHTS = ["join_key", "group_key", "filter", "aggregate", "order", "output"]
PURPOSES = ["RESEARCH", "MODEL_BUILD"]
FUNCTIONS = {
    Clause.FILTER: ["=", "in", "<", "is_null"],
    Clause.AGGREGATE: ["count", "sum", "avg", "max"],
    Clause.GROUP_KEY: ["", "year"],
    Clause.JOIN_KEY: ["="],
    Clause.ORDER: [""],
    Clause.OUTPUT: [""],
}

_rights = (
    st.lists(st.sampled_from(RIGHTS), min_size=2, unique=True)
    | st.just(RIGHTS)
    | st.fixed_dictionaries(
        {"filter": st.fixed_dictionaries({"operators": st.lists(st.sampled_from(["=", "in", "<"]), min_size=1)})}
    )
)
_to = st.sampled_from(
    [
        {"groups": ["banks"]},
        {"groups": ["banks"]},
        {"groups": ["agencies"]},
        {"groups": ["banks", "agencies"]},
        {"institutions": ["bank_a"]},
        {"institution_types": ["bank"]},
    ]
)
_days = st.sampled_from(
    [
        {"from": "2026-01-01", "until": "2026-12-31"},
        {"from": "2026-01-01", "until": "2026-12-31"},
        {"from": "2026-06-01", "until": "2026-07-01"},
        {"from": "2020-01-01", "until": "2020-12-31"},
    ]
)


@st.composite
def grants(draw: st.DrawFn, name: str = "g") -> dict[str, Any]:
    return grant_document(
        name,
        to=draw(_to),
        purposes=draw(st.lists(st.sampled_from(PURPOSES), min_size=1, unique=True)),
        valid=draw(_days),
        columns=draw(st.dictionaries(st.sampled_from(COLUMNS), _rights, min_size=2)),
        treatment=draw(st.sampled_from(["exact", "threshold", "threshold", "dp"])),
        threshold={
            "enterprise": draw(st.integers(LEAST_UNITS, 30)),
            "dominance_percent": draw(st.integers(40, MOST_PERCENT_OF_LARGEST[1])),
        },
        budget={"queries_per_day": draw(st.integers(1, 50)), "predicates_per_day": draw(st.integers(1, 50))},
        **draw(st.sampled_from([{}, {}, {"row_filter": "grade = 'A'"}])),
    )


@st.composite
def denies(draw: st.DrawFn, name: str = "d") -> dict[str, Any]:
    return deny_document(
        name,
        to=draw(_to),
        columns=draw(st.lists(st.sampled_from(COLUMNS), max_size=2, unique=True)),
        purposes=draw(st.lists(st.sampled_from(PURPOSES), max_size=1)),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    held = draw(st.integers(1, 3))
    barred = draw(st.integers(0, 1))
    return policy(
        *(draw(grants(f"g{index}")) for index in range(held)),
        denies=tuple(draw(denies(f"d{index}")) for index in range(barred)),
    )


@st.composite
def uses(draw: st.DrawFn) -> Use:
    clause = draw(st.sampled_from(list(Clause)))
    function = draw(st.sampled_from(FUNCTIONS[clause]))
    return use(
        "gov.tax_credit",
        draw(st.sampled_from(COLUMNS)),
        clause,
        function,
        through=(function,) if clause is Clause.AGGREGATE else (),
        at=Position(1, draw(st.integers(1, 60))),
    )


SUBJECTS = st.sampled_from(
    [
        Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), ""),
        Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), ""),
        Subject("both", InstitutionType.DEPARTMENT, frozenset({"agencies", "banks"}), ""),
        Subject("bank_b", InstitutionType.BANK, frozenset({"banks"}), ""),
        Subject("agency_c", InstitutionType.CREDIT_AGENCY, frozenset({"agencies"}), ""),
        Subject("both", InstitutionType.DEPARTMENT, frozenset({"agencies", "banks"}), ""),
        Subject("stranger", InstitutionType.CREDIT_AGENCY, frozenset(), ""),
    ]
)
DAYS = st.sampled_from([date(2026, 3, 1), date(2026, 7, 1), date(2026, 7, 1), date(2026, 7, 2), date(2027, 1, 1)])
ASKED = st.tuples(
    st.lists(uses(), max_size=3), SUBJECTS, st.sampled_from(PURPOSES), DAYS, st.sampled_from([True, True, False])
)


def _asked(asked: Any, bundle: Bundle) -> Bound | None:
    found, subject, purpose, _, aggregated = asked
    bound = question(
        *found, tables=("gov.tax_credit",), who=subject, purpose=purpose, aggregated=aggregated, bundle=bundle
    )
    return bound if all(item.table in bound.catalog.tables for item in scans(bound.relation)) else None


def _verdict(asked: Any, bundle: Bundle) -> Admitted | Refused | None:
    """The permit, the refusal, or None where the table does not even exist for the subject."""
    bound = _asked(asked, bundle)
    if bound is None:
        return None
    try:
        return decide(bound, bundle, facts(asked[3]))
    except Refused as refused:
        return refused


def _told(verdict: Admitted | Refused | None) -> object:
    if isinstance(verdict, Refused):
        return (verdict.code, verdict.rule, verdict.line, verdict.column, verdict.message)
    if isinstance(verdict, Admitted):
        return (verdict.treatment, verdict.grants, verdict.threshold, verdict.budget, verdict.protected)
    return None


@given(policies(), denies("extra"), ASKED)
@settings(max_examples=100, deadline=None)
def test_adding_a_deny_never_widens(before: Policy, deny: dict[str, Any], asked: Any) -> None:
    after = policy(
        *(grant.model_dump(mode="json", by_alias=True) for grant in before.grants),
        denies=(*(old.model_dump(mode="json") for old in before.denies), deny),
    )
    narrow, wide = _verdict(asked, bundle_of(after)), _verdict(asked, bundle_of(before))
    if isinstance(narrow, Admitted):
        assert isinstance(wide, Admitted)
        if narrow.treatment is not wide.treatment:
            # What was given exactly is denied, and another grant gives it under protection.
            assert (wide.treatment, narrow.treatment) == (Treatment.EXACT, Treatment.THRESHOLD)
            return
        for new, old in zip(narrow.grants, wide.grants, strict=True):
            assert set(new.columns) <= set(old.columns)


@given(policies(), ASKED)
@settings(max_examples=60, deadline=None)
def test_the_order_of_rules_never_matters_and_decisions_are_deterministic(given_policy: Policy, asked: Any) -> None:
    backwards = given_policy.model_copy(
        update={"grants": given_policy.grants[::-1], "denies": given_policy.denies[::-1]}
    )
    one, two = bundle_of(given_policy), bundle_of(backwards)
    unsorted = Bundle(one.platform, (backwards,), one.digest)
    assert one.digest == two.digest
    assert _told(_verdict(asked, one)) == _told(_verdict(asked, two)) == _told(_verdict(asked, unsorted))


@given(policies(), ASKED)
@settings(max_examples=100, deadline=None)
def test_no_union_of_grants_goes_below_a_floor_or_above_a_grant(given_policy: Policy, asked: Any) -> None:
    verdict = _verdict(asked, bundle_of(given_policy))
    if not isinstance(verdict, Admitted):
        return
    budgets = [grant.budget.queries_per_day for grant in given_policy.grants]
    assert min(budgets) <= verdict.budget.queries_per_day <= max(budgets)
    if verdict.threshold is not None:
        assert all(units >= LEAST_UNITS for units in verdict.threshold.k.values())
        assert verdict.threshold.dominance_percent <= MOST_PERCENT_OF_LARGEST[1]
        used = {name for item in verdict.grants for name in item.grant.split("+")}
        asked_for = [grant.threshold.enterprise for grant in given_policy.grants if grant.id in used]
        assert verdict.threshold.k[UnitType.ENTERPRISE] >= max(asked_for)


@given(policies(), ASKED)
@settings(max_examples=100, deadline=None)
def test_every_permitted_reading_has_a_published_snapshot(given_policy: Policy, asked: Any) -> None:
    bundle = bundle_of(given_policy)
    verdict = _verdict(asked, bundle)
    if isinstance(verdict, Admitted):
        published = set(bundle.grant_sets(city_catalog()))
        for item in verdict.grants:
            assert GrantSet(item.table, item.columns, item.row_filter) in published
        used = {use.column for use in asked[0]}
        assert used <= {name for item in verdict.grants for name in item.columns}


@given(policies(), ASKED)
@settings(max_examples=100, deadline=None)
def test_protected_rows_never_leave_one_by_one(given_policy: Policy, asked: Any) -> None:
    verdict = _verdict(asked, bundle_of(given_policy))
    if isinstance(verdict, Admitted) and not asked[4]:
        assert verdict.treatment is Treatment.EXACT


@given(policies(), ASKED, st.sampled_from(["FISHING", "", "research", "RESEARCH "]))
@settings(max_examples=50, deadline=None)
def test_an_unknown_purpose_is_refused(given_policy: Policy, asked: Any, purpose: str) -> None:
    verdict = _verdict((asked[0], asked[1], purpose, asked[3], asked[4]), bundle_of(given_policy))
    assert verdict is None or (isinstance(verdict, Refused) and verdict.code == "LVR-2003")


@given(policies(), ASKED, st.sampled_from(["legal_rep_id", "ghost", "special_status"]))
@settings(max_examples=50, deadline=None)
def test_a_column_nobody_granted_is_refused(given_policy: Policy, asked: Any, column: str) -> None:
    extra = use("gov.tax_credit", column, Clause.FILTER, "=")
    assert not isinstance(_verdict(([*asked[0], extra], *asked[1:]), bundle_of(given_policy)), Admitted)


@given(policies(), ASKED)
@settings(max_examples=50, deadline=None)
def test_grants_for_other_verbs_permit_no_analysis(given_policy: Policy, asked: Any) -> None:
    others = policy(
        *(
            grant.model_dump(mode="json", by_alias=True) | {"verbs": ["match", "query"]}
            for grant in given_policy.grants
        )
    )
    assert not isinstance(_verdict(asked, bundle_of(others)), Admitted)


@given(policies())
@settings(max_examples=50, deadline=None)
def test_a_bundle_is_the_same_after_a_round_trip(given_policy: Policy) -> None:
    content = bundle_content(platform(), [given_policy])
    bundle = parse_bundle(content)
    assert bundle_content(bundle.platform, bundle.policies) == content
