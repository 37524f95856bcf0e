"""Making an installation: complete, private, and never over another one."""

import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.audit_logs import SeededRandomness

from louver.transparency import VerifierKey
from louver_sandbox.demo.city import City
from louver_sandbox.identity import Institution, parse_registry
from louver_sandbox.operator.backup import back_up
from louver_sandbox.operator.health import problems, warnings
from louver_sandbox.operator.installation import (
    InstallationRefused,
    Tools,
    activate,
    add_institution,
    create,
    development_keys,
    officer_key,
    revoke,
    write_registry,
)
from louver_sandbox.pki import Authority
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.premises import load_judgement, open_books, utc_now
from louver_sandbox.registered import Pin
from louver_sandbox.settings import Settings, load
from louver_sandbox.stages import InstitutionType
from louver_sandbox.store import State

TOOLS = Tools(utc_now, SeededRandomness())


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    return create(tmp_path / "home", "louver.example/log", "sandbox.example", 0, TOOLS)


def test_everything_secret_is_the_owners_alone(fresh: Settings) -> None:
    secrets = [path for path in fresh.secrets.rglob("*") if path.suffix in {".key", ".seed"}]
    assert {path.name for path in secrets} >= {"log.seed", "record.key", "server.key", "authority.key"}
    for path in secrets:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE(fresh.home.stat().st_mode) == 0o700


def test_the_logs_public_key_bears_the_logs_name(fresh: Settings) -> None:
    assert VerifierKey.parse((fresh.home / "log.pub").read_text().strip()).name == "louver.example/log"


def test_an_installation_is_never_made_over_another(fresh: Settings) -> None:
    seed = (fresh.secrets / "log.seed").read_bytes()
    with pytest.raises(InstallationRefused, match="already"):
        create(fresh.home, "other", "localhost", 0, TOOLS)
    assert (fresh.secrets / "log.seed").read_bytes() == seed


def test_an_added_institution_can_be_recognised_and_struck_out(fresh: Settings) -> None:
    issued = add_institution(fresh, "bank_a", InstitutionType.BANK, ["banks"], 'Bank "A" \\', TOOLS)
    found = parse_registry(fresh.institutions.read_text(encoding="utf-8"))["bank_a"]
    assert found.fingerprints == {issued.fingerprint}
    assert found.title == 'Bank "A" \\'
    revoke(fresh, "bank_a")
    assert not parse_registry(fresh.institutions.read_text(encoding="utf-8"))["bank_a"].fingerprints


@pytest.mark.parametrize("name", ["Bank", "1bank", "bank a", "", "b" * 64, "../x", "银行"])
def test_an_institutions_id_is_a_plain_name(fresh: Settings, name: str) -> None:
    with pytest.raises(InstallationRefused):
        add_institution(fresh, name, InstitutionType.BANK, [], "", TOOLS)
    assert not (fresh.home / "clients").exists()


def test_nobody_is_registered_twice_and_nobody_unknown_is_struck_out(fresh: Settings) -> None:
    add_institution(fresh, "bank_a", InstitutionType.BANK, [], "", TOOLS)
    with pytest.raises(InstallationRefused, match="already"):
        add_institution(fresh, "bank_a", InstitutionType.BANK, [], "", TOOLS)
    with pytest.raises(InstallationRefused, match="not registered"):
        revoke(fresh, "bank_z")


@pytest.mark.parametrize("title", ['quote " quote', "back\\slash", "银行", "semi;colon", "a = 1"])
def test_a_registry_keeps_every_title(tmp_path: Path, title: str) -> None:
    path = tmp_path / "institutions.toml"
    made = Institution("bank_a", InstitutionType.BANK, title, frozenset({"banks"}), (Pin("0" * 64),))
    write_registry(path, [made])
    assert parse_registry(path.read_text(encoding="utf-8")) == {"bank_a": made}


@pytest.mark.parametrize("title", ["line\nbreak", "nul\0", "bell\a"])
def test_a_title_that_would_spoil_the_registry_leaves_it_as_it_was(fresh: Settings, title: str) -> None:
    add_institution(fresh, "bank_a", InstitutionType.BANK, [], "", TOOLS)
    before = fresh.institutions.read_bytes()
    with pytest.raises(InstallationRefused):
        add_institution(fresh, "bank_b", InstitutionType.BANK, [], title, TOOLS)
    assert fresh.institutions.read_bytes() == before


def test_one_officer_is_not_enough(own_city: City) -> None:
    settings = own_city.settings
    (one, *_) = development_keys(settings)
    activate(settings, [settings.home / "policies"], [one])
    with pytest.raises(BundleRefused):
        load_judgement(settings, utc_now())
    activate(settings, [settings.home / "policies"], [one, one])
    with pytest.raises(BundleRefused):
        load_judgement(settings, utc_now())


def test_a_stranger_is_no_officer(own_city: City, tmp_path: Path) -> None:
    elsewhere = create(tmp_path / "elsewhere", "x", "localhost", 0, Tools(utc_now, SeededRandomness(b"other")))
    activate(own_city.settings, [own_city.settings.home / "policies"], development_keys(elsewhere))
    with pytest.raises(BundleRefused):
        load_judgement(own_city.settings, utc_now())


@pytest.mark.parametrize("content", [b"", b"not a key", Authority.create(utc_now()).issued.key])
def test_what_is_no_officers_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "officer.key"
    path.write_bytes(content)
    with pytest.raises(InstallationRefused, match=r"officer\.key"):
        officer_key(path)


def found(city: City) -> list[str]:
    """Every problem of the installation."""
    return list(problems(city.settings, utc_now()))


def test_a_complete_installation_has_no_problem(city: City) -> None:
    assert found(city) == []
    assert list(warnings(city.settings, utc_now())) == []


def test_an_empty_installation_says_what_to_do_next(fresh: Settings) -> None:
    assert any("policy activate" in text for text in problems(fresh, utc_now()))
    assert any("institution add" in text for text in warnings(fresh, utc_now()))


SPOILINGS = {
    "secrets/log.seed": "secrets/log.seed: missing",
    "secrets/server.pem": "server.pem: not a readable certificate",
    "institutions.toml": "institutions.toml: missing",
    "bundle/bundle.json": "policy activate",
    "snapshots": "louver-sandbox publish",
}


@pytest.mark.parametrize(("name", "said"), list(SPOILINGS.items()))
def test_what_is_missing_is_named(own_city: City, name: str, said: str) -> None:
    path = own_city.settings.home / name
    if path.is_dir():
        next(path.glob("*.duckdb")).unlink()
    else:
        path.unlink()
    assert any(said in text for text in found(own_city)), found(own_city)


def test_a_secret_that_others_can_read_is_named(own_city: City) -> None:
    (own_city.settings.secrets / "log.seed").chmod(0o644)
    assert found(own_city) == ["secrets/log.seed: readable by others; chmod 600"]


def test_a_public_key_of_another_log_is_named(own_city: City) -> None:
    (own_city.settings.secrets / "log.seed").write_bytes(b"\x01" * 32)
    assert any(text.startswith("log.pub: not the public key") for text in found(own_city))


def test_officers_of_every_department_are_a_warning_where_it_is_no_development(own_city: City) -> None:
    path = own_city.settings.home / "louver.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("development = true", "development = false"), encoding="utf-8"
    )
    said = list(warnings(load(own_city.settings.home), utc_now()))
    assert [text.partition(";")[0] for text in said] == [
        f"officers.json: officer-{number} may sign for every department" for number in ("one", "two", "three")
    ]


def test_revocations_that_cannot_be_trusted_are_named(own_city: City) -> None:
    own_city.settings.revocations.write_text("[1]", encoding="utf-8")
    assert found(own_city) == [
        "revocations.json: not a list of revocations; every question about other people's data is refused"
    ]


def test_certificates_that_end_soon_are_a_warning_and_ended_ones_a_problem(city: City) -> None:
    later = utc_now() + timedelta(days=820)
    assert any("server.pem: ends on" in text for text in warnings(city.settings, later))
    assert "server.pem: not valid today" in list(problems(city.settings, later + timedelta(days=10)))


def test_a_backup_is_one_moment_of_the_books_and_holds_no_secret(own_city: City, tmp_path: Path) -> None:
    settings, target = own_city.settings, tmp_path / "backup"
    with State.open(settings.state) as state:
        size = open_books(settings, state, utc_now).log.head().claimed.size
        copied = list(back_up(settings, target, secrets=False))
    assert copied[0] == "state.db"
    assert not (target / "secrets").exists()
    assert not list(target.rglob("*.key"))
    with State.open(target / "state.db") as state:
        assert open_books(settings, state, utc_now).log.head().claimed.size == size
    assert tomllib.loads((target / "louver.toml").read_text(encoding="utf-8"))
    with pytest.raises(InstallationRefused, match="exists"):
        list(back_up(settings, target, secrets=False))


def test_a_backup_with_secrets_can_serve_again(own_city: City, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    assert "secrets/" in list(back_up(own_city.settings, target, secrets=True))
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "secrets" / "log.seed").stat().st_mode) == 0o600
