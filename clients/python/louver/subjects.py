"""Questions about one subject, as a caller sees them: templates, and the authorisations they are asked under."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from pathlib import Path
from typing import Literal

from louver.failures import Misused
from louver.questions import Parameter
from louver.v1 import subjects_pb2 as pb

Unit = Literal["person", "enterprise"]

DIALECT = "template"
"""What a question says its text is written in when it names a template."""

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Days of authorisations begin and end here."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


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
    is not. Days are in Beijing, times RFC 3339 in UTC."""

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
    recorded: str
    revoked: str
    log_index: int


def evidence_digest(evidence: str | Path | bytes) -> str:
    """The SHA-256 in hex of what was signed: of a file, of bytes, or given as such. Raises ``Misused``."""
    if isinstance(evidence, bytes):
        return hashlib.sha256(evidence).hexdigest()
    if isinstance(evidence, str) and _DIGEST.fullmatch(evidence):
        return evidence
    try:
        return hashlib.sha256(Path(evidence).read_bytes()).hexdigest()
    except OSError:
        raise Misused(
            "the evidence cannot be read", "the file that was signed, or its SHA-256 in 64 hexadecimal digits"
        ) from None


def call_parameters(
    subject: str, authorisation: str, parameters: Mapping[str, Parameter] | None
) -> Mapping[str, Parameter]:
    """What a lookup is asked with. Raises ``Misused`` where a parameter has the name of one of the two."""
    given = dict(parameters or {})
    if {"subject", "authorisation"} & given.keys():
        raise Misused("the subject and its authorisation are arguments of their own")
    return given | {"subject": subject} | ({"authorisation": authorisation} if authorisation else {})


def recording(
    unit: Unit,
    subject: str,
    *,
    purpose: str,
    scope: Sequence[str],
    granted_on: date,
    expires_on: date,
    evidence: str | Path | bytes,
    single_consent: bool,
    adverse_notice: bool,
    uses: int | None,
) -> pb.RecordAuthorisationRequest:
    """The message that records an authorisation, not yet signed. Raises ``Misused``."""
    if isinstance(scope, str):
        raise Misused("the scope is a list of tables", "such as ['gov.tax_credit']")
    if uses is not None and not 1 <= uses < 2**31:
        raise Misused("an authorisation is used once or more often", "None is any number of times")
    return pb.RecordAuthorisationRequest(
        unit=unit,
        subject=subject,
        purpose=purpose,
        scope=sorted(set(scope)),
        granted_on=granted_on.isoformat(),
        expires_on=expires_on.isoformat(),
        evidence_sha256=evidence_digest(evidence),
        single_consent=single_consent,
        adverse_notice=adverse_notice,
        uses=uses or 0,
    )


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
            recorded=message.recorded,
            revoked=message.revoked,
            log_index=message.log_index,
        )
        for message in messages
    ]
