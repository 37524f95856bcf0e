"""A policy's whole life: drafted, signed by two of its department, in force, and revoked while the service runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.support.installation import Service, copy_of, service
from tests.support.policy_questions import LIBRARY
from typer.testing import CliRunner

import louver
from louver.cli.app import app as officers_command
from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app as operators_command

QUESTION = "SELECT grade, count(*) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"
PURPOSE = "LOAN_ORIGINATION"
TAX = "市税务局"


class Office:
    """An installation with officers of the tax department, and the commands of officers and operator."""

    def __init__(self, city: City, desk: Path) -> None:
        self.city, self.home, self.desk = city, city.settings.home, desk
        rows = json.loads(city.settings.officers.read_bytes())
        for name, department in (("wang", TAX), ("li", TAX), ("qian", "市公安局")):
            words = ["policy", "key", str(desk / f"{name}.key"), "--officer", name, "--department", department]
            rows.append(json.loads(CliRunner().invoke(officers_command, [*words, "--no-encrypt"]).stdout))
        city.settings.officers.write_text(json.dumps(rows), encoding="utf-8")

    def run(self, *words: object, fails: bool = False) -> str:
        """An operator's command; what it printed."""
        result = CliRunner().invoke(operators_command, ["policy", *map(str, words), "--home", str(self.home)])
        assert result.exit_code == int(fails), result.output
        return result.stderr if fails else result.stdout

    def signature(self, name: str, version: str = "taxation-2") -> Path:
        """What an officer signs, at the officer's own desk."""
        file = self.desk / f"{name}.json"
        request = self.home / "requests" / f"{version}.json"
        words = ["policy", "sign", str(request), "--officer", name, "--key", str(self.desk / f"{name}.key")]
        result = CliRunner().invoke(officers_command, [*words, "-o", str(file)])
        assert result.exit_code == 0, result.output
        return file

    def states(self) -> list[str]:
        """Each version with its state."""
        return ["  ".join(line.split("  ")[:2]) for line in self.run("versions").splitlines()]

    def edit(self, old: str, new: str) -> None:
        """Changes the tax department's YAML."""
        path = self.home / "policies" / "taxation.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def office(own_city: City, tmp_path: Path) -> Office:
    return Office(own_city, tmp_path)


def _granted(office: Office) -> None:
    """The grades are granted for deciding on applications too, by two officers."""
    office.edit(
        "purposes: [POST_LOAN, MODEL_BUILD, RESEARCH]",
        "purposes: [LOAN_ORIGINATION, POST_LOAN, MODEL_BUILD, RESEARCH]",
    )
    office.run("draft", "taxation", "--submitter", "wang")
    office.run("approve", "taxation-2", office.signature("wang"))
    office.run("approve", "taxation-2", office.signature("li"))
    office.run("activate")


@pytest.fixture(scope="module")
def running(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Service]]:
    office = Office(copy_of(city, tmp_path_factory.mktemp("office")), tmp_path_factory.mktemp("desk"))
    _granted(office)
    with service(office.city) as served:
        yield office, served


def test_a_version_becomes_active_by_two_officers_of_its_department(office: Office) -> None:
    office.edit("queries_per_day: 5000", "queries_per_day: 6000")
    printed = office.run("draft", "taxation", "--submitter", "wang")
    version = json.loads(Path(printed.strip()).read_bytes())
    assert version["report"]["difference"]["summary"] == {"looser": 1, "stricter": 0, "unclear": 0}
    written = YAML(typ="safe").load((LIBRARY / "taxation.yaml").read_text(encoding="utf-8"))
    assert version["report"]["tests"]["taxation"] == len(written["tests"]["cases"])
    assert office.states() == ["taxation-2  draft"]
    assert "'wang', who submits it, signs first" in office.run(
        "approve", "taxation-2", office.signature("li"), fails=True
    )
    assert "no officer of 市税务局" in office.run("approve", "taxation-2", office.signature("qian"), fails=True)
    office.run("approve", "taxation-2", office.signature("wang"))
    assert office.states() == ["taxation-2  review"]
    assert "new in it: nothing" in office.run("activate")
    office.run("approve", "taxation-2", office.signature("li"))
    assert office.states() == ["taxation-2  approved"]
    assert "new in it: taxation-2" in office.run("activate")
    assert office.states() == ["taxation-2  active"]
    assert "signed no more" in office.run("approve", "taxation-2", office.signature("li"), fails=True)
    assert f"version 2  市税务局  {len(written['grants'])} grants" in office.run("show")


def test_what_is_not_tested_or_not_sound_is_not_even_drafted(office: Office) -> None:
    office.edit("expect: LVR-2102", "expect: exact")
    assert "got      LVR-2102" in office.run("draft", "taxation", "--submitter", "wang", fails=True)
    office.edit("tests:\n", "# no more tests\nnothing:\n")
    assert "nothing is not a key" in office.run("draft", "taxation", "--submitter", "wang", fails=True)
    path = office.home / "policies" / "taxation.yaml"
    path.write_text(path.read_text(encoding="utf-8").partition("# no more tests")[0], encoding="utf-8")
    assert "taxation: no tests" in office.run("draft", "taxation", "--submitter", "wang", fails=True)
    assert "taxation: no tests" in office.run("activate", fails=True)
    office.edit("rating_year: [group_key", "ghost: [group_key")
    assert "unknown column" in office.run("draft", "taxation", "--submitter", "wang", fails=True)
    assert office.states() == []


def test_a_bundle_put_back_is_not_served(office: Office) -> None:
    former = shutil.copytree(office.city.settings.bundle, office.desk / "former")
    _granted(office)
    shutil.rmtree(office.city.settings.bundle)
    shutil.copytree(former, office.city.settings.bundle)
    result = CliRunner().invoke(operators_command, ["serve", "--home", str(office.home)])
    assert result.exit_code == 1
    assert "taxation: the log knows version 2; this is 1" in result.stderr


def test_what_was_refused_is_answered_and_after_the_revocation_refused_again(running: tuple[Office, Service]) -> None:
    office, served = running
    with served.connect() as bank:
        assert bank.analyse(QUESTION, purpose=PURPOSE).rows
        former = office.desk / "former"
        shutil.copytree(office.home / "policies", former)
        text = (former / "taxation.yaml").read_text(encoding="utf-8")
        (former / "taxation.yaml").write_text(
            text.replace("[LOAN_ORIGINATION, POST_LOAN, MODEL", "[POST_LOAN, MODEL", 1)
        )
        simulated = json.loads(office.run("simulate", "--policies", former, "--json"))
        assert [(move["from"], move["to"]) for move in simulated["moves"]] == [("threshold", "LVR-2009")]
        file = office.desk / "revocation.json"
        words = ["policy", "revoke", "taxation", "--owner", TAX, "--serial", "2", "--reason", "a leak"]
        signing = ["--officer", "wang", "--key", str(office.desk / "wang.key"), "-o", str(file)]
        assert CliRunner().invoke(officers_command, [*words, *signing]).exit_code == 0
        assert "answers no more" in office.run("revoke", file)
        with pytest.raises(louver.Refused) as refused:
            bank.analyse(QUESTION, purpose=PURPOSE)
        assert refused.value.code == "LVR-2010"
        assert bank.analyse("SELECT count(*) AS n FROM gov.ent_registry", purpose=PURPOSE).rows
        office.city.settings.revocations.unlink()
        with pytest.raises(louver.Refused):
            bank.analyse(QUESTION, purpose=PURPOSE)
    verified = CliRunner().invoke(operators_command, ["log", "verify", "--home", str(office.home)])
    assert verified.exit_code == 0, verified.output
