"""Questions that tell more together, over mutual TLS: flagged for the auditor, or refused before they are paid for."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from tests.e2e.soundness import entries, kinds, wrongs
from tests.support.installation import service
from typer.testing import CliRunner

import louver
from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import Tools, activate, add_institution, create, development_keys
from louver_sandbox.operator.main import app
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.premises import utc_now
from louver_sandbox.stages import InstitutionType

CATALOG = """
table: gov.{name}
space: government
owner: 测试部门
title: 测试企业
share_type: 有条件共享
open_type: 不予开放
operable: [analyse]
refresh: day
as_of: 2026-06-30
source: {{kind: parquet, path: {name}.parquet}}
units:
  - {{type: enterprise, column: uscc, rows_per_unit: 1}}
columns:
  uscc: {{type: text, nullable: false, level: L1, role: id}}
  section: {{type: text, nullable: false, level: L2, role: qi}}
  amount: {{type: integer, nullable: false, level: L3, role: val, bounds: [0, 1000]}}
"""
PLATFORM = """
kind: platform
id: platform
version: "1"
expires: 2036-12-31
purposes: {RESEARCH: statistics}
groups: {banks: {title: banks}}
own_data_budget: {queries_per_day: 1000, predicates_per_day: 1000}
"""
POLICY = """
kind: policy
id: office
version: "1"
owner: 测试部门
title: firms, looked back at in two ways
grants:
"""
GRANT = """
  - id: {name}
    to: {{groups: [banks]}}
    verbs: [analyse]
    purposes: [RESEARCH]
    valid: {{from: 2020-01-01, until: 2036-12-31}}
    table: gov.{name}
    columns:
      section: [group_key, filter]
      amount: [aggregate, filter]
    treatment: threshold
    threshold: {{enterprise: 5}}
    budget: {{queries_per_day: 1000, predicates_per_day: 1000}}
"""
FIRMS = [{"uscc": f"F{number}", "section": "AB"[number % 2], "amount": number} for number in range(60)]
ABOVE = "SELECT count(*) AS n FROM gov.{} WHERE amount > {}"
BELOW = "SELECT count(*) AS n FROM gov.{} WHERE NOT (amount > {})"


@dataclass(frozen=True)
class Office:
    """A city with `gov.flagged`, whose owner leaves the defaults, and `gov.refusing`, and bank A's connection."""

    city: City
    bank: louver.Client

    def findings(self) -> list[str]:
        """What the auditor's command lists."""
        return command(self.city.settings.home, "log", "findings", "--institution", "bank_a")


def command(home: Path, *words: str) -> list[str]:
    result = CliRunner().invoke(app, [*words, "--home", str(home)])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    tools = Tools(utc_now, secrets.token_bytes)
    settings = create(tmp_path_factory.mktemp("history") / "home", "louver.dev/history", "127.0.0.1", 0, tools)
    with duckdb.connect() as engine:
        engine.register("stored", pa.Table.from_pylist(FIRMS))
        for name in ("flagged", "refusing"):
            engine.execute(f"COPY stored TO '{settings.data}/{name}.parquet' (FORMAT parquet)")
    for name in ("flagged", "refusing"):
        (settings.catalog / f"{name}.yaml").write_text(CATALOG.format(name=name), encoding="utf-8")
    policies = settings.home / "policies"
    (policies / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    refusing = GRANT.format(name="refusing") + "    history: {complement: refuse, near_duplicate: refuse}\n"
    (policies / "office.yaml").write_text(POLICY + GRANT.format(name="flagged") + refusing, encoding="utf-8")
    add_institution(settings, "bank_a", InstitutionType.BANK, ["banks"], "", tools)
    activate(settings, [policies], development_keys(settings))
    list(publish_all(settings, tools))
    city = City(settings, settings.data)
    with service(city) as made, made.connect(purpose="RESEARCH") as bank:
        yield Office(city, bank)
    assert wrongs(city) == []


def test_by_default_both_sides_of_a_condition_are_answered_and_flagged_for_the_auditor(office: Office) -> None:
    one = office.bank.analyse(ABOVE.format("flagged", 30))
    assert [line for line in office.findings() if one.request_id in line] == []
    other = office.bank.analyse(BELOW.format("flagged", 30))
    assert (list(one.rows), list(other.rows)) == ([(29,)], [(31,)])
    (found,) = [line for line in office.findings() if "complement" in line]
    assert f"bank_a  complement  gov.flagged  with {one.request_id} (entry " in found
    index = int(found.partition(" ")[0])
    assert entries(office.city)[index]["request_id"] == other.request_id
    assert "SELECT" not in found
    assert "amount" not in found


def test_asking_again_is_no_finding(office: Office) -> None:
    one = office.bank.analyse(ABOVE.format("flagged", 20))
    office.bank.analyse(ABOVE.format("flagged", 20))
    office.bank.analyse("SELECT count(*) AS firms FROM gov.flagged f WHERE 20 < f.amount")
    before = office.findings()
    assert not any(f"with {one.request_id}" in line for line in before)
    office.bank.analyse(ABOVE.format("flagged", 21))
    assert any("near_duplicate" in line for line in office.findings()[len(before) :]), "a condition moved is one"


def test_a_policy_that_refuses_does_so_before_anything_is_paid(office: Office) -> None:
    foreseen = office.bank.explain(ABOVE.format("refusing", 30)).remaining
    one = office.bank.analyse(ABOVE.format("refusing", 30))
    charged = dict(one.remaining)
    assert charged == foreseen
    before = kinds(office.city)
    with pytest.raises(Refused, match="LVR-3201") as refused:
        office.bank.analyse(BELOW.format("refusing", 30))
    assert refused.value.details["earlier"] == one.request_id
    assert "one question, as groups" in refused.value.hint
    assert not office.bank.explain(BELOW.format("refusing", 30)).admitted
    with pytest.raises(Refused, match="LVR-3203"):
        office.bank.analyse(ABOVE.format("refusing", 31))
    assert kinds(office.city)[len(before) :] == ["refusal", "explain", "refusal"]
    assert not any("gov.refusing" in line for line in office.findings()), "what was refused was never admitted"
    # What was answered is free, and a dry run of it says what is left.
    again = office.bank.explain(ABOVE.format("refusing", 30))
    assert (again.cost, again.remaining) == ({}, charged)
