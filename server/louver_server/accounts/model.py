"""Accounts, roles and sessions as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

IDLE: Final = timedelta(minutes=30)
"""A session that nobody uses for so long is over."""

LONGEST: Final = timedelta(hours=12)
"""And so is one that is used."""


class Role(StrEnum):
    """What an account is for. An account has one role, so that no person can ask, allow and review (三权分立)."""

    ANALYST = "analyst"
    OFFICER = "officer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Stage(StrEnum):
    """How far somebody is signed in."""

    CODE = "code"
    """The password was right; the second factor is asked for."""
    ENROL = "enrol"
    """The first password was right; a password and a second factor of their own are to be set."""
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Account:
    """One person. `profile` is the client profile the person acts with; administrators who have none meet no sandbox,
    and administer the console alone. `enrolled`: the person has set a password and a second factor of their own.
    `subject`: whom a provider knows signs in there and nowhere else; their role and profile stay those of the first
    time, and where not `enrolled` they are open until the next."""

    name: str
    role: Role
    profile: str
    enrolled: bool
    locked: bool
    created: datetime
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Passkey:
    """What is kept of a passkey (WebAuthn): its id, its public key (COSE), and what its counter said last."""

    credential: bytes
    public_key: bytes
    uses: int


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. `csrf` is repeated in every form of the session."""

    token: str
    account: Account
    stage: Stage
    csrf: str
    created: datetime
    seen: datetime

    def is_over(self, now: datetime) -> bool:
        """By idleness or age, and where the clock went back."""
        return now < self.created or now - self.seen > IDLE or now - self.created > LONGEST


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked in the console, so that its answer has an address. Answers are never kept here."""

    request_id: str
    account: str
    profile: str
    sql: str
    purpose: str
    dialect: str
    epsilon: str
    accuracy: str
    asked: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """One line of the journal: what somebody did to the console itself."""

    time: datetime
    account: str
    what: str
    about: str
