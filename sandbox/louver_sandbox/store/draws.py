"""Noise that was drawn for sealed answers, encrypted by the releaser (`release.draws`)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from louver_sandbox.store.prepared import Prepared
from louver_sandbox.store.schema import draws


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was kept of a question without its seal, for an institution, and the log entry of the answer it was in."""

    question: str
    institution: str
    kept: bytes
    outcome_index: int


def keep(tx: Connection, drawn: Drawn) -> None:
    """Keeps it, in the transaction that records the outcome. The first of an institution stays."""
    if find(tx, drawn.question, drawn.institution) is None:
        row = {"question_digest": drawn.question, "institution": drawn.institution, "kept": drawn.kept}
        _INSERT.run(tx, {**row, "outcome_index": drawn.outcome_index})


def find(tx: Connection, question: str, institution: str) -> Drawn | None:
    """What was drawn for this institution."""
    row = _OWN.row(tx, {"of_question": question, "of_institution": institution})
    return None if row is None else Drawn(*row)


def find_any(tx: Connection, question: str) -> Drawn | None:
    """What was first drawn for anybody. To be used for others only where policy says so."""
    row = _ANY.row(tx, {"of_question": question})
    return None if row is None else Drawn(*row)


def forget(tx: Connection, question: str, kept: bytes) -> None:
    """Removes what can be used no more, so that asking again draws anew and is charged."""
    tx.execute(delete(draws).where(draws.c.question_digest == question, draws.c.kept == kept))


_COLUMNS = (draws.c.question_digest, draws.c.institution, draws.c.kept, draws.c.outcome_index)
_OF_QUESTION = select(*_COLUMNS).where(draws.c.question_digest == bindparam("of_question"))
_OWN = Prepared(_OF_QUESTION.where(draws.c.institution == bindparam("of_institution")))
_ANY = Prepared(_OF_QUESTION.order_by(draws.c.outcome_index).limit(1))
_INSERT = Prepared(insert(draws))
