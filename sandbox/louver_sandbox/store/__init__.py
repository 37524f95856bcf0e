"""The state store: one database holding the ledger, the log and the released answers.

They share one database because they must share transactions: a charge and the log entry that explains it are
committed together or not at all.
"""

from louver_sandbox.store.errors import StoreBusy, StoreConflict, StoreError, StoreUnavailable
from louver_sandbox.store.state import State

__all__ = ["State", "StoreBusy", "StoreConflict", "StoreError", "StoreUnavailable"]
