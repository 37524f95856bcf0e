"""A log's key hands over to the next, and whoever pins any of them follows, offline, from what they hold."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver.errors import Unproven
from louver.transparency import Checkpoint, LogKey, Note, Signature, Succession, TreeHead
from louver.transparency.succession import KeyContradiction, carried
from louver_sandbox.audit.head import Ed25519Signer, hand_over, sign_head

ORIGIN = "louver.example/log"


def signer(number: int, origin: str = ORIGIN) -> Ed25519Signer:
    return Ed25519Signer.from_seed(origin, hashlib.sha256(b"key %d, for tests only" % number).digest())


def tree(size: int, what: bytes = b"") -> TreeHead:
    """A head of that size; what the tree holds is no matter here."""
    return TreeHead(ORIGIN, size, hashlib.sha256(b"%d" % size + what).digest())


KEYS = [signer(number) for number in range(4)]
FIRST, SECOND, THIRD, STRANGER = KEYS
ONE = hand_over(tree(10), FIRST, SECOND)
TWO = hand_over(tree(20), SECOND, THIRD)
CHAIN = (ONE, TWO)


def pinned(one: Ed25519Signer, *known: Succession) -> LogKey:
    return LogKey(one.verifier_key).learn(known)


@pytest.mark.parametrize("pin", [FIRST, SECOND, THIRD])
def test_a_new_keys_head_is_proved_to_whoever_pins_any_key_of_the_log(pin: Ed25519Signer) -> None:
    head = sign_head(tree(21), THIRD, CHAIN)
    assert Checkpoint.parse(head.to_bytes()).verify(pin.verifier_key) == tree(21)


def test_an_old_keys_heads_hold_for_who_pins_it_and_for_who_knows_the_succession() -> None:
    old = sign_head(tree(10), FIRST)
    assert old.verify(FIRST.verifier_key) == tree(10)
    assert old.verify(pinned(THIRD, *CHAIN)) == tree(10)
    with pytest.raises(Unproven, match="no signature by"):
        old.verify(THIRD.verifier_key)


@pytest.mark.parametrize("size", [11, 20, 21, 1000])
def test_a_thief_of_the_old_key_signs_nothing_after_its_retirement(size: int) -> None:
    stolen = sign_head(tree(size, b"forged"), FIRST)
    for known in (pinned(FIRST, ONE), pinned(SECOND, ONE), pinned(THIRD, *CHAIN)):
        with pytest.raises(KeyContradiction, match="has retired after 10 entries"):
            stolen.verify(known)


def test_a_thief_of_the_old_key_signs_no_other_tree_of_the_size_at_which_it_retired() -> None:
    with pytest.raises(KeyContradiction, match="another tree of 10 entries"):
        sign_head(tree(10, b"forged"), FIRST).verify(pinned(SECOND, ONE))


def test_a_thief_of_the_old_key_cannot_name_a_successor_of_its_own_to_who_knows_the_true_one() -> None:
    forged = hand_over(tree(12, b"forged"), FIRST, STRANGER)
    shown = sign_head(tree(30, b"forged"), STRANGER, [forged])
    for known in (pinned(FIRST, ONE), pinned(SECOND, ONE), pinned(THIRD, *CHAIN)):
        with pytest.raises(KeyContradiction, match="two successors"):
            shown.verify(known)


def test_a_stranger_hands_over_nothing() -> None:
    forged = hand_over(tree(10), signer(77), STRANGER)
    with pytest.raises(Unproven, match="no signature by"):
        sign_head(tree(11), STRANGER, [forged]).verify(FIRST.verifier_key)
    assert pinned(FIRST, forged).successions == ()


@pytest.mark.parametrize("lost", ["old", "new"])
def test_a_succession_takes_both_signatures(lost: str) -> None:
    """Signed by the old key alone it makes somebody else's key the log's; by the new one alone, a stranger's."""
    other = STRANGER.sign(ONE.text.encode())
    half = replace(ONE, by_old=other) if lost == "old" else replace(ONE, by_new=other)
    with pytest.raises(Unproven, match="is wrong"):
        sign_head(tree(11), SECOND, [half]).verify(FIRST.verifier_key)
    with pytest.raises(Unproven, match="is wrong"):
        Succession.from_note(half.to_note())


def test_a_link_that_is_missing_leads_nowhere() -> None:
    with pytest.raises(Unproven, match="no signature by"):
        sign_head(tree(21), THIRD, [TWO]).verify(FIRST.verifier_key)


def test_a_key_hands_over_within_its_log_only() -> None:
    elsewhere = signer(1, "louver.example/other")
    with pytest.raises(Unproven):
        hand_over(tree(10), FIRST, elsewhere)
    with pytest.raises(Unproven):
        hand_over(tree(10), FIRST, FIRST)


def test_no_key_comes_back() -> None:
    with pytest.raises(KeyContradiction):
        pinned(FIRST, ONE, hand_over(tree(20), SECOND, FIRST))


def test_sizes_go_up_along_the_keys() -> None:
    with pytest.raises(Unproven, match="do not follow"):
        pinned(FIRST, ONE, hand_over(tree(10), SECOND, THIRD))


def test_a_published_key_is_one_line_and_its_successions_below_it() -> None:
    known = pinned(FIRST, *CHAIN).repinned()
    first, *rest = str(known).split("\n")
    assert first == str(THIRD.verifier_key)
    assert [line[:2] for line in rest] == ["\u2014 ", "\u2014 "]
    assert LogKey.parse(f"{known}\n") == known
    assert str(LogKey.parse(str(FIRST.verifier_key))) == str(FIRST.verifier_key)


@pytest.mark.parametrize("below", [hand_over(tree(3), STRANGER, signer(9)).line().line(), "— somebody AAAAAAAA"])
def test_what_stands_below_a_published_key_leads_to_it(below: str) -> None:
    with pytest.raises(Unproven):
        LogKey.parse(f"{FIRST.verifier_key}\n{below}")


def test_a_verifier_that_knows_nothing_of_successions_reads_the_head_of_the_key_it_pins() -> None:
    """The lines are of a signature type of their own, which C2SP signed-note has others ignore."""
    note = Note.parse(sign_head(tree(21), THIRD, CHAIN).to_bytes())
    assert note.verify(THIRD.verifier_key) == tree(21).text()


def test_the_note_is_one_that_other_tools_can_check() -> None:
    note = Note.parse(ONE.to_note())
    for key in (FIRST.verifier_key, SECOND.verifier_key):
        assert note.verify(key).split("\n")[:4] == [
            "louver log key succession v1",
            ORIGIN,
            "10",
            base64.b64encode(tree(10).root).decode(),
        ]
    assert Succession.from_note(ONE.to_note()) == ONE


@given(st.binary(min_size=228, max_size=236))
def test_bytes_that_are_no_succession_are_another_line(data: bytes) -> None:
    line = Signature(ORIGIN, data[:4], data[4:])
    assert carried(Note("text\n", (line,)), ORIGIN) == ()


@given(st.data())
def test_no_changed_byte_is_overlooked(data: st.DataObject) -> None:
    line = ONE.line()
    place = data.draw(st.integers(0, len(line.signature) - 1))
    changed = bytearray(line.signature)
    changed[place] ^= data.draw(st.integers(1, 255))
    head = Checkpoint(tree(11), Note(tree(11).text(), (*sign_head(tree(11), SECOND).note.signatures,)))
    forged = Checkpoint(
        head.claimed, replace(head.note, signatures=(*head.note.signatures, replace(line, signature=bytes(changed))))
    )
    with pytest.raises(Unproven):
        forged.verify(FIRST.verifier_key)
