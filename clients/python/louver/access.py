"""Access that an institution asks for, as it and the departments that decide see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from louver.v1 import access_pb2 as pb


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request for columns of a dataset. ``state`` is waiting, granted, refused or withdrawn; ``answer`` says why.

    Days are Beijing's; ``settled`` says whether the calendar up to ``due`` has been announced. ``institution``,
    ``version`` (of the policy that opens it), ``officer`` and ``department`` are told to departments alone.
    """

    id: str
    institution: str
    table: str
    columns: tuple[str, ...]
    purpose: str
    legal_basis: str
    reason: str
    sql: str
    state: str
    received: date
    due: date
    settled: bool
    answer: str
    decided: str
    version: str
    officer: str
    department: str
    log_index: int


@dataclass(frozen=True, slots=True)
class AccessFigures:
    """Supply and demand of one department: ``*`` is all of them, nothing is where there is no such dataset.

    ``met`` is the share of what was decided that was granted (满足率), in per mille; ``median_days`` the median of
    working days from receipt to decision. Both are None where nothing was decided.
    """

    department: str
    received: int
    waiting: int
    overdue: int
    granted: int
    refused: int
    withdrawn: int
    met: int | None
    median_days: float | None


@dataclass(frozen=True, slots=True)
class AccessDraft:
    """The smallest grant for a request's question, as YAML; empty where it is ``legal`` already, or none would do."""

    text: str
    legal: bool
    code: str
    message: str
    message_zh: str
    sql: str


def wish(
    table: str, columns: Sequence[str], purpose: str, legal_basis: str, reason: str, sql: str
) -> pb.RequestAccessRequest:
    """The message that asks."""
    asked = pb.AccessWish(
        table=table, columns=columns, purpose=purpose, legal_basis=legal_basis, reason=reason, sql=sql
    )
    return pb.RequestAccessRequest(wish=asked)


def request(message: pb.AccessRequest) -> AccessRequest:
    """A request from the wire."""
    asked = message.wish
    return AccessRequest(
        message.id,
        message.institution,
        asked.table,
        tuple(asked.columns),
        asked.purpose,
        asked.legal_basis,
        asked.reason,
        asked.sql,
        message.state,
        date.fromisoformat(message.received),
        date.fromisoformat(message.due),
        message.settled,
        message.answer,
        message.decided,
        message.version,
        message.officer,
        message.department,
        message.log_index,
    )


def figures(message: pb.GetAccessFiguresResponse) -> tuple[AccessFigures, ...]:
    """Figures from the wire, by department and then of all."""
    return tuple(
        AccessFigures(
            one.department,
            one.received,
            one.waiting,
            one.overdue,
            one.granted,
            one.refused,
            one.withdrawn,
            one.met_per_mille if one.HasField("met_per_mille") else None,
            one.median_half_days / 2 if one.HasField("median_half_days") else None,
        )
        for one in message.departments
    )
