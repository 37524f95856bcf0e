"""Released answers kept for retries and for the same question asked again.

A request id makes a retry idempotent: the same request brings the same answer and costs nothing. The same id with
different content is a mistake or an attack and is told so. A question digest covers the canonical query and the
versions of data, policy and catalogue, so that an equal digest means an equal answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, insert, select

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
    tx.execute(
        _INSERT,
        {
            "institution": answer.institution,
            "request_id": answer.request_id,
            "request_digest": answer.request_digest,
            "question_digest": answer.question_digest,
            "released": answer.released,
            "outcome_index": answer.outcome_index,
            "created": answer.created,
        },
    )


def find_by_request(tx: Connection, institution: str, request_id: str, request_digest: str) -> StoredAnswer | None:
    """The answer this very request has had, if any. Raises ``RequestReused`` for another request's id.

    Ids are looked up within the institution, so that nobody learns what ids another one uses.
    """
    row = tx.execute(_BY_REQUEST, {"of_institution": institution, "of_request": request_id}).one_or_none()
    if row is None:
        return None
    if row.request_digest != request_digest:
        raise RequestReused("this request id was used for another request")
    return _answer(row)


def find_by_question(tx: Connection, institution: str, question_digest: str) -> StoredAnswer | None:
    """The first answer this institution has had to the same question on the same data and policy, if any."""
    row = tx.execute(_BY_QUESTION, {"of_institution": institution, "of_question": question_digest}).one_or_none()
    return None if row is None else _answer(row)


def _answer(row: Row[tuple[object, ...]]) -> StoredAnswer:
    return StoredAnswer(**row._mapping)


_OF_INSTITUTION = answers.c.institution == bindparam("of_institution")
_BY_REQUEST = select(answers).where(_OF_INSTITUTION, answers.c.request_id == bindparam("of_request"))
_BY_QUESTION = (
    select(answers)
    .where(_OF_INSTITUTION, answers.c.question_digest == bindparam("of_question"))
    .order_by(answers.c.outcome_index)
    .limit(1)
)
_INSERT = insert(answers)
