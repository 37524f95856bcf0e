"""The log promises: an entry is in it when its transaction commits, and proofs of that are short and verify."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support import rfc6962
from tests.support.audit_logs import (
    KEY,
    MALLORY,
    ORIGIN,
    SIGNER,
    SQL,
    SettableClock,
    answer,
    behind_the_back,
    digest,
    open_log,
)

from louver.receipt import Receipt
from louver.transparency import VerifierKey
from louver_sandbox.audit import AuditLog, InvalidEntry, LogDamaged, UnknownEntry, export_log, verify_log
from louver_sandbox.audit.stored import size_of
from louver_sandbox.store import State, StoreUnavailable, schema

TRUSTED = VerifierKey.parse(KEY)


@pytest.fixture
def log(any_place: Path | str) -> Iterator[AuditLog]:
    with State.open(any_place) as state:
        yield open_log(state)


@pytest.fixture
def filed_log(tmp_path: Path) -> Iterator[AuditLog]:
    """A log in a file, where somebody meddles with it or looks into it."""
    with State.open(tmp_path / "state.db") as state:
        yield open_log(state)


def size(log: AuditLog) -> int:
    with log.state.reading() as tx:
        return size_of(tx)


def test_the_head_is_the_standards_root_at_every_size(log: AuditLog) -> None:
    bodies: list[bytes] = []
    for number in range(9):
        head = log.head().verify(TRUSTED)
        assert (head.origin, head.size, head.root) == (ORIGIN, len(bodies), rfc6962.mth(bodies))
        with log.state.transaction() as tx:
            bodies += [log.append(tx, {"kind": "test", "number": number}).body for _ in range(2)]


def test_an_empty_log_has_a_head_too(log: AuditLog) -> None:
    assert log.head().verify(TRUSTED).size == 0


def test_an_entry_is_in_the_log_when_its_transaction_commits_and_not_before(log: AuditLog) -> None:
    def given_up() -> None:
        with log.state.transaction() as tx:
            log.append(tx, {"kind": "test"}, {"sql": SQL})
            raise InterruptedError

    with pytest.raises(InterruptedError):
        given_up()
    assert size(log) == 0
    assert answer(log, 1).index == 1


def test_a_body_that_is_no_entry_leaves_no_trace(log: AuditLog) -> None:
    with log.state.transaction() as tx:
        with pytest.raises(InvalidEntry):
            log.append(tx, {"kind": "test", "v": 9}, {"sql": SQL})
        assert tx.execute(select(schema.openings)).all() == []
    assert size(log) == 0


def test_every_entry_has_a_receipt_under_every_later_head(log: AuditLog) -> None:
    for number in range(6):
        outcome = answer(log, number)
        for index in range(outcome.index + 1):
            receipt = Receipt.from_bytes(log.receipt(index).to_bytes())
            assert receipt.verify(KEY, sql=SQL).index == index
        receipt.verify(KEY, sql=SQL, result_digest=digest(number), request_id=f"request-{number}")


def test_any_signed_head_is_proved_to_extend_any_earlier_size(log: AuditLog) -> None:
    heads = [log.head().verify(TRUSTED)]
    for number in range(5):
        answer(log, number)
        heads.append(log.head().verify(TRUSTED))
    for position, old in enumerate(heads):
        for new in heads[position:]:
            assert log.consistency(old.size, new.size).verify(old, TRUSTED) == new
            assert log.extends(old)
    for old_size, new_size in ((11, 10), (-1, 10), (3, 7)):
        with pytest.raises(UnknownEntry):
            log.consistency(old_size, new_size)


def test_a_head_is_signed_once_per_size(log: AuditLog) -> None:
    answer(log, 1)
    assert log.head() == log.head() == log.signed(2)
    log.receipt(0)
    with log.state.reading() as tx:
        assert tx.execute(select(schema.heads.c.size)).scalars().all() == [2]


def test_a_head_covers_only_what_is_committed(log: AuditLog) -> None:
    answer(log, 1)
    with log.state.transaction() as tx:
        log.append(tx, {"kind": "test"})
        with pytest.raises(RuntimeError):
            log.receipt(2)
    assert log.head().claimed.size == 3


def test_entries_are_found_by_request_institution_and_kind_page_by_page(log: AuditLog) -> None:
    for number in range(4):
        answer(log, number, institution="bank-b" if number % 2 else "bank-a")
    assert [entry.index for entry in log.entries(2, 3)] == [2, 3, 4]
    assert [entry.index for entry in log.entries(institution="bank-b")] == [2, 3, 6, 7]
    assert [entry.index for entry in log.entries(kind="outcome", start=2)] == [3, 5, 7]
    assert [entry.index for entry in log.entries(request_id="request-2", institution="bank-a")] == [4, 5]
    assert log.entries(request_id="request-2", institution="bank-b") == ()
    assert log.entry(3) == log.entries(3, 1)[0]
    for missing in (-1, 8):
        with pytest.raises(UnknownEntry):
            log.entry(missing)
        with pytest.raises(UnknownEntry):
            log.receipt(missing)


def test_the_newest_entries_come_first_where_that_is_asked(log: AuditLog) -> None:
    for number in range(4):
        answer(log, number, institution="bank-b" if number % 2 else "bank-a")
    assert [entry.index for entry in log.latest(limit=3)] == [7, 6, 5]
    assert [entry.index for entry in log.latest(6, 2, institution="bank-a")] == [5, 4]
    assert [entry.index for entry in log.latest(kinds=("outcome", "aborted"))] == [7, 5, 3, 1]
    assert log.latest(0) == log.latest(kinds=("unknown",)) == ()


def test_private_texts_stay_out_of_the_entry_and_can_be_opened(log: AuditLog) -> None:
    outcome = answer(log, 1)
    assert SQL.encode() not in outcome.body
    assert {name: opening.text for name, opening in log.open(outcome.index).items()} == {"sql": SQL}
    assert SQL not in repr(log.open(outcome.index))


def test_equal_texts_have_unequal_commitments(log: AuditLog) -> None:
    assert answer(log, 1).commitments != answer(log, 2).commitments


def test_a_receipt_discloses_only_what_its_reader_wrote(log: AuditLog) -> None:
    with log.state.transaction() as tx:
        entry = log.append(tx, {"kind": "admission"}, {"sql": SQL, "row_filter": "district = 'x'"})
    assert log.receipt(entry.index).openings.keys() == {"sql"}
    assert log.receipt(entry.index, disclose=()).openings == {}


def test_erasing_forgets_the_text_everywhere_and_leaves_the_tree(filed_log: AuditLog) -> None:
    before, head = answer(filed_log, 1), filed_log.head().verify(TRUSTED)
    record = filed_log.erase(0, "sql")
    filed_log.state.scrub()
    assert record.fields["entry"] == 0
    assert filed_log.open(0) == filed_log.open(before.index) == {}
    assert filed_log.extends(head)
    assert filed_log.receipt(before.index).openings == {}
    filed_log.receipt(before.index).verify(KEY, result_digest=digest(1))
    for path in filed_log.state.location.parent.iterdir():
        assert b"pop_person" not in path.read_bytes()
    assert verify_log(filed_log.state, KEY).ok
    with pytest.raises(UnknownEntry):
        filed_log.erase(0, "sql")


def test_a_clock_set_back_does_not_disturb_the_order(log: AuditLog) -> None:
    clock = SettableClock()
    moved = AuditLog(log.state, SIGNER, ORIGIN, clock=clock, randomness=lambda size: b"x" * size)
    for hour in (5, 1, 9):
        clock.now = clock.now.replace(hour=hour)
        with log.state.transaction() as tx:
            moved.append(tx, {"kind": "test"})
    times = [str(entry.fields["time"]) for entry in log.entries()]
    assert times != sorted(times)
    assert verify_log(log.state, KEY).ok


def test_threads_share_heads_and_each_gets_its_own_receipt(log: AuditLog) -> None:
    failures: list[Exception] = []

    def work(offset: int) -> None:
        try:
            for number in range(offset, 24, 4):
                outcome = answer(log, number)
                log.receipt(outcome.index).verify(KEY, sql=SQL, result_digest=digest(number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert size(log) == 48
    assert verify_log(log.state, KEY).ok


def test_a_log_opens_only_under_its_own_key_and_name(log: AuditLog) -> None:
    answer(log, 1)
    log.head()
    with pytest.raises(LogDamaged, match="not one that this log signed"):
        open_log(log.state, MALLORY)
    with pytest.raises(ValueError, match="name"):
        open_log(log.state, origin="louver.example/other")


def test_no_head_is_handed_out_that_could_not_be_stored(log: AuditLog) -> None:
    answer(log, 1)
    log.state._failed = True
    with pytest.raises(StoreUnavailable):
        log.receipt(0)


def test_verification_recomputes_an_honest_log(log: AuditLog, tmp_path: Path) -> None:
    for number in range(20):
        answer(log, number)
        if number % 3 == 0:
            log.head()
    answer(log, 20)
    report = verify_log(log.state, KEY)
    assert (report.ok, report.size, report.covered, report.first) == (True, 42, 38, None)
    assert report.root == log.head().claimed.root
    export = tmp_path / "log.jsonl"
    export.write_bytes(b"".join(export_log(log.state, ORIGIN)))
    assert verify_log(export, KEY).covered == 42
    assert verify_log(export, KEY).root == report.root
    assert b"pop_person" not in export.read_bytes()


def test_an_empty_log_verifies(log: AuditLog) -> None:
    assert verify_log(log.state, KEY).ok


def test_a_damaged_log_signs_nothing_more(filed_log: AuditLog) -> None:
    answer(filed_log, 1)
    filed_log.head()
    with behind_the_back(filed_log.state.location) as connection:
        connection.execute("UPDATE nodes SET hash = zeroblob(32) WHERE id = 0")
        connection.execute("UPDATE nodes SET hash = zeroblob(32) WHERE id = 1 << 56")
    answer(filed_log, 2)
    with pytest.raises(LogDamaged, match="does not match the head"):
        filed_log.head()
