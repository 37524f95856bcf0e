"""A sealed answer: protected as ever, then encrypted before anything is stored or sent, and opened by the key's holder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from gmpy2 import mpz
from tests.support.line import FORBIDDEN, SECTIONS, Line, ask, call, firm_policies, line
from tests.support.relations import committed, firms, question
from tests.support.sealed import PlainSealer, small_key, whole_key

from louver import results
from louver.errors import Fault, Refused, Unproven
from louver.failures import Misused
from louver.sealing.ciphertexts import Owner
from louver.sealing.columns import METADATA, Mark, of_double, to_double
from louver_sandbox.algebra.types import INTEGER, TEXT, Kind, Type
from louver_sandbox.obligations import Seal, SealedColumns
from louver_sandbox.plan.plan import plan
from louver_sandbox.release.encode import encode
from louver_sandbox.release.seals import TooManySealed
from louver_sandbox.stages import Cell, OutputColumn, Receipted, Release, Treatment

KEY, OTHER = small_key(), small_key(2)
TOTALS = {"A": (30, 3435), "B": (8, 1068)}
"""The groups of `SECTIONS` that leave, as plain SQL computes them."""


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[Line]:
    """A line whose bank has registered a key, and whose policies leave sealing to whoever asks."""
    with line(tmp_path) as opened:
        opened.sealing_key, opened.sealer = KEY.kid, PlainSealer(KEY.public, OTHER.public)
        yield opened


def answer_of(receipted: Receipted, private: object = KEY) -> results.Answer:
    """The answer as the SDK gives it to whoever holds the private key."""
    answer = receipted.answer

    def find(kid: str) -> object:
        if private is None or kid != KEY.kid:
            raise Misused("no such key")
        return private

    return results.Answer("r", "threshold", answer.arrow, remainder_stream=answer.remainder, private=find)  # type: ignore[arg-type]  # a test may hand over a wrong key


def numbers(answer: results.Answer) -> dict[str, tuple[int, int]]:
    """The rows by section."""
    return {section: (n, int(total)) for section, n, total in answer.rows}


def test_who_asks_for_a_seal_gets_ciphertexts_and_opens_them_to_the_same_numbers(sealing: Line) -> None:
    plain = answer_of(sealing.pipeline.answer(ask(), call()))
    sealed = answer_of(sealing.pipeline.answer(ask(request_id="request-2", seal="paillier"), call()))
    assert numbers(plain) == numbers(sealed) == TOTALS
    assert sealed.columns == plain.columns
    assert plain.sealed is None
    assert sealed.sealed is not None
    assert (sealed.sealed.kid, sealed.sealed.columns) == (KEY.kid, ("n", "total"))
    opened = Owner(KEY).decrypt([mpz(each) for each in sealed.sealed.column("n") if each is not None])
    assert opened == [n for n, _ in TOTALS.values()]


def test_a_policy_may_ask_for_the_seal(sealing: Line) -> None:
    sealing.bundle = firm_policies(seal="paillier")
    assert answer_of(sealing.pipeline.answer(ask(), call())).sealed is not None


def test_every_library_reads_the_opened_answer(sealing: Line) -> None:
    answer = answer_of(sealing.pipeline.answer(ask(seal="paillier"), call()))
    assert answer.to_arrow().to_pydict() == {"section": ["A", "B"], "n": [30, 8], "total": [3435, 1068]}
    assert pa.RecordBatchReader.from_stream(answer).read_all().num_rows == 2
    assert list(answer.to_pandas()["n"]) == [30, 8]
    assert answer.to_polars()["n"].to_list() == [30, 8]


FACTOR = 1_000_006_000_009
RARE = f"SELECT section, sum(amount) * {FACTOR} AS total FROM gov.firm GROUP BY section"
PLANTED = [
    form(total * FACTOR)
    for _, total in TOTALS.values()
    for form in (lambda value: str(value).encode(), lambda value: value.to_bytes(8, "little"))
]
"""The sums of the answer as digits and as Arrow holds them: so large that no digest has them by chance."""


def traces(opened: Line, seal: str = "paillier") -> list[bytes]:
    """Which planted values stand in the store, its journals, the wire or the receipt once the question is answered."""
    receipted = opened.pipeline.answer(ask(RARE, seal=seal), call())
    kept = b"".join(path.read_bytes() for path in opened.path.parent.iterdir() if path.is_file())
    searched = kept + receipted.answer.arrow + receipted.answer.remainder + receipted.receipt
    return [value for value in PLANTED if value in searched or value.hex().encode() in searched]


def test_neither_store_nor_log_nor_wire_holds_a_number(sealing: Line) -> None:
    assert traces(sealing) == []


@pytest.mark.parametrize("how", ["not sealed", "a sealer that does not encrypt"])
def test_a_build_that_leaks_is_found(sealing: Line, how: str) -> None:
    sealing.sealer = PlainSealer(KEY.public, leak=True)
    assert traces(sealing, "" if how == "not sealed" else "paillier")


def test_the_same_question_gets_the_very_same_ciphertexts(sealing: Line) -> None:
    first = sealing.pipeline.answer(ask(seal="paillier"), call())
    again = sealing.pipeline.answer(ask(request_id="request-2", seal="paillier"), call())
    assert again.stored
    assert (again.answer.arrow, sealing.spent()) == (first.answer.arrow, 1)


def test_a_plain_answer_is_never_given_for_a_sealed_one(sealing: Line) -> None:
    plain = sealing.pipeline.answer(ask(), call())
    sealed = sealing.pipeline.answer(ask(request_id="request-2", seal="paillier"), call())
    assert not sealed.stored
    assert METADATA in sealed.answer.arrow
    assert METADATA not in plain.answer.arrow
    with pytest.raises(Refused, match="LVR-0106"):
        sealing.pipeline.answer(ask(seal="paillier"), call())


def test_after_a_rotation_the_answer_is_sealed_anew_to_the_new_key(sealing: Line) -> None:
    first = answer_of(sealing.pipeline.answer(ask(seal="paillier"), call()))
    sealing.sealing_key = OTHER.kid
    again = answer_of(sealing.pipeline.answer(ask(request_id="request-2", seal="paillier"), call()))
    assert first.sealed is not None
    assert again.sealed is not None
    assert (first.sealed.kid, again.sealed.kid) == (KEY.kid, OTHER.kid)


def test_the_log_says_to_which_key(sealing: Line) -> None:
    sealing.pipeline.answer(ask(seal="paillier"), call())
    admission, outcome = sealing.books.log.entries()
    assert admission.fields["seal"] == {"scheme": "paillier", "key": KEY.kid, "asked": True}
    assert outcome.fields["seal"] == KEY.kid


def test_the_answer_says_what_the_seal_is_and_what_it_is_not(sealing: Line) -> None:
    answer = sealing.pipeline.answer(ask(seal="paillier"), call()).answer
    (told,) = [notice for notice in answer.notices if notice.code == "SEALED"]
    assert told.count == 2
    assert "not from whoever holds the key" in told.message


# refused before anything is charged


def refused(opened: Line, sql: str = SECTIONS, seal: str = "paillier") -> str:
    with pytest.raises(Refused) as caught:
        opened.pipeline.answer(ask(sql, seal=seal), call())
    assert (opened.spent(), opened.kinds()) == (0, ["refusal"])
    return caught.value.code


def test_without_a_registered_key_nothing_is_answered(sealing: Line) -> None:
    sealing.sealing_key = ""
    assert refused(sealing) == "LVR-5021"


def test_a_policys_seal_needs_the_key_too(sealing: Line) -> None:
    sealing.sealing_key, sealing.bundle = "", firm_policies(seal="paillier")
    assert refused(sealing, seal="") == "LVR-5021"


@pytest.mark.parametrize(
    "column",
    ["CASE WHEN count(*) > 9 THEN 'many' END", "'about ' || (count(*) // 10)::TEXT"],
)
def test_a_number_that_cannot_be_sealed_is_not_left_in_clear(sealing: Line, column: str) -> None:
    assert (
        refused(sealing, f"SELECT section, count(*) AS n, {column} AS x FROM gov.firm GROUP BY section") == "LVR-5023"
    )


def test_an_average_is_sealed_as_the_very_double_it_is(sealing: Line) -> None:
    key = whole_key()
    sealing.sealing_key, sealing.sealer = key.kid, PlainSealer(key.public)
    sql = "SELECT section, avg(amount) AS a, -sqrt(sum(amount)) AS r FROM gov.firm GROUP BY section ORDER BY 1"
    plain = answer_of(sealing.pipeline.answer(ask(sql), call()))
    sealed = sealing.pipeline.answer(ask(sql, "request-2", seal="paillier"), call())
    answer = results.Answer("r", "threshold", sealed.answer.arrow, private=lambda kid: key)
    assert answer.rows == plain.rows
    assert answer.sealed is not None
    assert answer.sealed.columns == ("a", "r")
    assert [str(column.type) for column in answer.columns] == [str(column.type) for column in plain.columns]


@pytest.mark.parametrize(
    "value", [0.0, 1.5, -1e-300, 5e-324, 1.7976931348623157e308, -0.1, 2.0**53 + 2, 1 / 3, float(2**1000)]
)
def test_every_double_is_a_whole_number_of_the_smallest_and_comes_back(value: float) -> None:
    number = of_double(value)
    assert Mark("k", "double").holds(number)
    assert to_double(number) == value


@pytest.mark.parametrize("number", [2**2098, -(2**2098), 2**53 + 1, (2**53 + 1) << 1000, 1 + 2**1074])
def test_a_number_that_no_double_is_was_not_sealed_as_one(number: int) -> None:
    assert not Mark("k", "double").holds(number)
    with pytest.raises(ValueError, match="no double"):
        to_double(number)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_is_not_sealed_as_one(value: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        of_double(value)


def test_other_refusals_come_first(sealing: Line) -> None:
    sealing.sealing_key = ""
    assert refused(sealing, FORBIDDEN) != "LVR-5021"


# which columns


@pytest.mark.parametrize(
    ("columns", "sealed"),
    [
        ("section, count(*) AS n", ("n",)),
        ("section, count(*) > 9 AS many", ("many",)),
        ("section, count(*) * 2 + 1 AS n, 7 AS seven", ("n",)),
        ("section || 'x' AS key, CAST(avg(amount) AS DECIMAL(18, 2)) AS mean", ("mean",)),
        ("section, CAST(count(*) AS INTEGER) AS n, sum(sum(amount)) OVER () AS everything", ("n", "everything")),
    ],
)
def test_groups_and_constants_are_in_clear_and_every_released_value_is_sealed(
    sealing: Line, columns: str, sealed: tuple[str, ...]
) -> None:
    sql = f"SELECT {columns} FROM gov.firm GROUP BY section ORDER BY 1"
    plain = answer_of(sealing.pipeline.answer(ask(sql), call()))
    answer = answer_of(sealing.pipeline.answer(ask(sql, "request-2", seal="paillier"), call()))
    assert answer.sealed is not None
    assert answer.sealed.columns == sealed
    assert answer.rows == plain.rows


# what fails half-way releases nothing


def aborted(opened: Line) -> str:
    with pytest.raises(Fault):
        opened.pipeline.answer(ask(seal="paillier"), call())
    assert opened.answers() == 0
    return str(opened.books.log.entries()[-1].fields["reason"])


def test_without_a_sealer_nothing_leaves(sealing: Line) -> None:
    sealing.sealer = None
    assert aborted(sealing) == "internal"


def test_more_cells_than_can_be_sealed_in_time_are_not_sent_in_clear(sealing: Line) -> None:
    sealing.sealer = PlainSealer(KEY.public, most=3)
    assert aborted(sealing) == "too_large"


@pytest.mark.parametrize("remains", [True, False])
def test_the_remainder_is_sealed_as_the_rows_are(remains: bool) -> None:
    """Withheld cells together, where that is safe, are a number like any other."""
    columns = (OutputColumn("g", TEXT), OutputColumn("n", INTEGER), OutputColumn("r", Type(Kind.DECIMAL, 2)))
    rows: tuple[tuple[Cell, ...], ...] = (("a", 5, Decimal("-50.07")), ("b", None, None))
    left: tuple[Cell, ...] | None = (None, 12, Decimal("1.00")) if remains else None
    permit = question(firms(), "SELECT district, count(*) AS n, sum(revenue) AS r FROM gov.tax GROUP BY 1")
    planned = replace(plan(permit), seal=SealedColumns(Seal.PAILLIER, KEY.kid, (1, 2)))
    made = encode(
        Release(columns, rows, (), Treatment.THRESHOLD, left), committed(planned), PlainSealer(KEY.public, most=4)
    )
    answer = results.Answer("r", "t", made.arrow, remainder_stream=made.remainder, private=lambda kid: KEY)
    assert (answer.rows, answer.remainder) == (list(rows), left)
    assert [column.type for column in answer.columns] == ["text", "integer", "decimal(2)"]
    assert (METADATA in made.remainder) == remains
    with pytest.raises(TooManySealed):
        encode(
            Release(columns, rows, (), Treatment.THRESHOLD, left),
            committed(planned),
            PlainSealer(KEY.public, most=3 if remains else 1),
        )


def test_an_answer_without_rows_is_sealed_too(sealing: Line) -> None:
    sql = "SELECT section, count(*) AS n FROM gov.firm WHERE section = 'Z' GROUP BY section"
    answer = answer_of(sealing.pipeline.answer(ask(sql, seal="paillier"), call()))
    assert answer.rows == []
    assert [column.type for column in answer.columns] == ["text", "integer"]


# opening


def changed(stream: bytes, column: str, cell: bytes | None = None, mark: bytes | None = None) -> bytes:
    """The answer with another cell in the first row of a column, or another mark on it."""
    table = pa.ipc.open_stream(stream).read_all()
    place = table.schema.get_field_index(column)
    field, cells = table.schema.field(place), table.column(place).to_pylist()
    field = field if mark is None else field.with_metadata({METADATA: mark})
    cells[0] = cells[0] if cell is None else cell
    made = table.set_column(place, field, pa.array(cells, field.type))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made)
    return sink.getvalue()


N, WIDTH = int(KEY.public.n), KEY.public.width


@pytest.mark.parametrize(
    "ciphertext",
    [0, N, 3 * N, N * N, N * N + 5, 1, N * N - 1, int(KEY.p) * 7, 2**64, 256**WIDTH - 1],
    ids=["0", "n", "3n", "n squared", "n squared + 5", "1", "n squared - 1", "7p", "2^64", "all ones"],
)
def test_a_hostile_ciphertext_is_one_constant_error(sealing: Line, ciphertext: int) -> None:
    """The decryption of 0 would give p + q away (CRYPTO 0): nothing of it is returned, raised or told."""
    honest = sealing.pipeline.answer(ask(seal="paillier"), call())
    broken = changed(honest.answer.arrow, "n", (ciphertext % 256**WIDTH).to_bytes(WIDTH, "big"))
    with pytest.raises(Unproven) as caught:
        _ = answer_of(replace(honest, answer=replace(honest.answer, arrow=broken))).rows
    assert caught.value.message == "a sealed cell does not open to a number that it may hold"
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_number_outside_its_columns_type_is_the_same_error(sealing: Line) -> None:
    honest = sealing.pipeline.answer(ask(seal="paillier"), call())
    (large,) = Owner(KEY).encrypt([2**63])
    broken = changed(honest.answer.arrow, "n", int(large).to_bytes(WIDTH, "big"))
    with pytest.raises(Unproven, match="does not open"):
        _ = answer_of(replace(honest, answer=replace(honest.answer, arrow=broken))).rows


@pytest.mark.parametrize(
    "mark",
    [
        b"{}",
        b"[1]",
        Mark(KEY.kid, "integer", 0, "rot13").to_bytes(),
        Mark(KEY.kid, "quadruple").to_bytes(),
        Mark(KEY.kid, "double", 2).to_bytes(),
        Mark(KEY.kid, "integer", 3).to_bytes(),
        Mark(KEY.kid, "decimal", 10**9).to_bytes(),
        b"[" * 100_000,
    ],
)
def test_a_mark_that_is_none_is_no_answer(sealing: Line, mark: bytes) -> None:
    honest = sealing.pipeline.answer(ask(seal="paillier"), call())
    broken = changed(honest.answer.arrow, "n", mark=mark)
    with pytest.raises(Unproven):
        _ = answer_of(replace(honest, answer=replace(honest.answer, arrow=broken))).rows


def test_who_has_not_the_key_keeps_the_ciphertexts(sealing: Line) -> None:
    answer = answer_of(sealing.pipeline.answer(ask(seal="paillier"), call()), private=None)
    assert answer.sealed is not None
    assert len(answer.sealed.rows) == 2
    with pytest.raises(Misused):
        _ = answer.rows


def test_a_wrong_key_opens_nothing(sealing: Line) -> None:
    answer = answer_of(sealing.pipeline.answer(ask(seal="paillier"), call()), private=OTHER)
    with pytest.raises(Unproven, match="does not open"):
        _ = answer.rows


def test_a_text_that_looks_like_a_mark_is_a_text() -> None:
    table = pa.table({"section": ["louver.seal"], "n": [1]})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = results.Answer("r", "exact", sink.getvalue())
    assert (answer.rows, answer.sealed) == ([("louver.seal", 1)], None)
