"""Credit reports: approved templates that are asked together about one subject, under one authorisation (DOMAIN 1.3).

A report reads nothing of its own. Each of its sections is a lookup by a template, with the grants, masks and rules of
that template; so the three public credit libraries keep theirs. A report is offered to whom all its templates are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from pydantic import Field, model_validator

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.policy.templates import Template
from louver_sandbox.policy.words import Document, Identifier, PurposeCode, TemplateName, Text

LONGEST_VALIDITY = 90
MOST_SECTIONS = 30
MOST_ROWS = 2000
"""Rows of all sections together."""


class Library(StrEnum):
    """The public credit libraries (三大公共信用数据库)."""

    ENTERPRISE = "credit_enterprise"
    NON_ENTERPRISE = "credit_non_enterprise"
    NATURAL_PERSON = "credit_natural_person"


class ReportSection(Document):
    """One part of a report: what it is called, and the template that it is asked by."""

    title: Text
    template: TemplateName


class Report(Document):
    """One approved report. It may be relied on for `valid_days`, and not longer than its authorisation lasts."""

    id: Identifier
    version: Identifier
    title: Text
    library: Library
    subject: UnitType
    purposes: tuple[PurposeCode, ...] = Field(min_length=1)
    valid_days: int = Field(ge=1, le=LONGEST_VALIDITY)
    sections: tuple[ReportSection, ...] = Field(min_length=1, max_length=MOST_SECTIONS)

    @model_validator(mode="after")
    def _of_its_library(self) -> Report:
        if (self.library is Library.NATURAL_PERSON) is not (self.subject is UnitType.PERSON):
            raise ValueError("persons are in credit_natural_person, and nobody else is")
        named = [section.template for section in self.sections]
        if len(set(named)) != len(named):
            raise ValueError("a template is one section of a report")
        return self

    @property
    def name(self) -> str:
        """`id@version`, as questions and the log call it."""
        return f"{self.id}@{self.version}"


def misfits(report: Report, templates: Mapping[str, Template]) -> Iterator[tuple[int, str, str]]:
    """The sections that cannot be asked as the report is: place, and what is wrong in two languages."""
    rows = 0
    for place, section in enumerate(report.sections):
        template = templates.get(section.template)
        if template is None:
            yield place, f"there is no template {section.template}", f"没有模板 {section.template}"
            continue
        rows += template.most_rows
        if template.subject is not report.subject:
            yield place, f"{template.name} is about another kind of subject", f"{template.name} 的主体类别不同"
        if template.parameters:
            yield place, f"{template.name} takes parameters, and a report has none", f"{template.name} 需要参数"
        if missing := sorted(set(report.purposes) - set(template.purposes)):
            yield (
                place,
                f"{template.name} is not for {', '.join(missing)}",
                f"{template.name} 不适用于 {'、'.join(missing)}",
            )
    if rows > MOST_ROWS:
        yield (
            0,
            f"its sections have up to {rows} rows, more than {MOST_ROWS}",
            f"各节合计可达 {rows} 行，超过 {MOST_ROWS} 行",
        )
