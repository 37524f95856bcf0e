"""Signing in: a password, then a code; at the first time a password and a second factor of one's own.

Whoever is not let in learns nothing of why: an unknown name, a wrong password and a locked account are told apart in
the journal only, and take as long.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from louver_server.accounts import codes, passwords, throttle
from louver_server.accounts.model import Account, Act, Role, Session, Stage
from louver_server.accounts.store import Store
from louver_server.languages import marked

TOKEN_BYTES: Final = 32


class NotLetIn(Exception):
    """Name, password or code is wrong."""


class TooOften(Exception):
    """Wrong too often; `wait` says for how long nobody looks at further tries."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait


class TooWeak(Exception):
    """A password of one's own that is too easy."""


@dataclass(frozen=True)
class Doors:
    """Who comes in. `secret` is the installation's key for second factors."""

    store: Store
    secret: bytes
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]

    def invite(self, name: str, role: Role, profile: str, by: str) -> str:
        """A new account; gives its first password, which is told to nobody else. Raises `Taken`."""
        first = self.token(12)
        account = Account(name, role, profile, enrolled=False, locked=False, created=self.clock())
        self.store.add(account, passwords.hashed(first, self.random))
        self.journal(by, marked("account made"), f"{name}, {role.value}{f', profile {profile}' if profile else ''}")
        return first

    def invite_again(self, name: str, by: str) -> str:
        """A first password for an account whose password or second factor is lost; its sessions end."""
        first = self.token(12)
        self.store.start_anew(name, passwords.hashed(first, self.random))
        self.journal(by, marked("account started anew"), name)
        return first

    def lock(self, name: str, by: str, *, locked: bool) -> None:
        """Locks an account out at once, or lets it in again."""
        self.store.lock(name, locked)
        self.journal(by, marked("account locked") if locked else marked("account unlocked"), name)

    def knock(self, name: str, password: str, address: str) -> Session:
        """The first factor. Raises `NotLetIn`, `TooOften`."""
        now = self.clock()
        self._check_throttle(name, address, now)
        account, kept = self.store.account(name), self.store.password(name)
        right = passwords.is_right(password, _NOBODY if kept is None else kept)
        if account is None or account.locked or not right:
            why = "no such account" if account is None else "locked" if account.locked else "wrong password"
            self._fail(name, address, now, why)
            raise NotLetIn
        stage = Stage.CODE if account.enrolled else Stage.ENROL
        return self._begin(account, stage, now)

    def confirm(self, session: Session, code: str, address: str) -> Session:
        """The second factor; the session before it ends. Raises `NotLetIn`, `TooOften`."""
        now, account = self.clock(), session.account
        self._check_throttle(account.name, address, now)
        kept = self.store.second_factor(account.name)
        if session.stage is not Stage.CODE or kept is None:
            raise NotLetIn
        secret = codes.unwrapped(kept, account.name, self.secret)
        step = codes.accepted_step(secret, code, now, self.store.last_step(account.name))
        if step is None or not self.store.use_step(account.name, step):
            self._fail(account.name, address, now, "wrong code")
            raise NotLetIn
        return self._let_in(session, now, address)

    def pending_secret(self, session: Session) -> bytes:
        """The second factor that a session of stage ENROL sets up. Raises `NotLetIn` for another."""
        kept = self.store.pending(session.token)
        if session.stage is not Stage.ENROL or kept is None:
            raise NotLetIn
        return codes.unwrapped(kept, session.account.name, self.secret)

    def enrol(self, session: Session, password: str, code: str, address: str) -> Session:
        """Sets password and second factor of one's own. Raises `TooWeak`, `NotLetIn` for a wrong code, `TooOften`."""
        now, name = self.clock(), session.account.name
        self._check_throttle(name, address, now)
        secret = self.pending_secret(session)
        kept = self.store.password(name)
        if not passwords.is_allowed(password, name) or kept is None or passwords.is_right(password, kept):
            raise TooWeak
        step = codes.accepted_step(secret, code, now, 0)
        if step is None:
            self._fail(name, address, now, "wrong code")
            raise NotLetIn
        wrapped = codes.wrapped(secret, name, self.secret, self.random)
        self.store.enrol(name, passwords.hashed(password, self.random), wrapped, step)
        self.store.end_sessions(name)
        self.journal(name, marked("enrolled"), "")
        return self._let_in(session, now, address)

    def leave(self, session: Session) -> None:
        """Signs out."""
        self.store.end_session(session.token)
        self.journal(session.account.name, marked("signed out"), "")

    def journal(self, account: str, what: str, about: str) -> None:
        """Writes down what somebody did to the console."""
        self.store.write(Act(self.clock(), account, what, about))

    def token(self, size: int = TOKEN_BYTES) -> str:
        """Random bytes as text for addresses and forms."""
        return base64.urlsafe_b64encode(self.random(size)).decode().rstrip("=")

    def _let_in(self, before: Session, now: datetime, address: str) -> Session:
        """A token of its own for every step, so that one planted before signing in is worth nothing after it."""
        self.store.end_session(before.token)
        for who, _ in throttle.counted(before.account.name, address):
            if not who.startswith("address"):
                self.store.forgive(who)
        self.journal(before.account.name, marked("signed in"), f"from {address}")
        return self._begin(replace(before.account, enrolled=True), Stage.FULL, now)

    def _begin(self, account: Account, stage: Stage, now: datetime) -> Session:
        session = Session(self.token(), account, stage, self.token(), now, now)
        pending = None
        if stage is Stage.ENROL:
            pending = codes.wrapped(self.random(codes.SECRET_BYTES), account.name, self.secret, self.random)
        self.store.begin_session(session, pending)
        return session

    def _check_throttle(self, name: str, address: str, now: datetime) -> None:
        longest = max(
            throttle.wait(self.store.failures(who), most, now) for who, most in throttle.counted(name, address)
        )
        if longest:
            raise TooOften(longest)

    def _fail(self, name: str, address: str, now: datetime, why: str) -> None:
        for who, _ in throttle.counted(name, address):
            self.store.failed(who, now, throttle.WINDOW)
        self.journal(name[:64], marked("not let in"), f"{why}, from {address}")


_NOBODY: Final = passwords.hashed("nobody has this password", bytes)
"""What a password is compared with where there is no account, so that it takes as long."""
