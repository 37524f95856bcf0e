"""Disputes and corrections: clocks in working days, notices to whoever was told, nothing to whoever was not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import insert, select
from tests.support.line import NOON, Line, line
from tests.support.policy_questions import city_catalog, table_name
from tests.support.restored import copied, restored

from louver.errors import Refused
from louver_sandbox import corrections, disputes, inquiries, journal, reports_kept
from louver_sandbox.catalog.model import Source, SourceKind, UnitType
from louver_sandbox.corrections import Change, Corrections, Kind
from louver_sandbox.disputes import Dispute, Disputes, Filing, Outcome
from louver_sandbox.lookups import LookupRules, LookupSource
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.repairs import repairs
from louver_sandbox.retention import pruning
from louver_sandbox.store import State, schema

FIRM, OTHER, NOBODY = "91370299MA3TEST012", "91370299MA3TEST020", "91370299MA3NOBODY1"
TABLE = "gov.pen_penalty"
SAID = Filing(TABLE, "已缴清罚款", "ab" * 32)


@dataclass
class Office:
    """The books of a small installation, with what subjects may demand, and a clock that can be put forward."""

    line: Line
    corrections: Corrections
    disputes: Disputes
    now: datetime

    def asked(
        self, institution: str, request: str, subject: str = FIRM, *, covered: bool = True, rows: int = 1
    ) -> None:
        """A lookup as the line leaves it behind: its admission's inquiry, and an outcome of so many rows."""
        rules = LookupRules(
            template="penalties@1",
            unit=UnitType.ENTERPRISE,
            subject=subject,
            authorisation="a1",
            columns={TABLE: frozenset({"dept"})},
            sensitive=False,
            restricted=False,
            fields=(),
            most_rows=1,
            sources=(LookupSource(TABLE, "市发改委", date(2026, 6, 30)),),
        )
        with self.line.books.state.transaction() as tx:
            body = {"institution": institution, "request_id": request}
            admission = self.line.books.log.append(tx, {**body, "kind": "admission"}).index
            inquiries.note(tx, rules, (institution, request, "POST_LOAN"), admission, self.now, covered=covered)
            self.line.books.log.append(tx, {**body, "kind": "outcome", "rows": rows if covered else 0})

    def dispute(self, identity: str) -> Dispute:
        with self.line.books.state.reading() as tx:
            found = disputes.find(tx, identity)
        assert found is not None
        return found

    def seen(self, identity: str) -> tuple[str, str]:
        return self.dispute(identity).seen(self.now.date())


def kept_answer(request: str, outcome: int) -> dict[str, object]:
    """An answer of bank A's that is kept for retries."""
    digests = {"request_digest": "0" * 64, "question_digest": request * 32}
    return {
        "institution": "bank_a", "request_id": request, **digests, "released": b"rows", "outcome_index": outcome,
        "created": "2026-07-01T00:00:00Z",
    }  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with line(tmp_path) as made:
        ids = map(str, count(1))
        append = partial(journal.appended, made.books)
        holder: list[Office] = []
        clock = lambda: holder[0].now  # noqa: E731 - the office is made of it
        corrected = Corrections(made.books.state, clock, append, lambda: next(ids))
        disputed = Disputes(made.books.state, clock, append, lambda: next(ids), corrected)
        holder.append(Office(made, corrected, disputed, NOON))
        yield holder[0]


def repaired(effective: date = date(2026, 6, 20), subject: str = FIRM) -> Change:
    return Change(UnitType.ENTERPRISE, subject, TABLE, Kind.REPAIRED, effective)


def test_a_repair_is_told_to_whoever_was_told_of_the_record_and_to_nobody_else(office: Office) -> None:
    office.asked("bank_a", "r1")
    office.asked("bank_a", "r2")
    office.asked("bank_b", "r3", covered=False)
    office.asked("bank_c", "r4", rows=0)
    office.asked("bank_d", "r5", OTHER)
    made, told = office.corrections.record(repaired())
    assert told == 1
    (notice,) = office.corrections.fetch("bank_a", 10)
    assert (notice.requests, notice.delivered_at) == (("r1", "r2"), None)
    assert notice.correction == made
    assert all(office.corrections.fetch(bank, 10) == () for bank in ("bank_b", "bank_c", "bank_d"))
    (again,) = office.corrections.fetch("bank_a", 10)
    assert again.delivered_at == NOON


def test_a_repair_reaches_who_was_told_before_the_log_was_pruned(office: Office) -> None:
    office.asked("bank_a", "r1")
    books = office.line.books
    with books.state.transaction() as tx:
        books.log.append(tx, {"kind": "admission", "institution": "bank_b", "request_id": "r2"})
        books.log.append(tx, {"kind": "outcome", "institution": "bank_b", "request_id": "r2", "rows": 1})
    later = journal.moment(books.log.entry(0)) + timedelta(days=400)
    before = pruning.limits({"admission": 200, "outcome": 200}, later)
    found = pruning.by_age(books, before, execute=True)
    assert found.pruned == {"admission": 1, "outcome": 1}, "bank_b's is the newest admission"
    _, told = office.corrections.record(repaired())
    assert told == 1
    (notice,) = office.corrections.fetch("bank_a", 10)
    assert notice.requests == ("r1",)


def test_an_answer_that_pruning_erased_is_erased_again_where_an_older_copy_is_restored(
    office: Office, tmp_path: Path
) -> None:
    """The outcome stays, since the subject may ask what was told; the answer that was kept for retries does not."""
    office.asked("bank_a", "r1")
    office.asked("bank_a", "r2")
    books = office.line.books
    with books.state.transaction() as tx:
        for request, outcome in (("r1", 1), ("r2", 3)):
            tx.execute(insert(schema.answers).values(kept_answer(request, outcome)))
    copy = copied(books, tmp_path / "before.db")
    later = journal.moment(books.log.entry(0)) + timedelta(days=400)
    books.log._clock = lambda: later
    before = pruning.limits({"admission": 200, "outcome": 200}, later)
    found = pruning.by_age(books, before, execute=True)
    (said,) = books.log.latest(kinds=("answers_erased",))
    assert list(said.fields["outcomes"]) == [1, 3]  # type: ignore[call-overload]
    assert "outcome" not in found.pruned
    pruning.by_age(books, before, execute=True)
    assert len(books.log.latest(kinds=("answers_erased",))) == 1, "said once"
    with State.open(copy) as back, back.reading() as tx:
        assert len(tx.execute(select(schema.answers)).all()) == 2
    with restored(books, copy) as back, back.reading() as tx:
        assert tx.execute(select(schema.answers)).all() == []


def test_the_five_working_days_of_a_correction_leave_out_a_long_holiday(office: Office) -> None:
    office.now = datetime(2025, 9, 30, 4, tzinfo=UTC)  # before eight free days, of which one weekend is worked
    made, _ = office.corrections.record(repaired())
    assert (made.received, made.due, made.settled) == (date(2025, 9, 30), date(2025, 10, 14), True)


def test_a_correction_comes_once_and_is_logged_without_naming_the_subject(office: Office) -> None:
    office.asked("bank_a", "r1")
    first, told = office.corrections.record(repaired())
    assert office.corrections.record(repaired()) == (first, told)
    entry = office.line.books.log.entry(first.entry)
    assert entry.fields["notified"] == ["bank_a"]
    assert FIRM.encode() not in entry.body


def test_the_sections_of_a_report_are_one_request_and_count_only_if_the_report_told(office: Office) -> None:
    for place in range(2):
        office.asked("bank_a", f"11111111-1111-4111-8111-111111111111#{place}")
        office.asked("bank_b", f"22222222-2222-4222-8222-222222222222#{place}")
    with office.line.books.state.transaction() as tx:
        said = reports_kept.Kept("bank_a", "11111111-1111-4111-8111-111111111111", "d", "a1", True, True, b"{}", 1)
        reports_kept.keep(tx, said)
        silent = replace(said, institution="bank_b", request_id="22222222-2222-4222-8222-222222222222", told=False)
        reports_kept.keep(tx, silent)
    office.corrections.record(repaired())
    (notice,) = office.corrections.fetch("bank_a", 10)
    assert notice.requests == ("11111111-1111-4111-8111-111111111111",)
    assert office.corrections.fetch("bank_b", 10) == ()


def test_a_dispute_is_answered_within_ten_working_days_and_corrects_what_was_told(office: Office) -> None:
    office.asked("bank_a", "r1")
    office.asked("bank_b", "r9")
    taken = office.disputes.pass_on("bank_a", "r1", SAID)
    assert (taken.received, taken.due) == (date(2026, 7, 1), date(2026, 7, 15))
    assert office.disputes.pass_on("bank_a", "r1", SAID) == taken, "it waits already"
    assert office.seen(taken.id) == ("open", "")
    office.disputes.answer(taken.id, Outcome.CORRECTED, "处罚已撤销")
    assert office.seen(taken.id) == ("answered", "corrected")
    for bank in ("bank_a", "bank_b"):
        (notice,) = office.corrections.fetch(bank, 10)
        assert notice.correction.change.kind is Kind.CORRECTED
    with pytest.raises(Refused) as twice:
        office.disputes.answer(taken.id, Outcome.STANDS, "")
    assert twice.value.code == "LVR-5126"


def test_what_stands_or_is_taken_back_corrects_nothing(office: Office) -> None:
    office.asked("bank_a", "r1")
    for outcome in (Outcome.STANDS, Outcome.TAKEN_BACK):
        taken = office.disputes.pass_on("bank_a", "r1", SAID)
        assert office.disputes.answer(taken.id, outcome, "").correction is None
        assert office.seen(taken.id) == ("answered", outcome.value)
    assert office.corrections.fetch("bank_a", 10) == ()


def test_a_late_answer_is_logged_as_one(office: Office) -> None:
    taken = office.disputes.take(UnitType.ENTERPRISE, FIRM, SAID)
    office.now += timedelta(days=20)
    office.disputes.answer(taken.id, Outcome.STANDS, "")
    (entry,) = office.line.books.log.entries(kind="dispute_answered")
    assert entry.fields["late"] is True


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nobody_learns_by_disputing_whether_a_subject_exists(office: Office, outcome: Outcome) -> None:
    """A bank guesses numbers, asks, is told nothing, and disputes: a firm that exists and one that does not are the
    same to it whatever is done with its dispute, and whenever."""
    office.asked("bank_a", "r1", FIRM, covered=False)
    office.asked("bank_a", "r2", NOBODY, covered=False)
    office.asked("bank_a", "r3", NOBODY, rows=0)
    there, gone, empty = (office.disputes.pass_on("bank_a", request, SAID) for request in ("r1", "r2", "r3"))
    seen = []
    for day in range(20):
        if day == 3:
            office.disputes.answer(there.id, outcome, "")
            # Passed on once more, the answered one is still the one that waits.
            assert office.disputes.pass_on("bank_a", "r1", SAID).id == there.id
        seen.append([office.seen(one.id) for one in (there, gone, empty)])
        office.now += timedelta(days=1)
    assert all(one == two == three for one, two, three in seen)
    assert seen[0][0] == ("open", "")
    assert seen[-1][0] == ("answered", "")
    assert office.corrections.fetch("bank_a", 10) == ()


def refused(office: Office, institution: str, request: str, filing: Filing) -> str:
    with pytest.raises(Refused) as found:
        office.disputes.pass_on(institution, request, filing)
    assert FIRM not in str(found.value)
    assert found.value.message_zh
    return found.value.code


def test_another_banks_lookup_is_no_lookup(office: Office) -> None:
    office.asked("bank_a", "r1")
    assert refused(office, "bank_b", "r1", SAID) == "LVR-5121"
    assert refused(office, "bank_b", "never", SAID) == "LVR-5121"
    assert refused(office, "bank_a", "r", SAID) == "LVR-5121", "no prefix of an id is one"


@pytest.mark.parametrize(
    ("filing", "code"),
    [
        (replace(SAID, table="gov.pen_penalty; DROP"), "LVR-5122"),
        (replace(SAID, statement=" "), "LVR-5122"),
        (replace(SAID, statement="长" * 2001), "LVR-5122"),
        (replace(SAID, evidence_sha256="AB" * 32), "LVR-5122"),
        (replace(SAID, table="gov.tax_quarter"), "LVR-5123"),
    ],
)
def test_what_is_no_dispute_is_refused(office: Office, filing: Filing, code: str) -> None:
    office.asked("bank_a", "r1")
    assert refused(office, "bank_a", "r1", filing) == code


def test_so_many_wait_and_no_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disputes, "MOST_OPEN", 2)
    for number in range(3):
        office.asked("bank_a", f"r{number}")
    office.disputes.pass_on("bank_a", "r0", SAID)
    office.disputes.pass_on("bank_a", "r1", SAID)
    assert refused(office, "bank_a", "r2", SAID) == "LVR-5124"
    office.asked("bank_b", "b0")
    office.disputes.pass_on("bank_b", "b0", SAID)


def test_a_dispute_that_nobody_knows_is_not_answered(office: Office) -> None:
    with pytest.raises(Refused) as found:
        office.disputes.answer("none", Outcome.STANDS, "")
    assert found.value.code == "LVR-5125"


def test_what_waits_is_listed_by_when_it_is_due(office: Office) -> None:
    office.asked("bank_a", "r1")
    late = office.disputes.pass_on("bank_a", "r1", SAID)
    office.now += timedelta(days=1)
    later = office.disputes.take(UnitType.ENTERPRISE, OTHER, SAID)
    office.corrections.record(repaired())
    with office.line.books.state.reading() as tx:
        assert [one.id for one in disputes.waiting(tx)] == [late.id, later.id]
        assert [one.institution for one in corrections.waiting(tx)] == ["bank_a"]


def test_only_who_was_told_from_older_data_hears_of_a_repair_that_was_found(office: Office) -> None:
    office.asked("bank_a", "r1")  # from data as of 30 June
    late, early = date(2026, 7, 5), date(2026, 6, 29)
    _, told = office.corrections.record(repaired(early), read_until=early)
    assert told == 0, "data of the thirtieth had it"
    _, told = office.corrections.record(repaired(late), read_until=late)
    assert told == 1


def test_repairs_are_found_by_subject_and_day(tmp_path: Path) -> None:
    data = tmp_path / "penalties.parquet"
    with duckdb.connect() as engine:
        engine.execute(
            "COPY (FROM (VALUES ('E', $firm, DATE '2026-07-02'), ('E', $firm, DATE '2026-06-01'), "
            "('E', $firm, NULL), ('P', $firm, DATE '2026-07-03'), ('E', $other, DATE '2026-07-04')) "
            f"t(subject_class, subject_id, repaired_on)) TO '{data}' (FORMAT parquet)",
            {"firm": FIRM, "other": OTHER},
        )
    plain = city_catalog().tables[table_name(TABLE)]
    columns = tuple(plain.column(name) for name in ("subject_class", "subject_id", "repaired_on"))
    source = Source(SourceKind.PARQUET, str(data))
    table = replace(plain, source=source, columns=tuple(column for column in columns if column is not None))
    firms = next(unit for unit in table.units if unit.type is UnitType.ENTERPRISE)
    found = repairs(table, firms, {FIRM: date(2026, 6, 30), NOBODY: date(2026, 1, 1)}, connect, predicate_sql)
    assert list(found) == [(FIRM, date(2026, 7, 2))]
    assert list(repairs(replace(table, repaired=None), firms, {FIRM: date.min}, connect, predicate_sql)) == []


def test_the_subjects_of_whom_a_table_was_read_are_known_with_the_oldest_day(office: Office) -> None:
    office.asked("bank_a", "r1")
    office.asked("bank_b", "r2", OTHER, covered=False)
    with office.line.books.state.reading() as tx:
        assert inquiries.read_of(tx, UnitType.ENTERPRISE, TABLE) == {FIRM: date(2026, 6, 30)}
        assert inquiries.read_of(tx, UnitType.ENTERPRISE, "gov.tax_quarter") == {}
        assert inquiries.read_of(tx, UnitType.PERSON, TABLE) == {}
