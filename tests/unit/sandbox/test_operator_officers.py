"""`louver-sandbox officer`: registering who may work on policies over the wire, as an operator does it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from louver.errors import Refused
from louver_sandbox.auditors import Auditors
from louver_sandbox.identity import Registry, RegistryRefused
from louver_sandbox.officers import Callers, parse_callers
from louver_sandbox.operator.backup import back_up
from louver_sandbox.operator.health import problems
from louver_sandbox.operator.installation import Tools, add_institution, create
from louver_sandbox.operator.main import app
from louver_sandbox.operator.officers import add_officer
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.settings import Settings
from louver_sandbox.stages import InstitutionType

NOW = datetime(2026, 7, 1, tzinfo=UTC)
TOOLS = Tools(lambda: NOW, lambda size: hashlib.shake_256(b"officers").digest(size))
AUTHORITY = Authority.create(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = create(tmp_path / "home", "example.org/log", "127.0.0.1", 0, TOOLS)
    add_institution(settings, "bank_a", InstitutionType.BANK, [], "", TOOLS)
    return settings


def parsed(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def run(settings: Settings, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(settings.home)])


def test_an_officer_is_registered_listed_and_struck_out(home: Settings) -> None:
    assert run(home, "officer", "list").stdout == "", "there is none before there is one"
    added = run(home, "officer", "add", "wang", "--signs-as", "officer-one")
    assert added.exit_code == 0, added.output
    assert (home.home / "clients" / "wang.pem").exists()
    assert run(home, "officer", "list").stdout == "wang  1 certificates  signs as officer-one\n"
    assert run(home, "officer", "revoke", "wang").exit_code == 0
    (left,) = parse_callers(home.officers_certificates.read_text(encoding="utf-8")).values()
    assert (left.fingerprints, left.signs_as) == (frozenset(), "officer-one")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "bank_a", "--signs-as", "officer-two"), "two roles"),
        (("add", "audit_office", "--signs-as", "officer-two"), "two roles"),
        (("add", "Wang", "--signs-as", "officer-two"), "lower-case"),
        (("add", "../x", "--signs-as", "officer-two"), "lower-case"),
        (("add", "chen", "--signs-as", "nobody"), "officers.json"),
        (("add", "chen", "--signs-as", "officer-one"), "calls as two"),
        (("revoke", "nobody"), "not registered"),
    ],
)
def test_what_cannot_be_registered_is_said_and_changes_nothing(
    home: Settings, words: tuple[str, ...], why: str
) -> None:
    run(home, "auditor", "add", "audit_office")
    run(home, "officer", "add", "wang", "--signs-as", "officer-one")
    before = home.officers_certificates.read_bytes()
    refused = run(home, "officer", *words)
    assert refused.exit_code == 1
    assert why in refused.stderr
    assert home.officers_certificates.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "[officers",
        "[institutions.x]\n",
        "[officers.Wang]\nsigns_as = 'w'\n",
        "[officers.wang]\n",
        "[officers.wang]\nsigns_as = 1\n",
        "[officers.wang]\nsigns_as = 'w'\nrole = 'auditor'\n",
        "[officers.wang]\nsigns_as = 'w'\nfingerprints = ['x']\n",
        f"[officers.a]\nsigns_as = 'a'\nfingerprints = ['{'0' * 64}']\n"
        f"[officers.b]\nsigns_as = 'b'\nfingerprints = ['{'0' * 64}']\n",
    ],
)
def test_a_registry_that_cannot_be_meant_admits_nobody(tmp_path: Path, text: str) -> None:
    with pytest.raises(RegistryRefused):
        parse_callers(text)
    path = tmp_path / "policy-officers.toml"
    path.write_text(text, encoding="utf-8")
    registry = Registry(tmp_path / "institutions.toml")
    callers = Callers(path, registry, Auditors(tmp_path / "log-auditors.toml", registry))
    assert callers.registered() == {}


def test_a_certificate_is_good_for_its_own_role_and_only_while_it_is_registered(home: Settings) -> None:
    issued = add_officer(home, "wang", "officer-one", TOOLS)
    registry = Registry(home.institutions)
    auditors = Auditors(home.log_auditors, registry)
    callers = Callers(home.officers_certificates, registry, auditors)
    assert callers.officer(parsed(issued)).signs_as == "officer-one"
    for ask, code in ((registry.subject, "LVR-7202"), (auditors.auditor, "LVR-7101")):
        with pytest.raises(Refused) as refused:
            ask(parsed(issued))
        assert refused.value.code == code
    others = (AUTHORITY.client("bank_a", NOW), AUTHORITY.auditor("wang", NOW), AUTHORITY.officer("wang", NOW))
    for other, code in zip(others, ("LVR-7201", "LVR-7201", "LVR-0101"), strict=True):
        with pytest.raises(Refused) as refused:
            callers.officer(parsed(other))
        assert refused.value.code == code
    run(home, "officer", "revoke", "wang")
    with pytest.raises(Refused) as refused:
        callers.officer(parsed(issued))
    assert refused.value.code == "LVR-0101"


def test_the_registry_is_checked_and_backed_up(home: Settings, tmp_path: Path) -> None:
    run(home, "officer", "add", "wang", "--signs-as", "officer-one")
    assert run(home, "log", "index").exit_code == 0  # there is a store to copy
    assert "policy-officers.toml" in list(back_up(home, tmp_path / "backup", secrets=False))
    home.officers_certificates.write_text("[officers.x]\nrole = 1\n", encoding="utf-8")
    assert any(problem.startswith("policy-officers.toml: ") for problem in problems(home, NOW))
