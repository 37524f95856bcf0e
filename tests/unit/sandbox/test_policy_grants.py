"""Whom a grant means, and which snapshots a bundle needs."""

from __future__ import annotations

from datetime import date

import pytest
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    STRANGER,
    bundle_of,
    city_bundle,
    city_catalog,
    deny_document,
    grant_document,
    platform,
    policy,
    table_name,
)

from louver_sandbox.policy.grants import GrantSet, covers
from louver_sandbox.policy.model import Grantees
from louver_sandbox.stages import InstitutionType, Subject

CREDIT = table_name("gov.tax_credit")


@pytest.mark.parametrize(
    ("to", "subject", "meant"),
    [
        ({"institutions": ["bank_a"]}, BANK_A, True),
        ({"institutions": ["bank_b"]}, BANK_A, False),
        ({"groups": ["banks"]}, BANK_A, True),
        ({"groups": ["banks"]}, STRANGER, False),
        ({"groups": ["agencies"], "institutions": ["bank_a"]}, BANK_A, True),
        ({"institution_types": ["bank"]}, STRANGER, True),
        ({"institution_types": ["credit_agency"]}, BANK_A, False),
        ({"groups": ["banks"], "institution_types": ["credit_agency"]}, BANK_A, False),
        ({"institution_types": ["credit_agency"]}, AGENCY_C, True),
    ],
)
def test_who_is_meant(to: dict[str, list[str]], subject: Subject, meant: bool) -> None:
    assert covers(Grantees.model_validate(to), subject, platform()) is meant


def test_members_listed_in_the_signed_bundle_bind_the_registry() -> None:
    closed = platform(groups={"banks": {"title": "banks", "members": ["bank_b"]}})
    to = Grantees.model_validate({"groups": ["banks"]})
    assert not covers(to, BANK_A, closed)
    assert not covers(to, Subject("bank_b", InstitutionType.BANK, frozenset(), ""), closed)
    assert covers(to, Subject("bank_b", InstitutionType.BANK, frozenset({"banks"}), ""), closed)


def _sets(
    *grants: dict[str, object], today: date | None = None, **more: object
) -> list[tuple[tuple[str, ...], str | None]]:
    bundle = bundle_of(policy(*grants, **more))  # type: ignore[arg-type]  # plain documents
    return [(item.columns, item.row_filter) for item in bundle.grant_sets(city_catalog(), today)]


def test_each_combination_of_grants_in_force_is_a_snapshot() -> None:
    banks = grant_document("banks", columns={"grade": ["group_key"]})
    one = grant_document("one", to={"institutions": ["bank_a"]}, columns={"score": ["aggregate"]})
    assert _sets(banks, one) == [(("grade",), None), (("grade", "score"), None), (("score",), None)]


def test_grants_with_another_filter_are_another_snapshot() -> None:
    listed = grant_document("a", row_filter="grade = 'A'", columns={"uscc": ["output"]})
    assert _sets(grant_document(columns={"grade": ["filter"]}), listed) == [
        (("grade",), None),
        (("uscc",), "grade = 'A'"),
    ]


def test_snapshots_of_past_days_are_left_out() -> None:
    old = grant_document("old", valid={"from": "2020-01-01", "until": "2020-12-31"}, columns={"score": ["aggregate"]})
    assert len(_sets(grant_document(), old)) == 2
    assert len(_sets(grant_document(), old, today=date(2026, 7, 1))) == 1


def test_what_cannot_be_answered_is_in_no_snapshot() -> None:
    assert _sets(grant_document(treatment="dp")) == []
    assert _sets(grant_document(verbs=["match"])) == []
    assert _sets(grant_document(), denies=(deny_document(columns=[]),)) == []
    assert _sets(grant_document(), denies=(deny_document(),)) == [(("rating_year",), None)]


def test_the_city_publishes_no_level_five_and_no_listed_column() -> None:
    sets = city_bundle().grant_sets(city_catalog())
    columns = {(str(item.table), name) for item in sets for name in item.columns}
    assert ("gov.pop_person", "special_status") not in columns
    assert ("gov.pop_person", "household_id") not in columns
    assert "plat.authorization" not in {table for table, _ in columns}
    # The list is for matching; templates read what they show of it, one subject at a time, and no analysis anything.
    analysed = {str(item.table) for item in city_bundle().rulebook.grant_sets(city_catalog(), None)}
    assert "gov.credit_list" not in analysed
    shown = {"list_code", "polarity", "source_dept", "listed_on", "valid_to", "repaired_on"}
    assert {name for table, name in columns if table == "gov.credit_list"} == shown | {"subject_id"}
    assert GrantSet(CREDIT, ("grade", "rating_year", "uscc"), "grade = 'A'") in sets
