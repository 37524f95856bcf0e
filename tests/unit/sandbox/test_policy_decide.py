"""What is permitted, how it may leave, and which refusal is given when several apply."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    BANK_B,
    TODAY,
    bundle_of,
    city_bundle,
    city_catalog,
    deny_document,
    facts,
    grant_document,
    policy,
    question,
    table_name,
    use,
)

from louver.errors import Refused
from louver_sandbox.algebra.expressions import AggregateCall, ColumnRef, Literal, Named
from louver_sandbox.algebra.relations import Aggregate, Join, JoinKind, Project, Relation, scans
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Position, TableName
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import Totals
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.decide import decide
from louver_sandbox.sql.predicates import bind_predicate
from louver_sandbox.stages import Admitted, Bound, Clause, Treatment, Use

CREDIT, QUARTER, REGISTRY = "gov.tax_credit", "gov.tax_quarter", "gov.ent_registry"
KEY, FILTER, JOIN = Clause.GROUP_KEY, Clause.FILTER, Clause.JOIN_KEY
AGGREGATE, ORDER, OUTPUT = Clause.AGGREGATE, Clause.ORDER, Clause.OUTPUT


def _decide(bound: Bound, bundle: Bundle | None = None, today: date = TODAY) -> Admitted:
    return decide(bound, bundle or city_bundle(), facts(today))


def _refused(bound: Bound, bundle: Bundle | None = None, today: date = TODAY) -> Refused:
    with pytest.raises(Refused) as refused:
        _decide(bound, bundle, today)
    return refused.value


def _holding(table: str, *predicates: str, scan: int = 1) -> dict[str, Any]:
    declared = city_catalog().tables[table_name(table)]
    return {table: tuple(bind_predicate(text, declared, scan) for text in predicates)}


# -- how a permitted answer leaves


def test_public_columns_leave_exactly() -> None:
    admitted = _decide(question(use(REGISTRY, "section", KEY), use(REGISTRY, "status", FILTER, "=")))
    assert admitted.treatment is Treatment.EXACT
    assert admitted.threshold is None
    assert admitted.protected == frozenset()
    (grant,) = admitted.grants
    assert (grant.policy, grant.grant) == ("market-regulation", "registry-public")
    assert "legal_rep_id" not in grant.columns
    assert "n_employees" in grant.columns


def test_own_rows_leave_exactly_and_need_no_grant() -> None:
    admitted = _decide(question(use("bank_a.loan_book", "balance", OUTPUT), aggregated=False))
    assert admitted.treatment is Treatment.EXACT
    assert admitted.grants == ()
    assert admitted.budget.queries_per_day == city_bundle().platform.own_data_budget.queries_per_day


def test_the_strictest_column_used_decides_not_the_table() -> None:
    public = use(REGISTRY, "section", KEY)
    assert _decide(question(public)).treatment is Treatment.EXACT
    admitted = _decide(question(public, use(REGISTRY, "n_employees", AGGREGATE, "avg")))
    assert admitted.treatment is Treatment.THRESHOLD
    assert admitted.protected == {1}


def test_own_labels_by_protected_keys_are_under_threshold() -> None:
    admitted = _decide(
        question(
            use("bank_a.loan_book", "defaulted", AGGREGATE, "sum", through=("try_cast", "sum")),
            use("bank_a.loan_book", "id_no", JOIN),
            use(CREDIT, "uscc", JOIN),
            use(CREDIT, "grade", KEY),
            purpose="MODEL_BUILD",
        )
    )
    assert admitted.treatment is Treatment.THRESHOLD
    assert admitted.protected == {2}
    assert admitted.threshold is not None
    assert admitted.threshold.k == {UnitType.PERSON: 10, UnitType.ENTERPRISE: 5}


def test_a_conditional_level_counts_only_when_the_query_implies_it() -> None:
    uses = (use("gov.pen_penalty", "dept", KEY), use("gov.pen_penalty", "repaired_on", FILTER, "is_null"))
    assert _decide(question(*uses)).treatment is Treatment.THRESHOLD
    inside = _holding("gov.pen_penalty", "repaired_on IS NULL", "published_on >= DATE '2024-01-01'")
    assert _decide(question(*uses, implied=inside)).treatment is Treatment.EXACT
    longer = _holding("gov.pen_penalty", "repaired_on IS NULL", "published_on >= DATE '2020-01-01'")
    assert _decide(question(*uses, implied=longer)).treatment is Treatment.THRESHOLD


def test_rows_counted_without_a_column_are_as_protected_as_the_table() -> None:
    assert _decide(question(tables=(REGISTRY,))).treatment is Treatment.EXACT
    assert _decide(question(tables=(QUARTER,))).treatment is Treatment.THRESHOLD
    assert _decide(question(tables=("gov.pop_person",))).treatment is Treatment.THRESHOLD
    assert _decide(question(tables=("gov.hf_account",))).treatment is Treatment.DP


def test_persons_may_be_counted_under_threshold_and_linked_under_noise() -> None:
    counted = question(use("gov.pop_person", "person_id", AGGREGATE, "count", through=("count",)))
    assert _decide(counted).treatment is Treatment.THRESHOLD
    linked = question(use("gov.pop_person", "person_id", JOIN), use("bank_a.loan_book", "id_no", JOIN))
    assert _decide(linked).treatment is Treatment.DP


# -- rights


def test_a_right_is_for_one_clause_only() -> None:
    refused = _refused(question(use(CREDIT, "score", KEY)))
    assert refused.code == "LVR-2001"
    assert refused.details["column"] == "score"
    assert "aggregate (count, sum, avg, stddev_samp" in refused.hint
    assert "市税务局" in refused.hint
    assert refused.message_zh
    assert refused.hint_zh


def test_operators_functions_and_binnings_are_part_of_the_right() -> None:
    bundle = bundle_of(policy(grant_document(columns={"grade": {"filter": {"operators": ["=", "in"]}}})))
    allowed, other = use(CREDIT, "grade", FILTER, "in"), use(CREDIT, "grade", FILTER, "like")
    assert _decide(question(allowed, bundle=bundle), bundle).treatment is Treatment.THRESHOLD
    assert "filter (like)" in _refused(question(other, bundle=bundle), bundle).message
    assert "aggregate (stddev)" in _refused(question(use(CREDIT, "score", AGGREGATE, "stddev"))).message
    born = use("gov.pop_person", "birth_date", KEY, "year", through=("year",))
    assert _decide(question(born)).treatment is Treatment.THRESHOLD


def test_a_binning_of_a_shifted_value_is_not_the_binning() -> None:
    shifted = use("gov.re_property", "registered_on", KEY, "year", through=("+", "year"))
    assert _refused(question(shifted)).code == "LVR-2001"


def test_a_condition_inside_a_sum_is_a_filter() -> None:
    hidden = use(QUARTER, "invoice_cnt", AGGREGATE, "sum", through=(">", "try_cast", "sum"))
    assert "filter (>)" in _refused(question(hidden)).message


def test_sums_of_powers_are_not_sums() -> None:
    powers = use(QUARTER, "revenue", AGGREGATE, "sum", through=("sqrt", "sum"))
    assert "aggregate (sum of sqrt)" in _refused(question(powers)).message


def test_an_aggregate_below_a_key_is_an_aggregate_too() -> None:
    bundle = bundle_of(policy(grant_document(columns={"score": ["group_key"]})))
    inner = use(CREDIT, "score", KEY, ">", through=("avg", ">"))
    assert "aggregate (avg)" in _refused(question(inner, bundle=bundle), bundle).message


def test_grants_of_one_owner_unite() -> None:
    one = grant_document("one", columns={"grade": ["group_key"]})
    two = grant_document("two", columns={"score": ["aggregate"]})
    bundle = bundle_of(policy(one, two))
    bound = question(use(CREDIT, "grade", KEY), use(CREDIT, "score", AGGREGATE, "avg"), bundle=bundle)
    (grant,) = _decide(bound, bundle).grants
    assert (grant.grant, grant.columns) == ("one+two", ("grade", "score"))


def test_grants_with_different_row_filters_never_unite() -> None:
    one = grant_document("one", columns={"grade": ["group_key"]}, row_filter="rating_year = 2025")
    two = grant_document("two", columns={"score": ["aggregate"]}, row_filter="rating_year = 2024")
    bundle = bundle_of(policy(one, two))
    bound = question(use(CREDIT, "grade", KEY), use(CREDIT, "score", AGGREGATE, "avg"), bundle=bundle)
    assert _refused(bound, bundle).code == "LVR-2001"


def test_a_row_filter_must_be_said_in_the_query() -> None:
    held = grant_document("a", columns={"grade": ["group_key", "filter"]}, row_filter="grade = 'A'")
    bundle = bundle_of(policy(held))
    bound = question(use(CREDIT, "grade", KEY), bundle=bundle)
    refused = _refused(bound, bundle)
    assert refused.code == "LVR-2009"
    assert "grade = 'A'" in refused.hint
    said = question(use(CREDIT, "grade", KEY), bundle=bundle, implied=_holding(CREDIT, "grade = 'A'"))
    (grant,) = _decide(said, bundle).grants
    assert grant.row_filter == "grade = 'A'"


def test_a_right_that_the_whole_table_lacks_is_named_before_the_rows_of_another_grant() -> None:
    whole = grant_document("all", columns={"grade": ["group_key"], "rating_year": ["group_key"]})
    some = grant_document("some", columns={"grade": ["group_key", "order"]}, row_filter="rating_year = 2024")
    bundle = bundle_of(policy(whole, some))
    bound = question(use(CREDIT, "grade", KEY), use(CREDIT, "grade", ORDER), bundle=bundle)
    refused = _refused(bound, bundle)
    assert (refused.code, "order" in refused.message) == ("LVR-2001", True)
    said = question(
        use(CREDIT, "grade", KEY),
        use(CREDIT, "grade", ORDER),
        bundle=bundle,
        implied=_holding(CREDIT, "rating_year = 2024"),
    )
    assert _decide(said, bundle).grants[0].row_filter == "rating_year = 2024"


def test_only_the_owner_of_a_table_grants_it() -> None:
    bundle = bundle_of(policy(grant_document(), owner="市公安局"))
    assert TableName("gov", "tax_credit") not in question(tables=("bank_a.loan_book",), bundle=bundle).catalog.tables


def test_obligations_take_the_strictest() -> None:
    mild = grant_document("mild", threshold={"enterprise": 5, "p_percent": 10, "remainder": True})
    hard = grant_document(
        "hard",
        threshold={"enterprise": 20, "dominance_percent": 50, "p_percent": 15, "remainder": False},
        budget={"queries_per_day": 7, "predicates_per_day": 50},
    )
    bundle = bundle_of(policy(mild, hard))
    admitted = _decide(question(use(CREDIT, "grade", KEY), bundle=bundle), bundle)
    rules = admitted.threshold
    assert rules is not None
    assert (rules.k[UnitType.ENTERPRISE], rules.dominance_percent, rules.p_percent) == (20, 50, 15)
    assert rules.remainder is False
    assert (admitted.budget.queries_per_day, admitted.budget.predicates_per_day) == (7, 10)


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [("keep-back", "complementary", True), ("complementary", "complementary", False), (None, "complementary", True)],
)
def test_totals_are_kept_back_unless_all_agree_otherwise(one: str | None, other: str, kept: bool) -> None:
    first = grant_document("first", threshold={"totals": one} if one else {})
    bundle = bundle_of(policy(first, grant_document("second", threshold={"totals": other})))
    rules = _decide(question(use(CREDIT, "grade", KEY), bundle=bundle), bundle).threshold
    assert rules is not None
    assert (rules.totals is Totals.KEEP_BACK) is kept


# -- which refusal


@pytest.mark.parametrize("clause", [KEY, FILTER, AGGREGATE, JOIN, ORDER, OUTPUT])
def test_the_negative_list_beats_everything(clause: Clause) -> None:
    refused = _refused(question(use("gov.pop_person", "special_status", clause), purpose="MARKETING"))
    assert refused.code == "LVR-2004"
    assert refused.details["reason"] == "NEGATIVE_LIST"


def test_a_star_over_protected_rows_is_raw_rows_even_with_a_listed_column() -> None:
    star = [use("gov.pop_person", name, OUTPUT) for name in ("live_district", "special_status", "sex")]
    refused = _refused(question(*star, aggregated=False, purpose="MODEL_BUILD"))
    assert (refused.code, refused.details["reason"]) == ("LVR-2101", "RAW_ROWS")


def test_raw_rows_are_blamed_on_the_protected_column_and_not_on_a_public_one_before_it() -> None:
    shown = (use(REGISTRY, "uscc", OUTPUT), use(REGISTRY, "scale", OUTPUT))
    refused = _refused(question(*shown, aggregated=False))
    assert (refused.code, refused.details["column"]) == ("LVR-2101", "scale")


def test_one_named_subject_needs_its_consent_before_any_purpose() -> None:
    named = use("gov.ss_person_month", "person_id", FILTER, "=", literal_unit=True, at=Position(2, 7))
    shown = use("gov.ss_person_month", "base_amt", OUTPUT)
    refused = _refused(question(shown, named, aggregated=False, purpose="LOAN_ORIGINATION"))
    assert (refused.code, refused.details["reason"]) == ("LVR-2102", "NO_CONSENT")
    assert (refused.line, refused.column) == (2, 7)


def test_purpose_comes_before_form() -> None:
    shown = use("gov.hf_account", "balance", OUTPUT)
    refused = _refused(question(shown, aggregated=False, purpose="MARKETING"))
    assert refused.code == "LVR-2002"
    assert "RESEARCH" in refused.hint


def test_an_unknown_purpose_is_refused_even_for_own_data() -> None:
    refused = _refused(question(use("bank_a.loan_book", "balance", OUTPUT), aggregated=False, purpose="FISHING"))
    assert refused.code == "LVR-2003"


def test_own_rows_picked_by_protected_data_are_raw_rows() -> None:
    picked = question(
        use("bank_a.loan_book", "loan_id", OUTPUT),
        use("bank_a.loan_book", "id_no", JOIN),
        use(CREDIT, "uscc", JOIN),
        use(CREDIT, "grade", FILTER, "="),
        aggregated=False,
    )
    assert _refused(picked).code == "LVR-2101"


@pytest.mark.parametrize("function", ["<>", "=", "in", "like", "<"])
def test_a_protected_total_without_or_with_one_subject_is_differencing(function: str) -> None:
    named = use(REGISTRY, "uscc", FILTER, function, literal_unit=True)
    total = question(
        named, use(REGISTRY, "uscc", JOIN), use(QUARTER, "uscc", JOIN), use(QUARTER, "revenue", AGGREGATE, "sum")
    )
    refused = _refused(total)
    assert (refused.code, refused.details["reason"]) == ("LVR-2106", "DIFFERENCING")
    assert _decide(question(named, use(REGISTRY, "section", KEY))).treatment is Treatment.EXACT


def test_conditions_on_identifiers_are_differencing_too() -> None:
    by_name = question(
        use(REGISTRY, "ent_name", FILTER, "starts_with"),
        use(REGISTRY, "uscc", JOIN),
        use(QUARTER, "uscc", JOIN),
        use(QUARTER, "revenue", AGGREGATE, "sum"),
    )
    assert _refused(by_name).code == "LVR-2106"


@pytest.mark.parametrize("function", ["min", "max"])
def test_extremes_of_protected_columns_are_stored_values(function: str) -> None:
    refused = _refused(question(use(CREDIT, "score", AGGREGATE, function, through=(function,))))
    assert (refused.code, refused.details["reason"]) == ("LVR-2107", "EXFILTRATION")


def _with_largest(bound: Bound, protected_below: bool) -> Bound:
    """The query beside a scalar subquery for the largest own balance, over own rows or over joined ones too."""
    assert isinstance(bound.relation, Project)
    own, credit = scans(bound.relation)
    balance = ColumnRef(own.id, "balance", INTEGER)
    met: Relation = Join(JoinKind.INNER, own, credit, Literal(True, BOOLEAN)) if protected_below else own
    largest = Aggregate(80, met, (), (Named("m", AggregateCall("max", (balance,), INTEGER)),))
    cells = Aggregate(90, credit, (), (Named("n", AggregateCall("count", (), INTEGER)),))
    beside = Join(JoinKind.LEFT, cells, largest, Literal(True, BOOLEAN))
    return replace(bound, relation=replace(bound.relation, input=beside))


def test_extremes_below_which_nothing_is_protected_are_no_stored_values_of_it() -> None:
    """TPC-DS 6, 54: a comparison with the largest month of a public calendar."""
    own = use("bank_a.loan_book", "balance", AGGREGATE, "max", through=("max",))
    bound = question(own, use(CREDIT, "grade", KEY))
    assert _decide(_with_largest(bound, protected_below=False)).treatment is Treatment.THRESHOLD
    assert _refused(_with_largest(bound, protected_below=True)).code == "LVR-2107"


def test_extremes_of_own_columns_in_protected_cells_are_stored_values() -> None:
    own = use("bank_a.loan_book", "balance", AGGREGATE, "max", through=("max",))
    assert _refused(question(own, use(CREDIT, "grade", KEY))).code == "LVR-2107"
    assert _decide(question(own)).treatment is Treatment.EXACT


def test_tables_for_matching_say_so() -> None:
    refused = _refused(question(use("gov.credit_list", "list_code", OUTPUT), aggregated=False))
    assert refused.code == "LVR-2103"
    assert "verb match" in refused.hint


def test_no_analysis_is_granted_by_authorisation() -> None:
    with pytest.raises(ValueError, match="query or score alone"):
        policy(grant_document(treatment="authorised"))


@pytest.mark.parametrize(("treatment", "code"), [("dp", "LVR-2105"), ("matched", "LVR-2103")])
def test_treatments_of_later_versions_are_refused_by_name(treatment: str, code: str) -> None:
    bundle = bundle_of(policy(grant_document(treatment=treatment)))
    assert _refused(question(use(CREDIT, "grade", KEY), bundle=bundle), bundle).code == code


def test_platform_tables_are_read_by_the_verb_query() -> None:
    assert _refused(question(use("plat.authorization", "auth_id", FILTER, "="))).code == "LVR-2104"


def test_a_credit_agency_is_not_a_bank() -> None:
    income = use("gov.ss_person_month", "base_amt", AGGREGATE, "avg")
    assert _decide(question(income, who=BANK_A)).treatment is Treatment.DP
    barred = _refused(question(income, who=AGENCY_C))
    assert (barred.code, barred.details["reason"]) == ("LVR-2006", "LICENCE")
    assert barred.rule == "platform/credit-agency-art-14"


def test_the_rule_for_persons_does_not_bar_enterprises() -> None:
    value = use("gov.re_property", "assessed_value", AGGREGATE, "sum")
    assert _refused(question(value, who=AGENCY_C)).code == "LVR-2006"
    firms = _holding("gov.re_property", "owner_class = 'E'")
    assert _decide(question(value, who=AGENCY_C, implied=firms)).treatment is Treatment.DP


def test_a_deny_overrides_every_grant() -> None:
    bundle = bundle_of(policy(grant_document(), denies=(deny_document(),)))
    refused = _refused(question(use(CREDIT, "grade", KEY), bundle=bundle), bundle)
    assert (refused.code, refused.rule) == ("LVR-2005", "taxation/d")
    assert _decide(question(use(CREDIT, "rating_year", KEY), bundle=bundle), bundle).grants[0].columns == (
        "rating_year",
    )


def test_a_deny_of_a_whole_table_leaves_not_even_a_count() -> None:
    bundle = bundle_of(policy(grant_document(), denies=(deny_document(columns=[]),)))
    assert _refused(question(tables=(CREDIT,), bundle=bundle), bundle).code == "LVR-2005"


def test_when_every_granted_column_is_denied_the_rows_are_not_counted_either() -> None:
    bundle = bundle_of(policy(grant_document(), denies=(deny_document(columns=["grade", "rating_year"]),)))
    assert _refused(question(tables=(CREDIT,), bundle=bundle), bundle).code == "LVR-2008"


def test_a_deny_for_one_purpose_or_bank_leaves_the_others() -> None:
    models = policy(
        grant_document(purposes=["RESEARCH", "MODEL_BUILD"]),
        denies=(deny_document(purposes=["MODEL_BUILD"]), deny_document("e", to={"institutions": ["bank_b"]})),
    )
    bundle = bundle_of(models)
    key = use(CREDIT, "grade", KEY)
    assert _decide(question(key, bundle=bundle), bundle).treatment is Treatment.THRESHOLD
    assert _refused(question(key, bundle=bundle, purpose="MODEL_BUILD"), bundle).rule == "taxation/d"
    assert _refused(question(key, bundle=bundle, who=BANK_B), bundle).rule == "taxation/e"


@pytest.mark.parametrize(
    ("today", "permitted"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 12, 31), True),
        (date(2027, 1, 1), False),
    ],
)
def test_a_grant_holds_from_its_first_to_its_last_day(today: date, permitted: bool) -> None:
    bundle = bundle_of(policy(grant_document()))
    bound = question(use(CREDIT, "grade", KEY), bundle=bundle)
    if permitted:
        assert _decide(bound, bundle, today).treatment is Treatment.THRESHOLD
    else:
        refused = _refused(bound, bundle, today)
        assert refused.code == "LVR-2007"
        assert "2026-12-31" in refused.message


def test_the_first_fault_of_a_kind_is_reported_in_reading_order() -> None:
    late = use(CREDIT, "score", KEY, at=Position(3, 1))
    early = use(CREDIT, "score", FILTER, "<", at=Position(2, 1))
    assert _refused(question(late, early)).line == 2


def test_every_refusal_names_what_decided() -> None:
    questions: list[tuple[Use, ...]] = [
        (use(CREDIT, "score", KEY),),
        (use(CREDIT, "score", AGGREGATE, "max"),),
        (use("gov.pop_person", "special_status", KEY),),
        (use("gov.credit_list", "list_code", FILTER, "="),),
        (use("gov.credit_list", "polarity", AGGREGATE, "sum"),),
    ]
    for uses in questions:
        refused = _refused(question(*uses))
        assert refused.rule
        assert refused.policy_version
        assert all((refused.hint, refused.message_zh, refused.hint_zh))


def test_the_bundle_and_day_are_in_the_permit() -> None:
    admitted = _decide(question(use(REGISTRY, "section", KEY)))
    assert admitted.bundle_digest == city_bundle().digest
    assert admitted.facts == facts()
