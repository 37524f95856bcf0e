"""Attacks on private matching. Each succeeds against a naive variant kept here, and fails against the line.

The enemy is a bank that wants to know of subjects that are none of its business, or a platform that wants to know its
customers. What stops each is named.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from tests.support.matching import House, Listed, firm, house, match_bundle, terms, tomorrow
from tests.support.policy_questions import BANK_A

from louver.errors import Refused, Unproven
from louver.matching import oprf
from louver.matching.asking import Batch
from louver.matching.sets import MatchSet
from louver.matching.subjects import value_of
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


def test_no_number_leaves_that_tells_persons_from_firms_apart(tmp_path: Path) -> None:
    """Entries of persons are in no set without a statute, whatever their ids are written like."""
    rows = [Listed(firm(n)) for n in range(40)] + [Listed(f"37020219900101{n:04d}", "P") for n in range(40)]
    with house(tmp_path, rows) as here:
        found = here.ask([row.subject for row in rows])
        assert set(found.hits) == {firm(n) for n in range(40)}
        (path,) = (here.settings.matching / "sets").glob("*.inside")
        assert set(path.read_text(encoding="utf-8").splitlines()) == {firm(n) for n in range(40)}
