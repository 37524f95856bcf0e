"""A sealed answer under differential privacy: noise first, then ciphertexts, and nothing beside them tells a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from gmpy2 import mpz
from tests.support.line import ask, call
from tests.support.private_line import PrivateLine, budget, private_line
from tests.support.private_worlds import DISTRICTS, world
from tests.support.relations import Row
from tests.support.sealed import PlainSealer, small_key, whole_key
from tests.support.seeded_noise import SeededSampler

from louver import results, wire
from louver.errors import Fault, Refused, Unproven
from louver.failures import Misused
from louver.sealing.ciphertexts import Owner
from louver.sealing.columns import DOUBLE_BITS
from louver.sealing.keys import PrivateKey
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.algebra.types import Kind
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.commit import Preview, preview
from louver_sandbox.recount import verify
from louver_sandbox.release.encode import result_digest
from louver_sandbox.service import convert
from louver_sandbox.stages import Receipted

SMALL, WHOLE = small_key(), whole_key()
ACCOUNTS: list[Row] = [
    {"person_id": f"p{n}", "district": DISTRICTS[n % 2], "amount": Decimal(n * 37 % 100), "age": 20 + n % 3}
    for n in range(240)
]
FACTOR = 1_000_006_000_009


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[PrivateLine]:
    """A line whose bank has registered a key."""
    with private_line(tmp_path, world(accounts=ACCOUNTS)) as made:
        sealed_to(made, SMALL)
        yield made
        assert list(verify.differences(made.books.state)) == [], "every balance follows from the log"
        assert not verify_log(made.books.state, made.books.log.key).findings


def sealed_to(opened: PrivateLine, key: PrivateKey, *, most: int = 1000, leak: bool = False) -> None:
    """From now on answers are sealed to this key, and noise is that of the first question again."""
    opened.sealing_key, opened.sealer = key.kid, PlainSealer(SMALL.public, WHOLE.public, most=most, leak=leak)
    opened.redraw(SeededSampler(1))


def asked(opened: PrivateLine, sql: str, request_id: str = "request-1", seal: str = "paillier") -> Receipted:
    return opened.pipeline.answer(ask(sql, request_id, seal=seal), call())


def received(receipted: Receipted, private: PrivateKey | None = None) -> results.Answer:
    """The answer as the client puts it together from what is on the wire."""
    keys = {key.kid: key for key in (SMALL, WHOLE)} if private is None else {private.kid: private}
    header = convert.header("request-1", receipted, development=False)
    parts = wire.Assembly("request-1", seal=True)
    for part in (
        pb.AnalyseResponse(header=header),
        pb.AnalyseResponse(arrow=receipted.answer.arrow),
        pb.AnalyseResponse(receipt=receipted.receipt),
    ):
        parts.take(part)

    def find(kid: str) -> PrivateKey:
        if kid not in keys:
            raise Misused("no such key")
        return keys[kid]

    return parts.answer("", "", find)


def both(opened: PrivateLine, sql: str, key: PrivateKey) -> tuple[results.Answer, results.Answer]:
    """The plain answer and the sealed one, with the same noise."""
    opened.redraw(SeededSampler(1))
    plain = opened.pipeline.answer(ask(sql, "request-0"), call())
    header = convert.header("request-0", plain, development=False)
    clear = wire._answer(header, plain.answer.arrow, None, None, None)  # type: ignore[arg-type]  # a receipt is not looked at here
    sealed_to(opened, key)
    return clear, received(asked(opened, sql))


WHOLE_NUMBERS = [
    "SELECT district, count(*) AS n, sum(amount) AS s FROM gov.account GROUP BY district ORDER BY district",
    "SELECT age, count(*) AS n, sum(amount) AS s FROM gov.account GROUP BY age ORDER BY age",
    "SELECT district, age % 2 = 0 AS even, count(*) AS n, grouping(district) AS g FROM gov.account "
    "WHERE age IN (20, 21) GROUP BY ROLLUP (district, even) ORDER BY ALL",
    "SELECT district, n, n > 100 AS many, 2 * n + 1 AS twice FROM (SELECT district, count(*) AS n FROM gov.account "
    "GROUP BY district) x WHERE n > 20 ORDER BY n DESC LIMIT 2",
]
DOUBLES = [
    "SELECT district, avg(amount) AS a, stddev_pop(amount) AS d FROM gov.account GROUP BY district ORDER BY 1",
    "SELECT median(amount) AS m, quantile_cont(amount, 0.9) AS q, min(amount) AS lo, max(amount) AS hi "
    "FROM gov.account",
    "SELECT 100.0 * count(*) FILTER (WHERE age = 20) / count(*) AS percent, var_samp(amount) AS v FROM gov.account",
]


@pytest.mark.parametrize(
    ("sql", "key"), [*((sql, SMALL) for sql in WHOLE_NUMBERS), *((sql, WHOLE) for sql in DOUBLES)]
)
def test_what_is_opened_is_the_plain_answer_to_the_last_digit(
    sealing: PrivateLine, sql: str, key: PrivateKey
) -> None:
    plain, sealed = both(sealing, sql, key)
    assert plain.rows, "an answer without rows shows nothing"
    assert any(one.low for one in plain.accuracy), "and so does one without intervals"
    assert sealed.rows == plain.rows
    assert sealed.accuracy == plain.accuracy
    assert sealed.columns == plain.columns
    assert sealed.readable == plain.readable
    assert sealed.sealed is not None
    assert set(sealed.sealed.columns) == {one.column for one in plain.accuracy}, "every number with noise, no other"


def test_charges_and_the_account_of_them_are_those_of_a_plain_answer(sealing: PrivateLine) -> None:
    with private_line(_apart(sealing), world(accounts=ACCOUNTS)) as other:
        plain = other.pipeline.answer(ask(WHOLE_NUMBERS[0], "request-0"), call()).answer
    sealed = asked(sealing, WHOLE_NUMBERS[0]).answer
    assert plain.privacy
    assert [one.cost for one in sealed.privacy] == [one.cost for one in plain.privacy]
    assert [one for one in sealed.notices if one.code != "SEALED"] == list(plain.notices)
    assert {one.code for one in sealed.notices} - {one.code for one in plain.notices} == {"SEALED"}


def test_a_dry_run_says_that_the_answer_will_be_sealed_and_what_it_costs(sealing: PrivateLine) -> None:
    said = convert.explanation(
        sealing.pipeline.explain(ask(WHOLE_NUMBERS[0], seal="paillier")), "", Preview(False, (), (), ())
    )
    assert "SEALED" in {notice.code for notice in said.notices}
    assert all(not one.sealed for one in said.accuracy)
    assert sealing.spent_losses() == 0


def test_a_dry_run_of_what_was_released_in_clear_is_free_sealed_as_it_is_charged(sealing: PrivateLine) -> None:
    wish = ask(WHOLE_NUMBERS[0], "request-2", seal="paillier")

    def previewed() -> Preview:
        with sealing.books.state.reading() as tx:
            return preview(tx, sealing.pipeline.explain(wish), wish, sealing.clock())

    before = previewed()
    assert (before.stored, len(before.privacy) > 0) == (False, True)
    asked(sealing, WHOLE_NUMBERS[0], seal="")
    spent = sealing.spent_losses()
    assert spent > 0
    assert previewed().stored
    assert sealing.pipeline.answer(wish, call()).answer.cost == {}
    assert sealing.spent_losses() == spent


# nothing that is kept or sent has a number


PLANTED = f"SELECT district, count(*) * {FACTOR} AS n FROM gov.account GROUP BY district ORDER BY 1"


def searched(opened: PrivateLine, receipted: Receipted) -> bytes:
    """Everything that is kept or sent: the store with its journals, the message on the wire, the receipt."""
    kept = b"".join(path.read_bytes() for path in opened.path.parent.iterdir() if path.is_file())
    header = convert.header("request-1", receipted, development=False).SerializeToString()
    return kept + header + receipted.answer.arrow + receipted.receipt


def planted(opened: PrivateLine) -> list[bytes]:
    """The numbers of the plain answer and the ends of their intervals, as they could be written."""
    answer = received_plain(opened)
    (said,) = answer.accuracy
    shown = (*(row[1] for row in answer.rows), *said.low, *said.high)
    # The factor itself is in the question.
    numbers = [int(number) for number in shown if number and abs(number) > 2 * FACTOR]
    assert len(numbers) >= 6, "of two groups at least"
    forms = [form for number in numbers for form in (str(number).encode(), number.to_bytes(8, "little", signed=True))]
    return [one for form in forms for one in (form, form.hex().encode())]


def received_plain(opened: PrivateLine) -> results.Answer:
    """The plain answer of the same noise, of a line of its own, so that this one's store never has it."""
    with private_line(_apart(opened), world(accounts=ACCOUNTS)) as other:
        plain = other.pipeline.answer(ask(PLANTED, "request-0"), call())
        return wire._answer(
            convert.header("request-0", plain, development=False),
            plain.answer.arrow,
            None,  # type: ignore[arg-type]  # a receipt is not looked at here
            None,
            None,
        )


def _apart(opened: PrivateLine) -> Path:
    folder = opened.path.parent.parent / f"{opened.path.parent.name}-apart"
    folder.mkdir(exist_ok=True)
    return folder


def test_neither_store_nor_log_nor_wire_holds_a_number_or_an_end_of_its_interval(sealing: PrivateLine) -> None:
    found = searched(sealing, asked(sealing, PLANTED))
    assert [form for form in planted(sealing) if form in found] == []


@pytest.mark.parametrize("how", ["not sealed", "a sealer that does not encrypt"])
def test_a_build_that_leaks_is_found(sealing: PrivateLine, how: str) -> None:
    sealed_to(sealing, SMALL, leak=True)
    found = searched(sealing, asked(sealing, PLANTED, seal="" if how == "not sealed" else "paillier"))
    assert [form for form in planted(sealing) if form in found]


def test_all_that_stands_beside_the_ciphertexts_is_the_same_for_other_numbers(tmp_path: Path) -> None:
    """An attacker with store and wire sees the same words and lengths whatever the numbers are: no label, notice or
    length of an interval tells them."""
    seen = []
    for place, accounts in enumerate((ACCOUNTS, ACCOUNTS[:7])):
        (tmp_path / str(place)).mkdir()
        with private_line(tmp_path / str(place), world(accounts=accounts)) as line:
            sealed_to(line, SMALL)
            answer = asked(line, WHOLE_NUMBERS[0]).answer
        assert answer.rows == 4
        assert all(one.sealed and not one.low and not one.high for one in answer.accuracy)
        told = [replace(one, sealed=bytes(len(one.sealed))) for one in answer.accuracy]
        seen.append((told, answer.notices, len(answer.arrow)))
    assert seen[0] == seen[1]


# doubles


def test_a_sealed_double_is_a_whole_number_of_the_smallest_one_and_adds_up(sealing: PrivateLine) -> None:
    _, sealed = both(sealing, DOUBLES[0], WHOLE)
    assert sealed.sealed is not None
    first, second = (mpz(one) for one in sealed.sealed.column("a")[:2] if one is not None)
    (total,) = Owner(WHOLE).decrypt([first * second % WHOLE.public.square])
    assert Fraction(total, 1 << DOUBLE_BITS) == sum(Fraction(row[1]) for row in sealed.rows[:2])


# what goes wrong


def test_without_a_key_nothing_is_charged(sealing: PrivateLine) -> None:
    sealing.sealing_key = ""
    with pytest.raises(Refused, match="LVR-5021"):
        asked(sealing, WHOLE_NUMBERS[0])
    assert sealing.spent_losses() == 0


def test_a_text_made_of_noisy_numbers_is_not_left_in_clear(sealing: PrivateLine) -> None:
    sql = "SELECT district, CASE WHEN count(*) > 9 THEN 'many' END AS x FROM gov.account GROUP BY district"
    with pytest.raises(Refused, match="LVR-5023"):
        asked(sealing, sql)
    assert sealing.spent_losses() == 0


@pytest.mark.parametrize("how", ["no sealer", "too many cells", "too many ends"])
def test_what_cannot_be_sealed_does_not_leave_and_stays_charged(sealing: PrivateLine, how: str) -> None:
    sealed_to(sealing, SMALL, most={"too many cells": 7, "too many ends": 13}.get(how, 1000))
    if how == "no sealer":
        sealing.sealer = None
        sealing.redraw(SeededSampler(1))
    with pytest.raises(Fault):
        asked(sealing, WHOLE_NUMBERS[0])
    assert (sealing.answers(), sealing.spent_losses()) == (0, 3)


def test_sealed_ends_that_are_broken_are_one_error(sealing: PrivateLine) -> None:
    honest = asked(sealing, WHOLE_NUMBERS[0])
    first, *others = honest.answer.accuracy
    (far,) = Owner(SMALL).encrypt([-1])
    wide = SMALL.public.width
    for content in (
        b"",
        first.sealed[:-1],
        first.sealed + first.sealed,
        bytes(wide) + first.sealed[wide:],
        int(far).to_bytes(wide, "big") + first.sealed[wide:],
    ):
        changed = (replace(first, sealed=content), *others)
        answer = received(replace(honest, answer=replace(honest.answer, accuracy=changed)))
        if not content:
            assert answer.accuracy[0].low == ()
            continue
        with pytest.raises(Unproven, match="does not open"):
            _ = answer.accuracy


def test_who_has_not_the_key_reads_no_interval(sealing: PrivateLine) -> None:
    answer = received(asked(sealing, WHOLE_NUMBERS[0]), WHOLE)
    with pytest.raises(Misused):
        _ = answer.accuracy


def test_the_receipt_is_about_the_ciphertexts(sealing: PrivateLine) -> None:
    receipted = asked(sealing, WHOLE_NUMBERS[0])
    outcome = sealing.books.log.entries()[-1]
    assert outcome.fields["result_digest"] == result_digest(receipted.answer.arrow)
    assert outcome.fields["seal"] == SMALL.kid
    assert Kind.INTEGER.value.encode() in receipted.answer.arrow


def test_the_same_question_is_the_same_ciphertexts_and_free(sealing: PrivateLine) -> None:
    first, again = asked(sealing, WHOLE_NUMBERS[0]), asked(sealing, WHOLE_NUMBERS[0], "request-2")
    assert again.stored
    assert (again.answer.arrow, again.answer.accuracy) == (first.answer.arrow, first.answer.accuracy)
    assert sealing.spent_losses() == 3


def test_a_kept_budget_is_what_a_sealed_question_is_held_to(sealing: PrivateLine) -> None:
    sealing.allowed = (budget(lifetime=1, allowance=1),)
    asked(sealing, WHOLE_NUMBERS[0])
    with pytest.raises(Refused, match="LVR-301"):
        asked(sealing, WHOLE_NUMBERS[1], "request-2")
