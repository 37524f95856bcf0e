"""What the catalogue says can be done is what the decision admits, and what it leaves out is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    STRANGER,
    TODAY,
    city_bundle,
    city_catalog,
    facts,
    table_name,
)

from louver.errors import Refused
from louver_sandbox.catalog.model import SpaceKind, Table, Verb
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.model import GrantTreatment
from louver_sandbox.policy.permissions import Permission, permissions
from louver_sandbox.sql.statistics import OF_TWO
from louver_sandbox.stages import Plan, Request, Subject

PURPOSES = sorted(city_bundle().platform.purposes)
SCALARS = {"round", "floor", "ceil", "abs", "ln", "sqrt"}


def held(table: Table, subject: Subject) -> Mapping[str, tuple[Permission, ...]]:
    covering = city_bundle().rulebook.covering(table, subject)
    return permissions(table, covering, city_bundle().platform.purposes, TODAY)


def planned(sql: str, purpose: str, subject: Subject = BANK_A) -> Plan:
    return judge(Request("r", subject, purpose, sql), city_catalog(), city_bundle(), facts())


def government() -> list[Table]:
    return [table for table in city_catalog().tables.values() if table.space is SpaceKind.GOVERNMENT]


def functions(permission: Permission) -> Iterator[str]:
    for right in permission.rights:
        if right.startswith("aggregate ("):
            yield from right.removeprefix("aggregate (").removesuffix(")").split(", ")


@pytest.mark.parametrize("table", government(), ids=lambda table: str(table.name))
def test_every_aggregate_that_is_listed_is_admitted_under_the_treatment_that_is_named(table: Table) -> None:
    asked = 0
    for column, found in held(table, BANK_A).items():
        for permission in found:
            where = f" WHERE {permission.rows}" if permission.rows else ""
            for function in set(functions(permission)) - OF_TWO - SCALARS:
                for purpose in permission.purposes:
                    called = "median" if function == "quantile" else function
                    made = planned(f"SELECT {called}({column}) FROM {table.name}{where}", purpose)
                    mildest = next(one for one in found if function in functions(one) and purpose in one.purposes)
                    if not permission.rows and permission is mildest:
                        assert made.treatment.value == permission.treatment.value, (column, function)
                    asked += 1
    assert asked or not any(held(table, BANK_A).values())


STORED = [table for table in government() if table.view is None]
"""A question about a view is one about the tables it reads, whose grants may allow more than the view's own."""


@pytest.mark.parametrize("table", STORED, ids=lambda table: str(table.name))
def test_every_aggregate_that_is_not_listed_is_refused(table: Table) -> None:
    seen = held(table, BANK_A)
    for column in table.columns:
        for purpose in PURPOSES:
            listed = {
                function
                for permission in seen.get(column.name, ())
                if purpose in permission.purposes
                for function in functions(permission)
            }
            for function in {"count", "sum", "avg", "min", "max", "var_pop", "quantile"} - listed:
                called = "median" if function == "quantile" else function
                with pytest.raises(Refused):
                    planned(f"SELECT {called}({column.name}) FROM {table.name}", purpose)


def test_what_only_the_grant_for_differential_privacy_has_is_listed_under_it() -> None:
    table = city_catalog().tables[table_name("gov.tax_quarter")]
    plain, noisy = held(table, BANK_A)["revenue"]
    assert (plain.treatment, noisy.treatment) == (GrantTreatment.THRESHOLD, GrantTreatment.DP)
    assert "group_key" not in plain.rights
    assert "group_key" in noisy.rights
    assert not {"min", "max", "quantile"} & {*functions(plain)}
    assert {"min", "max", "quantile"} <= {*functions(noisy)}
    made = planned("SELECT revenue, count(*) FROM gov.tax_quarter GROUP BY 1", plain.purposes[0])
    assert made.treatment.value == "dp"


def test_rows_that_are_public_are_a_permission_of_their_own() -> None:
    table = city_catalog().tables[table_name("gov.tax_credit")]
    exact, protected = held(table, BANK_A)["grade"]
    assert (exact.treatment, exact.rows) == (GrantTreatment.EXACT, "grade = 'A'")
    assert (protected.treatment, protected.rows) == (GrantTreatment.THRESHOLD, "")
    assert "LOAN_ORIGINATION" in set(exact.purposes) - set(protected.purposes)
    made = planned("SELECT uscc, grade FROM gov.tax_credit WHERE grade = 'A'", "LOAN_ORIGINATION")
    assert made.treatment.value == "exact"


def test_the_date_of_the_data_stands_in_the_condition() -> None:
    table = city_catalog().tables[table_name("gov.pen_penalty")]
    exact = held(table, BANK_A)["fine_amt"][0]
    assert f"DATE '{table.as_of}'" in exact.rows
    assert planned(f"SELECT sum(fine_amt) FROM gov.pen_penalty WHERE {exact.rows}", "RESEARCH").cores


def test_a_denied_column_is_missing_for_the_purpose_that_denies_it() -> None:
    table = city_catalog().tables[table_name("gov.ent_registry")]
    (name,) = held(table, BANK_A)["legal_rep_name"]
    assert "MODEL_BUILD" not in name.purposes
    assert "RESEARCH" in name.purposes


def test_what_may_only_be_matched_has_no_permission() -> None:
    table = city_catalog().tables[table_name("gov.ent_person_role")]
    assert held(table, BANK_A) == {}


def test_a_table_that_may_not_be_analysed_has_no_permission() -> None:
    table = city_catalog().tables[table_name("gov.tax_quarter")]
    assert held(replace(table, operable=frozenset({Verb.MATCH})), BANK_A) == {}


def test_others_see_their_own_permissions() -> None:
    table = city_catalog().tables[table_name("gov.tax_quarter")]
    assert held(table, STRANGER) == held(table, AGENCY_C) == {}
