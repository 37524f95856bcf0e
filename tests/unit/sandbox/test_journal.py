"""What the line writes into the log: digests, commitments and links, never a text or a value."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.line import FORBIDDEN, NARROWED, Line, ask, call, line

from louver.errors import Refused
from louver.quality import of_receipt
from louver.receipt import Receipt
from louver_sandbox import journal
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.auditing.replay import question_of
from louver_sandbox.private_core import WantedAccuracy, Wish
from louver_sandbox.refusals import capacity
from louver_sandbox.store import qualities

SECRET = "370202197805214321"

values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
)
named = st.dictionaries(st.sampled_from(["a", "b", "c"]), values)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def bodies(bank: Line) -> bytes:
    """Everything the log itself holds."""
    return b"".join(entry.body for entry in bank.books.log.entries(limit=1000))


def test_no_sql_and_no_parameter_stands_in_an_entry(bank: Line) -> None:
    request = ask(NARROWED, parameters={"section": SECRET})
    bank.pipeline.answer(request, call())
    bank.pipeline.explain(request)
    with pytest.raises(Refused):
        bank.pipeline.answer(ask(f"{FORBIDDEN} WHERE section = '{SECRET}'", "request-2"), call())
    assert bank.kinds() == ["admission", "outcome", "explain", "refusal"]
    assert SECRET.encode() not in bodies(bank)
    assert b"SELECT" not in bodies(bank)


def test_an_outcome_names_its_admission_and_repeats_its_commitments(bank: Line) -> None:
    receipted = bank.pipeline.answer(ask(), call())
    admission, outcome = bank.books.log.entries()
    assert outcome.fields["admission"] == admission.index
    assert outcome.commitments == admission.commitments
    assert outcome.fields["result_digest"] == hashlib.sha256(receipted.answer.arrow).hexdigest()
    assert outcome.fields["remainder_digest"] == hashlib.sha256(receipted.answer.remainder).hexdigest()
    assert outcome.fields["rows"] == 2


def test_withheld_cells_are_counted_in_the_log(bank: Line) -> None:
    receipted = bank.pipeline.answer(ask(), call())
    said = {f"{notice.code} {notice.rule}": notice.count for notice in receipted.answer.notices}
    assert said
    assert len(said) == len(receipted.answer.notices), "two rules of one code are two lines"
    assert bank.books.log.entry(1).fields["notices"] == said


def test_an_outcome_says_the_quality_of_the_snapshots_it_was_made_from(bank: Line) -> None:
    bank.pipeline.answer(ask(), call())
    admission, outcome = bank.books.log.entries()
    assert "quality" not in outcome.fields, "nobody has measured them"
    (table, snapshot), *_ = dict(admission.fields["snapshots"]).items()  # type: ignore[call-overload]
    told = {
        "within": 5,
        "as_of": "2026-06-30",
        "fresh_until": "2026-08-31",
        "dimensions": {"validity": ["A", 0, 800]},
    }
    with bank.books.state.transaction() as tx:
        data = qualities.Data(table, "v1")
        qualities.keep(tx, snapshot, data, told, outcome.index)
        qualities.keep(tx, snapshot, data, {**told, "within": 10}, outcome.index)  # the first stays
        assert qualities.share(tx, "another of the same data", data)
        assert qualities.find(tx, "another of the same data") == told
        assert not qualities.share(tx, "of other data", qualities.Data(table, "v2"))
    again = bank.pipeline.answer(replace(ask(), id="0193a1b2-0000-7000-8000-00000000f00d"), call())
    (entry,) = bank.books.log.entries(request_id="0193a1b2-0000-7000-8000-00000000f00d", kind="outcome")
    assert entry.fields["quality"] == {table: told}
    (read,) = of_receipt(Receipt.from_bytes(again.receipt))
    assert (read.table, read.within, read.dimensions[0].rows) == (table, 5, 800)


def test_a_refusal_is_logged_with_its_rule_and_never_its_message(bank: Line) -> None:
    refused = replace(capacity.overloaded("service", 1.0), rule="r", policy_version="p@1", message=f"about {SECRET}")
    journal.refuse(ask(), refused, bank.books)
    fields = bank.books.log.entry(0).fields
    assert (fields["kind"], fields["code"], fields["rule"], fields["policy"]) == ("refusal", "LVR-3101", "r", "p@1")
    assert SECRET.encode() not in bodies(bank)


def test_a_note_of_the_operator_is_an_entry_like_any_other(bank: Line) -> None:
    index = journal.note(bank.books, "snapshot", rows=3)
    entry = bank.books.log.entry(index)
    assert (entry.fields["kind"], entry.fields["rows"]) == ("snapshot", 3)
    assert journal.moment(entry).tzinfo is not None
    assert verify_log(bank.books.state, bank.books.log.key).ok


@given(named, named)
def test_two_requests_are_the_same_exactly_when_their_parameters_are(
    one: dict[str, Value], two: dict[str, Value]
) -> None:
    same = {name: (type(value), str(value)) for name, value in one.items()} == {
        name: (type(value), str(value)) for name, value in two.items()
    }
    assert (journal.request_digest(ask(parameters=one)) == journal.request_digest(ask(parameters=two))) == same


@pytest.mark.parametrize(
    ("one", "two"), [(1, "1"), (1, True), (Decimal(1), 1), (date(2026, 1, 1), "2026-01-01"), (1, Decimal("1.0"))]
)
def test_the_type_of_a_parameter_counts(one: Value, two: Value) -> None:
    assert journal.request_digest(ask(parameters={"x": one})) != journal.request_digest(ask(parameters={"x": two}))


def test_what_is_wanted_is_part_of_a_request_and_in_the_log_to_be_replayed(bank: Line) -> None:
    wishes = (Wish(Fraction(1, 2)), Wish(Fraction(1, 3)), Wish(accuracy=(WantedAccuracy("n", Fraction(5), among=9),)))
    requests = [replace(ask(request_id=f"r{n}"), wish=wish) for n, wish in enumerate(wishes)]
    assert len({journal.request_digest(request) for request in (ask(), *requests)}) == 4
    for request in requests:
        with pytest.raises(Refused, match="LVR-2373"):
            bank.pipeline.answer(request, call())
        (entry,) = bank.books.log.entries(limit=1000, request_id=request.id)
        found = question_of(entry, bank.books.log.open(entry.index), request.subject)
        assert found is not None
        assert found.wish == request.wish
    assert "wish" not in journal.common(ask(), "refusal")


def test_purpose_and_every_letter_of_the_sql_count_but_not_the_signature() -> None:
    request = ask()
    assert journal.request_digest(request) == journal.request_digest(replace(request, signature=b"another"))
    assert journal.request_digest(request) != journal.request_digest(replace(request, sql=request.sql.lower()))
    assert journal.request_digest(request) != journal.request_digest(replace(request, purpose="MODEL_BUILD"))
    assert journal.request_digest(request) != journal.request_digest(replace(request, dialect="postgres"))
