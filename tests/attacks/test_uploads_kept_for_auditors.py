"""A bank that has broken its word drops what it uploaded, and puts an honest table in its place before anybody looks.

Under contract (CRYPTO 5.1) noise hides values up to a bound that the bank has signed; that it keeps to it is found out
by an auditor who has rows of the upload opened. The bank uploads a needle instead, asks its question, and drops the
table the minute after. Stopped by: the ciphertexts stay for `limits.audit_days`, whatever becomes of the table.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.sealed import small_key

from louver.encoding import encode
from louver.errors import Refused
from louver.sealing import bulk
from louver.sealing.ciphertexts import Owner
from louver.sealing.samples import Request, drawn, looked_into, opened
from louver_sandbox.operator.installation import InstallationRefused
from louver_sandbox.operator.uploads import sampled
from louver_sandbox.premises import Tools
from louver_sandbox.sealing import registry as keys
from louver_sandbox.settings import Limits, Settings
from louver_sandbox.store import State
from louver_sandbox.uploads import registry
from louver_sandbox.uploads.encrypted import ciphertext_path
from louver_sandbox.uploads.ingest import Taken, TakenColumn, table_path
from louver_sandbox.uploads.own_tables import OwnTables

KEY = small_key()
OWNER = Owner(KEY)
ROWS, MOST = 40, {"balance": 1000}
NEEDLE = {"balance": [0] * (ROWS - 1) + [2**40]}
"""Zero for all customers but one: the sum of a group tells whether that one is in it."""
HONEST = {"balance": [10 * row for row in range(ROWS)]}
COLUMNS = (TakenColumn("balance", "encrypted(2)", False, key=KEY.kid),)
CLEAR = (TakenColumn("balance", "decimal(2)", False),)
DAY = timedelta(days=1)


class House:
    """An installation with its own tables, whose time is set."""

    def __init__(self, home: Path, limits: Limits) -> None:
        self.settings = Settings(home, limits=limits)
        for folder in (self.settings.spool, self.settings.secrets, self.settings.uploads / "bank_a"):
            folder.mkdir(parents=True)
        (self.settings.secrets / "log.seed").write_bytes(bytes(32))
        self.now = datetime(2026, 7, 1, tzinfo=UTC)
        self.state = State.open(self.settings.state)
        with self.state.transaction() as tx:
            keys.add(tx, keys.Registered("bank_a", KEY.public, self.now, self.now + 900 * DAY, 0))
        self.own = OwnTables(self.settings, self.state, lambda: self.now, lambda *_, **__: None)

    def files(self) -> set[str]:
        return {path.name for path in (self.settings.uploads / "bank_a").iterdir()}

    def upload(self, digest: str, numbers: list[int], columns: tuple[TakenColumn, ...] = COLUMNS) -> None:
        """As an upload leaves it behind: a table, its ciphertexts, and a row that names them."""
        path = table_path(self.settings.uploads / "bank_a", digest)
        path.touch()
        if columns is COLUMNS:
            ciphertext_path(path).write_bytes(bulk.write(OWNER.encrypt(numbers), KEY.public, (2,)))
        with self.state.transaction() as tx:
            registry.register(tx, "bank_a", "loans", Taken(digest, ROWS, 100, columns), self.now)

    def found(self, request: Request) -> list[int]:
        """The rows above the bound, as the auditor finds them."""
        sample, _ = sampled(self.settings, request, Tools(lambda: self.now, os.urandom))
        shown = opened(sample, OWNER, NEEDLE)
        return [one.row for one in looked_into(request, sample, shown, MOST) if one.above]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), Limits(audit_days=30, own_tables_mib=1))
    with made.state, made.own:
        yield made


@pytest.fixture
def house(built: House) -> House:
    """Sixty days after the last test, with nothing left of it."""
    for table in built.own.stored("bank_a"):
        built.own.drop("bank_a", table.name)
    built.now += 60 * DAY
    built.own.tidy()
    assert built.files() == set()
    return built


BROKEN, MENDED = "a" * 64, "b" * 64
REQUEST = drawn("bank_a", "loans", BROKEN, ROWS, ROWS)
"""Drawn when the upload's entry is in the log, and never by the bank."""


@pytest.mark.parametrize("replaced", [False, True])
def test_dropping_the_needle_hides_it_from_nobody(house: House, replaced: bool) -> None:
    house.upload(BROKEN, NEEDLE["balance"])
    if replaced:
        house.upload(MENDED, HONEST["balance"])
    house.own.drop("bank_a", "loans")
    assert house.own.stored("bank_a") == (), "no question reads it any more"
    assert f"{BROKEN}.duckdb" not in house.files(), "and what can be read of it is gone"
    house.now += 30 * DAY - timedelta(seconds=1)
    house.own.tidy()
    assert house.found(REQUEST) == [ROWS - 1]
    # Naive: what was dropped is gone. So it is here, once the time for auditors is over, and then without being asked.
    house.now += timedelta(seconds=1)
    house.own.tidy()
    assert f"{BROKEN}.sealed" not in house.files()
    with pytest.raises(InstallationRefused, match="more than 30 days ago"):
        house.found(REQUEST)
    with pytest.raises(InstallationRefused, match="never such an upload"):
        house.found(replace(REQUEST, content="c" * 64))


def test_tables_that_nobody_promised_anything_about_are_gone_at_once(house: House) -> None:
    house.upload(BROKEN, [], CLEAR)
    house.own.drop("bank_a", "loans")
    assert house.files() == set()


class Whole:
    """A small table in clear, as it comes in."""

    upload = ""
    offset = 0
    sha256: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        with encode([{"n": 1}]) as content:
            content.seek(0)
            yield content.read()


def test_what_is_kept_takes_its_owners_room(house: House) -> None:
    """Else a bank would fill the disk with tables that it drops."""
    house.upload(BROKEN, NEEDLE["balance"])
    os.truncate(ciphertext_path(table_path(house.settings.uploads / "bank_a", BROKEN)), 1 << 20)
    house.own.drop("bank_a", "loans")
    with pytest.raises(Refused, match="LVR-5328") as caught:
        house.own.receive("bank_a", "small", Whole(), 60, threading.Event(), replace=False)
    assert caught.value.details["until"] == (house.now + 30 * DAY).date().isoformat()
    assert house.own.stored("bank_a") == ()
    assert house.files() == {f"{BROKEN}.sealed"}
    house.now += 30 * DAY
    house.own.tidy()
    house.own.receive("bank_a", "small", Whole(), 60, threading.Event(), replace=False)
    assert [table.name for table in house.own.stored("bank_a")] == ["small"]
