"""The atom rule from an officer's YAML to a bank's answer: activated, published, served, asked over mutual TLS."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from tests.support.atomic import a_firm
from tests.support.installation import Service, service
from typer.testing import CliRunner

import louver
from louver.errors import Refused
from louver_sandbox.demo.city import City
from louver_sandbox.operator.health import problems
from louver_sandbox.operator.installation import Tools, activate, add_institution, create, development_keys
from louver_sandbox.operator.main import app
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings
from louver_sandbox.stages import InstitutionType

CATALOG = """
table: gov.firm
space: government
owner: 测试部门
title: 测试企业
share_type: 有条件共享
open_type: 不予开放
operable: [analyse]
refresh: day
as_of: 2026-06-30
source: {kind: parquet, path: firm.parquet}
units:
  - {type: enterprise, column: uscc, rows_per_unit: 1}
columns:
  uscc: {type: text, nullable: false, level: L1, role: id}
  district: {type: text, nullable: true, level: L2, role: qi}
  founded: {type: date, nullable: true, level: L2, role: time}
  section: {type: text, nullable: true, level: L2, role: qi}
  staff: {type: integer, nullable: false, level: L3, role: val, bounds: [0, 100]}
  amount: {type: integer, nullable: true, level: L3, role: val, bounds: [0, 1000]}
  arrears: {type: boolean, nullable: true, level: L3, role: flag}
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
title: firms by district and year
grants:
  - id: firms
    to: {groups: [banks]}
    verbs: [analyse]
    purposes: [RESEARCH]
    valid: {from: 2020-01-01, until: 2036-12-31}
    table: gov.firm
    columns:
      district: [group_key, filter, order]
      founded: [group_key, filter]
      amount: [aggregate]
    treatment: threshold
    threshold:
      enterprise: 5
      accepts_risk: [{risk: small-atoms, because: sixty firms are all there are}]
    atom_units: {enterprise: 5}
    atoms:
      - {column: founded, by: year}
      - {column: district, merge: [{groups: {310100: city, 310101: city, 320100: country}}]}
    budget: {queries_per_day: 1000, predicates_per_day: 1000}
"""
DISTRICTS = "SELECT district, count(*) AS n FROM gov.firm GROUP BY district ORDER BY district"


@dataclass(frozen=True)
class Office:
    """An installation with one table in atoms, and what its folder is called."""

    settings: Settings
    tools: Tools


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    tools = Tools(utc_now, secrets.token_bytes)
    settings = create(tmp_path_factory.mktemp("atoms") / "home", "louver.dev/atoms", "127.0.0.1", 0, tools)
    rows = [a_firm(number, "310100", 2019 + number % 2) for number in range(40)]
    rows += [a_firm(100 + number, "310101") for number in range(3)]
    rows += [a_firm(200 + number, "320100") for number in range(20)]
    stored = pa.Table.from_pylist(rows)
    with duckdb.connect() as engine:
        engine.register("stored", stored)
        engine.execute(f"COPY stored TO '{settings.data}/firm.parquet' (FORMAT parquet)")
    (settings.catalog / "firm.yaml").write_text(CATALOG, encoding="utf-8")
    policies = settings.home / "policies"
    (policies / "platform.yaml").write_text(PLATFORM, encoding="utf-8")
    (policies / "office.yaml").write_text(POLICY, encoding="utf-8")
    add_institution(settings, "bank_a", InstitutionType.BANK, ["banks"], "", tools)
    activate(settings, [policies], development_keys(settings))
    return Office(settings, tools)


@pytest.fixture(scope="module")
def bank(office: Office) -> Iterator[louver.Client]:
    list(publish_all(office.settings, office.tools))
    made: Service
    with service(City(office.settings, office.settings.data)) as made, made.connect(purpose="RESEARCH") as client:
        yield client


def run(home: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--home", str(home)])
    return result.exit_code, result.output


def test_the_operator_sees_what_the_rule_costs(office: Office) -> None:
    home = office.settings.home
    assert any("none of gov.firm as it is granted now" in problem for problem in problems(office.settings, utc_now()))
    code, told = run(home, "policy", "atoms")
    assert (code, "not published yet" in told) == (1, True)
    code, told = run(home, "publish")
    assert code == 0, told
    assert "gov.firm  4 atoms, 3 after merging" in told
    assert list(problems(office.settings, utc_now())) == []
    code, again = run(home, "policy", "atoms")
    assert code == 0
    assert "rows moved         3 of 63 (4.76 %)" in again
    assert "3 of 63 (4.76 %)  district: 3 values, 2 left" in again


def test_a_bank_is_answered_by_dimensions_and_told_so(bank: louver.Client) -> None:
    answer = bank.analyse(DISTRICTS)
    assert list(answer.rows) == [("310100", 43), ("320100", 20)]
    assert "RECODED" in [notice.code for notice in answer.notices]
    assert "RECODED" in [notice.code for notice in bank.explain(DISTRICTS).notices]
    ((n,),) = bank.analyse("SELECT count(*) AS n FROM gov.firm WHERE founded >= DATE '2020-01-01'").rows
    assert n == 43


def test_and_refused_by_anything_else_with_the_dimensions_as_a_hint(bank: louver.Client) -> None:
    with pytest.raises(Refused, match="LVR-2108") as refused:
        bank.analyse("SELECT count(*) AS n FROM gov.firm WHERE amount > 105")
    assert "founded by year, district" in refused.value.hint
    with pytest.raises(Refused, match="LVR-2109"):
        bank.analyse("SELECT sum(amount * amount) AS s FROM gov.firm")


def test_the_catalogue_says_what_each_column_is_for(bank: louver.Client) -> None:
    (table,) = [table for table in bank.tables() if table.name == "firm"]
    described = {column.name: column.description for column in table.columns}
    assert described["founded"] == "dimension, by year, small groups are merged into neighbours"
    assert described["amount"] == "no dimension: only inside count, sum and avg"
