"""Uploads that are wrong, too large, or cut off: a clear code, nothing kept, and the service lives on."""

import mmap
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import grpc
import pyarrow as pa
import pytest
from tests.e2e.conftest import alive, raw_stub
from tests.e2e.soundness import leftovers, wrongs
from tests.support.installation import Service, copy_of, eventually, is_living, patiently, service, with_limits

import louver
from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.demo.city import City
from louver_sandbox.uploads.own_tables import UPLOADS_AT_ONCE

MIB = 1024 * 1024
ROWS = 200_000


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (pa.table({"x": pa.array([1.0, float("nan")])}), "LVR-4005"),
        (pa.table({"x": pa.array([1.0, float("inf")])}), "LVR-4005"),
        (pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), "LVR-4003"),
        (pa.table([pa.array([1]), pa.array([2])], names=["x", "X"]), "LVR-4003"),
        (pa.table({'a"b': pa.array([1])}), "LVR-4003"),
        (pa.table({"x": pa.array([{"a": 1}])}), "LVR-4002"),
        (pa.table({"x": pa.array([[1.0]])}), "LVR-4002"),
        (pa.table({"x": pa.array([b"\x00"])}), "LVR-4002"),
        (pa.table({"x": pa.array([datetime(2026, 1, 1, tzinfo=UTC)])}), "LVR-4002"),
        (pa.table({"x": pa.array([1], pa.timestamp("ns"))}), "LVR-4007"),
        (pa.table({}), "LVR-4001"),
        (pa.table({f"c{number}": [1] for number in range(257)}), "LVR-4004"),
    ],
    ids=[
        *("nan", "infinity", "duplicate column", "same but for case", "hostile name", "struct", "list of numbers"),
        *("bytes", "zoned timestamp", "nanoseconds", "no columns", "too many columns"),
    ],
)
def test_bad_uploads_are_refused(bank: louver.Client, table: pa.Table, code: str) -> None:
    with pytest.raises(Refused) as caught:
        bank.upload("bad", table)
    assert caught.value.code == code
    assert "bad" not in {item.name for item in bank.tables(own_only=True)}


@pytest.mark.parametrize("name", ["", "a b", 'x"; DROP TABLE y', "../x", "a" * 64, "a.b"])
def test_bad_table_names_are_refused(bank: louver.Client, name: str) -> None:
    with pytest.raises(Refused, match="LVR-4006"):
        bank.upload(name, pa.table({"x": [1]}))


def test_what_is_uploaded_comes_back_unchanged(bank: louver.Client) -> None:
    bank.upload(
        "kinds", pa.table({"编号": ["a", None], "金额": pa.array([Decimal("1.50"), None]), "是": [True, None]})
    )
    try:
        rows = bank.analyse('SELECT "编号", "金额", "是" FROM kinds ORDER BY 1').rows
        assert rows == [("a", Decimal("1.50"), True), (None, None, None)]
    finally:
        bank.drop("kinds")


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    """An Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def zeros(rows: int) -> pa.RecordBatch:
    """A column of zeros that takes memory only where somebody looks."""
    buffer = pa.py_buffer(mmap.mmap(-1, rows * 8))
    return pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.int64(), rows, [None, buffer])], ["x"])


def messages(name: str, content: bytes) -> Iterator[pb.UploadTableRequest]:
    """An upload as the wire carries it."""
    yield pb.UploadTableRequest(header=pb.UploadHeader(name=name))
    for start in range(0, len(content), MIB):
        yield pb.UploadTableRequest(arrow=content[start : start + MIB])


def told(served: Service, content: bytes) -> str:
    """The code that an upload of these bytes gets."""
    channel, stub = raw_stub(served, "bank_a")
    with channel, pytest.raises(grpc.RpcError) as caught:
        stub.UploadTable(messages("bad", content), timeout=60)
    assert isinstance(caught.value, grpc.Call)
    return str(caught.value.details()).partition(":")[0]


SOUND = stream(*(pa.record_batch({"x": pa.array(range(5000))}) for _ in range(20)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1 not Arrow",
        b"\xff" * 4096,
        SOUND[: len(SOUND) // 2],
        SOUND[:-8],
        SOUND[:-1],
        SOUND + b"more",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f" + SOUND[8:],
    ],
    ids=["nothing", "another format", "ones", "half", "no end", "a byte short", "more than a stream", "boundless"],
)
def test_an_upload_that_is_no_whole_stream_leaves_nothing(served: Service, content: bytes) -> None:
    assert told(served, content) == "LVR-4001"
    assert leftovers(served.city) == []


def test_an_upload_that_is_hung_up_half_way_leaves_nothing(served: Service, bank: louver.Client) -> None:
    half_sent, seen = threading.Event(), threading.Event()

    def half() -> Iterator[pb.UploadTableRequest]:
        yield pb.UploadTableRequest(header=pb.UploadHeader(name="half"))
        yield pb.UploadTableRequest(arrow=SOUND[: len(SOUND) // 2])
        half_sent.set()
        seen.wait(60)

    channel, stub = raw_stub(served, "bank_a")
    with channel:
        call = stub.UploadTable.future(half(), timeout=30)
        assert half_sent.wait(30)
        assert eventually(lambda: bool(leftovers(served.city)))
        call.cancel()
        seen.set()
    assert eventually(lambda: not leftovers(served.city))
    assert "half" not in {table.name for table in bank.tables(own_only=True)}
    assert alive(bank)


def test_uploads_that_trickle_in_do_not_pile_up(served: Service, bank: louver.Client) -> None:
    """A bank may keep a few uploads open; the next one is told so at once, and nobody else notices."""
    done = threading.Event()

    def trickling(number: int) -> Iterator[pb.UploadTableRequest]:
        yield pb.UploadTableRequest(header=pb.UploadHeader(name=f"slow{number}"))
        yield pb.UploadTableRequest(arrow=SOUND[:1000])
        done.wait(50)

    assert eventually(lambda: not leftovers(served.city))  # what a test before this one cut off is still in the way
    channel, stub = raw_stub(served, "bank_b")
    with channel, served.connect("bank_b", purpose="RESEARCH") as bank_b:
        calls = [stub.UploadTable.future(trickling(number), timeout=60) for number in range(UPLOADS_AT_ONCE)]
        assert eventually(lambda: len(leftovers(served.city)) == UPLOADS_AT_ONCE)
        with pytest.raises(Refused, match="LVR-3101"):
            bank_b.upload("one_more", pa.table({"x": [1]}))
        assert bank.upload("mine", pa.table({"x": [1]})).rows == 1
        bank.drop("mine")
        for call in calls:
            call.cancel()
        done.set()
        assert eventually(lambda: not leftovers(served.city))
        # A file goes a moment before the place it was written in is free: until then the bank is told to come back.
        assert patiently(lambda: bank_b.upload("one_more", pa.table({"x": [1]}))).rows == 1
        bank_b.drop("one_more")


@pytest.fixture(scope="module")
def narrow(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes uploads of 4 MiB and 200,000 rows at most."""
    own = copy_of(city, tmp_path_factory.mktemp("narrow"))
    with_limits(own, upload_mib=4, upload_rows=ROWS, own_tables_mib=2)
    with service(own) as running:
        yield running
        assert wrongs(own) == []


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "many batches": lambda: stream(*[zeros(MIB)] * 100, compression="zstd"),
    "a row too many": lambda: stream(*[zeros(ROWS // 100)] * 101, compression="zstd"),
    "one batch of 2.4 GB": lambda: stream(zeros(300 * MIB), compression="zstd"),
    "one long text": lambda: stream(pa.record_batch({"x": pa.array(["0" * 48 * MIB])}), compression="zstd"),
    "not compressed": lambda: stream(
        pa.record_batch({"x": pa.array(range(ROWS))}), pa.record_batch({"x": pa.array([1])})
    ),
    "plain bytes": lambda: stream(*(pa.record_batch({"x": pa.array(range(100_000))}) for _ in range(6))),
}
"""Made when they are needed, for that takes seconds."""


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_and_hurts_nobody(narrow: Service, bomb: Callable[[], bytes]) -> None:
    assert told(narrow, bomb()) == "LVR-4004"
    assert leftovers(narrow.city) == []
    assert is_living(narrow.pid)
    with narrow.connect(purpose="RESEARCH") as bank:
        assert alive(bank)
        assert bank.tables(own_only=True) == []


def test_the_sum_of_a_banks_tables_is_bounded(narrow: Service) -> None:
    with narrow.connect("bank_b", purpose="RESEARCH") as bank_b:
        kept = 0
        code = ""
        while not code and kept < 20:
            try:
                bank_b.upload(f"t{kept}", pa.table({"x": range(kept, kept + 190_000)}))
                kept += 1
            except Refused as refused:
                code = refused.code
        assert (code, kept > 0) == ("LVR-4004", True)
        assert len(bank_b.tables(own_only=True)) == kept
        for number in range(kept):
            bank_b.drop(f"t{number}")
        assert bank_b.upload("again", pa.table({"x": [1]})).rows == 1
