"""Signed notes and checkpoints: C2SP's own examples are read, and nothing unsigned or misspelt is believed."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_logs import KEY, MALLORY, ORIGIN, SIGNER

from louver.errors import Unproven
from louver.transparency import Checkpoint, Note, Signature, TreeHead, VerifierKey
from louver.transparency.checkpoint import parse_decimal
from louver.transparency.note import decode_base64
from louver_sandbox.audit.head import Ed25519Signer, sign_head

# From the Go documentation of golang.org/x/mod/sumdb/note: a key and a note signed with it.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""

# From c2sp.org/tlog-checkpoint.
C2SP_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""

HEAD = TreeHead(ORIGIN, 7, b"r" * 32, ("an extension line", "and another"))
CHECKPOINT = sign_head(HEAD, SIGNER)
TRUSTED = VerifierKey.parse(KEY)


def test_a_note_made_by_others_verifies_with_a_key_made_by_others() -> None:
    note = Note.parse(GO_NOTE.encode())
    assert note.verify(VerifierKey.parse(GO_KEY)).startswith("If you think cryptography")
    assert note.to_bytes() == GO_NOTE.encode()
    assert str(VerifierKey.parse(GO_KEY)) == GO_KEY


def test_the_checkpoint_of_the_specification_is_read() -> None:
    checkpoint = Checkpoint.parse(C2SP_CHECKPOINT.encode())
    assert (checkpoint.claimed.origin, checkpoint.claimed.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.to_bytes() == C2SP_CHECKPOINT.encode()


def test_a_checkpoint_is_believed_for_the_logs_signature() -> None:
    assert Checkpoint.parse(CHECKPOINT.to_bytes()).verify(TRUSTED) == HEAD


def test_signatures_by_strangers_are_ignored_beside_the_logs_own() -> None:
    witness = Signature("witness.example", b"abcd", b"w" * 72)
    note = Note(CHECKPOINT.note.text, (witness, *CHECKPOINT.note.signatures))
    assert Checkpoint.parse(note.to_bytes()).verify(TRUSTED) == HEAD


def test_a_stranger_under_the_logs_name_is_not_the_log() -> None:
    forged = sign_head(HEAD, MALLORY)
    with pytest.raises(Unproven, match="no signature by"):
        forged.verify(TRUSTED)
    disguised = Note(forged.note.text, (replace(forged.note.signatures[0], key_id=TRUSTED.id),))
    with pytest.raises(Unproven, match="is wrong") as caught:
        Checkpoint.parse(disguised.to_bytes()).verify(TRUSTED)
    assert caught.value.evidence == disguised.to_bytes()


def test_a_good_signature_does_not_excuse_a_bad_one_by_the_same_key() -> None:
    good = CHECKPOINT.note.signatures[0]
    note = Note(CHECKPOINT.note.text, (good, replace(good, signature=b"x" * 64)))
    with pytest.raises(Unproven):
        note.verify(TRUSTED)


def test_a_log_cannot_speak_for_another_log() -> None:
    other = Ed25519Signer("louver.example/other", SIGNER.private_key)
    text = HEAD.text()
    signature = Signature(other.name, other.verifier_key.id, other.sign(text.encode()))
    with pytest.raises(Unproven, match="another log"):
        Checkpoint(HEAD, Note(text, (signature,))).verify(other.verifier_key)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_checkpoint_changes_what_is_believed(data: st.DataObject) -> None:
    original = CHECKPOINT.to_bytes()
    where = data.draw(st.integers(0, len(original) - 1))
    changed = original[:where] + bytes([data.draw(st.integers(0, 255))]) + original[where + 1 :]
    if changed == original:
        return
    with pytest.raises(Unproven):
        Checkpoint.parse(changed).verify(TRUSTED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no signatures\n",
        "text\n\n",
        "text\n\n— name\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— na+me AAAAAAA=\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name !!!!\n",
        "text\n\n— name AAAAAAA=",
        "te\txt\n\n— name AAAAAAA=\n",
        "te\rxt\n\n— name AAAAAAA=\n",
        "text\n\n" + "— name AAAAAAA=\n" * 65,
    ],
)
def test_what_is_not_a_note_is_refused(text: str) -> None:
    with pytest.raises(Unproven):
        Note.parse(text.encode())


def test_notes_are_utf8_and_of_bounded_size() -> None:
    with pytest.raises(Unproven):
        Note.parse(b"\xff\n\n\xe2\x80\x94 name AAAAAAA=\n")
    with pytest.raises(Unproven):
        Note.parse(b"x" * (1 << 20) + GO_NOTE.encode())


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n١\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n9223372036854775808\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\nextension\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Unproven):
        TreeHead.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000",
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("c74f20a3", "C74F20A3"),
        GO_KEY.replace("Peter", "Paul"),
        GO_KEY.replace("ARpc", "AhpC"),
        GO_KEY[:-4],
        "a b+" + GO_KEY.split("+", 1)[1],
    ],
)
def test_a_key_that_was_mistyped_is_refused(key: str) -> None:
    with pytest.raises(Unproven):
        VerifierKey.parse(key)


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert decode_base64(text) == data
    for other in (text + "\n", " " + text, text.rstrip("=") + "====", text.replace("=", "")):
        if other != text:
            with pytest.raises(Unproven):
                decode_base64(other)


def test_base64_with_loose_bits_is_refused() -> None:
    with pytest.raises(Unproven):
        decode_base64("AB==")


@given(st.integers(0, 2**63 - 1))
def test_decimals_have_one_spelling(number: int) -> None:
    assert parse_decimal(str(number)) == number
    for other in (f"0{number}", f"+{number}", f"{number}.0", f" {number}", ""):
        with pytest.raises(Unproven):
            parse_decimal(other)


def test_a_head_that_cannot_be_read_again_cannot_be_written() -> None:
    for head in (replace(HEAD, extensions=("",)), replace(HEAD, origin="a\nb"), replace(HEAD, size=-1)):
        with pytest.raises(ValueError, match="neither empty nor broken"):
            head.text()
