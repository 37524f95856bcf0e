"""What travels the line for the verb `query`: which subject, by which template, covered by which authorisation.

A lookup is asked in the dialect `template`, in which the text is the name of a template that an officer wrote: the
caller's own words never become SQL. Source: PRIVACY 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.core_plan import CorePlan

DIALECT = "template"
"""What a question says its text is written in when it names a template."""

NOBODY = "~"
"""Stands for the subject where the authorisation does not cover it: no identifier is written so."""


class Show(StrEnum):
    """How a field of a template leaves (DOMAIN 2.9)."""

    WHOLE = "whole"
    NAME = "name"
    CITIZEN_NUMBER = "citizen_number"
    SUBJECT_CODE = "subject_code"
    MOBILE = "mobile"
    BANK_CARD = "bank_card"
    ADDRESS = "address"
    AMOUNT = "amount"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True)
class ShownField:
    """A column of the answer and how much of it may be seen."""

    name: str
    show: Show


@dataclass(frozen=True, slots=True)
class LookupSource:
    """A table that was read: its name, who holds it, and the day its rows are of."""

    table: str
    owner: str
    as_of: date


@dataclass(frozen=True, slots=True)
class LookupRules:
    """What an authorisation must cover, and how the fields leave.

    `columns` are those read of each dataset that is not public, `sensitive` that one of them needs separate consent,
    `restricted` that a rule bars this type of requester from one of them without a warning (征信业管理条例 art. 14).
    A template that reads public columns alone has no `columns` and needs no authorisation.
    """

    template: str
    unit: UnitType
    subject: str = field(repr=False)
    authorisation: str
    columns: Mapping[str, frozenset[str]]
    sensitive: bool
    restricted: bool
    fields: tuple[ShownField, ...]
    most_rows: int
    sources: tuple[LookupSource, ...]


@dataclass(frozen=True, slots=True)
class LookupPlan:
    """The rules, and what runs instead where the authorisation does not cover the subject: the same statement about
    nobody, so that the two take as long and look alike."""

    rules: LookupRules
    about_nobody: tuple[CorePlan, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the authorisation said at the commit. `told` are the reasons as the log calls them, `expires` its last day
    where it covers the subject."""

    covered: bool
    told: tuple[str, ...] = ()
    expires: date | None = None
