"""Templates: the statements about one subject that officers approve for the verb `query` (PRIVACY 8).

A template stands in the policy of the department that answers for it and is signed with it. Every department whose
columns it reads must name it in a grant of its own. The engine adds the condition on the subject to every table that
has subjects of its kind, so the statement needs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.lookups import Show
from louver_sandbox.policy.words import Document, Identifier, PurposeCode, Text

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
SUBJECT = "subject"
AUTHORISATION = "authorisation"
TODAY = "today"
"""The day of the question in Beijing, which the engine gives to every statement that asks for `:today`."""
_ASKS_TODAY = re.compile(r"(?<![:\w]):today\b")
RESERVED = frozenset({SUBJECT, AUTHORISATION, TODAY})
MOST_ROWS = 1000
LONGEST_TEXT = 200


class ParameterKind(StrEnum):
    """What a parameter holds; a text is one of its choices."""

    INTEGER = "integer"
    DATE = "date"
    BOOLEAN = "boolean"
    CHOICE = "choice"


class Parameter(Document):
    """One typed parameter. It can carry no SQL: numbers and days within bounds, truth values, and listed words."""

    type: ParameterKind
    title: Text
    least: int | date | None = None
    most: int | date | None = None
    choices: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Parameter:
        if (self.type is ParameterKind.CHOICE) != bool(self.choices):
            raise ValueError("a choice lists what may be chosen, nothing else does")
        kind = {ParameterKind.INTEGER: int, ParameterKind.DATE: date}.get(self.type)
        for bound in (self.least, self.most):
            if bound is not None and (kind is None or type(bound) is not kind):
                raise ValueError("bounds are of the parameter's own type")
        if kind is not None and (self.least is None or self.most is None):
            raise ValueError("numbers and days need both bounds")
        return self

    def accepts(self, value: Value) -> bool:
        """Whether the value is of the type and within its bounds."""
        match self.type:
            case ParameterKind.BOOLEAN:
                return isinstance(value, bool)
            case ParameterKind.CHOICE:
                return isinstance(value, str) and value in self.choices
            case ParameterKind.INTEGER:
                return type(value) is int and self._within(value)
            case ParameterKind.DATE:
                return type(value) is date and self._within(value)

    def _within(self, value: int | date) -> bool:
        return bool(self.least <= value <= self.most)  # type: ignore[operator]  # both bounds are of the value's type


class TemplateField(Document):
    """A column of the answer: what people call it and how much of it may be seen."""

    title: Text
    show: Show = Show.WHOLE


class WarningTerms(Document):
    """Makes a template one of warnings (贷后预警): it is subscribed to, never asked, and its fields are flags.

    `most` subscriptions that are live at once and `per_day` new ones for each institution; `per_subject` new ones of
    an institution about one subject in thirty days, since each begins with what holds then; `longest_days` from the
    first day of one to its last.
    """

    most: int = Field(default=200_000, ge=1, le=5_000_000)
    per_day: int = Field(default=20_000, ge=1, le=1_000_000)
    per_subject: int = Field(default=3, ge=1, le=31)
    longest_days: int = Field(default=1_830, ge=1, le=11_000)


class Template(Document):
    """One approved statement about one subject, and what of its answer leaves."""

    id: Identifier
    version: Identifier
    title: Text
    subject: UnitType
    purposes: tuple[PurposeCode, ...] = Field(min_length=1)
    parameters: Mapping[ParameterName, Parameter] = Field(default_factory=dict, max_length=16)
    sql: Statement
    fields: Mapping[FieldName, TemplateField] = Field(min_length=1, max_length=100)
    most_rows: int = Field(default=1, ge=1, le=MOST_ROWS)
    warning: WarningTerms | None = None

    @model_serializer(mode="wrap")
    def _as_signed_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `warning` where it is none, so that bundles signed before it was a key stay canonical."""
        written: dict[str, Any] = handler(self)
        if self.warning is None:
            del written["warning"]
        return written

    @model_validator(mode="after")
    def _flags(self) -> Template:
        plain = all(field.show is Show.WHOLE for field in self.fields.values())
        if self.warning is not None and (self.parameters or self.most_rows != 1 or not plain):
            raise ValueError("a warning takes no parameters, has one row about a subject, and fields that are whole")
        return self

    @model_validator(mode="after")
    def _names(self) -> Template:
        if RESERVED & self.parameters.keys():
            raise ValueError("the subject, its authorisation and the day are given to every template")
        return self

    def given_day(self, today: date) -> Mapping[str, Value]:
        """The day of the question, where the statement asks for it."""
        return {TODAY: today} if _ASKS_TODAY.search(self.sql) else {}

    @property
    def name(self) -> str:
        """`id@version`, as questions and the log call it."""
        return f"{self.id}@{self.version}"


_SUBJECTS = {
    UnitType.ENTERPRISE: re.compile(r"[0-9A-Z]{15,18}"),
    UnitType.PERSON: re.compile(r"[0-9A-Za-z]{6,32}"),
}


def is_subject(unit: UnitType, text: Value) -> bool:
    """Whether the text could name a subject of this kind; of none that exists more is asked."""
    return isinstance(text, str) and _SUBJECTS[unit].fullmatch(text) is not None
