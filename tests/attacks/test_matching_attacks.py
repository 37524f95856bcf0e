"""Attacks on private matching. Each succeeds against a naive variant kept here, and fails against the line.

The enemy is a bank that wants to know of subjects that are none of its business, or a platform that wants to know its
customers. What stops each is named.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.audit_logs import KEY as LOG_KEY
from tests.support.matching import House, Listed, firm, house, match_bundle, terms, tomorrow
from tests.support.policy_questions import BANK_A

from louver.errors import Refused, Unproven
from louver.failures import Unreachable
from louver.matching import oprf
from louver.matching.asking import Batch, Exchange, Question, Sets, _tokens
from louver.matching.evaluating import OneList
from louver.matching.sets import MatchSet
from louver.matching.subjects import value_of
from louver.receipt import Receipt
from louver.v1 import matching_pb2 as pb
from louver_sandbox.matching.building import build, entries, entry_bytes, given
from louver_sandbox.matching.oprf import MATCH_USE, Key
from louver_sandbox.policy.matching import specs

SPACE = range(600)
"""Every id there is: the space of codes is public, so an enemy can try them all."""
LISTED = [n for n in SPACE if n % 7 == 3]


@pytest.fixture
def here(tmp_path: Path) -> Any:
    bundle = match_bundle(matching=terms(ids_per_day=100, ids_per_month=200))
    with house(tmp_path, [Listed(firm(n)) for n in LISTED], bundle=bundle) as made:
        yield made


class NaiveMatching:
    """A service that evaluates whatever it is sent, as often as it is sent it."""

    def __init__(self, house_: House) -> None:
        (self.spec,) = (
            spec
            for spec in specs(BANK_A, house_.catalog, house_.bundle, house_.clock().date())
            if spec.name == "black"
        )
        self.key = Key(house_.seed, MATCH_USE, self.spec.title, self.spec.id)
        self.set = MatchSet(build(house_.catalog, self.spec, house_.seed).given)

    def is_listed(self, subject: str) -> bool:
        blinded = oprf.blind([value_of(subject)])
        (token,) = oprf.finalize(blinded, self.key.evaluate(blinded.elements), self.key.public)
        return bool(self.set.rows(token))


def test_the_whole_list_is_enumerated_from_a_naive_oracle(here: House) -> None:
    naive = NaiveMatching(here)
    assert [n for n in SPACE if naive.is_listed(firm(n))] == LISTED


def test_enumeration_ends_with_the_ids_that_a_month_allows(here: House) -> None:
    """Stopped by: every id of every match is charged, by day and by month, and a match has many."""
    found: set[str] = set()
    tried = 0
    for _ in range(8):
        while (hits := attempted(here, [firm(n) for n in SPACE[tried : tried + 25]])) is not None:
            found |= hits
            tried += 25
        tomorrow(here)
    assert tried == 200
    assert found == {firm(n) for n in LISTED if n < 200}


def attempted(house_: House, ids: list[str]) -> set[str] | None:
    """The hits, None where the budget is spent."""
    try:
        return set(house_.ask(ids).hits)
    except Refused as refused:
        if refused.code != "LVR-3001":
            raise
        return None


def test_one_id_in_a_crowd_of_made_up_ones_costs_a_whole_batch(here: House) -> None:
    """The platform cannot see that nineteen ids are nobody's, so a minimum alone stops nobody: the price does."""
    asked = 0
    while attempted(here, [firm(asked), *(f"NOBODY{n}X{secrets.token_hex(4)}" for n in range(19))]) is not None:
        asked += 1
    assert asked == 5


def test_a_set_tells_nothing_to_whoever_has_no_token(here: House) -> None:
    """Stopped by: labels and keys follow from tokens, which nobody can make without the platform."""
    found = here.ask(firm(n) for n in range(25)).set
    assert found is not None
    guessed = Key(secrets.token_bytes(32), MATCH_USE, found.header.list, found.header.edition)
    assert all(found.rows(guessed.token(value_of(firm(n)))) == () for n in LISTED)


def test_yesterdays_tokens_open_nothing_of_todays_set(here: House) -> None:
    """Stopped by: every edition has a key of its own. Else one charge would watch an id for ever."""
    spent = here.ask(firm(n) for n in range(25))
    assert spent.hits
    tomorrow(here)
    today = here.ask(firm(n) for n in range(100, 125)).set
    assert today is not None
    naive = NaiveMatching(here)
    yesterday = spent.set
    assert yesterday is not None
    assert naive.spec.id == today.header.edition != yesterday.header.edition
    old = Key(here.seed, MATCH_USE, yesterday.header.list, yesterday.header.edition)
    assert all(yesterday.rows(old.token(value_of(firm(n)))) for n in LISTED)
    assert all(not today.rows(old.token(value_of(firm(n)))) for n in LISTED)


RED = "gov.credit_list/red"
CHEAP = [*range(20), *range(300, 310)]
"""What an enemy asks a list that costs it nothing about, to open another one with."""


def opened_by(tokens: dict[int, bytes], other: MatchSet) -> set[int]:
    """Whoever of the ids is in another list's set, by tokens that were bought for the first."""
    return {number for number, token in tokens.items() if other.rows(token)}


def naive_sets(house_: House) -> tuple[Key, MatchSet]:
    """A service with one key for all its lists, and the set of the black one."""
    (spec,) = (
        one for one in specs(BANK_A, house_.catalog, house_.bundle, house_.clock().date()) if one.name == "black"
    )
    everything = Key(house_.seed, MATCH_USE, "all lists")
    table = house_.catalog.table(spec.table)
    assert table is not None
    found = entries(table, spec)
    return everything, MatchSet(given(found, spec, everything, house_.seed, entry_bytes(found, spec)))


def bought(house_: House, ids: list[int], list_: str) -> tuple[dict[int, bytes], Key]:
    """Tokens of these ids for a list, paid for on the line; and the key that made them."""
    batch = Batch.of(firm(n) for n in ids)
    blinded = oprf.blind(batch.values)
    paid, session, public = house_.paid(
        house_.asked(blinded.elements, len(ids), "hits", list_=list_), blinded.elements
    )
    evaluated, _, _ = house_.line.hits(paid, blinded.elements, session)
    tokens = oprf.finalize(blinded, evaluated, public)
    return dict(zip(ids, tokens, strict=True)), Key(house_.seed, MATCH_USE, list_, paid.edition.id)


def test_tokens_of_one_list_open_nothing_of_another(here: House) -> None:
    """Stopped by: every list has a key of its own, however the requester spends its ids."""
    everything, black = naive_sets(here)
    listed = {n for n in CHEAP if n in LISTED}
    assert opened_by({n: everything.token(value_of(firm(n))) for n in CHEAP}, black) == listed
    red, key = bought(here, CHEAP, RED)
    assert red == {n: key.token(value_of(firm(n))) for n in CHEAP}, "these are red tokens"
    found = here.ask(firm(n) for n in CHEAP).set
    assert found is not None
    assert opened_by(red, found) == set()
    black_tokens, _ = bought(here, CHEAP, "gov.credit_list/black")
    assert opened_by(black_tokens, found) == listed


def test_a_platform_that_tags_one_institution_with_a_key_of_its_own_is_found_out(here: House) -> None:
    """With a key for one bank alone its tokens could be told from all others. Stopped by: the proof (DLEQ), and the
    set's digest in the log, which names the key and is the same for everybody."""
    batch = Batch.of(firm(n) for n in range(25))
    blinded = oprf.blind(batch.values)
    paid, session, public = here.paid(here.asked(blinded.elements, 25, "hits"), blinded.elements)
    tagging = Key(here.seed, MATCH_USE, "for bank_a only")
    with pytest.raises(Unproven):
        oprf.finalize(blinded, tagging.evaluate(blinded.elements), public)
    evaluated, _, _ = here.line.hits(paid, blinded.elements, session)
    assert len(oprf.finalize(blinded, evaluated, public)) == 25


def test_the_platform_sees_nothing_of_the_ids_of_hits(here: House) -> None:
    """Stopped by: blinding. Twice the same book are two batches that share no byte string, and none is an id's."""
    book = [firm(n) for n in range(25)]
    here.ask(book)
    here.ask(book)
    seen = [b"".join(session.asked) for session in here.pool.sessions]
    key = Key(here.seed, MATCH_USE, "gov.credit_list/black", here.entries("match_set")[0]["edition"])
    for subject in book:
        assert all(subject.encode() not in content for content in seen)
        assert all(key.token(value_of(subject))[:16] not in content for content in seen)
    first, second = (
        {content[at : at + 32] for at in range(1, 25 * 32, 32)}
        for content in (s.asked[1] for s in here.pool.sessions)
    )
    assert len(first) == 25
    assert not first & second


def test_of_numbers_the_platform_sees_hits_and_no_miss(here: House) -> None:
    """Stopped by: the requester's own key. The platform can finish tokens of the list's subjects only."""
    book = [firm(n) for n in range(50)]
    here.ask(book, "count")
    (session,) = here.pool.sessions
    sent = b"".join(session.asked)
    assert all(subject.encode() not in sent for subject in book)
    platform = Key(here.seed, MATCH_USE, "gov.credit_list/black", here.entries("match_set")[0]["edition"])
    assert all(platform.token(value_of(subject))[:16] not in sent for subject in book)


class DishonestOperator:
    """A platform that blinds ids of its own choice in place of the list's subjects, and reads the batch's tokens."""

    def __init__(self, batch: Batch, content: bytes, public_key: bytes) -> None:
        rows = (content[start : start + 40] for start in range(0, len(content), 40))
        self._amounts = {row[:32]: int.from_bytes(row[32:], "big") for row in rows}
        self._public_key = public_key

    def named(self, guesses: Sequence[str], evaluate: Callable[[bytes], bytes]) -> dict[str, int]:
        """Which of its guesses are in the batch, with the amount beside each: hits of no list."""
        blinded = oprf.blind([value_of(guess) for guess in guesses])
        tokens = oprf.finalize(blinded, evaluate(blinded.elements), self._public_key)
        pairs = zip(guesses, tokens, strict=True)
        return {guess: self._amounts[token[:32]] for guess, token in pairs if token[:32] in self._amounts}


def a_sum(book: Sequence[str]) -> tuple[Question, DishonestOperator, oprf.Evaluator]:
    """A match of mode sum as the client asks it, and who answers."""
    key = oprf.Evaluator.of(secrets.token_bytes(32))
    batch = Batch.of(book, [1000 + n for n in range(len(book))])
    content = _tokens(key, batch)
    message = pb.MatchQuestion(request_id="r", mode="sum", ids=len(book), public_key=key.public)
    return Question(message, batch, content, None, OneList(key)), DishonestOperator(batch, content, key.public), key


def evaluated_by(exchange: Exchange, elements: bytes, announced: int) -> bytes:
    """What a client gives back, of one attempt."""
    header = pb.MatchHeader(request_id="r", mode="sum", subjects=announced)
    assert list(exchange.take(pb.MatchResponse(header=header))) == []
    answers = exchange.take(pb.MatchResponse(blinded=elements))
    return b"".join(answer.evaluated for answer in answers)


def test_an_operator_reads_misses_by_evaluations_of_its_own_choice_and_has_one_a_match() -> None:
    """Naive: a client that evaluates whatever it is sent, as often as it is told that the call was cut off; the whole
    book is read, a few ids at a time. Stopped by: one list for each match, of as many as were announced (and the
    outcome in the log must say: below). Within that one list ids can still be guessed: docs/reference/matching.md."""
    book = [firm(n) for n in range(0, 600, 20)]
    guesses = [[firm(n) for n in range(start, start + 64)] for start in range(0, 576, 64)]
    question, operator, key = a_sum(book)
    naively = {id_ for part in guesses for id_ in operator.named(part, key.evaluate)}
    assert naively == {id_ for id_ in book if id_ <= guesses[-1][-1]}
    first = Exchange(question, Sets(), "")
    found = operator.named(guesses[0], lambda elements: evaluated_by(first, elements, 64))
    assert set(found) == set(book) & set(guesses[0]), "one list of its own choice it has"
    for part in guesses[1:]:
        retried = Exchange(question, Sets(), "")
        with pytest.raises(Unreachable, match="no list is evaluated twice") as cut_off:
            operator.named(part, partial(evaluated_by, retried, announced=64))
        assert not cut_off.value.transient, "so the client does not try a third time by itself"
    more = oprf.blind([value_of(guess) for guess in guesses[1]]).elements
    with pytest.raises(Unproven, match="longer than its header says"):
        list(first.take(pb.MatchResponse(blinded=more)))
    with pytest.raises(Unproven, match="second header"):
        list(first.take(pb.MatchResponse(header=pb.MatchHeader(request_id="r", mode="sum", subjects=128))))


def test_an_operator_announces_no_more_subjects_than_a_list_can_have(here: House) -> None:
    """Stopped by: a list is filled up to a power of two, and has no more subjects than the set has records."""
    question, _, _ = a_sum([firm(n) for n in range(30)])
    sets, known = Sets(), here.ask([firm(n) for n in range(20)]).set
    assert known is not None
    sets.keep(known)
    assert len(known) == here.entries("match_set")[0]["records"] == 1024
    digest = bytes.fromhex(known.digest)
    for announced, wrong in (
        (90, "filled up to"),
        (32, "filled up to"),
        (1 << 22, "larger"),
        (2048, "than the list"),
    ):
        header = pb.MatchHeader(request_id="r", mode="sum", subjects=announced, set_sha256=digest)
        with pytest.raises(Unproven, match=wrong):
            list(Exchange(question, sets, "").take(pb.MatchResponse(header=header)))


def test_how_many_subjects_were_evaluated_stands_in_the_log_and_in_the_receipt(here: House) -> None:
    """Stopped by: an outcome that names fewer than the client has evaluated is not believed; one that names more than
    the set has shows to whoever reads the log."""
    book, identity = [firm(n) for n in range(20)], str(uuid.uuid4())
    answered = here.ask(book, "count", request_id=identity)
    (outcome,), (built,) = here.entries("outcome"), here.entries("match_set")
    assert outcome["subjects"] == 128, "86 subjects, filled up"
    assert outcome["subjects"] <= built["records"]
    assert answered.number is not None
    batch, key = Batch.of(book), oprf.Evaluator.of(bytes(range(32)))
    asked = pb.MatchQuestion(request_id=identity, list=outcome["list"], mode="count", ids=20)
    exchange = Exchange(Question(asked, batch, b"", None, OneList(key)), Sets(), LOG_KEY)
    receipt, digest = Receipt.from_bytes(answered.receipt), oprf.number_digest(answered.number)
    announced = partial(pb.MatchHeader, set_sha256=bytes.fromhex(built["sha256"]))
    assert exchange._prove(receipt, announced(subjects=128), digest).entry["subjects"] == 128
    with pytest.raises(Unproven, match="records another subjects"):
        exchange._prove(receipt, announced(subjects=1 << 20), digest)


def test_no_number_leaves_that_tells_persons_from_firms_apart(tmp_path: Path) -> None:
    """Entries of persons are in no set without a statute, whatever their ids are written like."""
    rows = [Listed(firm(n)) for n in range(40)] + [Listed(f"37020219900101{n:04d}", "P") for n in range(40)]
    with house(tmp_path, rows) as here:
        found = here.ask([row.subject for row in rows])
        assert set(found.hits) == {firm(n) for n in range(40)}
        (path,) = (here.settings.matching / "sets").glob("*.inside")
        assert set(path.read_text(encoding="utf-8").splitlines()) == {firm(n) for n in range(40)}
