"""Subscriptions and the notices that come of them, and how notices are read and believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from louver.errors import Unproven
from louver.receipt import Receipt

if TYPE_CHECKING:
    from louver.settings import Settings
    from louver.v1 import warnings_pb2

FORMAT = "louver warnings 1"
KIND = "warnings_told"
"""What the log calls the entry about a document of notices."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it was made; it says nothing of its flags. ``until`` is its last day in Beijing, ``created``
    and ``cancelled`` are RFC 3339 in UTC, the latter empty while it is not."""

    id: str
    template: str
    purpose: str
    unit: str
    subject: str
    authorisation: str
    until: date
    created: str
    cancelled: str
    log_index: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Flags of a subscription that came up (``raised``) or are gone (``cleared``), on tables as of the days in
    ``as_of``. A notice may come twice, under one ``id``."""

    id: str
    subscription: str
    template: str
    raised: tuple[str, ...]
    cleared: tuple[str, ...]
    as_of: Mapping[str, date]
    made: datetime


@dataclass(frozen=True, slots=True)
class Notices(Sequence[Notice]):
    """Notices that left together, oldest first, with the document that holds them and its receipt (None where there
    are none). ``last`` is the id to go on from."""

    institution: str
    notices: tuple[Notice, ...]
    document: bytes = field(repr=False)
    receipt: Receipt | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.notices)

    def __getitem__(self, place: Any) -> Any:
        return self.notices[place]

    @property
    def last(self) -> str:
        """The id of the last notice; empty where there is none."""
        return self.notices[-1].id if self.notices else ""

    def verify(self, log_key: str) -> None:
        """Whether the log that has this key says that exactly this was told. Raises ``Unproven``."""
        if not self.notices:
            return
        if self.receipt is None:
            raise Unproven("notices without a receipt", self.document)
        proof = self.receipt.verify(log_key)
        digest = hashlib.sha256(self.document).hexdigest()
        said = (proof.entry.get("kind"), proof.entry.get("institution"), proof.entry.get("result_digest"))
        if said != (KIND, self.institution, digest):
            raise Unproven("the log entry is not about these notices", self.receipt.entry)


@dataclass(frozen=True, slots=True)
class Borrower:
    """Whom to subscribe to: its number, its authorisation, and the day on which the loan is settled."""

    subject: str
    authorisation: str
    until: date


def parse(document: bytes, receipt: bytes) -> Notices:
    """Notices from their bytes. Raises ``Unproven`` for what has not the form of any."""
    try:
        said = json.loads(document)
        if said["format"] != FORMAT or not isinstance(said["institution"], str):
            raise Unproven("these are no notices of a form that is known here", document)
        found = tuple(map(_notice, said["notices"]))
        return Notices(said["institution"], found, document, Receipt.from_bytes(receipt) if receipt else None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("these are no notices of a form that is known here", document) from None


def opened(body: bytes, log_key: str, institution: str) -> Notices:
    """The notices that were posted to your address (webhook), if the log that has this key says that they were told
    to you. Raises ``Unproven``: then the message is not the platform's."""
    try:
        said = json.loads(body)
        document, receipt = said["document"].encode(), said["receipt"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven("this is no message of notices", body) from None
    found = parse(document, receipt)
    if found.institution != institution or not found.notices:
        raise Unproven("this message is not to this institution", body)
    found.verify(log_key)
    return found


def proven(settings: Settings, document: bytes, receipt: bytes) -> Notices:
    """The notices, if they are this institution's and their receipt proves them. Raises ``Unproven``."""
    from louver.tls import institution_of

    found = parse(document, receipt)
    if found.institution != institution_of(settings.credentials.certificate):
        raise Unproven("these notices are another institution's", document)
    if settings.log_key:
        found.verify(settings.log_key)
    return found


def _notice(said: Mapping[str, Any]) -> Notice:
    flags = {name: tuple(map(str, said[name])) for name in ("raised", "cleared")}
    return Notice(
        str(said["id"]),
        str(said["subscription"]),
        str(said["template"]),
        flags["raised"],
        flags["cleared"],
        {str(table): date.fromisoformat(day) for table, day in said["as_of"].items()},
        datetime.fromisoformat(said["made"]),
    )


def subscription_of(message: warnings_pb2.Subscription) -> Subscription:
    return Subscription(
        message.id,
        message.template,
        message.purpose,
        message.unit,
        message.subject,
        message.authorisation,
        date.fromisoformat(message.until),
        message.created,
        message.cancelled,
        message.log_index,
    )
