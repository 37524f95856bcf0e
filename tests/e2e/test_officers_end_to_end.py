"""Officers over a real service: a draft is written, tried, signed by two, decides from the next question on, and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Service, copy_of, service
from tests.support.lengths import at_length_only
from tests.support.officers import POLICE, TAX, Desk, appointed, connect
from tests.support.policy_questions import LIBRARY
from typer.testing import CliRunner, Result

import louver
from louver import policies
from louver.cli.app import app as command
from louver.errors import Refused
from louver_sandbox.demo.city import City

QUESTION = "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"
PURPOSE = "LOAN_ORIGINATION"
BEFORE = "purposes: [POST_LOAN, MODEL_BUILD, RESEARCH]"
AFTER = "purposes: [LOAN_ORIGINATION, POST_LOAN, MODEL_BUILD, RESEARCH]"
YAML = (LIBRARY / "taxation.yaml").read_text(encoding="utf-8")
DRAFT = YAML.replace(BEFORE, AFTER, 1)


@pytest.fixture(scope="module")
def office(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Desk]]:
    mine = copy_of(city, tmp_path_factory.mktemp("office"))
    desk = appointed(mine, tmp_path_factory.mktemp("desk"))
    with service(mine) as served:
        yield served, desk


@pytest.fixture
def wang(office: tuple[Service, Desk]) -> Iterator[policies.PolicyClient]:
    with connect(office[0], "wang") as client:
        yield client


def refusal(served: Service, question: str = QUESTION) -> str:
    """The code by which the bank's question is refused, empty where it is answered."""
    with served.connect() as bank:
        try:
            bank.analyse(question, purpose=PURPOSE)
        except Refused as refused:
            return refused.code
        return ""


def test_what_is_wrong_with_a_draft_is_told_with_its_place(wang: policies.PolicyClient) -> None:
    assert [one for one in wang.lint(YAML) if one.severity == "error"] == []
    misspelt = YAML.replace("rating_year: [group_key", "ghost: [group_key", 1)
    wrong = next(one for one in wang.lint(misspelt) if one.code == "unknown-column")
    line = YAML.splitlines()[wrong.line - 1]
    assert line.lstrip().startswith("rating_year: [group_key")
    assert wrong.column == line.index("rating_year") + 1
    assert (wrong.severity, bool(wrong.message_zh)) == ("error", True)
    (unread,) = wang.lint("id: x\n  y: [")
    assert (unread.severity, unread.line) == ("error", 2)


def test_a_draft_is_tried_before_anybody_signs(wang: policies.PolicyClient) -> None:
    tried = wang.test(DRAFT)
    assert tried.tests
    assert all(one.passed for one in tried.tests)
    failing = wang.test(DRAFT.replace("expect: LVR-2102", "expect: exact")).tests
    assert [(one.expected.split()[0], one.got.split()[0]) for one in failing if not one.passed] == [
        ("exact", "LVR-2102")
    ]
    changes, findings = wang.diff(DRAFT)
    assert not findings
    assert {one.direction for one in changes} == {"looser"}
    assert all(PURPOSE in one.told for one in changes)
    now = wang.explain(QUESTION, institution="bank_a", purpose=PURPOSE)
    assert (now.outcome.verdict, now.message != "") == ("LVR-2009", True) if now.outcome else False
    then = wang.explain(QUESTION, institution="bank_a", purpose=PURPOSE, text=DRAFT)
    assert then.outcome is not None
    assert then.outcome.verdict == "threshold"
    grants = wang.grants_for(QUESTION, institution="bank_a", purpose=PURPOSE)
    assert "LOAN_ORIGINATION" in grants.text
    with pytest.raises(Refused) as nobody:
        wang.explain(QUESTION, institution="bank_z", purpose=PURPOSE)
    assert nobody.value.code == "LVR-7205"


@at_length_only
def test_a_document_in_force_is_a_draft_that_changes_nothing(wang: policies.PolicyClient) -> None:
    for one in wang.documents():
        text = wang.document(one.id)
        assert [item for item in wang.lint(text) if item.severity == "error"] == [], one.id
        assert wang.diff(text) == ((), ()), one.id


def test_a_refused_question_is_answered_once_two_officers_have_signed(
    office: tuple[Service, Desk], wang: policies.PolicyClient
) -> None:
    served, desk = office
    before = wang.status()
    assert before.same
    assert (before.officer, before.department) == ("wang", TAX)
    assert refusal(served) == "LVR-2009"
    submitted = wang.submit(DRAFT)
    assert submitted.version is not None
    assert (submitted.version.state, submitted.version.submitter) == ("draft", "wang")
    name = submitted.version.name
    *_, simulated = wang.simulate(version=name, days=2)
    assert simulated.finished
    assert [(one.before, one.after) for one in simulated.moves] == [("LVR-2009", "threshold")]
    assert simulated.moves[0].examples[0].institution == "bank_a"
    assert wang.approve(name, desk.sign("wang", submitted.file)).state == "review"
    with pytest.raises(Refused) as early:
        wang.activate(name)
    assert early.value.code == "LVR-7208"
    assert refusal(served) == "LVR-2009"
    with connect(served, "li") as li:
        _, file = li.version(name)
        assert b'"simulation"' in file
        assert li.approve(name, desk.sign("li", file)).state == "approved"
        assert refusal(served) == "LVR-2009"
        assert li.activate(name).state == "active"
    assert refusal(served) == ""
    after = wang.status()
    assert after.same
    assert after.running_bundle != before.running_bundle
    assert after.serials["taxation"] == before.serials["taxation"] + 1
    assert wang.revoke(desk.revoke("wang", "taxation", TAX, after.serials["taxation"])) == ("taxation", 2)
    assert refusal(served) == "LVR-2010"
    assert {one.id: one.state for one in wang.documents()}["taxation"] == "revoked"


def test_only_the_owners_officers_submit_sign_and_activate(office: tuple[Service, Desk]) -> None:
    served, desk = office
    with connect(served, "qian") as qian, connect(served, "wang") as wang:
        with pytest.raises(Refused) as foreign:
            qian.submit(DRAFT)
        assert foreign.value.code == "LVR-7206"
        made = wang.submit(DRAFT)
        assert made.version is not None
        wang.approve(made.version.name, desk.sign("wang", made.file))
        with pytest.raises(Refused) as stranger:
            qian.approve(made.version.name, desk.sign("qian", made.file))
        assert stranger.value.code == "LVR-7207"
        assert "no officer of" in stranger.value.message
        assert qian.status().department == POLICE
        with pytest.raises(Refused) as hers:
            qian.activate(made.version.name)
        assert hers.value.code == "LVR-7206"


def test_the_roles_do_not_mix(office: tuple[Service, Desk]) -> None:
    served, _ = office
    with connect(served, "bank_a") as bank, pytest.raises(Refused) as refused:
        bank.status()
    assert refused.value.code == "LVR-7201"
    authority, key, certificate = served.files("wang")
    with louver.connect(served.address, certificate=certificate, key=key, ca=authority, verify=False) as client:
        with pytest.raises(Refused) as asked:
            client.analyse("SELECT count(*) AS n FROM gov.ent_registry", purpose="RESEARCH")
        assert asked.value.code == "LVR-7202"


def test_the_command_line_does_all_of_it(office: tuple[Service, Desk], tmp_path: Path) -> None:
    """An officer's day in commands, with exit codes that a program can read."""
    served, desk = office
    draft, query, version = tmp_path / "court.yaml", tmp_path / "q.sql", tmp_path / "version.json"
    query.write_text("SELECT count(*) AS n FROM gov.ent_registry", encoding="utf-8")

    def run(name: str, *words: object, code: int = 0) -> Result:
        authority, key, certificate = served.files(name)
        connection = ["--target", served.address, "--certificate", certificate, "--key", key, "--ca", authority]
        options = [*map(str, connection), "--timeout", "120", "--lang", "en"]
        result = CliRunner().invoke(command, [*options, "policy", *map(str, words)])
        assert result.exit_code == code, (words, result.output, result.exception)
        return result

    assert json.loads(run("sun", "status", "--json").stdout)["same"] is True
    run("sun", "show", "public-security", "-o", draft)
    assert "owner: 市公安局" in draft.read_text(encoding="utf-8")
    run("sun", "lint", draft, code=int("warning" in run("sun", "lint", draft).stderr))
    assert "ok" in run("sun", "test", draft).stderr
    assert run("sun", "diff", draft).stdout == ""
    assert run("sun", "explain", query, "--institution", "bank_a", "--purpose", "RESEARCH").stdout.startswith("exact")
    run("sun", "explain", query, "--institution", "bank_a", "--purpose", "NO_SUCH", code=1)
    assert (
        "legal as it is" in run("sun", "grants-for", query, "--institution", "bank_a", "--purpose", "RESEARCH").stderr
    )
    assert "come out otherwise" in run("sun", "simulate", draft, "--days", 1).stdout
    assert "is draft" in run("sun", "submit", draft, "-o", version).stderr
    name = json.loads(version.read_bytes())["approval"]["statement"]
    name = f"{name['id']}-{name['serial']}"
    run("sun", "activate", name, code=1)
    # It grants a column of L4: two others than the submitter.
    for officer, state in (("sun", "review"), ("qian", "review"), ("meng", "approved")):
        signing = ["--officer", officer, "--key", desk.folder / f"{officer}.key", "--yes"]
        assert f"{name} is {state}" in run(officer, "approve", name, *signing).stdout
    assert f"{name} is active" in run("qian", "activate", name).stdout
    listed = json.loads(run("sun", "list", "--json").stdout)
    assert {one["name"]: one["state"] for one in listed["versions"]}[name] == "active"
    ending = ["--owner", POLICE, "--serial", name.rpartition("-")[2], "--reason", "a trial", "--officer", "sun"]
    run("sun", "revoke", "public-security", *ending, "--key", desk.folder / "sun.key", "--send")
    assert {one.id: one.state for one in _documents(served)}["public-security"] == "revoked"
    draft.write_text("id: x\n", encoding="utf-8")
    assert f"{draft}:1:1: error" in run("sun", "lint", draft, code=1).stderr


def _documents(served: Service) -> tuple[policies.Document, ...]:
    with connect(served, "sun") as client:
        return client.documents()
