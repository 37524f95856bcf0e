"""Rows told by chance, and uploads that are cut off, through the real service (CRYPTO 5.1, ADR 52 and 53)."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.e2e.conftest import raw_stub
from tests.e2e.test_encrypted_columns_end_to_end import bad_by_grade, loans_of
from tests.support.installation import Service, copy_of, eventually, service, with_limits
from tests.support.sealed import real_key

import louver
from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import activate, development_keys
from louver_sandbox.premises import utc_now
from louver_sandbox.uploads.partial import FOLDER

TERMS = "{encrypted: {protection: strict, labels: 2, error_percent: 1000}, "

OWED = """SELECT t.grade, count(*) AS loans, sum(l.defaulted) AS bad
FROM loans l JOIN gov.tax_credit t ON t.uscc = l.id_no AND t.rating_year = 2025 GROUP BY t.grade ORDER BY 1"""


@pytest.fixture(scope="module")
def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = copy_of(city, tmp_path_factory.mktemp("chance"))
    with_limits(own, randomisers=16)
    file = own.settings.home / "policies" / "taxation.yaml"
    file.write_text(file.read_text("utf-8").replace("{person: 10, ", TERMS + "person: 10, "), "utf-8")
    activate(own.settings, [own.settings.home / "policies"], development_keys(own.settings))
    with service(own) as running:
        yield running


@pytest.fixture(scope="module")
def bank(served: Service) -> Iterator[louver.Client]:
    key = real_key(3072)
    with served.connect("bank_a", purpose="MODEL_BUILD") as client:
        client.settings.key_ring.add(key, utc_now())
        client.register_key(key)
        client.upload("loans", loans_of(served.city).drop_columns(["balance"]), encrypted={"defaulted": 0})
        yield client


def test_what_is_told_by_chance_is_off_by_no_more_than_explain_says(served: Service, bank: louver.Client) -> None:
    told = bank.explain(OWED)
    assert told.refusal is None
    (predicted,) = [one for one in told.accuracy if one.column == "bad"]
    (notice,) = [one for one in told.notices if one.code == "ENCRYPTED_INPUT"]
    assert notice.rule == "strict"
    assert "e^1 for a subject" in notice.message
    assert "88.1 in 100" in notice.message
    answer = bank.analyse(OWED)
    assert notice in answer.notices
    assert [one.relative_error for one in answer.accuracy if one.column == "bad"] == [predicted.relative_error]
    truth = bad_by_grade(served.city)
    labels = 7  # five grades, no grade, and none of them
    mean = Decimal(sum(bad for _, bad in truth.values())) / labels
    assert predicted.relative_error is not None
    # What is predicted is for amounts as uneven as exposures; those who default are fewer than all.
    rows = sum(loans for loans, _ in truth.values())
    share = Decimal(sum(bad for _, bad in truth.values())) / rows
    error = Decimal(predicted.relative_error) * mean / share.sqrt()
    for grade, loans, bad in answer.rows:
        assert loans == truth[grade][0]
        # Eight standard deviations: a false alarm in 10^15.
        assert abs(bad - truth[grade][1]) < 8 * error
    assert any(bad != truth[grade][1] for grade, _, bad in answer.rows)
    # In other words it is the same draw, and costs nothing; the third way of grouping is refused, for any purpose.
    spelt = OWED.replace("t.rating_year = 2025", "NOT (t.rating_year <> 2025) AND t.rating_year IN (2025)")
    before = bank.explain(OWED).remaining
    assert {row[0]: row[2] for row in bank.analyse(spelt).rows} == {row[0]: row[2] for row in answer.rows}
    after = bank.explain(OWED).remaining
    (left,) = [name for name in after if name.endswith("chance lifetime")]
    assert after[left] == before[left] == 1000
    bank.analyse(OWED.replace("GROUP BY", "WHERE l.id_no > '' GROUP BY"))
    with pytest.raises(Refused, match="LVR-5310") as caught:
        bank.analyse(OWED.replace("GROUP BY", "WHERE l.id_no > '0' GROUP BY"))
    assert caught.value.message_zh
    assert bank.explain(OWED.replace("GROUP BY", "WHERE l.id_no > '0' GROUP BY")).refusal is not None


# uploads that are cut off


class Cutting:
    """A connection in between that is cut after so many bytes, the first time or times."""

    def __init__(self, address: str, after: list[int]) -> None:
        host, _, port = address.rpartition(":")
        self._target = (host.strip("[]"), int(port))
        self._after = after
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.cuts = 0
        self.passed = 0

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            most = self._after.pop(0) if self._after else None
            self._ends += [near, far]
            for source, target, limit in ((far, near, None), (near, far, most)):
                thread = threading.Thread(target=self._copy, args=(source, target, limit), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _copy(self, source: socket.socket, target: socket.socket, most: int | None) -> None:
        try:
            while part := source.recv(1 << 16):
                if most is not None:
                    most -= len(part)
                    if most < 0:
                        self.cuts += 1
                        break
                target.sendall(part)
                self.passed += len(part)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends what is still open; `run` has ended when this is called with nothing to accept."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (*self._ends, self._listening):
            end.close()


@contextmanager
def cutting(served: Service, *after: int) -> Iterator[Cutting]:
    made = Cutting(served.address, list(after))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(10)


def through(served: Service, between: Cutting) -> louver.Client:
    """The bank, over that connection."""
    return served.city.connect(between.address, "bank_a", "MODEL_BUILD", timeout=120.0)


def large(rows: int = 40_000) -> pa.Table:
    """A table of a few pieces that do not compress."""
    text = [hashlib.sha256(str(number).encode()).hexdigest() * 4 for number in range(rows)]
    return pa.table({"id": text})


def partial_files(served: Service) -> list[Path]:
    return [path for path in served.city.settings.spool.glob("*/*") if path.name.startswith(FOLDER)]


def test_an_upload_that_is_cut_off_twice_goes_on_where_it_was_cut(served: Service, bank: louver.Client) -> None:
    whole = bank.upload("whole", large())
    said: list[tuple[int, int]] = []
    # Three, since a client that is cut off looks once what is wrong with the connection.
    with cutting(served, 4_000_000, 3_000_000, 3_000_000) as between, through(served, between) as client:
        made = client.upload("resumed", large(), progress=lambda *done: said.append(done))
    assert between.cuts == 2
    assert (made.version, made.rows) == (whole.version, whole.rows)
    assert said[-1][0] == said[-1][1]
    # Bytes go on and do not begin again: seven more megabytes would have passed, and what was on its way is sent once more.
    assert between.passed < said[-1][1] + 5_000_000
    assert all(min(done for done, _ in said[place + 1 :]) > 1 << 20 for place in range(4, len(said) - 1))
    assert eventually(lambda: not partial_files(served))
    for name in ("whole", "resumed"):
        bank.drop(name)


def test_encrypted_columns_are_encrypted_once_however_often_they_are_cut(
    served: Service, bank: louver.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("louver.sealing.uploading.AT_ONCE", 300)
    found = loans_of(served.city).drop_columns(["balance"])
    loans = pa.concat_tables([found] * (1_500 // len(found) + 1)).slice(0, 1_500)
    heard: list[tuple[int, int]] = []
    with cutting(served, 600_000) as between, through(served, between) as client:
        made = client.upload(
            "resumed", loans, encrypted={"defaulted": 0}, encrypting=lambda *done: heard.append(done)
        )
    assert between.cuts == 1
    assert heard == sorted(set(heard)), "no number was encrypted twice"
    assert heard[-1] == (made.rows, made.rows)
    assert len(heard) >= 4, "batch by batch"
    section = "FROM resumed l JOIN gov.ent_registry r ON r.uscc = l.id_no"
    (row,) = bank.analyse(f"SELECT count(*) AS n, sum(l.defaulted) AS bad {section}").rows
    clear = bank.upload("clear", loans)
    assert bank.analyse(
        f"SELECT count(*) AS n, sum(l.defaulted) AS bad {section.replace('resumed', 'clear')}"
    ).rows == [row]
    for name in ("resumed", clear.name):
        bank.drop(name)


ID = "ab" * 16


def part(served: Service, institution: str, *messages: pb.UploadTableRequest) -> str:
    """The code that these messages get."""
    channel, stub = raw_stub(served, institution)
    with channel:
        call = stub.UploadTable.future(iter(messages), timeout=60)
        failed = call.exception()
        return "stored" if failed is None else str(call.details()).partition(":")[0]


def received(served: Service, institution: str, upload: str = ID) -> int:
    channel, stub = raw_stub(served, institution)
    with channel:
        return int(stub.GetUpload(pb.GetUploadRequest(upload_id=upload), timeout=60).received)


def header(upload: str = ID, offset: int = 0) -> pb.UploadTableRequest:
    return pb.UploadTableRequest(header=pb.UploadHeader(name="hostile", upload_id=upload, offset=offset))


def arrow(content: bytes) -> pb.UploadTableRequest:
    return pb.UploadTableRequest(arrow=content)


def end(content: bytes) -> pb.UploadTableRequest:
    return pb.UploadTableRequest(end=pb.UploadEnd(sha256=hashlib.sha256(content).digest()))


def test_hostile_resumes_store_nothing_and_touch_nobody_elses(served: Service, bank: louver.Client) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, (table := large(500)).schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    half = len(content) // 2
    # It ends without a digest: nothing is stored, and what has come is there for this bank alone.
    assert part(served, "bank_a", header(), arrow(content[:half])) == "LVR-5313"
    assert (received(served, "bank_a"), received(served, "bank_b")) == (half, 0)
    assert part(served, "bank_b", header(offset=half), arrow(content[half:]), end(content)) == "LVR-5311"
    for offset in (0, half - 1, half + 1):
        assert part(served, "bank_a", header(offset=offset), arrow(content[half:]), end(content)) == "LVR-5311"
    assert part(served, "bank_a", header("../../etc/passwd"), arrow(content), end(content)) == "LVR-5314"
    assert received(served, "bank_a") == half
    # Other bytes than those that were cut off: the whole digest is wrong, and nothing is kept.
    assert part(served, "bank_a", header(offset=half), arrow(content[half:-1] + b"x"), end(content)) == "LVR-5312"
    assert received(served, "bank_a") == 0
    assert partial_files(served) == []
    # A digest in the middle, a header in the middle, bytes behind the end.
    for odd in (
        (end(content), arrow(content)),
        (header(), end(content)),
        (arrow(content), end(content), arrow(b"x")),
    ):
        assert part(served, "bank_a", header(), *odd) in {"LVR-0105", "LVR-4001", "LVR-5312"}
        assert partial_files(served) == []
    assert "hostile" not in {table.name for table in bank.tables(own_only=True)}
    # A whole one in two calls is stored.
    assert part(served, "bank_a", header(), arrow(content[:half])) == "LVR-5313"
    assert part(served, "bank_a", header(offset=half), arrow(content[half:]), end(content)) == "stored"
    assert partial_files(served) == []
    bank.drop("hostile")
