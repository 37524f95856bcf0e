"""Uploads that are cut off: what has come is there for its sender, for a while, and for nobody else."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver.errors import Refused
from louver.sending import Outgoing
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.uploads import partial
from louver_sandbox.uploads.own_tables import OwnTables
from louver_sandbox.uploads.partial import KEPT_S, MOST, Partials

ONE, TWO = "1" * 32, "2" * 32


class Clock:
    """A monotonic clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def partials(tmp_path: Path, clock: Clock) -> Partials:
    return Partials(tmp_path, clock)


def put(partials: Partials, institution: str, upload: str, offset: int, content: bytes) -> None:
    """Bytes that come in a call that is cut off afterwards."""
    with partials.going_on(institution, upload, offset) as part:
        with part.file.open("ab") as file:
            file.write(content)
        part.add(content)


def test_what_has_come_is_told_and_gone_on_with(partials: Partials, tmp_path: Path) -> None:
    put(partials, "bank_a", ONE, 0, b"abc")
    found = partials.received("bank_a", ONE)
    assert (found.size, found.sha256) == (3, hashlib.sha256(b"abc").digest())
    put(partials, "bank_a", ONE, 3, b"def")
    assert partials.received("bank_a", ONE).sha256 == hashlib.sha256(b"abcdef").digest()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"abcdef"]
    partials.done("bank_a", ONE)
    assert partials.received("bank_a", ONE).size == 0
    assert list(tmp_path.iterdir()) == []


def test_another_institution_finds_nothing_and_changes_nothing(partials: Partials) -> None:
    put(partials, "bank_a", ONE, 0, b"abc")
    assert partials.received("bank_b", ONE) == partials.received("bank_b", TWO)
    with pytest.raises(Refused, match="LVR-5311"), partials.going_on("bank_b", ONE, 3):
        pass
    put(partials, "bank_b", ONE, 0, b"other")
    partials.done("bank_b", ONE)
    assert partials.received("bank_a", ONE).size == 3


@pytest.mark.parametrize("offset", [1, 2, 4, 2**63])
def test_an_upload_goes_on_where_it_was_cut_and_nowhere_else(partials: Partials, offset: int) -> None:
    put(partials, "bank_a", ONE, 0, b"abc")
    with pytest.raises(Refused, match="LVR-5311"), partials.going_on("bank_a", ONE, offset):
        pass
    with pytest.raises(Refused, match="LVR-5311"), partials.going_on("bank_a", TWO, offset):
        pass
    assert partials.received("bank_a", ONE).size == 3


@pytest.mark.parametrize("upload", ["1" * 31, "1" * 33, "G" * 32, "A" * 32, "../" * 11, "1" * 32 + "\n", "\0" * 32])
def test_an_id_that_is_none_reaches_no_file(partials: Partials, upload: str) -> None:
    with pytest.raises(Refused, match="LVR-5314"):
        partials.received("bank_a", upload)
    with pytest.raises(Refused, match="LVR-5314"), partials.going_on("bank_a", upload, 0):
        pass


def test_what_is_old_or_too_much_goes(partials: Partials, clock: Clock, tmp_path: Path) -> None:
    for number in range(MOST + 2):
        clock.now += 1
        put(partials, "bank_a", f"{number:032x}", 0, b"abc")
    put(partials, "bank_b", ONE, 0, b"abc")
    assert len(list(tmp_path.iterdir())) == MOST + 1
    assert [partials.received("bank_a", f"{number:032x}").size for number in range(3)] == [0, 0, 3]
    clock.now += KEPT_S + 2
    assert partials.received("bank_b", ONE).size == 0
    assert list(tmp_path.iterdir()) == []


def fill(partials: Partials, institution: str, upload: str, size: int) -> None:
    """As an upload writes: room is made for each piece before it comes."""
    with partials.going_on(institution, upload, 0) as part:
        partials.make_room(part, size)
        part.file.write_bytes(bytes(size))
        part.add(bytes(size))


def held(partials: Partials, *of: tuple[str, str]) -> list[int]:
    return [partials.received(institution, upload).size for institution, upload in of]


def test_what_was_cut_off_goes_in_time_though_nobody_asks(partials: Partials, clock: Clock, tmp_path: Path) -> None:
    put(partials, "bank_a", ONE, 0, b"abc")
    clock.now += KEPT_S - 1
    partials.sweep()
    assert len(list(tmp_path.iterdir())) == 1
    with partials.going_on("bank_b", ONE, 0) as busy:
        busy.file.touch()
        clock.now += 2
        partials.sweep()
        assert list(tmp_path.iterdir()) == [busy.file], "a call holds it"


def test_all_institutions_together_have_so_many_bytes(tmp_path: Path, clock: Clock) -> None:
    """The greedy one loses its own uploads, the oldest first, and the others keep theirs."""
    partials = Partials(tmp_path, clock, most_bytes=100)
    for institution, upload, size in (("bank_b", ONE, 20), ("bank_a", ONE, 30), ("bank_a", TWO, 30)):
        clock.now += 1
        fill(partials, institution, upload, size)
    clock.now += 1
    fill(partials, "bank_a", "3" * 32, 30)
    uploads = (("bank_b", ONE), ("bank_a", ONE), ("bank_a", TWO), ("bank_a", "3" * 32))
    assert held(partials, *uploads) == [20, 0, 30, 30]
    fill(partials, "bank_c", ONE, 50)
    assert held(partials, *uploads, ("bank_c", ONE)) == [20, 0, 0, 30, 50]
    # Nobody has more than bank_d would have.
    with pytest.raises(Refused, match="LVR-3101"):
        fill(partials, "bank_d", ONE, 60)
    partials.done("bank_d", ONE)
    assert held(partials, *uploads, ("bank_c", ONE)) == [20, 0, 0, 30, 50]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 100


def test_what_comes_in_now_is_never_taken_away_and_counts(tmp_path: Path, clock: Clock) -> None:
    partials = Partials(tmp_path, clock, most_bytes=100)
    with partials.going_on("bank_a", ONE, 0) as first, partials.whole("bank_b") as second:
        partials.make_room(first, 60)  # before it is written, so that two at once cannot both have the room
        with pytest.raises(Refused, match="LVR-3101"):
            partials.make_room(second, 41)
        partials.make_room(second, 40)
        second.add(bytes(40))
        first.add(bytes(60))
        with pytest.raises(Refused, match="LVR-3101"):
            partials.make_room(first, 1)
    with partials.whole("bank_b") as third:
        partials.make_room(third, 40)  # what has no id is gone with its call


def test_all_institutions_together_have_so_many_uploads(tmp_path: Path, clock: Clock) -> None:
    partials = Partials(tmp_path, clock, most=3)
    for number, institution in enumerate(("bank_a", "bank_a", "bank_b", "bank_c")):
        clock.now += 1
        fill(partials, institution, f"{number:032x}", 1)
    uploads = [(institution, f"{n:032x}") for n, institution in enumerate(("bank_a", "bank_a", "bank_b", "bank_c"))]
    assert held(partials, *uploads) == [0, 1, 1, 1]
    with partials.whole("bank_a"), pytest.raises(Refused, match="LVR-3101"), partials.whole("bank_d"):
        pass
    assert held(partials, *uploads) == [0, 0, 1, 1]


def test_two_calls_do_not_write_one_upload(partials: Partials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "WAITED_S", 0.05)
    with (
        partials.going_on("bank_a", ONE, 0),
        pytest.raises(Refused, match="LVR-3101"),
        partials.going_on("bank_a", ONE, 0),
    ):
        pass
    # One that ends meanwhile is waited for.
    monkeypatch.setattr(partial, "WAITED_S", 30)
    begun, told = threading.Event(), threading.Event()

    def first() -> None:
        with partials.going_on("bank_a", ONE, 0) as part:
            begun.set()
            told.wait(30)
            part.add(b"xy")

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait(30)
    told.set()
    with partials.going_on("bank_a", ONE, 2) as part:
        assert part.size == 2
    thread.join()


def test_who_asks_how_much_has_come_waits_for_nobody(partials: Partials, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits is one that nobody else has: only who sends may wait for a call that was cut off."""
    waits: list[float | None] = []

    class Noting(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return super().wait(timeout)

    monkeypatch.setattr(partials, "_changing", Noting())
    with partials.going_on("bank_a", ONE, 0), pytest.raises(Refused, match="LVR-3101"):
        partials.received("bank_a", ONE)
    assert all(timeout is not None and timeout <= 0 for timeout in waits)


class CutOff(Exception):
    """The connection is gone."""


class Coming:
    """An upload with an id as it comes; `cut` ends the connection behind its bytes."""

    upload = ONE

    def __init__(self, content: bytes, *, cut: bool = False) -> None:
        self.offset = 0
        self.sha256: bytes | None = None
        self._content, self._cut = content, cut

    def __iter__(self) -> Iterator[bytes]:
        if self._content:
            yield self._content
        if self._cut:
            raise CutOff
        self.sha256 = hashlib.sha256(self._content).digest()


def test_what_was_cut_off_before_its_first_byte_goes_on(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.spool.mkdir()
    settings.uploads.mkdir()
    with State.open(settings.state) as state, OwnTables(settings, state, utc_now, lambda *_, **__: None) as own:
        for _ in range(2):
            with pytest.raises(CutOff), own._spooled("bank_a", Coming(b"", cut=True)):
                pass
        with own._spooled("bank_a", Coming(b"abc")) as file:
            assert file.read_bytes() == b"abc"
        assert list(settings.spool.glob("*/[!.]*")) == []


# the client's side


def made(content: io.BytesIO, parts: list[bytes]) -> Iterator[None]:
    for part in parts:
        content.write(part)
        yield


def sent(messages: Iterator[pb.UploadTableRequest]) -> tuple[pb.UploadHeader, bytes, bytes]:
    """The header of a call, what it carries, and the digest at its end."""
    header, *rest, end = messages
    return header.header, b"".join(one.arrow for one in rest), end.end.sha256


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 300))
def test_whatever_place_a_call_begins_at_the_whole_is_the_same(parts: list[bytes], place: int) -> None:
    whole = b"".join(parts)
    content = io.BytesIO()
    with Outgoing(content, made(content, parts), len) as outgoing:  # type: ignore[arg-type]  # no total is needed
        outgoing._total = None
        first = outgoing.messages("loans", replace=False)
        next(first)
        half = b"".join(one.arrow for _, one in zip(range(2), first, strict=False))
        received = min(place, len(half))
        offset = outgoing.goes_on(received, hashlib.sha256(whole[:received]).digest())
        assert offset == received
        header, rest, digest = sent(outgoing.messages("loans", replace=False, offset=offset))
        assert whole[:offset] + rest == whole
        assert digest == hashlib.sha256(whole).digest()
        assert (header.upload_id, header.offset) == (outgoing.upload_id, offset)
        assert list(first) == [], "the call before has no more to say"


def test_what_the_service_has_otherwise_is_left_and_sent_anew() -> None:
    with Outgoing(io.BytesIO(b"abcdef")) as outgoing:
        first = outgoing.upload_id
        assert outgoing.goes_on(3, hashlib.sha256(b"abx").digest()) == 0
        assert outgoing.upload_id != first
        second = outgoing.upload_id
        assert outgoing.goes_on(7, hashlib.sha256(b"abcdefg").digest()) == 0
        assert outgoing.upload_id != second
        assert outgoing.begins_anew() == 0
