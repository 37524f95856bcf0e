"""`louver-sandbox auditor` and `log index`: registering who may read the log, as an operator does it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.audited import fill
from typer.testing import CliRunner, Result

from louver.audit.witness import new_key
from louver_sandbox.auditors import parse_auditors
from louver_sandbox.operator.backup import back_up
from louver_sandbox.operator.health import problems
from louver_sandbox.operator.installation import Tools, add_institution, create
from louver_sandbox.operator.main import app
from louver_sandbox.premises import open_books
from louver_sandbox.settings import Settings
from louver_sandbox.stages import InstitutionType
from louver_sandbox.store import State

NOW = datetime(2026, 7, 1, tzinfo=UTC)
TOOLS = Tools(lambda: NOW, lambda size: hashlib.shake_256(b"auditors").digest(size))


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = create(tmp_path / "home", "example.org/log", "127.0.0.1", 0, TOOLS)
    add_institution(settings, "bank_a", InstitutionType.BANK, [], "", TOOLS)
    return settings


def run(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(settings.home)])


def test_an_auditor_is_registered_listed_and_struck_out(home: Settings) -> None:
    assert run(home, "auditor", "list").stdout == "", "there is none before there is one"
    added = run(home, "auditor", "add", "audit_office", "--title", "市审计局")
    assert added.exit_code == 0, added.output
    assert (home.home / "clients" / "audit_office.pem").exists()
    assert run(home, "auditor", "list").stdout == "audit_office  1 certificates  0 witnesses  市审计局\n"
    key = new_key("audit.example/w").key
    assert run(home, "auditor", "witness", "audit_office", str(key)).exit_code == 0
    again = run(home, "auditor", "witness", "audit_office", str(key))
    assert (again.exit_code, "registered already" in again.stderr) == (1, True)
    assert run(home, "auditor", "revoke", "audit_office").exit_code == 0
    (left,) = parse_auditors(home.log_auditors.read_text(encoding="utf-8")).values()
    assert (left.fingerprints, left.witnesses, left.title) == (frozenset(), (key,), "市审计局")


@pytest.mark.parametrize(
    "words",
    [
        ("add", "bank_a"),
        ("add", "Audit"),
        ("add", "../x"),
        ("add", "x", "--title", "a\nb"),
        ("revoke", "nobody"),
        ("witness", "nobody", str(new_key("w").key)),
        ("witness", "audit_office", "not a key"),
    ],
)
def test_what_cannot_be_registered_is_said_and_changes_nothing(home: Settings, words: tuple[str, ...]) -> None:
    run(home, "auditor", "add", "audit_office")
    before = home.log_auditors.read_bytes()
    refused = run(home, "auditor", *words)
    assert (refused.exit_code, bool(refused.stderr.strip())) == (1, True)
    assert "Traceback" not in refused.output
    assert home.log_auditors.read_bytes() == before


def test_the_registry_is_checked_and_backed_up(home: Settings, tmp_path: Path) -> None:
    run(home, "auditor", "add", "audit_office")
    run(home, "log", "index")
    assert "log-auditors.toml" in list(back_up(home, tmp_path / "backup", secrets=False))
    home.log_auditors.write_text("[auditors.x]\nrole = 1\n", encoding="utf-8")
    assert any(problem.startswith("log-auditors.toml: ") for problem in problems(home, NOW))


def test_the_index_is_made_anew(home: Settings) -> None:
    with State.open(home.state) as state:
        fill(open_books(home, state, lambda: NOW).log, 30)
    for _ in range(2):
        assert run(home, "log", "index").stdout == "30 entries are in the auditors' index\n"


def test_an_erased_question_is_not_found_by_its_words(home: Settings) -> None:
    from louver_sandbox.auditing import search
    from louver_sandbox.auditing.search import Filter

    with State.open(home.state) as state, state.transaction() as tx:
        body = {"kind": "refusal", "institution": "bank_a", "request_id": "r"}
        open_books(home, state, lambda: NOW).log.append(tx, {**body}, {"sql": "SELECT peculiar FROM gov.t"})
    run(home, "log", "index")

    def found() -> tuple[int, ...]:
        with State.open(home.state) as state, state.reading() as tx:
            return search.page(tx, Filter(text="peculiar"), None, 5).entries

    assert found() == (0,)
    erased = run(home, "log", "erase", "0", "--field", "sql")
    assert erased.exit_code == 0, erased.output
    assert found() == ()
    assert b"peculiar" not in home.state_file.read_bytes()
