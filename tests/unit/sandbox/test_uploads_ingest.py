"""An upload becomes one immutable table named by its content, or is refused with a code and leaves nothing."""

import contextlib
import io
import json
import stat
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.processes.channel import channel_pair
from louver_sandbox.processes.child import READY, decode_reply
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.pool import WorkerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.refusals.catalog import UPLOAD_REFUSALS
from louver_sandbox.uploads import INGEST_ENTRY, INGEST_ENVIRONMENT, INGEST_PRELOAD
from louver_sandbox.uploads.ingest import (
    Caps,
    Job,
    Taken,
    TakenColumn,
    UploadRefused,
    decode_answer,
    ingest,
    main,
    table_path,
)

EVERY_TYPE = pa.table(
    {
        "编号": pa.array(["a", None, "c"]),
        "n8": pa.array([1, None, -3], pa.int8()),
        "n64": pa.array([2**62, 0, None], pa.int64()),
        "u32": pa.array([2**32 - 1, 0, None], pa.uint32()),
        "f32": pa.array([0.5, None, -1.5], pa.float32()),
        "f64": pa.array([1e300, None, 0.1], pa.float64()),
        "money": pa.array([Decimal("1.25"), None, Decimal("-9999999999.99")], pa.decimal128(18, 2)),
        "yes": pa.array([True, None, False]),
        "day": pa.array([date(2026, 6, 30), None, date(1900, 1, 1)]),
        "seen": pa.array([datetime(2026, 6, 30, 1, 2, 3), None, datetime(1999, 1, 1)], pa.timestamp("ns")),
        "codes": pa.array([["x", "y"], None, []], pa.list_(pa.string())),
        "kind": pa.array(["E", None, "P"]).dictionary_encode(),
        "nothing": pa.nulls(3),
    }
)


def stream(table: pa.Table, chunk: int = 1_000, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue()


def spooled(folder: Path, content: bytes, caps: Caps | None = None) -> Job:
    spool = folder / "spool"
    spool.write_bytes(content)
    return Job(spool, folder / "own", caps or Caps())


def refused(folder: Path, content: bytes, caps: Caps | None = None) -> UploadRefused:
    job = spooled(folder, content, caps)
    with pytest.raises(UploadRefused) as caught:
        ingest(job)
    assert list(job.folder.iterdir()) == [], "a refused upload leaves nothing behind"
    UPLOAD_REFUSALS[caught.value.code](caught.value.facts)
    return caught.value


def column(name: str, values: list[Any], type_: pa.DataType | None = None) -> bytes:
    return stream(pa.table({name: pa.array(values, type_)}))


def test_every_allowed_type_arrives_with_its_values_and_nulls(tmp_path: Path) -> None:
    job = spooled(tmp_path, stream(EVERY_TYPE, chunk=2))
    taken = ingest(job)
    assert taken.rows == 3
    assert [(item.name, item.type) for item in taken.columns] == [
        ("编号", "text"),
        ("n8", "integer"),
        ("n64", "integer"),
        ("u32", "integer"),
        ("f32", "double"),
        ("f64", "double"),
        ("money", "decimal(2)"),
        ("yes", "boolean"),
        ("day", "date"),
        ("seen", "timestamp"),
        ("codes", "text_list"),
        ("kind", "text"),
        ("nothing", "text"),
    ]
    assert all(item.nullable for item in taken.columns)
    path = table_path(job.folder, taken.digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall() == [
            ("main", "data")
        ]
        found = connection.execute("SELECT * FROM main.data").fetchall()
    assert found == [tuple(row.values()) for row in EVERY_TYPE.to_pylist()]


def test_a_column_without_nulls_says_so(tmp_path: Path) -> None:
    assert ingest(spooled(tmp_path, column("a", [1, 2]))).columns == (
        TakenColumn("a", "integer", False, unique=True, distinct=2),
    )


def test_a_column_in_which_no_value_repeats_says_so(tmp_path: Path) -> None:
    table = pa.table({"key": ["x", "y", None], "twice": ["x", "x", None], "amount": [1.0, 2.0, 3.0]})
    unique = {item.name: item.unique for item in ingest(spooled(tmp_path, stream(table))).columns}
    assert unique == {"key": True, "twice": False, "amount": False}


def test_different_values_are_counted_where_they_can_be_groups(tmp_path: Path) -> None:
    table = pa.table({"key": ["x", "y", None], "twice": ["x", "x", None], "amount": [1.0, 2.0, 3.0]})
    counted = {item.name: item.distinct for item in ingest(spooled(tmp_path, stream(table))).columns}
    assert counted == {"key": 2, "twice": 1, "amount": None}


def test_a_table_of_no_rows_is_a_table(tmp_path: Path) -> None:
    assert ingest(spooled(tmp_path, column("a", [], pa.int64()))).rows == 0


class TestContentDigest:
    @settings(max_examples=12, deadline=None)
    @given(
        texts=st.lists(st.none() | st.text(max_size=5), min_size=1, max_size=12),
        chunks=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    )
    def test_batches_and_compression_leave_no_trace(
        self, tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], chunks: tuple[int, int]
    ) -> None:
        lists = [None if text is None else list(text) for text in texts]
        table = pa.table(
            {
                "a": pa.array(texts, pa.string()),
                "b": pa.array(lists, pa.list_(pa.string())),
                "c": pa.array([None if text is None else len(text) for text in texts], pa.int64()),
            }
        )
        folder = tmp_path_factory.mktemp("digest")
        digests = {
            ingest(spooled(folder, stream(table, chunk, compression))).digest
            for chunk, compression in zip(chunks, (None, "zstd"), strict=True)
        }
        assert len(digests) == 1

    def test_every_difference_shows(self, tmp_path: Path) -> None:
        contents = [
            column("a", ["x", "y"]),
            column("b", ["x", "y"]),
            column("a", ["y", "x"]),
            column("a", ["xy", ""]),
            column("a", ["x", "y", None]),
            column("a", [None, "x", "y"]),
            column("a", [1, 2]),
            column("a", [1.0, 2.0]),
            column("a", [["x"], ["y"]]),
            column("a", [["x", "y"], []]),
            column("a", [["x", "y"], None]),
            column("a", [Decimal("1.0"), Decimal("2.0")], pa.decimal128(18, 1)),
        ]
        digests = [ingest(spooled(tmp_path, content)).digest for content in contents]
        assert len(set(digests)) == len(contents)

    def test_the_same_content_is_kept_once(self, tmp_path: Path) -> None:
        first = ingest(spooled(tmp_path, column("a", [1, 2])))
        assert ingest(spooled(tmp_path, column("a", [1, 2]))) == first
        assert len(list((tmp_path / "own").iterdir())) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"not arrow at all",
            b"\xff\xff\xff\xff\x00\x00\x00\x00",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(64),
            stream(EVERY_TYPE.select([]), chunk=2),
            stream(EVERY_TYPE)[:-8],
            stream(EVERY_TYPE)[:-9],
            stream(EVERY_TYPE)[: len(stream(EVERY_TYPE)) // 2],
            stream(EVERY_TYPE)[:300],
            stream(EVERY_TYPE) + b"more",
        ],
    )
    def test_what_is_no_whole_arrow_stream(self, tmp_path: Path, content: bytes) -> None:
        assert refused(tmp_path, content).code == "LVR-4001"

    @pytest.mark.parametrize("place", range(0, 900, 50))
    def test_a_flipped_byte_is_taken_or_refused_but_never_a_crash(self, tmp_path: Path, place: int) -> None:
        content = bytearray(stream(EVERY_TYPE))
        content[place] ^= 0x7F
        with contextlib.suppress(UploadRefused):
            ingest(spooled(tmp_path, bytes(content)))

    @pytest.mark.parametrize(
        ("type_", "word"),
        [
            (pa.struct([("person_id", pa.string())]), "struct"),
            (pa.uint64(), "uint64"),
            (pa.float16(), "halffloat"),
            (pa.binary(), "binary"),
            (pa.decimal256(50, 2), "decimal256"),
            (pa.decimal128(38, 30), "decimal128"),
            (pa.decimal128(10, -2), "decimal128"),
            (pa.timestamp("us", tz="UTC"), "timestamp"),
            (pa.list_(pa.int64()), "list"),
            (pa.duration("s"), "duration"),
            (pa.time64("us"), "time64"),
            (pa.date64(), "date64"),
            (pa.map_(pa.string(), pa.string()), "map"),
        ],
    )
    def test_types_outside_the_closed_list(self, tmp_path: Path, type_: pa.DataType, word: str) -> None:
        error = refused(tmp_path, stream(pa.table({"a": pa.nulls(1, type_)})))
        assert (error.code, error.facts) == ("LVR-4002", {"column": "a", "type": word})

    @pytest.mark.parametrize(
        ("names", "number"),
        [
            (["a", "a"], "2"),
            (["a", "A"], "2"),
            (["a", "record_key_person_x"], "2"),
            *(([name], "1") for name in ("", "1a", 'a"b', "a\u200b", "a b", "a\n", "x" * 64)),
        ],
    )
    def test_names_that_sql_could_not_hold_are_refused_by_number(
        self, tmp_path: Path, names: list[str], number: str
    ) -> None:
        error = refused(tmp_path, stream(pa.Table.from_arrays([pa.array([1])] * len(names), names=names)))
        assert (error.code, error.facts) == ("LVR-4003", {"number": number})

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_a_float_that_is_no_number(self, tmp_path: Path, value: float) -> None:
        error = refused(tmp_path, column("ratio", [1.0, None, value]))
        assert (error.code, error.facts) == ("LVR-4005", {"column": "ratio"})

    def test_a_timestamp_that_microseconds_cannot_hold(self, tmp_path: Path) -> None:
        error = refused(tmp_path, column("t", [1], pa.timestamp("ns")))
        assert (error.code, error.facts) == ("LVR-4007", {"column": "t"})

    def test_more_columns_rows_or_bytes_than_allowed(self, tmp_path: Path) -> None:
        wide = pa.Table.from_arrays([pa.array([1])] * 257, names=[f"c{i}" for i in range(257)])
        assert refused(tmp_path, stream(wide)).facts == {"what": "columns", "limit": "256"}
        assert refused(tmp_path, column("a", [1] * 11), Caps(rows=10)).facts == {"what": "rows", "limit": "10"}
        assert refused(tmp_path, column("a", ["x" * 99]), Caps(bytes=50)).facts == {"what": "bytes", "limit": "50"}

    def test_bytes_are_counted_after_decompression(self, tmp_path: Path) -> None:
        bomb = stream(pa.table({"a": ["x" * 1_000_000] * 20}), chunk=5, compression="zstd")
        assert len(bomb) < 200_000
        assert refused(tmp_path, bomb, Caps(bytes=10_000_000)).code == "LVR-4004"


def test_a_confined_child_takes_an_upload_in_and_outlives_a_bomb(tmp_path: Path) -> None:
    good = spooled(tmp_path, stream(EVERY_TYPE))
    (tmp_path / "bomb").write_bytes(stream(pa.table({"a": ["x" * 50_000_000] * 30}), chunk=30, compression="zstd"))
    limits = Limits(memory_mib=1_024, file_mib=100)
    zygote = Zygote(
        INGEST_ENTRY, preload=INGEST_PRELOAD, environment=INGEST_ENVIRONMENT, limits=limits, profile="store"
    )
    with zygote, WorkerPool(zygote, size=1, queue=1, per_institution=1) as pool:
        codes = []
        for spool in (tmp_path / "bomb", good.spool):
            with pool.reserve("bank_a", time.monotonic() + 60) as slot:
                work = Job(spool, good.folder).encode()
                reply = slot.run(work, deadline_s=60, cancelled=threading.Event(), reply_cap=1 << 20)
                codes.append(getattr(decode_answer(reply), "code", "taken"))
    assert codes == ["LVR-4004", "taken"]
    assert [item.suffix for item in good.folder.iterdir()] == [".duckdb"]


def served(job: Job) -> bytes:
    """The child's reply on its channel."""
    ours, theirs = channel_pair()
    child = threading.Thread(target=main, args=(theirs,))
    child.start()
    with ours:
        assert ours.receive(len(READY)) == READY
        ours.send(job.encode())
        reply = ours.receive(1 << 20)
    child.join()
    theirs.close()
    return reply


def test_the_child_answers_what_it_took_and_what_it_refused(tmp_path: Path) -> None:
    taken = decode_answer(decode_reply(served(spooled(tmp_path, column("a", [1, None])))))
    assert isinstance(taken, Taken)
    assert (taken.rows, taken.columns) == (2, (TakenColumn("a", "integer", True, unique=True, distinct=1),))
    ids = ["370291199001011235", "91370291MA3TEKT122", "370293198506150044"]
    remarks = ["已还款", "身份证 370291199001011235", "卡 4111 1111 1111 1111，电 13800138000"]
    sent = stream(
        pa.table({"id_no": ids, "remark": remarks, "n": [110105491231002, 13800138000, 123456789012345678]})
    )
    scanned = decode_answer(decode_reply(served(spooled(tmp_path, sent))))
    assert isinstance(scanned, Taken)
    assert [(one.column, one.element, one.texts) for one in scanned.held] == [
        ("id_no", "citizen_number", 0), ("id_no", "uscc", 0),
        ("remark", "bank_card", 1), ("remark", "citizen_number", 1), ("remark", "mobile", 1),
        ("n", "citizen_number", 1),
    ]  # fmt: skip
    error = decode_answer(decode_reply(served(spooled(tmp_path, b"junk"))))
    assert isinstance(error, UploadRefused)
    assert error.code == "LVR-4001"


FORGE: list[Callable[[dict[str, Any]], None]] = [
    lambda answer: answer.update(digest="../../etc/passwd"),
    lambda answer: answer.update(columns=[["a b", "text", True, False, 1, ""]]),
    lambda answer: answer.update(columns=5),
    lambda answer: answer.pop("rows"),
    lambda answer: answer.update(held=[["b", "uscc", 1]]),
    lambda answer: answer.update(held=[["a", "370291199001011235", 1]]),
    lambda answer: answer.update(held=[["a", "uscc", -1]]),
]


@pytest.mark.parametrize("forge", FORGE)
def test_an_answer_that_is_not_of_its_form_is_not_believed(forge: Callable[[dict[str, Any]], None]) -> None:
    answer: dict[str, Any] = {
        "digest": "0" * 64,
        "rows": 1,
        "bytes": 1,
        "columns": [["a", "text", True, False, 1, ""]],
        "held": [["a", "uscc", 1]],
    }
    decode_answer(json.dumps(answer).encode())
    forge(answer)
    with pytest.raises(ValueError, match="not an answer"):
        decode_answer(json.dumps(answer).encode())


def test_a_refusal_speaks_two_languages_and_says_what_would_help() -> None:
    for code, make in UPLOAD_REFUSALS.items():
        error = make({"column": "a", "number": "1", "what": "rows", "limit": "10", "type": "struct"})
        assert error.code == code
        assert error.message
        assert error.message_zh
        assert error.hint
        assert error.hint_zh
