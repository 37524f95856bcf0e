"""A07 over encrypted loans: a bank uploads ciphertexts to the real service, and only the bank ever sees an amount."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from tests.support.installation import Service, service, with_limits

import louver
from louver.sealing.keys import PrivateKey, generate_key
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import activate, development_keys
from louver_sandbox.wiring import utc_now

LOSS = "{epsilon: '%s', delta: '0.000001'}"
TERMS = (
    "{encrypted: {protection: contract, most: '1', rows: 20, "
    f"each: {LOSS % 4}, allowance: {LOSS % 8}, lifetime: {LOSS % 12}}}, "
)

A07 = """SELECT t.grade, count(*) AS loans, sum(l.defaulted) AS bad, avg(l.defaulted) AS bad_rate
FROM loans l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY t.grade ORDER BY 1"""

A06 = """SELECT r.section, count(*) AS loans, sum(l.balance) AS balance, avg(l.balance) AS mean
FROM loans l JOIN gov.ent_registry r ON r.uscc = l.id_no GROUP BY r.section ORDER BY 1"""


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    """A key of the least size that the service admits."""
    return generate_key(2048, below=random.Random(6).randrange)


def allow_encrypted(city: City) -> None:
    """Says in every grant of the tax office how subjects are protected when encrypted numbers are added up."""
    file = city.settings.home / "policies" / "taxation.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("{person: 10, ", TERMS + "person: 10, "), encoding="utf-8"
    )
    activate(city.settings, [city.settings.home / "policies"], development_keys(city.settings))


def loans_of(city: City) -> pa.Table:
    """Loans to firms, with no value missing."""
    files = str(city.world / "bank_a.loan_book" / "*.parquet")
    query = (
        "SELECT id_no, CAST(balance AS DECIMAL(18, 2)) AS balance, CAST(defaulted AS BIGINT) AS defaulted, defaulted AS flag "
        "FROM read_parquet(?) WHERE cust_class = 'E' AND balance IS NOT NULL AND defaulted IS NOT NULL"
    )
    return duckdb.sql(query, params=[files]).to_arrow_table()


@pytest.fixture(scope="module")
def served(city: City, tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Iterator[Service]:
    from tests.support.installation import copy_of

    own = copy_of(city, tmp_path_factory.mktemp("encrypted"))
    with_limits(own, randomisers=16)
    allow_encrypted(own)
    with service(own) as running:
        yield running


@pytest.fixture(scope="module")
def bank(served: Service, key: PrivateKey) -> Iterator[louver.Client]:
    with served.connect("bank_a", purpose="MODEL_BUILD") as client:
        client.settings.key_ring.add(key, utc_now())
        client.register_key(key)
        said: list[tuple[int, int]] = []
        encrypted = {"balance": 2, "defaulted": 0}
        made = client.upload(
            "loans", loans_of(served.city), encrypted=encrypted, encrypting=lambda *done: said.append(done)
        )
        assert [column.type for column in made.columns] == ["text", "encrypted(2)", "encrypted(0)", "boolean"]
        assert said[-1] == (2 * made.rows, 2 * made.rows)
        client.upload("clear", loans_of(served.city))
        yield client


def test_sums_over_public_groups_are_exactly_those_of_the_amounts(bank: louver.Client) -> None:
    sealed, clear = bank.analyse(A06), bank.analyse(A06.replace("loans l", "clear l"))
    assert [row[:3] for row in sealed.rows] == [row[:3] for row in clear.rows]
    assert len(sealed.rows) > 3
    for own, other in zip(sealed.rows, clear.rows, strict=True):
        assert abs(own[3] - Decimal(other[3])) < Decimal("0.00001")


def test_bad_rates_by_grade_are_those_of_the_labels_within_what_is_stated(bank: louver.Client) -> None:
    told = bank.explain(A07)
    assert told.refusal is None
    within = Decimal(next(one.below for one in told.accuracy if one.column == "bad"))
    answer = bank.analyse(A07)
    print(answer.rows, within, told.accuracy, told.notices, told.columns)
    clear = bank.analyse(A07.replace("loans l", "clear l").replace("l.defaulted", "l.flag"))
    assert answer.rows
    print(answer.rows, clear.rows, within, told.accuracy, told.notices)
