"""Templates: what may be called, by whom, with what; and which no officer should approve."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.support.policy_questions import LIBRARY, TODAY, city_catalog

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import TableName
from louver_sandbox.pipeline import judge
from louver_sandbox.plan.calls import judge_call
from louver_sandbox.plan.lookups import about_nobody, verify_lookup
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.policy.bundle import Bundle, bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.load import load_library
from louver_sandbox.policy.templates import Parameter, Template
from louver_sandbox.stages import Facts, InstitutionType, Plan, Request, Subject, Treatment

BANK = Subject("bank_a", InstitutionType.BANK, frozenset({"banks"}), "")
AGENCY = Subject("agency_c", InstitutionType.CREDIT_AGENCY, frozenset({"credit_agencies"}), "")
FIRM = "91370299MA3TEST012"
OWNER = "development-reform.yaml"


def bundle(folder: Path, *edits: tuple[str, str, str]) -> Bundle:
    """The demo's bundle after edits of (file, old, new)."""
    library = load_library([edited(folder, *edits)])
    return parse_bundle(bundle_content(library.platform, library.policies))


def edited(folder: Path, *edits: tuple[str, str, str]) -> Path:
    for path in LIBRARY.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for name, old, new in edits:
            if name == path.name:
                assert old in text
                text = text.replace(old, new, 1)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder


def asked(made: Bundle, who: Subject = BANK, template: str = "enterprise-report@1", **more: Value) -> Plan:
    given = {"subject": FIRM, "authorisation": "a1", **more}
    request = Request("r-1", who, "LOAN_ORIGINATION", template, given, "template")
    return judge_call(request, city_catalog(), made, Facts(TODAY))


def code(made: Bundle, who: Subject = BANK, template: str = "enterprise-report@1", **more: Value) -> str:
    with pytest.raises(Refused) as refused:
        asked(made, who, template, **more)
    assert refused.value.message_zh
    assert refused.value.hint_zh
    return refused.value.code


def test_the_plan_says_what_an_authorisation_must_cover(tmp_path: Path) -> None:
    made = asked(bundle(tmp_path))
    assert made.lookup is not None
    assert made.treatment is Treatment.AUTHORISED
    rules = made.lookup.rules
    assert rules.columns["gov.tax_quarter"] == {"quarter", "revenue", "arrears_amt"}
    assert "gov.ent_registry" not in rules.columns, "the register is public"
    assert (rules.sensitive, rules.restricted) == (False, False)
    assert {str(source.table) for source in made.sources} == {source.table for source in rules.sources}
    assert all(f"'{FIRM}'" in core.statement for core in made.cores)
    assert all(f"'{FIRM}'" not in core.statement for core in about_nobody(made)[0].cores)
    person = asked(bundle(tmp_path), AGENCY, "person-report@1", subject="370202199001011234").lookup
    assert person is not None
    assert (person.rules.sensitive, person.rules.restricted) == (True, True)


def test_a_department_that_withdraws_its_grant_ends_the_template(tmp_path: Path) -> None:
    without = ("taxation.yaml", "templates: [enterprise-report@1, tax-standing@1]\n", "templates: [other@1]\n")
    made = bundle(tmp_path, without)
    assert code(made) == "LVR-6104"


def test_who_is_in_no_grant_is_offered_nothing(tmp_path: Path) -> None:
    stranger = Subject("stranger_d", InstitutionType.BANK, frozenset(), "")
    assert code(bundle(tmp_path), stranger) == "LVR-6101"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("FROM gov.ent_registry r\n", "FROM gov.court_dishonest r\n", "6105"),
        ("r.ent_name, r.section", "count(*) AS ent_name, 1 AS section", "6105"),
        ("      grade: {title: 纳税信用等级 tax grade}\n", "", "6105"),
        ("SELECT r.ent_name", "SELECT r.legal_rep_id AS ent_name", "6104"),
        ("SELECT r.ent_name", "SELECT read_text('/etc/passwd') AS ent_name", "6105"),
        ("FROM gov.ent_registry r\n", "FROM gov.hf_account r\n", "6105"),
    ],
)
def test_a_template_that_cannot_be_answered_is_refused_and_named_by_lint(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    edit = (OWNER, old, new)
    assert code(bundle(tmp_path, edit)) == f"LVR-{why}"
    found = [
        item for item in lint(load_library([tmp_path]), city_catalog(), TODAY) if item.code == "template-unanswerable"
    ]
    assert found
    assert found[0].line > 0
    assert found[0].message_zh


SHADOW = """templates:
  - id: enterprise-report
    version: "1"
    title: 另一份 another of the same name
    subject: enterprise
    purposes: [LOAN_ORIGINATION]
    sql: SELECT revenue FROM gov.tax_quarter
    fields:
      revenue: {title: 销售收入}
tests:
"""
"""Other departments have granted their columns to `enterprise-report@1`: to this one they have not."""


def test_no_template_takes_the_name_of_another(tmp_path: Path) -> None:
    """By its name a department opens its columns to a template: a second one of that name, in whatever policy, would
    read them by a statement that it has not approved."""
    with pytest.raises(PolicyRefused, match="enterprise-report@1 is another one's name, in court"):
        load_library([edited(tmp_path, ("court.yaml", "tests:\n", SHADOW))])
    library = load_library([LIBRARY])
    court = next(policy for policy in library.policies if policy.id == "court")
    (template,) = (
        one for policy in library.policies for one in policy.templates if one.name == "enterprise-report@1"
    )
    shadow = court.model_copy(update={"templates": (template.model_copy(update={"sql": "SELECT 1 AS revenue"}),)})
    others = [policy for policy in library.policies if policy is not court]
    with pytest.raises(PolicyRefused, match="another one's name"):
        bundle_content(library.platform, [*others, shadow])
    # A bundle that somebody made so all the same is not believed: the name is nobody's.
    assert code(Bundle(library.platform, (*others, shadow), "b" * 64)) == "LVR-6101"
    assert asked(Bundle(library.platform, (*others, court), "b" * 64)).treatment is Treatment.AUTHORISED


def test_the_librarys_templates_have_no_finding(tmp_path: Path) -> None:
    codes = {item.code for item in lint(load_library([edited(tmp_path)]), city_catalog(), TODAY)}
    assert not {code for code in codes if "template" in code or code == "shown-whole"}


def test_a_value_of_l4_shown_whole_is_pointed_out(tmp_path: Path) -> None:
    edits = (
        (OWNER, "AS base_band", "AS base_band, h.base_amt"),
        (OWNER, "      base_band: {title", "      base_amt: {title: base}\n      base_band: {title"),
    )
    codes = {item.code for item in lint(load_library([edited(tmp_path, *edits)]), city_catalog(), TODAY)}
    assert "shown-whole" in codes


@pytest.mark.parametrize(
    ("kind", "more", "taken", "turned_away"),
    [
        ("integer", {"least": 1, "most": 3}, [1, 3], [0, 4, True, "1", "1; DROP", None]),
        (
            "date",
            {"least": date(2026, 1, 1), "most": date(2026, 1, 31)},
            [date(2026, 1, 2)],
            ["2026-01-02", date(2025, 1, 1)],
        ),
        ("boolean", {}, [True, False], [1, "true"]),
        ("choice", {"choices": ("a", "b")}, ["a"], ["c", "a' OR '1'='1", 1]),
    ],
)
def test_parameters_take_their_own_values_only(
    kind: str, more: dict[str, object], taken: list[Value], turned_away: list[Value]
) -> None:
    parameter = Parameter.model_validate({"type": kind, "title": "t", **more})
    assert all(parameter.accepts(value) for value in taken)
    assert not any(parameter.accepts(value) for value in turned_away)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "integer", "title": "t"},
        {"type": "text", "title": "t"},
        {"type": "choice", "title": "t"},
        {"type": "boolean", "title": "t", "choices": ["a"]},
        {"type": "date", "title": "t", "least": 1, "most": 2},
    ],
)
def test_a_parameter_without_bounds_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Parameter.model_validate(wrong)


def test_no_parameter_takes_the_place_of_the_subject() -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(
            {
                "id": "t",
                "version": "1",
                "title": "t",
                "subject": "person",
                "purposes": ["RESEARCH"],
                "parameters": {"subject": {"type": "boolean", "title": "t"}},
                "sql": "SELECT 1",
                "fields": {"a": {"title": "t"}},
            }
        )


def test_a_plan_whose_two_statements_differ_in_more_is_never_run(tmp_path: Path) -> None:
    made = asked(bundle(tmp_path))
    assert made.lookup is not None
    verify_lookup(made)
    tampered = tuple(
        replace(core, statement=core.statement.replace("'~'", "'~' OR TRUE")) for core in made.lookup.about_nobody
    )
    for wrong in (
        replace(made, lookup=replace(made.lookup, about_nobody=tampered)),
        replace(made, lookup=None),
        replace(made, treatment=Treatment.EXACT),
        replace(made, cores=made.lookup.about_nobody),
    ):
        with pytest.raises(PlanUnverified):
            verify_lookup(wrong)


def test_what_is_granted_to_templates_is_no_analysis(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    request = Request("r-1", BANK, "LOAN_ORIGINATION", "SELECT headcount FROM gov.ss_ent_month", {})
    with pytest.raises(Refused) as refused:
        judge(request, city_catalog(), made, Facts(TODAY))
    assert refused.value.code in ("LVR-2101", "LVR-2002", "LVR-2001")


def test_snapshots_for_templates_hold_the_subject_and_what_is_granted(tmp_path: Path) -> None:
    sets = {(str(item.table), item.columns) for item in bundle(tmp_path).grant_sets(city_catalog(), TODAY)}
    assert (str(TableName("gov", "tax_quarter")), ("arrears_amt", "quarter", "revenue", "uscc")) in sets
