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
from louver_server.accounts.model import Account, Act, Passkey, Role, Session, Stage
from louver_server.accounts.passkeys import CHALLENGE_BYTES, NotSigned, Site
from louver_server.accounts.store import Held, Store, Taken
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
    """Who comes in. `secret` is the installation's key for second factors, `site` what passkeys are bound to."""

    store: Store
    secret: bytes
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    site: Site

    def invite(self, name: str, role: Role, profile: str, by: str) -> str:
        """A new account; gives its first password, which is told to nobody else. Raises `Taken`, `Held`."""
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

    def release(self, name: str, by: str) -> None:
        """Opens the role of somebody whom a provider knows until their next sign-in; their sessions end."""
        self.store.release(name)
        self.journal(by, marked("role released"), name)

    def lock(self, name: str, by: str, *, locked: bool) -> None:
        """Locks an account out at once, or lets it in again."""
        self.store.lock(name, locked)
        self.journal(by, marked("account locked") if locked else marked("account unlocked"), name)

    def knock(self, name: str, password: str, address: str) -> Session:
        """The first factor. Raises `NotLetIn`, `TooOften`."""
        now = self.clock()
        self._check_throttle(name, address, now)
        account, kept = self.store.account(name), self.store.password(name)
        right = passwords.is_right(password, kept or _NOBODY)
        if account is None or account.locked or account.subject or not right:
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

    def asked_of_passkey(self, session: Session) -> str:
        """What the passkey of the session's account is to sign now, for a browser; empty where there is none."""
        passkey = self.store.passkey(session.account.name)
        if session.stage is not Stage.CODE or passkey is None:
            return ""
        return self.site.asked(passkey, self._challenge(session))

    def confirm_by_passkey(self, session: Session, said: str, address: str) -> Session:
        """The second factor, by a passkey's signature. Raises `NotLetIn`, `TooOften`."""
        now, name = self.clock(), session.account.name
        self._check_throttle(name, address, now)
        passkey, challenge = self.store.passkey(name), self.store.challenge(session.token, None)
        if session.stage is not Stage.CODE or passkey is None or challenge is None:
            raise NotLetIn
        try:
            uses = self.site.used(said, passkey, challenge)
        except NotSigned:
            self._fail(name, address, now, "wrong passkey")
            raise NotLetIn from None
        self.store.used_passkey(name, uses)
        return self._let_in(session, now, address)

    def welcome(self, subject: str, name: str, as_what: tuple[Role, str], address: str) -> Session:
        """Somebody whom the provider vouches for, at the first time with an account made for them. Raises `NotLetIn`.

        Who they are is their subject: a name that another has is no way into that account, and whoever comes with
        another role or profile than at the first time waits for an administrator (三权分立).
        """
        now, (role, profile) = self.clock(), as_what
        account = self.store.of_subject(subject)
        if account is None:
            account = Account(name, role, profile, enrolled=True, locked=False, created=now, subject=subject)
            try:
                self.store.add(account, "")
            except Taken:
                self._fail(name, address, now, "the name is another's")
                raise NotLetIn from None
            except Held:
                self._fail(name, address, now, f"profile {profile} is another's")
                raise NotLetIn from None
            self.journal(name, marked("account made"), f"{name}, {role.value}, {subject}"[:400])
        elif account.locked:
            self._fail(account.name, address, now, "locked")
            raise NotLetIn
        elif not account.enrolled:
            try:
                self.store.bind(account.name, role, profile)
            except Held:
                self._fail(account.name, address, now, f"profile {profile} is another's")
                raise NotLetIn from None
            account = replace(account, role=role, profile=profile, enrolled=True)
            self.journal(
                account.name, marked("role taken"), f"{role.value}{f', profile {profile}' if profile else ''}"
            )
        elif (account.role, account.profile) != as_what:
            self._fail(account.name, address, now, f"comes as {role.value} {profile}".rstrip())
            raise NotLetIn
        self.journal(account.name, marked("signed in"), f"from {address}")
        return self._begin(account, Stage.FULL, now)

    def pending_secret(self, session: Session) -> bytes:
        """The second factor that a session of stage ENROL sets up. Raises `NotLetIn` for another."""
        kept = self.store.pending(session.token)
        if session.stage is not Stage.ENROL or kept is None:
            raise NotLetIn
        return codes.unwrapped(kept, session.account.name, self.secret)

    def wanted_of_passkey(self, session: Session) -> str:
        """What a browser is asked for to make a passkey for the session's account."""
        return self.site.wanted(session.account.name, self._challenge(session))

    def enrol_by_passkey(self, session: Session, password: str, said: str, address: str) -> Session:
        """Sets a password of one's own, and a passkey as second factor. Raises as `enrol`."""
        now, name = self.clock(), session.account.name
        self._check_throttle(name, address, now)
        challenge = self.store.challenge(session.token, None)
        if session.stage is not Stage.ENROL or challenge is None:
            raise NotLetIn
        self._check_own(password, name)
        try:
            passkey: Passkey = self.site.made(said, challenge)
        except NotSigned:
            self._fail(name, address, now, "wrong passkey")
            raise NotLetIn from None
        self.store.enrol_passkey(name, passwords.hashed(password, self.random), passkey)
        return self._enrolled(session, now, address)

    def enrol(self, session: Session, password: str, code: str, address: str) -> Session:
        """Sets password and second factor of one's own. Raises `TooWeak`, `NotLetIn` for a wrong code, `TooOften`."""
        now, name = self.clock(), session.account.name
        self._check_throttle(name, address, now)
        secret = self.pending_secret(session)
        self._check_own(password, name)
        step = codes.accepted_step(secret, code, now, 0)
        if step is None:
            self._fail(name, address, now, "wrong code")
            raise NotLetIn
        wrapped = codes.wrapped(secret, name, self.secret, self.random)
        self.store.enrol(name, passwords.hashed(password, self.random), wrapped, step)
        return self._enrolled(session, now, address)

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

    def refuse(self, why: str, address: str, *, counted: bool) -> None:
        """Writes down that somebody came back from the provider in vain. It is counted against the address where
        another site cannot have had their browser do it; apart from passwords, so that wrong ones close nobody's way
        to the provider."""
        if counted:
            self.store.failed(f"provider {address}", self.clock(), throttle.WINDOW)
        self.journal("", marked("not let in"), f"{why}, from {address}")

    def wait(self, address: str) -> timedelta:
        """How long nobody who comes back from the provider to there is looked at, whoever they are."""
        failures = self.store.failures(f"provider {address}")
        return throttle.wait(failures, throttle.IN_ALL, self.clock())

    def _challenge(self, session: Session) -> bytes:
        fresh = self.random(CHALLENGE_BYTES)
        self.store.challenge(session.token, fresh)
        return fresh

    def _check_own(self, password: str, name: str) -> None:
        kept = self.store.password(name)
        if not passwords.is_allowed(password, name) or not kept or passwords.is_right(password, kept):
            raise TooWeak

    def _enrolled(self, session: Session, now: datetime, address: str) -> Session:
        self.store.end_sessions(session.account.name)
        self.journal(session.account.name, marked("enrolled"), "")
        return self._let_in(session, now, address)

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
        failures = {who: self.store.failures(who) for who, _ in throttle.counted(name, address)}
        longest = throttle.longest(failures, name, address, now)
        if longest:
            raise TooOften(longest)

    def _fail(self, name: str, address: str, now: datetime, why: str) -> None:
        for who, _ in throttle.counted(name, address):
            self.store.failed(who, now, throttle.WINDOW)
        self.journal(name[:64], marked("not let in"), f"{why}, from {address}")


_NOBODY: Final = passwords.hashed("nobody has this password", bytes)
"""What a password is compared with where there is no account, so that it takes as long."""
