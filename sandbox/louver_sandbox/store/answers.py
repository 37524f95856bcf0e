"""Released answers kept for retries and for the same question asked again.

A request id makes a retry idempotent: the same request brings the same answer and costs nothing. The same id with
different content is a mistake or an attack and is told so. A question digest covers the canonical query and the
versions of data, policy and catalogue, so that an equal digest means an equal answer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, bindparam, insert, select

from louver_sandbox.store.prepared import Prepared
from louver_sandbox.store.schema import answers


class RequestReused(Exception):
    """A request id has come back with another request. The institution must draw a fresh id."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One released answer. ``created`` is RFC 3339 text in UTC; ``outcome_index`` is its entry in the log."""

    institution: str
    request_id: str
    request_digest: str
    question_digest: str
    released: bytes
    outcome_index: int
    created: str


def store(tx: Connection, answer: StoredAnswer) -> None:
    """Keep an answer, in the transaction that records its outcome.

    Raises ``louver_sandbox.store.StoreConflict`` when the request has an answer already.
    """
    _INSERT.run(tx, {name: getattr(answer, name) for name in _COLUMNS})


def find_by_request(tx: Connection, institution: str, request_id: str, request_digest: str) -> StoredAnswer | None:
    """The answer this very request has had, if any. Raises ``RequestReused`` for another request's id.

    Ids are looked up within the institution, so that nobody learns what ids another one uses.
    """
    row = _BY_REQUEST.row(tx, {"of_institution": institution, "of_request": request_id})
    found = None if row is None else StoredAnswer(*row)
    if found is not None and found.request_digest != request_digest:
        raise RequestReused("this request id was used for another request")
    return found


def find_by_question(tx: Connection, institution: str, question_digest: str) -> StoredAnswer | None:
    """The first answer this institution has had to the same question on the same data and policy, if any."""
    row = _BY_QUESTION.row(tx, {"of_institution": institution, "of_question": question_digest})
    return None if row is None else StoredAnswer(*row)


def find_release(tx: Connection, question_digest: str) -> StoredAnswer | None:
    """The first answer that anybody has had to the question. To be given to others only where policy says so."""
    row = _RELEASED.row(tx, {"of_question": question_digest})
    return None if row is None else StoredAnswer(*row)


_COLUMNS = tuple(field.name for field in fields(StoredAnswer))
_OF_INSTITUTION = answers.c.institution == bindparam("of_institution")
_ANY = select(*(answers.c[name] for name in _COLUMNS))
_FOUND = _ANY.where(_OF_INSTITUTION)
_BY_REQUEST = Prepared(_FOUND.where(answers.c.request_id == bindparam("of_request")))
_OF_QUESTION = answers.c.question_digest == bindparam("of_question")
_BY_QUESTION = Prepared(_FOUND.where(_OF_QUESTION).order_by(answers.c.outcome_index).limit(1))
_RELEASED = Prepared(_ANY.where(_OF_QUESTION).order_by(answers.c.outcome_index).limit(1))
_INSERT = Prepared(insert(answers))
