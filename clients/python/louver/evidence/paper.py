"""The compliance report on paper: the same words and numbers as its page, as a PDF with Chinese.

The same entries give the same bytes. On every page stands the SHA-256 of the report as Markdown, which an evidence
pack holds and whose verification makes it again: so a printed page can be held against the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from louver.evidence.compliance import Section, cell, facts, markdown, wording
from louver.evidence.scope import Scope
from louver.reports.paper import BODY, HEADING, TITLE, Paper, pages


def pdf(report: Sequence[Section], scope: Scope, origin: str, language: str) -> bytes:
    """The PDF. Raises ``MissingExtra`` without the library."""
    words = wording(language)
    digest = hashlib.sha256(markdown(report, scope, origin, language).encode()).hexdigest()

    def write(paper: Paper) -> None:
        paper.line(words("title"), TITLE, centred=True)
        paper.gap(8)
        for one in facts(scope, origin, words):
            paper.line(one, BODY)
        for section in report:
            paper.gap(8)
            paper.line(words(section.title), HEADING)
            if section.note:
                paper.line(words(section.note), BODY)
            if section.rows:
                rows = [[cell(value, words, str) for value in row] for row in section.rows]
                paper.table([words(name) for name in section.columns], rows)
            else:
                paper.line(words("none"), BODY)

    return pages(words("title"), origin, f"sha256 {digest}", f"SHA-256 {digest}", write)
