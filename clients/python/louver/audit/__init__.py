"""The log, for auditors: search it, read entries with their proofs, follow it, replay, verify, witness.

    from louver import audit
    with audit.connect(profile="auditor") as log:
        for entry in log.search(verdict="refused", institution="bank_a", since="2026-07-01"):
            print(entry.index, entry.code, entry.sql)

``verify_export`` needs no connection, only the log's public key.
"""

from louver.audit.client import AuditClient, connect
from louver.audit.results import AuditEntry, Counts, DaySpent, Page, Replayed, WholeEntry
from louver.transparency.cosignature import Cosigned, WitnessKey
from louver.transparency.whole_log import WholeLog, verify_export

__all__ = [
    "AuditClient",
    "AuditEntry",
    "Cosigned",
    "Counts",
    "DaySpent",
    "Page",
    "Replayed",
    "WholeEntry",
    "WholeLog",
    "WitnessKey",
    "connect",
    "verify_export",
]
