"""Inquiries (查询记录): which institution asked by template about which subject, and what it read.

What the subject may ask to be told (PIPL art. 45), and how a correction finds those who were answered before. A row
is written in the transaction that admits the lookup, whether an authorisation covered it or not: who tried in vain is
in it too, and the two take as long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, Row, Table, Text, insert, select

from louver.transparency.retention import REDACTION
from louver_sandbox import reports_kept
from louver_sandbox.audit import pruned
from louver_sandbox.audit import stored as log_rows
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.lookups import LookupRules, LookupSource
from louver_sandbox.store import schema
from louver_sandbox.store.prepared import Prepared

metadata = MetaData()

inquiries = Table(
    "inquiries",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("covered", Integer, nullable=False),
    Column("sources", Text, nullable=False),
    Column("admission", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Index("inquiries_by_subject", "unit", "subject", "admission"),
)
"""One admitted lookup a row. ``sources`` is JSON: for each table who holds it and the day its rows were of."""

SECTION = "#"
"""Stands in the id of a section of a report between the report's own id and the section's number. No caller's id has
it: those are UUIDs."""
SCORED = "@"
"""Stands in the id of one subject of a request for scores, between the request's own id and the subject's number."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One lookup. `needed` is whether it needs an authorisation, since it reads more than public columns, and
    `covered` whether one covered it or it needs none."""

    institution: str
    request_id: str
    unit: UnitType
    subject: str
    purpose: str
    template: str
    authorisation: str
    needed: bool
    covered: bool
    sources: tuple[LookupSource, ...]
    admission: int
    time: datetime

    @property
    def asked_as(self) -> str:
        """The id that the institution knows the question by: of a section its report's, of a score its request's."""
        return asked_as(self.request_id)


def asked_as(request_id: str) -> str:
    """The id that a caller gave: of a section of a report the report's, of a score the request's for all of them."""
    return request_id.partition(SECTION)[0].partition(SCORED)[0]


def used_as(request_id: str) -> str:
    """What an authorisation is used by: a lookup, or a report with all its sections. A lookup and a report that bear
    one id are two uses."""
    asked, mark, _ = request_id.partition(SECTION)
    return asked + mark


def note(
    tx: Connection,
    rules: LookupRules,
    asked: tuple[str, str, str],
    admission: int,
    now: datetime,
    *,
    covered: bool,
) -> None:
    """Keeps that an institution has asked. `asked` are institution, request and purpose."""
    institution, request_id, purpose = asked
    sources = {source.table: [source.owner, source.as_of.isoformat()] for source in rules.sources}
    row = {
        "institution": institution,
        "request_id": request_id,
        "unit": rules.unit.value,
        "subject": rules.subject,
        "purpose": purpose,
        "template": rules.template,
        "authorisation": rules.authorisation,
        "needed": int(bool(rules.columns)),
        "covered": int(covered),
        "sources": json.dumps(sources, ensure_ascii=False),
        "admission": admission,
        "time": now.astimezone(UTC).isoformat(),
    }
    _NOTE.run(tx, row)


def note_scores(
    tx: Connection,
    unit: UnitType,
    scorecard: str,
    sources: Sequence[LookupSource],
    asked: tuple[str, str, str],
    scored: Sequence[tuple[str, str, bool]],
    outcome: int,
    now: datetime,
) -> None:
    """Keeps whom an institution had scored, in the transaction that records what left: each subject, its
    authorisation, and whether a score of it left. One row each, whichever it was."""
    institution, request_id, purpose = asked
    listed = {source.table: [source.owner, source.as_of.isoformat()] for source in sources}
    common = {
        "institution": institution,
        "unit": unit.value,
        "purpose": purpose,
        "template": scorecard,
        "needed": 1,
        "sources": json.dumps(listed, ensure_ascii=False),
        "admission": outcome,
        "time": now.astimezone(UTC).isoformat(),
    }
    rows = [
        {
            **common,
            "request_id": f"{request_id}{SCORED}{number}",
            "subject": subject,
            "authorisation": authorisation,
            "covered": int(left),
        }
        for number, (subject, authorisation, left) in enumerate(scored)
    ]
    if rows:
        tx.execute(insert(inquiries), rows)


def of_request(tx: Connection, institution: str, request_id: str) -> tuple[Inquiry, ...]:
    """What an institution asked under one id of its own: a lookup, or the sections of a report."""
    until = request_id + chr(ord(SECTION) + 1)
    this = (_i.institution == institution) & (_i.request_id >= request_id) & (_i.request_id < until)
    rows = tx.execute(select(inquiries).where(this).order_by(_i.admission))
    return tuple(found for found in map(_inquiry, rows) if found.asked_as == request_id)


def of_section(tx: Connection, institution: str, request_id: str) -> tuple[Inquiry, ...]:
    """What was admitted under the very id, the newest last."""
    this = (_i.institution == institution) & (_i.request_id == request_id)
    return tuple(map(_inquiry, tx.execute(select(inquiries).where(this).order_by(_i.admission))))


def about(tx: Connection, unit: UnitType, subject: str) -> tuple[Inquiry, ...]:
    """Everything that was asked about a subject, the oldest first."""
    this = (_i.unit == unit.value) & (_i.subject == subject)
    return tuple(map(_inquiry, tx.execute(select(inquiries).where(this).order_by(_i.admission))))


def read_of(tx: Connection, unit: UnitType, table: str) -> Mapping[str, date]:
    """The subjects of a kind of whom a table was read, each with the oldest day whose data were."""
    oldest: dict[str, date] = {}
    query = select(inquiries).where(_i.unit == unit.value, _i.covered == 1)
    for inquiry in map(_inquiry, tx.execute(query)):
        days = [source.as_of for source in inquiry.sources if source.table == table]
        if days:
            oldest[inquiry.subject] = min(*days, oldest.get(inquiry.subject, date.max))
    return oldest


def was_told(tx: Connection, inquiry: Inquiry) -> bool:
    """Whether anything of the subject left: its authorisation covered it, and the outcome has rows.

    What was asked for a report left with it, or not at all; of a score it was noted when it left. Of what was
    redacted nothing says any more that nobody was told.
    """
    if not inquiry.covered or SCORED in inquiry.request_id or _is_redacted(tx, inquiry.admission):
        return inquiry.covered
    if SECTION in inquiry.request_id:
        report = reports_kept.find(tx, inquiry.institution, inquiry.asked_as)
        if report is None or not report.told:
            return False
    wanted = {"request_id": inquiry.request_id, "institution": inquiry.institution, "kind": "outcome"}
    outcomes = log_rows.entries(tx, 0, _MOST_OUTCOMES, wanted)
    return any(type(rows := entry.fields.get("rows")) is int and rows > 0 for entry in outcomes)


def _is_redacted(tx: Connection, admission: int) -> bool:
    gone = pruned.find(tx, admission)
    return gone is not None and log_rows.find(tx, gone.by).fields.get("rule") == REDACTION


def outcomes(tx: Connection, entries: Sequence[int]) -> set[int]:
    """Those of the entries that are outcomes of an inquiry: what says whether the subject's data left."""
    table, found = schema.entries.c, set[int]()
    asked = (_i.institution == table.institution) & (_i.request_id == table.request_id)
    for some in (entries[at : at + _PARAMETERS] for at in range(0, len(entries), _PARAMETERS)):
        query = select(table.index).join_from(schema.entries, inquiries, asked)
        found.update(tx.execute(query.where(table.index.in_(some), table.kind == "outcome")).scalars())
    return found


def _inquiry(row: Row[Any]) -> Inquiry:
    said: Mapping[str, tuple[str, str]] = json.loads(row.sources)
    return Inquiry(
        institution=row.institution,
        request_id=row.request_id,
        unit=UnitType(row.unit),
        subject=row.subject,
        purpose=row.purpose,
        template=row.template,
        authorisation=row.authorisation,
        needed=bool(row.needed),
        covered=bool(row.covered),
        sources=tuple(
            LookupSource(table, owner, date.fromisoformat(as_of)) for table, (owner, as_of) in sorted(said.items())
        ),
        admission=int(row.admission),
        time=datetime.fromisoformat(row.time),
    )


_i = inquiries.c
_NOTE = Prepared(insert(inquiries))
_MOST_OUTCOMES = 100
_PARAMETERS = 400
