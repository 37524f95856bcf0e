"""Attacks on tokens in place of ids. Each succeeds against a naive variant kept here, and fails against the line.

The enemy is whoever has got hold of a bank's table of tokens and wants the customers in it, another bank, or a platform that
wants to know a bank's customers. What stops each is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.policy_questions import BANK_A, BANK_B, bundle_of, grant_document, policy
from tests.support.tokens import TERMS, House, house

from louver.encoding import encode
from louver.errors import Refused, Unproven
from louver.matching import oprf
from louver.matching.subjects import value_of
from louver.tokens.columns import TOKEN_BYTES, with_tokens
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.oprf import Key

SPACE = [f"91370200MA{number:07d}X" for number in range(300)]
"""Every id there is: the space of codes is public, so an enemy can try them all."""
CUSTOMERS = SPACE[3::7]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    terms = {"tokens": {"ids_per_day": 60, "ids_per_month": 90}}
    with house(tmp_path, bundle_of(policy(grant_document(**(TERMS | terms))))) as made:
        yield made


def table(house_: House) -> bytes:
    """What bank A uploads of its customers."""
    return house_.upload([{"id_no": id_} for id_ in CUSTOMERS], {"id_no": "uscc"})


def opened(content: bytes, tokens: dict[str, bytes]) -> set[str]:
    """Whose tokens are in a table."""
    return {id_ for id_, token in tokens.items() if token[:TOKEN_BYTES] in content}


def test_a_table_cannot_be_opened_by_trying_all_ids(here: House) -> None:
    """Stopped by: a token needs the platform's key. Naive: a hash of the id, salted with what everybody knows."""

    def hashed(element: str, values: Sequence[bytes]) -> tuple[list[bytes], str]:
        return [hashlib.sha512(element.encode() + value).digest() for value in values], "00" * 32

    with (
        encode([{"id_no": id_} for id_ in CUSTOMERS]) as clear,
        with_tokens(clear, {"id_no": "uscc"}, hashed).content as file,
    ):
        file.seek(0)
        naive = file.read()
    guesses = {id_: hashed("uscc", [value_of(id_)])[0][0] for id_ in SPACE}
    assert opened(naive, guesses) == set(CUSTOMERS)
    content = table(here)
    assert opened(content, guesses) == set()
    # The public key, which stands in the table, makes no tokens either.
    public = bytes.fromhex(here.keys.current("bank_a", "uscc"))
    with_public = {id_: hashlib.sha512(public + value_of(id_)).digest() for id_ in SPACE}
    assert opened(content, with_public) == set()


def test_nor_in_the_owners_name_beyond_its_limits(here: House) -> None:
    """Stopped by: every id evaluated is charged and logged. Naive: the key without the line."""
    content = table(here)
    naive = Key(
        (here.settings.matching / matcher.JOIN_FILE).read_bytes(), "louver.dev/join-token/v1", "bank_a", "uscc"
    )
    assert opened(content, {id_: naive.token(value_of(id_)) for id_ in SPACE}) == set(CUSTOMERS)
    found: dict[str, bytes] = {}
    stopped: list[str] = []
    for start in range(0, len(SPACE), 10):
        part = SPACE[start : start + 10]
        try:
            tokens, _ = here.evaluate("uscc", [value_of(id_) for id_ in part])
        except Refused as refused:
            stopped.append(refused.code)
            continue
        found |= dict(zip(part, tokens, strict=True))
    assert len(found) <= 60 - len(CUSTOMERS)
    assert len(opened(content, found)) < len(CUSTOMERS) / 4
    assert set(stopped) == {"LVR-3001"}
    assert len(here.entries("refusal")) == len(stopped) > 20


def test_two_banks_do_not_find_their_common_customers(here: House) -> None:
    """Stopped by: a key for each institution. Naive: one for all."""
    naive = Key(bytes(32), "tokens for everybody")
    shared = {id_: naive.token(value_of(id_)) for id_ in CUSTOMERS}
    assert opened(b"".join(shared.values()), shared) == set(CUSTOMERS)
    own = table(here)
    tokens, _ = here.evaluate("uscc", [value_of(id_) for id_ in CUSTOMERS], BANK_B)
    assert opened(own, dict(zip(CUSTOMERS, tokens, strict=True))) == set()


def test_tokens_bought_for_lists_or_other_elements_are_none_of_tables(here: House) -> None:
    """Stopped by: a seed and a derivation for each use. Naive: one key for whatever is evaluated."""
    content = table(here)
    pool = here.pool.open(60, None)  # type: ignore[arg-type]  # a matcher as a match has it
    bought: dict[bytes, dict[str, bytes]] = {}
    for use in (
        matcher.JOIN + b"bank_a\0uscc",
        matcher.KEY + b"bank_a\0uscc",
        matcher.JOIN + b"bank_a\0subject_code",
    ):
        public = pool.ask(use, 64)[1:]
        blinded = oprf.blind([value_of(id_) for id_ in CUSTOMERS])
        evaluated = pool.ask(matcher.EVALUATE + blinded.elements, matcher.CHUNK_BYTES)[1:]
        bought[use] = dict(zip(CUSTOMERS, oprf.finalize(blinded, evaluated, public), strict=True))
    naive, *others = bought.values()
    assert opened(content, naive) == set(CUSTOMERS)
    assert [opened(content, tokens) for tokens in others] == [set(), set()]


def test_a_platform_cannot_mark_one_customer_by_a_key_of_its_own(here: House) -> None:
    """Stopped by: the proof that one key was used for a whole batch. Naive: a client that does not look at it."""
    values = [value_of(id_) for id_ in CUSTOMERS[:20]]
    key, marking = Key(bytes(32), "use", "bank_a"), Key(bytes(32), "use", "marked")
    blinded = oprf.blind(values)
    honest, marked = key.evaluate(blinded.elements), marking.evaluate(blinded.elements)
    at = oprf.evaluated_bytes(8) - oprf.ELEMENT_BYTES  # the eighth
    tampered = honest[:at] + marked[at : at + oprf.ELEMENT_BYTES] + honest[at + oprf.ELEMENT_BYTES :]
    assert oprf.finalize(blinded, honest, key.public) == list(key.tokens(values))
    with pytest.raises(Unproven):
        oprf.finalize(blinded, tampered, key.public)
    with pytest.raises(Unproven):
        oprf.finalize(blinded, marked, key.public)


def test_what_is_evaluated_tells_the_platform_no_id(here: House) -> None:
    """Stopped by: blinding anew each time. Naive: sending hashes to the curve, which are the same for the same id."""
    values = [value_of(id_) for id_ in CUSTOMERS]
    first, again = oprf.blind(values).elements, oprf.blind(values).elements
    parts = [{content[at : at + 32] for at in range(0, len(content), 32)} for content in (first, again)]
    assert len(parts[0]) == len(CUSTOMERS)
    assert parts[0].isdisjoint(parts[1])
    here.evaluate("uscc", values, BANK_A)
    assert not any(id_ in str(entry) for entry in here.entries() for id_ in CUSTOMERS)
