"""The operator's commands: plain lines, problems on standard error, and an exit code a script can rely on."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.line import ask
from typer.testing import CliRunner, Result

import louver
from louver_sandbox import checker
from louver_sandbox.audit import stored
from louver_sandbox.commit import commit
from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.load import CONTENT_FILE
from louver_sandbox.premises import load_judgement, open_books, utc_now
from louver_sandbox.stages import Case, Committed
from louver_sandbox.store import State

SALTY = b"a text that is asked for once"


def run(*words: object, home: Path | None = None) -> Result:
    """One command, as typed."""
    place = ["--home", str(home)] if home else []
    return CliRunner().invoke(app, [*map(str, words), *place])


def problem(*words: object, home: Path | None = None) -> str:
    """What a command that fails says on standard error."""
    result = run(*words, home=home)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)
    return result.stderr


def test_the_version_is_the_clients() -> None:
    assert run("--version").stdout.strip() == louver.__version__


def test_an_installation_is_made_and_filled_with_institutions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "log key" in run("init", home=home).stdout
    added = run("institution", "add", "bank_a", "--type", "bank", "--group", "banks", home=home)
    assert added.exit_code == 0
    assert "fingerprint" in added.stdout
    assert run("institution", "list", home=home).stdout == "bank_a  bank  banks  1 certificates  bank_a\n"
    assert run("institution", "revoke", "bank_a", home=home).exit_code == 0
    assert "0 certificates" in run("institution", "list", home=home).stdout
    assert "already" in problem("init", home=home)


@pytest.mark.parametrize(
    "words",
    [
        ["serve"],
        ["publish"],
        ["config", "check"],
        ["config", "show"],
        ["log", "head"],
        ["log", "verify"],
        ["policy", "show"],
        ["policy", "activate"],
        ["institution", "list"],
        ["replay", "0"],
    ],
    ids=" ".join,
)
def test_without_an_installation_every_command_says_how_to_make_one(words: list[str], tmp_path: Path) -> None:
    assert "louver-sandbox init" in problem(*words, home=tmp_path / "nowhere")


def test_a_broken_registry_is_a_line_and_not_a_traceback(own_city: City) -> None:
    own_city.settings.institutions.write_text("[institutions.Bank]", encoding="utf-8")
    assert "Bank" in problem("institution", "list", home=own_city.settings.home)
    assert "nobody can ask" in problem("config", "check", home=own_city.settings.home)


def test_a_complete_installation_can_serve(city: City) -> None:
    home = city.settings.home
    assert run("config", "check", home=home).stdout == f"{home} can serve\n"
    shown = run("config", "show", home=home).stdout
    assert 'origin = "louver.dev/demo"' in shown
    assert "limits.workers = 3" in shown
    assert "problem" in run("catalog", "check", home=home).stdout
    assert "finding" in run("policy", "lint", home=home).stdout


def test_publishing_again_keeps_what_stands(own_city: City) -> None:
    result = run("publish", home=own_city.settings.home)
    assert result.exit_code == 0
    assert result.stdout.count("kept") == len(result.stdout.splitlines()) > 0
    assert "0 of them new" in result.stderr


def test_the_log_is_verified_exported_and_verified_again(own_city: City, tmp_path: Path) -> None:
    home, file, anchor = own_city.settings.home, tmp_path / "audit.jsonl", tmp_path / "anchor"
    anchor.write_text(run("log", "head", home=home).stdout, encoding="utf-8")
    assert "every leaf" in run("log", "verify", "--anchor", anchor, home=home).stdout
    assert run("log", "export", file, home=home).exit_code == 0
    alone = run("log", "verify", "--file", file, "--log-key", own_city.log_key, "--anchor", anchor)
    assert alone.exit_code == 0, alone.output
    assert "exists" in problem("log", "export", file, home=home)
    content = file.read_bytes()
    file.write_bytes(content.replace(b'\\"rows\\":', b'\\"rowz\\":', 1))
    assert problem("log", "verify", "--file", file, "--log-key", own_city.log_key)
    assert problem("log", "verify", "--file", file, "--log-key", "not a key")


def test_a_log_written_anew_does_not_extend_its_anchor(own_city: City, tmp_path: Path) -> None:
    home, anchor, backup = own_city.settings.home, tmp_path / "anchor", tmp_path / "backup"
    assert run("backup", backup, home=home).exit_code == 0
    with State.open(own_city.settings.state) as state:
        books = open_books(own_city.settings, state, utc_now)
        with state.transaction() as tx:
            books.log.append(tx, {"kind": "note"})
    anchor.write_text(run("log", "head", home=home).stdout, encoding="utf-8")
    assert run("log", "verify", "--anchor", anchor, home=home).exit_code == 0
    for name in ("state.db-wal", "state.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "state.db").write_bytes((backup / "state.db").read_bytes())
    assert problem("log", "verify", "--anchor", anchor, home=home)


def test_a_decision_is_replayed_and_its_text_erased(own_city: City) -> None:
    settings, now = own_city.settings, utc_now()
    judgement = load_judgement(settings, now)
    checker.write_judgement(settings.run, judgement.catalog, (settings.bundle / CONTENT_FILE).read_bytes())
    request = ask(
        f"SELECT count(*) AS n FROM gov.ent_registry WHERE ent_name <> '{SALTY.decode()}' AND subject_class <> 'I'"
    )
    verdict = checker.check_here(Case(request, (), facts_at(now)), judgement)
    assert verdict.plan is not None
    with State.open(settings.state) as state:
        found = commit(verdict.plan, request, open_books(settings, state, utc_now), now)
    assert isinstance(found, Committed)
    assert any(SALTY in part.read_bytes() for part in settings.state_file.parent.glob(f"{settings.state_file.name}*"))
    home, index = settings.home, found.admission
    replayed = run("replay", index, home=home)
    assert replayed.exit_code == 0, replayed.output
    assert json.loads(replayed.stdout)["same"]
    assert "no such log entry" in problem("replay", 10_000, home=home)
    assert run("log", "erase", index, "--field", "sql", home=home).exit_code == 0
    assert "erased" in problem("replay", index, home=home)
    assert "no such text" in problem("log", "erase", index, "--field", "sql", home=home)
    assert not any(
        SALTY in part.read_bytes() for part in settings.state_file.parent.glob(f"{settings.state_file.name}*")
    )
    with State.open(settings.state) as state, state.reading() as tx:
        erasures = [entry.fields["entry"] for entry in stored.entries(tx, 0, 100, {"kind": "erasure"})]
    assert erasures == [index], "one act is one entry"
    assert run("log", "verify", home=home).exit_code == 0, "erasing a text leaves every proof as it was"


def test_findings_of_the_history_are_listed_until_a_text_is_erased(own_city: City) -> None:
    settings, now = own_city.settings, utc_now()
    judgement, home = load_judgement(settings, now), settings.home
    indexes: list[int] = []
    with State.open(settings.state) as state:
        for year in (2023, 2024):
            sql = f"SELECT count(*) AS n FROM gov.tax_credit WHERE rating_year >= {year}"
            request = ask(sql, f"since-{year}")
            verdict = checker.check_here(Case(request, (), facts_at(now)), judgement)
            assert verdict.plan is not None
            found = commit(verdict.plan, request, open_books(settings, state, utc_now), now)
            assert isinstance(found, Committed)
            indexes.append(found.admission)
    listed = run("log", "findings", home=home).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [str(indexes[1])] * 2
    assert all(f"with since-2023 (entry {indexes[0]})" in line for line in listed)
    assert {line.split()[3] for line in listed} == {"subset", "near_duplicate"}
    assert "2024" not in listed[0].partition("gov.tax_credit")[2], "no literal is shown"
    assert run("log", "findings", "--institution", "bank_b", home=home).stdout == ""
    assert run("log", "erase", indexes[0], "--field", "sql", home=home).exit_code == 0
    with State.open(settings.state) as state, state.reading() as tx:
        left = tx.execute(text("SELECT request_id FROM selections")).scalars().all()
    assert left == ["since-2024"]


def test_a_port_in_use_is_a_line_and_not_a_traceback(own_city: City) -> None:
    path = own_city.settings.home / "louver.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("127.0.0.1", "192.0.2.1"), encoding="utf-8")
    assert "192.0.2.1" in problem("serve", home=own_city.settings.home)
