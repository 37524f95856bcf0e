"""The same question under another key: the same noisy numbers, for which nothing is paid and nothing more is told."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.line import ask, call
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.private_line import PrivateLine, budget, private_line
from tests.support.private_worlds import world
from tests.support.relations import Row
from tests.support.sealed import PlainSealer, small_key
from tests.support.seeded_noise import SeededSampler

from louver import results
from louver.errors import Fault
from louver.sealing.columns import METADATA
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.pipeline import Call
from louver_sandbox.recount import verify
from louver_sandbox.stages import Plan, Receipted, Subject
from louver_sandbox.store import draws

OLD, NEW = small_key(), small_key(2)
SECRET = bytes(range(32))
ACCOUNTS: list[Row] = [
    {"person_id": f"p{n}", "district": "d1", "amount": Decimal(n % 90), "age": n % 2} for n in range(60)
]
QUESTION = "SELECT district, count(*) AS n, sum(amount) AS s FROM gov.account GROUP BY district ORDER BY district"
CHARGE = 3
"""Rows of the ledger for one charge."""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PrivateLine]:
    with private_line(tmp_path, world(accounts=ACCOUNTS)) as made:
        made.secret, made.sealing_key, made.sealer = SECRET, OLD.kid, PlainSealer(OLD.public, NEW.public)
        made.redraw(SeededSampler(1))
        yield made
        assert list(verify.differences(made.books.state)) == [], "every balance follows from the log"
        assert not verify_log(made.books.state, made.books.log.key).findings


def asked(opened: PrivateLine, number: int = 1, who: Subject = BANK_A, seal: str = "paillier") -> Receipted:
    return opened.pipeline.answer(ask(QUESTION, f"request-{number}", who, seal=seal), call())


def rows(receipted: Receipted) -> list[tuple[object, ...]]:
    keys = {key.kid: key for key in (OLD, NEW)}
    found = results.Answer("r", "dp", receipted.answer.arrow, private=keys.__getitem__).rows
    assert len(found) == 4
    return found


def shared(opened: PrivateLine, yes: bool) -> None:
    rules = budget()
    assert rules.terms is not None
    opened.allowed = (replace(rules, terms=replace(rules.terms, shared=yes)),)


def test_after_a_rotation_the_numbers_are_the_same_and_cost_nothing(line: PrivateLine) -> None:
    first = asked(line)
    line.sealing_key = NEW.kid
    again = asked(line, 2)
    assert rows(again) == rows(first)
    assert not again.stored
    assert again.answer.arrow != first.answer.arrow, "sealed to another key"
    assert (again.answer.cost, line.spent_losses()) == ({}, CHARGE)
    assert all(not balance.cost.rho for balance in again.answer.privacy)
    _, outcome, repeat, _ = line.books.log.entries()
    assert repeat.fields["repeats"] == outcome.index
    assert repeat.fields["charges"] == []
    assert asked(line, 3).stored


def test_what_was_sealed_is_given_in_clear_at_no_cost_to_whoever_has_it_and_asks(line: PrivateLine) -> None:
    first = asked(line)
    plain = asked(line, 2, seal="")
    assert results.Answer("r", "dp", plain.answer.arrow).rows == rows(first)
    assert line.spent_losses() == CHARGE


@pytest.mark.parametrize("who", [BANK_A, BANK_B], ids=["the same", "another"])
def test_what_was_in_clear_is_sealed_at_no_cost_whatever_a_worker_says(line: PrivateLine, who: Subject) -> None:
    plain = asked(line, seal="")
    line.sealing_key, line.world = NEW.kid, world(accounts=[])
    sealed = asked(line, 2, who)
    assert rows(sealed) == results.Answer("r", "dp", plain.answer.arrow).rows
    assert METADATA in sealed.answer.arrow
    assert all(one.sealed and not one.low for one in sealed.answer.accuracy)
    assert line.spent_losses() == CHARGE
    assert line.books.log.entries()[2].fields["repeats"] == (1 if who is BANK_A else -1)


def test_another_institution_has_the_same_numbers_free_where_policy_shares_them(line: PrivateLine) -> None:
    shared(line, True)
    first = asked(line)
    line.sealing_key = NEW.kid
    other = asked(line, 2, BANK_B)
    assert rows(other) == rows(first)
    assert line.spent_losses() == CHARGE
    assert line.books.log.entries()[2].fields["repeats"] == -1, "when the other has asked is not told"


def test_where_policy_does_not_share_it_has_noise_of_its_own_and_pays_for_it(line: PrivateLine) -> None:
    shared(line, False)
    first = asked(line)
    line.sealing_key = NEW.kid
    other = asked(line, 2, BANK_B)
    assert rows(other) != rows(first)
    assert line.spent_losses() == 2 * CHARGE


def test_institutions_that_ask_at_once_under_keys_of_their_own_pay_for_one_draw(line: PrivateLine) -> None:
    shared(line, True)
    line.keys_of = {BANK_A.institution: OLD.kid, BANK_B.institution: NEW.kid}
    found: list[Receipted] = []
    begin = threading.Barrier(8)

    def one(number: int) -> None:
        begin.wait()
        request = ask(QUESTION, f"racer-{number}", (BANK_A, BANK_B)[number % 2], seal="paillier")
        found.append(line.pipeline.answer(request, call(60.0)))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    assert all(rows(each) == rows(found[0]) for each in found)
    assert len({each.answer.arrow for each in found}) == 2
    assert line.spent_losses() == CHARGE


def test_without_the_releasers_secret_another_key_is_another_draw_and_is_charged(line: PrivateLine) -> None:
    line.secret = None
    line.redraw(SeededSampler(1))
    first = asked(line)
    line.sealing_key = NEW.kid
    assert rows(asked(line, 2)) != rows(first)
    assert line.spent_losses() == 2 * CHARGE


# failures


def failing(opened: PrivateLine, number: int) -> None:
    honest = opened.run

    def fails(plan: Plan, call: Call) -> bytes:
        raise MemoryError

    opened.run = fails  # type: ignore[method-assign]
    with pytest.raises(Fault):
        asked(opened, number)
    opened.run = honest  # type: ignore[method-assign]


def test_what_failed_before_anything_left_has_kept_nothing(line: PrivateLine) -> None:
    failing(line, 1)
    line.sealing_key = NEW.kid
    asked(line, 2)
    assert line.spent_losses() == 2 * CHARGE


def test_a_repeat_that_failed_is_tried_again_with_the_same_noise(line: PrivateLine) -> None:
    first = asked(line)
    line.sealing_key = NEW.kid
    failing(line, 2)
    assert rows(asked(line, 2)) == rows(first)
    assert line.spent_losses() == CHARGE


def test_a_repeat_whose_noise_is_gone_pays_for_new_noise(line: PrivateLine) -> None:
    first = asked(line)
    line.sealing_key = NEW.kid
    failing(line, 2)
    with line.books.state.transaction() as tx:
        kept = draws.find_any(tx, line._judge(ask(QUESTION, seal="paillier"), None).noise)  # type: ignore[arg-type]  # no fact of the day is looked at
        assert kept is not None
        draws.forget(tx, kept.question, kept.kept)
    assert rows(asked(line, 2)) != rows(first)
    assert line.spent_losses() == 2 * CHARGE


@pytest.mark.parametrize("how", ["other numbers", "another secret"])
def test_noise_is_added_to_no_other_numbers_than_those_it_was_drawn_for(line: PrivateLine, how: str) -> None:
    """Twice the same noise on numbers that differ would tell their difference exactly."""
    asked(line)
    line.sealing_key = NEW.kid
    if how == "other numbers":
        line.world = world(accounts=ACCOUNTS[1:])
    else:
        line.secret = SECRET[::-1]
        line.redraw(SeededSampler(2))
    with pytest.raises(Fault):
        asked(line, 2)
    assert line.books.log.entries()[-1].fields["reason"] == "unfit_noise"
    assert (line.answers(), line.spent_losses()) == (1, CHARGE)
    asked(line, 3)
    assert line.spent_losses() == 2 * CHARGE, "what is unfit is forgotten, and asking again draws anew"


# what is kept


def test_what_is_kept_tells_neither_noise_nor_how_many_numbers_there_were(line: PrivateLine) -> None:
    drawn: list[int] = []

    class Told(SeededSampler):
        def discrete_gaussian(self, scale: object, draws: int) -> list[int]:
            made = list(super().discrete_gaussian(scale, draws))  # type: ignore[arg-type]
            drawn.extend(made)
            return made

    line.redraw(Told(1))
    asked(line)
    assert len(drawn) == 8
    kept = b"".join(path.read_bytes() for path in line.path.parent.iterdir() if path.is_file())
    assert struct.pack("<8q", *drawn) not in kept
    with line.books.state.reading() as tx:
        found = draws.find_any(tx, line._judge(ask(QUESTION, seal="paillier"), None).noise)  # type: ignore[arg-type]
    assert found is not None
    assert any(found.kept[at : at + 64] in kept for at in range(0, 4000, 64)), "it was searched where it is"
    assert len(found.kept) == 12 + 4096 + 16


def test_a_plain_answer_keeps_no_noise(line: PrivateLine) -> None:
    plain = asked(line, seal="")
    with line.books.state.reading() as tx:
        assert draws.find_any(tx, line._judge(ask(QUESTION), None).noise) is None  # type: ignore[arg-type]
    assert plain.answer.rows == 4
