"""A07 over encrypted loans: a bank uploads ciphertexts to the real service, and only the bank ever sees an amount."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from tests.support.installation import Service, copy_of, service, with_limits

import louver
from louver.errors import Refused
from louver.sealing.keys import PrivateKey, generate_key
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import activate, development_keys
from louver_sandbox.premises import utc_now

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
        "SELECT id_no, CAST(balance AS DECIMAL(18, 2)) AS balance, CAST(defaulted AS BIGINT) AS defaulted "
        "FROM read_parquet(?) WHERE cust_class = 'E' AND balance IS NOT NULL AND defaulted IS NOT NULL"
    )
    found = duckdb.sql(query, params=[files])
    assert found is not None
    return found.to_arrow_table()


PLANTED = Decimal("81234567890123.47")
"""An amount with so many digits that nothing holds it by chance."""


def planted(city: City) -> pa.Table:
    """Some loans to firms of the city, of the planted amount each."""
    loans = loans_of(city).slice(0, 40)
    amounts = pa.array([PLANTED] * len(loans), pa.decimal128(18, 2))
    return pa.table({"id_no": loans["id_no"], "amount": amounts})


@pytest.fixture(scope="module")
def served(city: City, tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Iterator[Service]:
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
        assert [column.type for column in made.columns] == ["text", "encrypted(2)", "encrypted(0)"]
        assert said[-1] == (2 * made.rows, 2 * made.rows)
        client.upload("clear", loans_of(served.city))
        yield client


def test_sums_over_public_groups_are_exactly_those_of_the_amounts(bank: louver.Client) -> None:
    sealed, clear = bank.analyse(A06), bank.analyse(A06.replace("loans l", "clear l"))
    assert [row[:3] for row in sealed.rows] == [row[:3] for row in clear.rows]
    assert len(sealed.rows) > 3
    for own, other in zip(sealed.rows, clear.rows, strict=True):
        assert abs(own[3] - Decimal(other[3])) < Decimal("0.00001")


def test_bad_rates_by_grade_are_those_of_the_labels_within_what_is_stated(
    served: Service, bank: louver.Client
) -> None:
    told = bank.explain(A07)
    assert told.refusal is None
    (error,) = [one.standard_error for one in told.accuracy if one.column == "bad"]
    (notice,) = [one for one in told.notices if one.code == "ENCRYPTED_INPUT"]
    assert notice.rule == "contract"
    answer = bank.analyse(A07)
    assert notice in answer.notices
    assert [one.standard_error for one in answer.accuracy] == [error, error]
    truth = bad_by_grade(served.city)
    assert len(answer.rows) > 1
    for grade, loans, bad, rate in answer.rows:
        assert loans == truth[grade][0]
        # Eight standard deviations: a false alarm in 10^15.
        assert error is not None
        assert abs(bad - truth[grade][1]) < 8 * error
        assert abs(rate * loans - bad) < 1
    assert bank.analyse(A07).rows == answer.rows  # stored: no second draw
    assert answer.proof is not None
    assert any(entry.startswith("gov.tax_credit") for entry in answer.remaining)


def bad_by_grade(city: City) -> dict[str, tuple[int, int]]:
    """A07 in plain SQL over the world: loans and bad ones by grade."""
    files = str(city.world / "gov.tax_credit" / "*.parquet")
    loans = loans_of(city)  # noqa: F841 - DuckDB finds it by its name
    query = (
        "SELECT t.grade, count(*), sum(l.defaulted) FROM loans l JOIN read_parquet(?) t "
        "ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY 1"
    )
    found = duckdb.sql(query, params=[files])
    assert found is not None
    return {grade: (n, int(bad)) for grade, n, bad in found.fetchall()}


def test_what_cannot_be_computed_is_told_by_a_dry_run(bank: louver.Client) -> None:
    verdict = bank.explain("SELECT l.id_no FROM loans l WHERE l.balance > 5")
    assert verdict.refusal is not None
    assert (verdict.refusal.code, verdict.refusal.line) == ("LVR-5302", 1)
    with pytest.raises(Refused, match="LVR-5302"):
        bank.analyse("SELECT balance FROM loans")


def test_an_upload_that_is_cut_off_keeps_nothing_and_goes_through_again(served: Service, bank: louver.Client) -> None:
    folder = served.city.settings.uploads / "bank_a"
    before = {path.name for path in folder.iterdir()}
    with bank.settings.upload(planted(served.city), {"amount": 2}, None) as outgoing:
        whole = outgoing.whole().read()
    for size in (len(whole) // 2, len(whole) - 8):
        with pytest.raises(Refused, match="LVR-4001"):
            bank.upload("cut", arrow_file(served, whole[:size]))
        assert {path.name for path in folder.iterdir()} == before
    made = bank.upload("cut", arrow_file(served, whole))
    assert bank.upload("cut", arrow_file(served, whole)).version == made.version
    bank.drop("cut")
    left = {path.name for path in folder.iterdir()} - before
    assert [Path(name).suffix for name in left] == [".sealed"], "what auditors may look into, and nothing else"


def arrow_file(served: Service, content: bytes) -> Path:
    """An Arrow stream as a file that the client sends as it is."""
    path = served.city.settings.home.parent / "cut.arrow"
    path.write_bytes(content)
    return path
