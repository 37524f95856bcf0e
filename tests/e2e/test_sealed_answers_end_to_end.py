"""A08 of the demo, sealed: a bank registers a key at the real service, and only the bank ever sees a number."""

from __future__ import annotations

import random
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.installation import Service, files_below, service, with_limits
from tests.support.lengths import at_length_only

import louver
from louver.errors import Refused
from louver.failures import Misused
from louver.sealing.keys import PrivateKey, generate_key
from louver.signing import sign_registration
from louver_sandbox.demo import questions
from louver_sandbox.demo.city import City
from louver_sandbox.premises import NOISE_FILE, utc_now

(WHOLE,) = (question.sql for question in questions.ANSWERED if question.name == questions.SEALED)
A08 = WHOLE.replace("GROUP BY", "AND r.section = 'C' GROUP BY")
"""Of one section: the whole of it is asked in the demonstration."""

FACTOR = 1_000_006_000_009
PLANTED = f"SELECT r.section, count(*) * {FACTOR} AS n FROM gov.tax_credit t JOIN gov.ent_registry r USING (uscc) GROUP BY 1"
"""A question whose numbers have so many digits that no digest holds them by chance."""


@pytest.fixture(scope="module")
def keys() -> tuple[PrivateKey, PrivateKey]:
    """Two keys of the least size that the service admits."""
    below = random.Random(4).randrange
    return generate_key(2048, below=below), generate_key(2048, below=below)


def ready(served: Service, key: PrivateKey) -> louver.Client:
    """Bank A with its key kept and registered."""
    bank = served.connect("bank_a", purpose="RESEARCH")
    bank.settings.key_ring.add(key, utc_now())
    bank.register_key(key)
    return bank


def traces(home: Path, numbers: set[int]) -> list[Path]:
    """The files of the platform in which one of the numbers stands, as digits or as Arrow holds it."""
    wanted = [
        form for number in numbers for form in (str(number).encode(), number.to_bytes(8, "little").hex().encode())
    ]
    searched = files_below(home, lambda path: path.suffix not in {".duckdb", ".parquet"})
    return [path for path, held in searched if any(form in held for form in wanted)]


def test_a_bank_alone_reads_its_sealed_answers(own_city: City, keys: tuple[PrivateKey, PrivateKey]) -> None:
    first, second = keys
    home = own_city.settings.home
    with_limits(own_city, randomisers=16)  # a stock takes the processor that other tests want
    with service(own_city) as served:
        with served.connect("bank_a", purpose="RESEARCH") as bank:
            with pytest.raises(Misused, match="no key"):
                bank.analyse(A08, seal=True)
            verdict = bank.explain(A08, seal=True)
            assert verdict.refusal is not None
            assert verdict.refusal.code == "LVR-5021"
        with ready(served, first) as bank:
            sealed = bank.analyse(PLANTED, seal=True)
            assert sealed.proof is not None
            assert sealed.proof.entry["seal"] == first.kid
            numbers = {n for _, n in sealed.rows if n is not None}
            assert numbers
            assert traces(home, numbers) == []
            told = bank.explain(A08, seal=True)
            assert "SEALED" in {notice.code for notice in told.notices}
            answer = bank.analyse(A08, seal=True)
            assert answer.sealed is not None
            assert answer.sealed.columns == ("firms", "kwh")
            assert answer.rows == bank.analyse(A08).rows
            registered = bank.keys()
            assert [(key.kid, key.current) for key in registered] == [(first.kid, True)]
            # Whoever leaks is found: the same numbers in clear stand in the store at once.
            assert bank.analyse(PLANTED).rows == sealed.rows
            assert {path.name.partition("-")[0] for path in traces(home, numbers)} == {"state.db"}
        with served.connect("bank_b", purpose="RESEARCH") as other:
            assert not other.keys()
            with pytest.raises(Refused, match="LVR-5004"):
                other.register_key(first)
    with service(own_city) as served, ready(served, second) as bank:
        again = bank.analyse(PLANTED, seal=True, request_id=sealed.request_id)
        assert (again.stream, again.rows) == (sealed.stream, sealed.rows)
        anew = bank.analyse(PLANTED, seal=True)
        assert anew.sealed is not None
        assert anew.sealed.kid == second.kid
        assert anew.rows == sealed.rows
    with sqlite3.connect(own_city.settings.state_file) as store:
        found = store.execute("SELECT kind FROM entries WHERE kind LIKE 'sealing_key%' ORDER BY \"index\"").fetchall()
    assert [kind for (kind,) in found] == ["sealing_key", "sealing_key_refused", "sealing_key"]


DEPOSITS = (
    f"SELECT status, count(*) * {FACTOR} AS n, avg(monthly_deposit) AS mean FROM gov.hf_account GROUP BY status "
    "ORDER BY status"
)
"""One whose answer has noise, planted as above."""


@at_length_only
def test_a_sealed_answer_with_differential_privacy_is_read_by_the_bank_alone_and_paid_for_once(
    own_city: City, keys: tuple[PrivateKey, PrivateKey]
) -> None:
    first, second = keys
    home = own_city.settings.home
    secret = own_city.settings.secrets / NOISE_FILE
    if not secret.exists():
        own_city.settings.secrets.chmod(0o700)
        secret.write_bytes(bytes(range(32)))
        secret.chmod(0o600)
    with_limits(own_city, randomisers=16)
    with service(own_city) as served, ready(served, first) as bank:
        told = bank.explain(DEPOSITS, seal=True)
        assert "SEALED" in {notice.code for notice in told.notices}
        sealed = bank.analyse(DEPOSITS, seal=True)
        assert sealed.proof is not None
        assert sealed.proof.entry["seal"] == first.kid
        assert [one.cost for one in sealed.privacy] == [one.cost for one in told.privacy]
        numbers = {int(row[1]) for row in sealed.rows if row[1]}
        count = next(one for one in sealed.accuracy if one.column == "n")
        ends = {int(end) for end in (*count.low, *count.high) if end}
        assert len(numbers) > 1
        assert len(ends) > 2
        # A noisy count may be below zero, and its interval is not.
        shown = zip(sealed.rows, count.low, count.high, strict=True)
        assert all(min(low, row[1]) <= row[1] <= high for row, low, high in shown)
        planted = {number for number in numbers | ends if number > 10 * FACTOR}
        assert planted
        assert traces(home, planted) == []
    with service(own_city) as served, ready(served, second) as bank:
        again = bank.analyse(DEPOSITS, seal=True)
        assert again.sealed is not None
        assert again.sealed.kid == second.kid
        assert (again.rows, again.accuracy) == (sealed.rows, sealed.accuracy)
        assert all(one.free for one in again.privacy), "the same noise costs nothing"
        assert not again.stored
        assert traces(home, planted) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"signature": b""}, "LVR-0103"),
        ({"modulus": b"\x01" * 400}, "LVR-0103"),
        ({"expires": "tomorrow"}, "LVR-0105"),
        ({"expires": "2027-01-01T00:00:00"}, "LVR-0105"),
        ({"expires": "2020-01-01T00:00:00+00:00"}, "LVR-5005"),
        ({"modulus": b""}, "LVR-5001"),
        ({"modulus": b"\xff" * 100_000}, "LVR-5001"),
        ({"proof": b""}, "LVR-5003"),
    ],
)
def test_a_registration_that_is_none_is_refused(
    served: Service, keys: tuple[PrivateKey, PrivateKey], change: dict[str, Any], code: str
) -> None:
    with served.connect("agency_c") as agency:
        request = agency.settings.key_registration(keys[1], timedelta(days=30))
        for name, value in change.items():
            setattr(request, name, value)
        if code != "LVR-0103":
            request.signature = sign_registration(request, agency.settings.credentials.signing_key)
        with pytest.raises(Refused, match=code):
            agency._call(agency._stub.RegisterKey, request)
        assert not agency.keys()
