"""Louver: ask questions of government data you may not see.

    import louver
    with louver.connect(profile="bank-a") as bank:
        answer = bank.analyse("SELECT count(*) FROM gov.ent_registry", purpose="RESEARCH")
        print(answer.rows, answer.notices, answer.receipt)

Importing this package loads no gRPC, no Arrow and no dataframe library; the first use of a name does. The asyncio
client is ``louver.aio``, the PEP 249 module ``louver.dbapi``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from louver._version import __version__
from louver.errors import Error, Fault, Refused, Unproven
from louver.failures import MissingExtra, Misused, Unreachable

if TYPE_CHECKING:
    from louver import aio, audit, dbapi
    from louver.client import Client, connect
    from louver.matching.results import Hit, Match, MatchableList
    from louver.privacy import PrivacyAmount, PrivacyLimit, PrivacyLoss
    from louver.receipt import Receipt, VerifiedReceipt
    from louver.results import (
        Accuracy,
        Answer,
        Column,
        Explanation,
        Notice,
        Outcome,
        Permission,
        QueryRecord,
        SealingKey,
        Table,
    )

_HOMES = {
    "Accuracy": "louver.results",
    "Answer": "louver.results",
    "Client": "louver.client",
    "Column": "louver.results",
    "Explanation": "louver.results",
    "Hit": "louver.matching.results",
    "Match": "louver.matching.results",
    "MatchableList": "louver.matching.results",
    "Notice": "louver.results",
    "Outcome": "louver.results",
    "Permission": "louver.results",
    "PrivacyAmount": "louver.privacy",
    "PrivacyLimit": "louver.privacy",
    "PrivacyLoss": "louver.privacy",
    "QueryRecord": "louver.results",
    "Receipt": "louver.receipt",
    "SealingKey": "louver.results",
    "Table": "louver.results",
    "VerifiedReceipt": "louver.receipt",
    "connect": "louver.client",
}
"""Where each name that is loaded on first use lives (PEP 562)."""

_MODULES = ("aio", "audit", "dbapi")
"""Modules that are loaded on first use."""

__all__ = [
    "Accuracy",
    "Answer",
    "Client",
    "Column",
    "Error",
    "Explanation",
    "Fault",
    "Hit",
    "Match",
    "MatchableList",
    "MissingExtra",
    "Misused",
    "Notice",
    "Outcome",
    "Permission",
    "PrivacyAmount",
    "PrivacyLimit",
    "PrivacyLoss",
    "QueryRecord",
    "Receipt",
    "Refused",
    "SealingKey",
    "Table",
    "Unproven",
    "Unreachable",
    "VerifiedReceipt",
    "__version__",
    "aio",
    "audit",
    "connect",
    "dbapi",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"louver.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'louver' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
