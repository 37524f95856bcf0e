"""Questions about one subject, as a caller sees them: templates, and the authorisations they are asked under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from louver.failures import Misused
from louver.questions import Parameter
from louver.v1 import subjects_pb2 as pb

DIALECT = "template"
"""What a question says its text is written in when it names a template."""


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """What a template must be given, beside its subject. Bounds and choices are text; none are empty."""

    name: str
    type: str
    title: str
    least: str = ""
    most: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateField:
    """A column of a template's answer and how much of it is seen (``whole``, ``name``, ``amount``, ...)."""

    name: str
    title: str
    show: str


@dataclass(frozen=True, slots=True)
class Template:
    """A statement about one subject that officers have approved. ``name`` is ``id@version``."""

    name: str
    title: str
    subject: str
    purposes: tuple[str, ...]
    parameters: tuple[TemplateParameter, ...]
    fields: tuple[TemplateField, ...]
    most_rows: int
    owner: str


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A subject's authorisation as it is recorded. ``uses`` None means any number; ``revoked`` is empty while it
    is not, and then the moment, RFC 3339 in UTC. Days are in Beijing."""

    id: str
    unit: str
    subject: str
    purpose: str
    scope: tuple[str, ...]
    granted_on: date
    expires_on: date
    evidence_sha256: str
    single_consent: bool
    adverse_notice: bool
    uses: int | None
    used: int
    revoked: str
    log_index: int


def call_parameters(
    subject: str, authorisation: str, parameters: Mapping[str, Parameter] | None
) -> Mapping[str, Parameter]:
    """What a lookup is asked with. Raises ``Misused`` where a parameter has the name of one of the two."""
    given = dict(parameters or {})
    if {"subject", "authorisation"} & given.keys():
        raise Misused("the subject and its authorisation are arguments of their own")
    return given | {"subject": subject} | ({"authorisation": authorisation} if authorisation else {})


def templates(messages: Iterable[pb.Template]) -> list[Template]:
    """Templates from the wire."""
    return [
        Template(
            name=message.name,
            title=message.title,
            subject=message.subject,
            purposes=tuple(message.purposes),
            parameters=tuple(
                TemplateParameter(one.name, one.type, one.title, one.least, one.most, tuple(one.choices))
                for one in message.parameters
            ),
            fields=tuple(TemplateField(one.name, one.title, one.show) for one in message.fields),
            most_rows=message.most_rows,
            owner=message.owner,
        )
        for message in messages
    ]


def authorisations(messages: Iterable[pb.Authorisation]) -> list[Authorisation]:
    """Authorisations from the wire."""
    return [
        Authorisation(
            id=message.id,
            unit=message.unit,
            subject=message.subject,
            purpose=message.purpose,
            scope=tuple(message.scope),
            granted_on=date.fromisoformat(message.granted_on),
            expires_on=date.fromisoformat(message.expires_on),
            evidence_sha256=message.evidence_sha256,
            single_consent=message.single_consent,
            adverse_notice=message.adverse_notice,
            uses=message.uses or None,
            used=message.used,
            revoked=message.revoked,
            log_index=message.log_index,
        )
        for message in messages
    ]
