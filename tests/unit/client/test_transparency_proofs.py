"""Proof files: C2SP tlog-proof and consistency proofs are read strictly and verified with the log's key alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import rfc6962
from tests.support.audit_logs import KEY, ORIGIN, SIGNER

from louver.errors import Unproven
from louver.transparency import ConsistencyProof, TlogProof, TreeHead, VerifierKey
from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit.head import sign_head

DATA = [b"entry %d" % index for index in range(13)]
TRUSTED = VerifierKey.parse(KEY)
HEADS = [TreeHead(ORIGIN, size, rfc6962.mth(DATA[:size])) for size in range(14)]
CHECKPOINT = sign_head(HEADS[13], SIGNER)
PROOF = TlogProof(5, tuple(rfc6962.path(5, DATA)), CHECKPOINT, b"extra data")
GROWTH = ConsistencyProof(6, tuple(rfc6962.proof(6, DATA)), CHECKPOINT)


def test_a_proof_file_looks_as_the_specification_says() -> None:
    lines = PROOF.to_bytes().decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZXh0cmEgZGF0YQ==", "index 5"]
    assert lines[3 + len(PROOF.path)] == ""
    assert "\n".join(lines[4 + len(PROOF.path) :]).encode() == CHECKPOINT.to_bytes()


@pytest.mark.parametrize("proof", [PROOF, replace(PROOF, extra=None), replace(PROOF, extra=b"")])
def test_a_proof_survives_the_file(proof: TlogProof) -> None:
    assert TlogProof.parse(proof.to_bytes()) == proof
    assert TlogProof.parse(proof.to_bytes()).verify(leaf_hash(DATA[5]), TRUSTED) == HEADS[13]


def test_a_tree_of_one_entry_needs_no_path() -> None:
    proof = TlogProof(0, (), sign_head(HEADS[1], SIGNER))
    assert TlogProof.parse(proof.to_bytes()).verify(leaf_hash(DATA[0]), TRUSTED) == HEADS[1]


def test_a_proof_proves_its_own_entry_only() -> None:
    for index, entry in enumerate(DATA):
        if index != 5:
            with pytest.raises(Unproven):
                PROOF.verify(leaf_hash(entry), TRUSTED)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_proof_file_verifies(data: st.DataObject) -> None:
    original = replace(PROOF, extra=None).to_bytes()
    where = data.draw(st.integers(0, len(original) - 1))
    changed = original[:where] + bytes([data.draw(st.integers(0, 255))]) + original[where + 1 :]
    if changed == original:
        return
    with pytest.raises(Unproven):
        TlogProof.parse(changed).verify(leaf_hash(DATA[5]), TRUSTED)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    for parse in (TlogProof.parse, ConsistencyProof.parse):
        with pytest.raises(Unproven):
            parse(noise)


def test_a_log_that_grew_proves_it() -> None:
    assert GROWTH.to_bytes().startswith(b"old 6\n")
    assert ConsistencyProof.parse(GROWTH.to_bytes()) == GROWTH
    assert GROWTH.verify(HEADS[6], TRUSTED) == HEADS[13]


def test_growth_from_another_past_is_refused() -> None:
    rewritten = [*DATA[:3], b"rewritten", *DATA[4:]]
    fork = TreeHead(ORIGIN, 6, rfc6962.mth(rewritten[:6]))
    for old in (fork, HEADS[5], HEADS[7], replace(HEADS[6], origin="elsewhere")):
        with pytest.raises(Unproven):
            GROWTH.verify(old, TRUSTED)


def test_oversized_files_are_not_read() -> None:
    with pytest.raises(Unproven):
        TlogProof.parse(b"c2sp.org/tlog-proof@v1\n" + b"A" * (4 << 20))
    long_path = replace(PROOF, path=PROOF.path * 40)
    with pytest.raises(Unproven, match="longer than any tree"):
        TlogProof.parse(long_path.to_bytes())


def test_verifying_needs_the_standard_library_and_cryptography_only() -> None:
    code = "import sys, louver.receipt; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    foreign = {name for name in shown if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= {"louver", "cryptography", "cffi", "backports"} | site_hooks(), foreign


def site_hooks() -> set[str]:
    """What the environment itself puts into every interpreter, whatever is imported."""
    code = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    return set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_verifier_imports_nothing_it_does_not_need() -> None:
    package = Path(sys.modules[TlogProof.__module__].__file__ or "").parent
    for path in package.glob("*.py"):
        roots = {
            line.split()[1].split(".")[0]
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith(("import ", "from "))
        }
        assert roots <= {*sys.stdlib_module_names, "louver", "cryptography"}, path.name
