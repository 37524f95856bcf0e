"""What is not granted does not exist for the caller; what is on the negative list can be told from a misspelling."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    BANK_B,
    STRANGER,
    bundle_of,
    city_bundle,
    city_catalog,
    grant_document,
    policy,
    table_name,
)

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Table
from louver_sandbox.policy.visible import MOST_CATALOGS, visible
from louver_sandbox.stages import Subject


def _tables(subject: Subject) -> set[str]:
    return {str(name) for name in visible(city_catalog(), city_bundle(), subject).tables}


def _columns(table: str, subject: Subject = BANK_A) -> set[str]:
    seen = visible(city_catalog(), city_bundle(), subject).tables[table_name(table)]
    return {column.name for column in seen.columns}


def test_a_stranger_sees_only_the_platforms_tables() -> None:
    assert _tables(STRANGER) == {"plat.authorization"}


def test_a_bank_sees_granted_tables_its_own_and_nobody_elses() -> None:
    assert {"gov.tax_credit", "gov.ent_registry", "bank_a.loan_book"} <= _tables(BANK_A)
    assert not {"bank_a.loan_book", "bank_a.applicant"} & _tables(BANK_B)


def test_tables_granted_for_another_verb_are_seen() -> None:
    assert "gov.credit_list" in _tables(BANK_A)


def test_a_credit_agency_sees_what_it_was_granted() -> None:
    assert "gov.utl_month" not in _tables(AGENCY_C)
    assert "gov.tax_credit" in _tables(AGENCY_C)


def test_only_granted_columns_exist() -> None:
    assert "legal_rep_id" not in _columns("gov.ent_registry")
    assert "street_code" not in _columns("gov.pop_person")


def test_columns_on_the_negative_list_are_seen_so_that_the_refusal_can_say_so() -> None:
    assert {"special_status", "household_id"} <= _columns("gov.pop_person")


def test_units_and_digest_stay() -> None:
    seen = visible(city_catalog(), city_bundle(), BANK_A)
    assert seen.digest == city_catalog().digest
    registry = table_name("gov.ent_registry")
    assert seen.tables[registry].units == city_catalog().tables[registry].units


def test_an_expired_grant_still_shows_its_table() -> None:
    held = grant_document(valid={"from": "2020-01-01", "until": "2020-12-31"})
    seen = visible(city_catalog(), bundle_of(policy(held)), BANK_A)
    assert table_name("gov.tax_credit") in seen.tables


def test_a_policy_of_another_owner_shows_nothing() -> None:
    seen = visible(city_catalog(), bundle_of(policy(grant_document(), owner="市公安局")), BANK_A)
    assert table_name("gov.tax_credit") not in seen.tables


def test_what_one_caller_sees_is_derived_once_and_shown_to_nobody_else() -> None:
    catalog, bundle = city_catalog(), city_bundle()
    seen = visible(catalog, bundle, BANK_A)
    assert visible(catalog, bundle, BANK_A) is seen
    other = visible(catalog, bundle, BANK_B)
    assert table_name("bank_a.loan_book") in seen.tables
    assert table_name("bank_a.loan_book") not in other.tables
    assert other == visible(catalog, city_bundle(), BANK_B)


def test_another_catalogue_is_looked_at_anew_and_old_ones_are_forgotten() -> None:
    bundle = city_bundle()
    for _ in range(MOST_CATALOGS + 1):
        assert visible(city_catalog(), bundle, BANK_A).tables.keys() == _whole().keys()
    assert len(bundle.kept_catalogs) <= MOST_CATALOGS


def _whole() -> Mapping[TableName, Table]:
    return visible(city_catalog(), city_bundle(), BANK_A).tables
