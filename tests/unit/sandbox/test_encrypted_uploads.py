"""Encrypted columns on their way in: every value a fresh ciphertext of the institution's key, or nothing is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from gmpy2 import mpz
from tests.support.sealed import small_key
from tests.unit.sandbox.test_uploads_ingest import stream

from louver.encoding import encode
from louver.failures import Misused
from louver.sealing import bulk
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PublicKey
from louver.sealing.uploading import METADATA, EncryptedColumn, encrypting, with_encrypted
from louver_sandbox.refusals.catalog import UPLOAD_REFUSALS
from louver_sandbox.uploads.encrypted import ciphertext_path
from louver_sandbox.uploads.ingest import Caps, Job, UploadRefused, ingest, table_path
from louver_sandbox.uploads.registry import _column

KEY = small_key()
PUBLIC = KEY.public
N, SQUARE = PUBLIC.n, PUBLIC.square
ROWS = [{"id": f"u{n}", "amount": Decimal(n * 7) / 100, "days": n} for n in range(10)]


def sent(scales: dict[str, int] | None = None, rows: object = ROWS) -> bytes:
    """What the client sends."""
    with encode(rows) as clear, with_encrypted(clear, scales or {"amount": 2, "days": 0}, KEY) as made:
        made.seek(0)
        return made.read()


def forged(
    values: Sequence[int | None], *, kid: str = PUBLIC.kid, width: int = PUBLIC.width, told: bytes | None = None
) -> bytes:
    """A stream with one encrypted column of whatever somebody likes."""
    cells = [None if value is None else int(value).to_bytes(width, "big") for value in values]
    metadata = {METADATA: told or EncryptedColumn(kid, 2).to_bytes()}
    table = pa.table(
        {"amount": pa.array(cells, pa.binary(width))},
        schema=pa.schema([pa.field("amount", pa.binary(width), metadata=metadata)]),
    )
    return stream(table)


def taken(folder: Path, content: bytes, key: PublicKey | None = PUBLIC, caps: Caps | None = None) -> Job:
    spool = folder / "spool"
    spool.write_bytes(content)
    return Job(spool, folder / "own", caps or Caps(), key)


def refused(folder: Path, content: bytes, key: PublicKey | None = PUBLIC, caps: Caps | None = None) -> str:
    job = taken(folder, content, key, caps)
    with pytest.raises(UploadRefused) as caught:
        ingest(job)
    assert not list(job.folder.iterdir()), "a refused upload leaves nothing behind"
    told = UPLOAD_REFUSALS[caught.value.code](caught.value.facts)
    assert not any(character.isdigit() for text in caught.value.facts.values() for character in text) or told.details
    return caught.value.code


def test_a_table_keeps_row_numbers_and_its_ciphertexts_lie_beside_it(tmp_path: Path) -> None:
    job = taken(tmp_path, sent())
    made = ingest(job)
    path = table_path(job.folder, made.digest)
    with duckdb.connect(str(path), read_only=True) as table:
        stored = table.execute("SELECT * FROM main.data ORDER BY amount").fetchall()
    assert stored == [(f"u{n}", n, n) for n in range(10)]
    header, body = bulk.read(ciphertext_path(path).read_bytes())
    assert (header.kid, header.rows, header.scales) == (KEY.kid, 10, (2, 0))
    opened = Owner(KEY).decrypt(bulk.numbers(body, PUBLIC.width))
    assert opened == [number for n in range(10) for number in (7 * n, n)]
    columns = [_column(column) for column in made.columns]
    assert [(str(one.type), one.encrypted, one.distinct) for one in columns[1:]] == [
        ("decimal(2)", KEY.kid, 10),
        ("integer", KEY.kid, 10),
    ]
    assert made.bytes == path.stat().st_size + ciphertext_path(path).stat().st_size


def test_the_content_is_the_ciphertexts_and_the_same_again_is_the_same(tmp_path: Path) -> None:
    content = sent()
    first = ingest(taken(tmp_path, content))
    assert ingest(taken(tmp_path, content)) == first
    assert ingest(taken(tmp_path, sent())).digest != first.digest
    whole = forged([int(each) for each in Owner(KEY).encrypt([1, 2])])
    other = whole.replace(b'"scale":2', b'"scale":3')
    assert ingest(taken(tmp_path, whole)).digest != ingest(taken(tmp_path, other)).digest


HONEST = [int(each) for each in Owner(KEY, random.Random(5).randrange).encrypt(range(4))]


@pytest.mark.parametrize(
    "value",
    [
        0,
        int(N),
        1,
        int(SQUARE) - 1,
        int(SQUARE),
        int(SQUARE) + 5,
        int(7 * N),
        int(KEY.p) * 7,
        int(1 + 5 * N),
        2**20,
        None,
    ],
)
def test_what_is_no_fresh_ciphertext_is_refused_and_nothing_is_kept(value: int | None, tmp_path: Path) -> None:
    assert refused(tmp_path, forged([*HONEST, value])) == "LVR-5014"


def test_a_ciphertext_that_is_there_twice_is_refused_wherever_it_is(tmp_path: Path) -> None:
    assert refused(tmp_path, forged([*HONEST, HONEST[0]])) == "LVR-5014"
    with encode(ROWS) as clear, with_encrypted(clear, {"amount": 2, "days": 0}, KEY) as made:
        made.seek(0)
        table = pa.ipc.open_stream(made.read()).read_all()
    same = table.set_column(2, table.schema.field("days"), table.column("amount"))
    assert refused(tmp_path, stream(same)) == "LVR-5014"
    # In batches of their own too.
    twice = pa.concat_tables([table, table])
    assert refused(tmp_path, stream(twice, chunk=3)) == "LVR-5014"


def test_a_column_of_another_key_width_or_form_is_refused(tmp_path: Path) -> None:
    other = small_key(2).public
    assert refused(tmp_path, forged(HONEST), other) == "LVR-5012"
    assert refused(tmp_path, forged(HONEST, kid="0" * 64)) == "LVR-5012"
    assert refused(tmp_path, forged(HONEST, width=PUBLIC.width + 1)) == "LVR-5012"
    assert refused(tmp_path, forged(HONEST), None) == "LVR-5301"
    for told in (
        b"{}",
        b"[",
        b'{"kid": 1}',
        b'{"kid":"x","scale":-32}',
        b'{"kid":"x","scale":99999999}',
        b"[" * 10_000,
    ):
        assert refused(tmp_path, forged(HONEST, told=told)) == "LVR-5012"
    # Without its metadata it is a type that tables do not have.
    plain = pa.table({"amount": pa.array([b"x" * 128], pa.binary(128))})
    assert refused(tmp_path, stream(plain)) == "LVR-4002"


def test_an_upload_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    content = sent()
    for size in (*range(0, len(content), 997), len(content) - 8, len(content) - 1):
        assert refused(tmp_path, content[:size]) in {"LVR-4001", "LVR-5014"}


def test_too_many_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louver_sandbox.uploads.encrypted.MOST", 19)
    assert refused(tmp_path, sent()) == "LVR-5013"
    monkeypatch.setattr("louver_sandbox.uploads.encrypted.MOST", 20)
    assert ingest(taken(tmp_path, sent())).rows == 10


@pytest.mark.parametrize(
    ("rows", "scales", "why"),
    [
        ([{"a": None}, {"a": 1}], {"a": 0}, "NULL"),
        ([{"a": 1.5}], {"a": 0}, "no whole numbers"),
        ([{"a": "12"}], {"a": 0}, "no whole numbers"),
        ([{"a": Decimal("1.234")}], {"a": 2}, "more than 2 decimal places"),
        ([{"a": Decimal(10**37)}], {"a": 2}, "digits"),
        ([{"a": 1}], {"b": 0}, "no column b"),
        ([{"a": 1}], {"a": 13}, "0 to 12"),
        ([{"a": 1}], {"a": -32}, "0 to 12"),
    ],
)
def test_the_client_turns_away_what_it_would_have_to_round(rows: object, scales: dict[str, int], why: str) -> None:
    with pytest.raises(Misused, match=why):
        sent(scales, rows)


def test_numbers_are_whole_and_exact(tmp_path: Path) -> None:
    values = [Decimal("0.01"), Decimal("-7"), Decimal(2**53 + 1), Decimal("99999999999999999.99"), Decimal("0.10")]
    job = taken(tmp_path, sent({"a": 2}, [{"a": value} for value in values]))
    made = ingest(job)
    _, body = bulk.read(ciphertext_path(table_path(job.folder, made.digest)).read_bytes())
    opened = Owner(KEY).decrypt([mpz(each) for each in bulk.numbers(body, PUBLIC.width)])
    assert opened == [int(value * 100) for value in values]


def test_a_table_is_encrypted_batch_by_batch_while_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a batch is made beyond what was sent, and small batches are joined."""
    monkeypatch.setattr("louver.sealing.uploading.AT_ONCE", 4)
    table = pa.concat_tables([pa.table({"id": [f"u{n}"], "amount": [n]}) for n in range(22)])
    heard: list[tuple[int, int]] = []
    batches: list[int] = []

    def encrypt(numbers: Sequence[int]) -> Sequence[mpz]:
        batches.append(len(numbers))
        return Owner(KEY).encrypt(numbers)

    with encrypting(encode(table), {"amount": 0}, KEY, lambda *done: heard.append(done), encrypt) as outgoing:
        assert heard == [], "it has been looked at, and nothing is encrypted before it is asked for"
        messages = outgoing.messages("loans", replace=False)
        next(messages)
        assert heard == []
        sent = [next(messages)]
        assert len(heard) <= 2
        sent += messages
        whole = b"".join(message.arrow for message in sent)
    assert heard[-1] == (22, 22)
    assert batches == [4, 4, 4, 4, 4, 2]
    found = pa.ipc.open_stream(whole).read_all()
    assert found.column("id").to_pylist() == [f"u{n}" for n in range(22)]
    cells = [mpz(int.from_bytes(cell, "big")) for cell in found.column("amount").to_pylist()]
    assert Owner(KEY).decrypt(cells) == list(range(22))
