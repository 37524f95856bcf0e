"""Verifying a transparency log without trusting whoever runs it.

This package only verifies: nothing here can sign, append or connect. It needs the standard library and
``cryptography``. Formats are public ones, so that tools written by others can check the same files:

* ``merkle``      RFC 6962 trees: inclusion and consistency
* ``note``        C2SP signed-note: text with Ed25519 signatures
* ``succession``  how one key of a log hands over to the next, and what a verifier knows of both
* ``checkpoint``  C2SP tlog-checkpoint: the signed head of a log
* ``proofs``      C2SP tlog-proof: a self-contained proof that an entry is in a log

Everything that does not hold raises ``louver.errors.Unproven`` with the bytes that failed.
"""

from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.note import Note, Signature, VerifierKey
from louver.transparency.proofs import ConsistencyProof, TlogProof
from louver.transparency.succession import LogKey, Succession

__all__ = [
    "Checkpoint",
    "ConsistencyProof",
    "LogKey",
    "Note",
    "Signature",
    "Succession",
    "TlogProof",
    "TreeHead",
    "VerifierKey",
]
