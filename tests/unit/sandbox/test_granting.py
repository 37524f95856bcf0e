"""The smallest grant that makes a question legal makes it legal, can spare nothing, and names its risks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.policy_questions import BANK_A, DEMO_CATALOG, LIBRARY, STRANGER, TODAY, city_catalog, library
from typer.testing import CliRunner

from louver.errors import Refused
from louver_sandbox.drafting.granting import Granting, as_yaml, grants_for
from louver_sandbox.operator.main import app
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import bundle_content, parse_bundle
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.load import read_policy_text
from louver_sandbox.policy.model import Policy
from louver_sandbox.stages import Facts, Request, Subject

GRADES = "SELECT grade, count(*) AS n FROM gov.tax_credit GROUP BY grade"
SEVERAL = """SELECT r.section, avg(c.score) AS v, stddev(c.score) AS s FROM gov.tax_credit c
JOIN gov.ent_registry r USING (uscc) WHERE r.n_employees > 5 AND c.score > 60 GROUP BY 1 ORDER BY 2"""
NAMES = "SELECT section, ent_name FROM gov.ent_registry"


def asked(sql: str, purpose: str = "RESEARCH", who: Subject = BANK_A) -> tuple[Granting, Request]:
    request = Request("r", who, purpose, sql)
    return grants_for(request, library().platform, library().policies, city_catalog(), TODAY), request


def from_yaml(text: str) -> tuple[Policy, ...]:
    """The library with the drafts in it, read from their YAML as an officer would paste it."""
    policies = {policy.id: policy for policy in library().policies}
    for part in text.split("# For ")[1:]:
        name = part.partition("policy ")[2].split()[0]
        head = "kind: policy\nid: x\nversion: '1'\nowner: o\ntitle: t\ngrants:\n"
        (loaded,), problems = read_policy_text("draft", head + "# " + part)
        assert problems == ()
        assert isinstance(loaded.document, Policy)
        held = policies[name]
        policies[name] = held.model_copy(update={"grants": (*held.grants, *loaded.document.grants)})
    return tuple(policies.values())


def legal(request: Request, policies: tuple[Policy, ...]) -> bool:
    bundle = parse_bundle(bundle_content(library().platform, policies))
    try:
        judge(request, city_catalog(), bundle, Facts(TODAY))
    except Refused:
        return False
    return True


QUESTIONS = [
    (GRADES, "LOAN_ORIGINATION", BANK_A),
    (SEVERAL, "RESEARCH", BANK_A),
    (NAMES, "RESEARCH", BANK_A),
    ("SELECT year(birth_date) AS y, count(*) AS n FROM gov.pop_person GROUP BY y", "POST_LOAN", BANK_A),
    ("SELECT count(*) AS n FROM gov.utl_month", "RESEARCH", STRANGER),
    (
        "SELECT section, sum(sqrt(reg_capital_wan)) AS s FROM gov.ent_registry GROUP BY 1 HAVING count(*) > 20",
        "RESEARCH",
        STRANGER,
    ),
]


@pytest.mark.parametrize(("sql", "purpose", "who"), QUESTIONS, ids=[item[0][:50] for item in QUESTIONS])
def test_the_draft_as_printed_makes_the_question_legal_and_can_spare_no_right(
    sql: str, purpose: str, who: Subject
) -> None:
    found, request = asked(sql, purpose, who)
    assert found.wanted
    assert legal(request, from_yaml(as_yaml(found, request)))
    drafted = {policy.id: policy for policy in from_yaml(as_yaml(found, request))}
    for wanted in found.wanted:
        home = drafted[wanted.policy]
        for column in wanted.grant.columns if len(wanted.grant.columns) > 1 else ():
            columns = {name: held for name, held in wanted.grant.columns.items() if name != column}
            fewer = wanted.grant.model_copy(update={"columns": columns})
            grants = (*(item for item in home.grants if item.id != fewer.id), fewer)
            spared = drafted | {home.id: home.model_copy(update={"grants": grants})}
            assert not legal(request, tuple(spared.values())), column


def test_what_is_granted_already_is_not_asked_for_again() -> None:
    found, _ = asked(SEVERAL)
    assert {wanted.policy: set(wanted.grant.columns) for wanted in found.wanted} == {
        "taxation": {"score"},
        "market-regulation": {"n_employees"},
    }
    assert asked(GRADES)[0] == Granting((), None)


def test_risks_are_named_in_two_languages() -> None:
    names, request = asked(NAMES)
    assert "ent_name is shown only where" in as_yaml(names, request)
    text = as_yaml(*asked("SELECT count(DISTINCT person_id) AS n FROM gov.pop_person", "POST_LOAN"))
    assert "# risk: person_id: three officers must sign (four eyes)" in text
    assert "# 风险：person_id：须三名策略官签名（四眼原则）" in text
    assert "conditions on n_employees can be narrowed step by step" in as_yaml(*asked(SEVERAL))


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT name FROM gov.pop_person", "LVR-2101"),
        ("SELECT avg(balance) AS a FROM gov.hf_account", "LVR-2105"),
        ("SELECT grade FROM gov.no_such_table", "LVR-1101"),
        ("SELEKT 1", "LVR-1008"),
    ],
)
def test_no_grant_is_drafted_where_none_could_help(sql: str, code: str) -> None:
    found, _ = asked(sql, "POST_LOAN")
    assert found.wanted == ()
    assert found.refused is not None
    assert found.refused.code == code


def test_what_lies_below_a_floor_cannot_be_drafted() -> None:
    with pytest.raises(PolicyRefused, match="special_status can never be granted"):
        asked("SELECT count(*) AS n FROM gov.pop_person WHERE special_status = 1")


def test_the_command_needs_no_installation(tmp_path: Path) -> None:
    query = tmp_path / "query.sql"
    query.write_text(GRADES, encoding="utf-8")
    words = ["policy", "grants-for", str(query), "--institution", "bank_a", "--type", "bank", "--group", "banks"]
    places = ["--policies", str(LIBRARY), "--catalog", str(DEMO_CATALOG)]
    done = CliRunner().invoke(app, [*words, *places, "--purpose", "MARKETING"])
    assert done.exit_code == 0, done.output
    assert 'purposes: ["MARKETING"]' in done.stdout
    query.write_text("SELECT name FROM gov.pop_person", encoding="utf-8")
    refused = CliRunner().invoke(app, [*words, *places, "--purpose", "MARKETING"])
    assert refused.exit_code == 1
    assert "no grant makes this legal" in refused.stderr
