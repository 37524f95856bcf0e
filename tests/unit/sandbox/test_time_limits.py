"""Time limits: what is too old is used by no verb, what has ended is granted to nobody, and what was purged is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.policy_questions import BANK_A, DEMO_CATALOG, city_bundle, city_catalog, table_name

from louver.errors import Refused
from louver_sandbox.catalog.load import CatalogRefused, catalog_of, load_catalog
from louver_sandbox.catalog.model import Catalog, Table, Verb
from louver_sandbox.pipeline import judge
from louver_sandbox.plan.calls import judge_call
from louver_sandbox.stages import Facts, Request

LAST = date(2026, 7, 31)
EPIDEMIC = table_name("gov.tax_credit")
LINE = 13
"""Of `repaired` in the declaration of penalties."""
FIRM = {"subject": "91370299MA3TEST012", "authorisation": "a1"}


def ending() -> Catalog:
    """The city's catalogue, in which tax grades are a dataset that ends."""
    tables = city_catalog().tables
    return catalog_of([replace(one, sunset=LAST) if one.name == EPIDEMIC else one for one in tables.values()])


def asked(day: date, sql: str = "SELECT grade, count(*) AS n FROM gov.tax_credit GROUP BY 1") -> str:
    try:
        judge(Request("r", BANK_A, "RESEARCH", sql), ending(), city_bundle(), Facts(day))
    except Refused as refused:
        return refused.code
    return "admitted"


def looked_up(day: date) -> str:
    request = Request("r", BANK_A, "LOAN_ORIGINATION", "enterprise-report@1", FIRM, "template")
    try:
        judge_call(request, ending(), city_bundle(), Facts(day))
    except Refused as refused:
        return refused.code
    return "admitted"


def test_a_dataset_that_has_ended_is_read_by_no_verb() -> None:
    after = LAST + timedelta(days=1)
    assert [asked(LAST), looked_up(LAST)] == ["admitted", "admitted"]
    assert asked(after) == "LVR-2007"
    assert looked_up(after) == "LVR-6104"
    covering = city_bundle().rulebook.covering(ending().tables[EPIDEMIC], BANK_A)
    verbs = {verb for permit in covering.permits for verb in permit.grant.verbs}
    assert {Verb.ANALYSE, Verb.QUERY, Verb.SCORE} <= verbs
    assert not any(permit.grant.valid.holds(after) for permit in covering.permits)


def test_other_datasets_go_on() -> None:
    after = LAST + timedelta(days=1)
    assert asked(after, "SELECT section, count(*) AS n FROM gov.ent_registry GROUP BY 1") == "admitted"


def test_nothing_is_published_of_what_has_ended() -> None:
    def published(day: date) -> set[str]:
        return {str(item.table) for item in city_bundle().grant_sets(ending(), day)}

    assert str(EPIDEMIC) in published(LAST)
    assert str(EPIDEMIC) not in published(LAST + timedelta(days=1))


def test_a_grant_that_begins_after_the_last_day_never_does() -> None:
    table = replace(city_catalog().tables[EPIDEMIC], sunset=date(2020, 1, 1))
    assert city_bundle().rulebook.covering(table, BANK_A).permits == ()


@pytest.mark.parametrize("name", ["gov.court_dishonest", "gov.credit_list", "gov.pen_penalty"])
def test_the_citys_negative_tables_say_how_long_persons_stay_in_them(name: str) -> None:
    kept = city_catalog().tables[table_name(name)].kept
    assert kept is not None
    assert "'P'" in kept
    assert "INTERVAL 5 YEAR" in kept


@pytest.mark.parametrize("column", ["dept", "nothing"])
def test_a_repair_is_a_date_of_the_table(tmp_path: Path, column: str) -> None:
    text = (DEMO_CATALOG / "gov.pen_penalty.yaml").read_text(encoding="utf-8")
    (tmp_path / "t.yaml").write_text(text.replace("repaired: repaired_on", f"repaired: {column}"), encoding="utf-8")
    with pytest.raises(CatalogRefused) as refused:
        load_catalog([tmp_path], tmp_path)
    assert [problem.line for problem in refused.value.problems] == [LINE]
    assert "date" in str(refused.value)


def digest(tables: Sequence[Table]) -> str:
    return catalog_of(tables).digest


def test_a_limit_is_part_of_what_a_catalogue_declares() -> None:
    plain = city_catalog().tables[EPIDEMIC]
    limited = [replace(plain, kept="score > 0"), replace(plain, sunset=LAST), plain]
    assert len({digest([one]) for one in limited}) == 3
