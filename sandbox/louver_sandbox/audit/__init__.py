"""The audit log: an append-only Merkle tree whose signed heads and proofs anyone can verify (RFC 6962, C2SP).

* ``entries``      what an entry is, byte for byte
* ``commitments``  salted commitments in place of private texts
* ``tree``         which hashes a tree of n entries is made of; pure arithmetic
* ``stored``       the log's rows in the state store
* ``head``         signing checkpoints
* ``log``          appending, proving, looking up
* ``verify``       recomputing everything and naming what was changed
* ``export``       the log as a file that an auditor can verify alone
"""

from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import JSON, Entry, InvalidEntry
from louver_sandbox.audit.export import export_log
from louver_sandbox.audit.head import Ed25519Signer, Signer
from louver_sandbox.audit.log import AuditLog
from louver_sandbox.audit.stored import LogDamaged, UnknownEntry
from louver_sandbox.audit.verify import Finding, Report, verify_log

__all__ = [
    "JSON",
    "AuditLog",
    "Ed25519Signer",
    "Entry",
    "Finding",
    "InvalidEntry",
    "LogDamaged",
    "Opening",
    "Report",
    "Signer",
    "UnknownEntry",
    "export_log",
    "verify_log",
]
