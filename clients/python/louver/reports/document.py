"""A credit report as its bytes say it, proved by its receipt.

The document is JSON; its SHA-256 stands in an entry of the platform's log, and the receipt proves that entry under
the log's signature. So the document is what was signed, byte for byte, and whoever holds it can check that offline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from louver.errors import Unproven
from louver.quality import TableQuality, day_of, read
from louver.receipt import Receipt

FORMAT = "louver credit report 1"
KIND = "report"
"""What the log calls the entry about a report."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that a section was read from, who holds it, the day its rows are of, and how good they are where that
    was measured."""

    table: str
    owner: str
    as_of: date
    quality: TableQuality | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report. ``columns`` are names, ``titles`` what people call them; cells are text, whole numbers,
    truth values or None. ``cut`` is whether there are more rows than are listed."""

    title: str
    template: str
    columns: tuple[str, ...]
    titles: tuple[str, ...]
    rows: tuple[tuple[str | int | bool | None, ...], ...]
    sources: tuple[Source, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class CreditReport:
    """A credit report. It has no ``sections`` where there is nothing to tell: no such subject, or no authorisation
    in force that covers all of it. Days are Beijing's."""

    name: str
    title: str
    library: str
    answers_for: str
    institution: str
    purpose: str
    request_id: str
    authorisation: str
    unit: str
    subject: str
    made: datetime
    valid_until: date
    sections: tuple[Section, ...]
    document: bytes = field(repr=False)
    receipt: Receipt | None = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of the document, in hex, as the log has it."""
        return hashlib.sha256(self.document).hexdigest()

    def verify(self, log_key: str) -> int:
        """Check the receipt against the log's public key; the index of the log's entry. Raises ``Unproven``."""
        if self.receipt is None:
            raise Unproven("the report has no receipt", self.document)
        proof = self.receipt.verify(log_key, result_digest=self.sha256, request_id=self.request_id)
        if proof.kind != KIND:
            raise Unproven("the log entry is not about a report", self.receipt.entry)
        return proof.index

    def save(self, path: str | Path) -> None:
        """Write the document as it was signed, and its receipt beside it as ``NAME.receipt``."""
        place = Path(path)
        place.write_bytes(self.document)
        if self.receipt is not None:
            place.with_name(place.name + ".receipt").write_bytes(self.receipt.to_bytes())

    def to_pdf(self, path: str | Path) -> None:
        """Print it as a PDF in Chinese with document and receipt attached. Raises ``MissingExtra`` without
        ``louver[report]``."""
        from louver.reports.printing import printed

        Path(path).write_bytes(printed(self))


def load(path: str | Path) -> CreditReport:
    """A saved report: JSON with its receipt beside it, or a PDF that has both attached.

    Raises ``Unproven`` for what is none, and for a PDF whose pages are not what its document says.
    """
    place = Path(path)
    content = place.read_bytes()
    if content.startswith(b"%PDF"):
        from louver.reports.printing import attached

        return attached(content)
    beside = place.with_name(place.name + ".receipt")
    return parse(content, beside.read_bytes() if beside.exists() else b"")


def parse(document: bytes, receipt: bytes) -> CreditReport:
    """A report from its bytes. Raises ``Unproven`` for what has not the form of one."""
    try:
        said = json.loads(document)
        if said["format"] != FORMAT:
            raise Unproven("this is no credit report of a form that is known here", document)
        return CreditReport(
            **{name: _text(said[name]) for name in _TEXTS},
            name=_text(said["report"]),
            unit=_text(said["subject"]["unit"]),
            subject=_text(said["subject"]["number"]),
            made=datetime.fromisoformat(said["made"]),
            valid_until=date.fromisoformat(said["valid_until"]),
            sections=tuple(_section(one, day_of(said["made"])) for one in said["sections"]),
            document=document,
            receipt=Receipt.from_bytes(receipt) if receipt else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("this is no credit report", document) from None


def _section(said: Mapping[str, Any], day: date) -> Section:
    columns = said["columns"]
    rows = tuple(tuple(map(_cell, row)) for row in said["rows"])
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("a row has not the columns of its section")
    return Section(
        title=_text(said["title"]),
        template=_text(said["template"]),
        columns=tuple(_text(one["name"]) for one in columns),
        titles=tuple(_text(one["title"]) for one in columns),
        rows=rows,
        sources=tuple(_source(one, day) for one in said["sources"]),
        cut=said["cut"] is True,
    )


def _source(said: Mapping[str, Any], day: date) -> Source:
    table = _text(said["table"])
    quality = read(table, said["quality"], day) if "quality" in said else None
    return Source(table, _text(said["owner"]), date.fromisoformat(said["as_of"]), quality)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _cell(value: object) -> str | int | bool | None:
    if value is not None and not isinstance(value, str | int | bool):
        raise TypeError("a cell is text, a whole number, a truth value or nothing")
    return value


_TEXTS = ("title", "library", "answers_for", "institution", "purpose", "request_id", "authorisation")
