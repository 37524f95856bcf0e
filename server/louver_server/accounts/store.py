"""The console's own state in SQLite: accounts, sessions, failed attempts, questions asked, and the journal.

Nothing of it is government data: answers are not kept, and of a session only the digest of its token.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, create_engine, delete, event, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from louver.failures import Misused
from louver_server.accounts.model import Account, Act, Asked, Passkey, Role, Session, Stage
from louver_server.accounts.schema import (
    ACCOUNTS,
    ACTS,
    FAILURES,
    METADATA,
    PASSKEYS,
    QUESTIONS,
    SEARCHES,
    SESSIONS,
    SPENT,
    STEPS,
    VERSION,
)


class Taken(Exception):
    """There is one of that name."""


class Held(Exception):
    """The profile is one person's towards the sandbox, and another account's already."""


ONE_PERSON: Final = (Role.OFFICER, Role.ADMINISTRATOR)
"""Whose profile is one person: two of them agree where two people are needed, so no profile has two accounts."""


class Store:
    """The state of one installation. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, path: Path) -> Store:
        """The state in a file of its own, made where there is none. Raises `Misused` for another version."""
        if not path.exists():
            path.touch(mode=0o600)
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", _prepare)
        try:
            with engine.begin() as connection:
                found = connection.execute(text("PRAGMA user_version")).scalar_one()
                if found not in (0, 1, VERSION):
                    raise Misused(f"{path.name} is of version {found}, and this program reads version {VERSION}")
                for step in STEPS if found == 1 else ():
                    connection.execute(text(step))
                METADATA.create_all(connection)
                connection.execute(text(f"PRAGMA user_version = {VERSION}"))
        except DatabaseError:
            raise Misused(f"{path.name} is no database of a console") from None
        return cls(engine)

    def close(self) -> None:
        """Ends all connections."""
        self._engine.dispose()

    # Accounts

    def add(self, account: Account, password: str) -> None:
        """A new account with the hash of its first password. Raises `Taken`, `Held`."""
        row = {
            "name": account.name, "role": account.role.value, "profile": account.profile, "password": password,
            "last_step": 0, "enrolled": account.enrolled, "locked": account.locked, "created": _text(account.created),
            "subject": account.subject,
        }  # fmt: skip
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(ACCOUNTS).values(row))
                _check_held(connection, account.name, account.role, account.profile)
        except IntegrityError:
            raise Taken(account.name) from None

    def accounts(self) -> list[Account]:
        """All of them, by name."""
        with self._engine.begin() as connection:
            return [_account(row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))]

    def account(self, name: str) -> Account | None:
        """The account of that name."""
        with self._engine.begin() as connection:
            row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def of_subject(self, subject: str) -> Account | None:
        """The account of somebody whom a provider knows."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(ACCOUNTS).where(ACCOUNTS.c.subject == subject, ACCOUNTS.c.subject != "")
            ).one_or_none()
        return None if row is None else _account(row)

    def release(self, name: str) -> None:
        """The role and profile are open again until the next sign-in of somebody whom a provider knows; every session
        ends."""
        with self._engine.begin() as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(enrolled=False))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))

    def bind(self, name: str, role: Role, profile: str) -> None:
        """The role and profile of somebody whose were open. Raises `Held`."""
        taken = {"role": role.value, "profile": profile, "enrolled": True}
        with self._engine.begin() as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(taken))
            _check_held(connection, name, role, profile)

    def spend(self, value: str, now: datetime, forget: timedelta) -> bool:
        """Takes something for good that is good once, and forgets what is too old to come again; false where it is
        taken already."""
        with self._engine.begin() as connection:
            connection.execute(delete(SPENT).where(SPENT.c.time < _text(now - forget)))
            digest = _digest(value)
            if connection.execute(select(SPENT.c.digest).where(SPENT.c.digest == digest)).one_or_none() is not None:
                return False
            connection.execute(insert(SPENT).values(digest=digest, time=_text(now)))
        return True

    def password(self, name: str) -> str | None:
        """The hash that is kept of its password; empty for one who has none here."""
        with self._engine.begin() as connection:
            return connection.execute(select(ACCOUNTS.c.password).where(ACCOUNTS.c.name == name)).scalar_one_or_none()

    def second_factor(self, name: str) -> bytes | None:
        """Its second factor as it is kept."""
        with self._engine.begin() as connection:
            return connection.execute(
                select(ACCOUNTS.c.second_factor).where(ACCOUNTS.c.name == name)
            ).scalar_one_or_none()

    def last_step(self, name: str) -> int:
        """The step of the last code it used."""
        with self._engine.begin() as connection:
            found = connection.execute(
                select(ACCOUNTS.c.last_step).where(ACCOUNTS.c.name == name)
            ).scalar_one_or_none()
        return int(found or 0)

    def use_step(self, name: str, step: int) -> bool:
        """Takes a code for good; false where it, or a later one, is taken already."""
        with self._engine.begin() as connection:
            done = connection.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.name == name, ACCOUNTS.c.last_step < step).values(last_step=step)
            )
        return done.rowcount == 1

    def enrol(self, name: str, password: str, second_factor: bytes, step: int) -> None:
        """Password and second factor of their own."""
        self._change(name, password=password, second_factor=second_factor, last_step=step, enrolled=True)

    def enrol_passkey(self, name: str, password: str, passkey: Passkey) -> None:
        """Password and passkey of their own, which is their second factor."""
        row = {
            "account": name, "credential": passkey.credential, "public_key": passkey.public_key, "uses": passkey.uses,
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(delete(PASSKEYS).where(PASSKEYS.c.account == name))
            connection.execute(insert(PASSKEYS).values(row))
            connection.execute(
                update(ACCOUNTS)
                .where(ACCOUNTS.c.name == name)
                .values(password=password, second_factor=None, enrolled=True)
            )

    def passkey(self, name: str) -> Passkey | None:
        """The passkey that is its second factor."""
        with self._engine.begin() as connection:
            row = connection.execute(select(PASSKEYS).where(PASSKEYS.c.account == name)).one_or_none()
        return None if row is None else Passkey(row.credential, row.public_key, row.uses)

    def used_passkey(self, name: str, uses: int) -> None:
        """What its counter said when it was last used."""
        with self._engine.begin() as connection:
            connection.execute(update(PASSKEYS).where(PASSKEYS.c.account == name).values(uses=uses))

    def start_anew(self, name: str, password: str) -> None:
        """A first password again; the second factor is forgotten and every session ends."""
        with self._engine.begin() as connection:
            connection.execute(
                update(ACCOUNTS)
                .where(ACCOUNTS.c.name == name)
                .values(password=password, second_factor=None, enrolled=False)
            )
            connection.execute(delete(PASSKEYS).where(PASSKEYS.c.account == name))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))

    def lock(self, name: str, locked: bool) -> None:
        """Locks an account out, which ends its sessions, or lets it in again."""
        with self._engine.begin() as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(locked=locked))
            if locked:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))

    def _change(self, name: str, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))

    # Sessions

    def begin_session(self, session: Session, pending: bytes | None = None) -> None:
        """`pending` is a second factor that is being set up, as it would be kept."""
        row = {
            "digest": _digest(session.token), "account": session.account.name, "stage": session.stage.value,
            "csrf": session.csrf, "pending": pending, "created": _text(session.created), "seen": _text(session.seen),
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(insert(SESSIONS).values(row))

    def session(self, token: str, now: datetime, *, used: bool = True) -> Session | None:
        """Who holds this token; None where it is over, or its account locked or gone. Asking keeps it alive where it
        is `used`; what a page asks by itself is nobody's use."""
        with self._engine.begin() as connection:
            found = connection.execute(
                select(SESSIONS, ACCOUNTS)
                .join(ACCOUNTS, ACCOUNTS.c.name == SESSIONS.c.account)
                .where(SESSIONS.c.digest == _digest(token))
            ).one_or_none()
            if found is None:
                return None
            session = _session(token, found._mapping)
            if session.is_over(now) or session.account.locked:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == _digest(token)))
                return None
            if used and now - session.seen > timedelta(minutes=1):
                connection.execute(
                    update(SESSIONS).where(SESSIONS.c.digest == _digest(token)).values(seen=_text(now))
                )
        return session

    def pending(self, token: str) -> bytes | None:
        """The second factor that this session sets up."""
        with self._engine.begin() as connection:
            return connection.execute(
                select(SESSIONS.c.pending).where(SESSIONS.c.digest == _digest(token))
            ).scalar_one_or_none()

    def challenge(self, token: str, challenge: bytes | None) -> bytes | None:
        """Keeps what a passkey is to sign in this session, in place of what it was to sign before, which it gives."""
        mine = SESSIONS.c.digest == _digest(token)
        with self._engine.begin() as connection:
            connection.execute(update(SESSIONS).where(mine).values(seen=SESSIONS.c.seen))  # nobody else reads it now
            former = connection.execute(select(SESSIONS.c.challenge).where(mine)).scalar_one_or_none()
            connection.execute(update(SESSIONS).where(mine).values(challenge=challenge))
        return former

    def end_session(self, token: str) -> None:
        """Ends it; that it is over already is no error."""
        with self._engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == _digest(token)))

    def end_sessions(self, name: str) -> None:
        """Ends all of an account."""
        with self._engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.account == name))

    # Failed attempts

    def failed(self, who: str, now: datetime, forget: timedelta) -> None:
        """Remembers a failure, and forgets those that no longer count."""
        with self._engine.begin() as connection:
            connection.execute(delete(FAILURES).where(FAILURES.c.time < _text(now - forget)))
            connection.execute(insert(FAILURES).values(who=who, time=_text(now)))

    def failures(self, who: str) -> list[datetime]:
        """When they were."""
        with self._engine.begin() as connection:
            found = connection.execute(select(FAILURES.c.time).where(FAILURES.c.who == who)).scalars()
            return [datetime.fromisoformat(time) for time in found]

    def forgive(self, who: str) -> None:
        """Forgets all failures."""
        with self._engine.begin() as connection:
            connection.execute(delete(FAILURES).where(FAILURES.c.who == who))

    # Questions and acts

    def remember(self, asked: Asked) -> None:
        """A question, once for its request id. Raises `Taken` for another question of the same id."""
        row = {
            "request_id": asked.request_id, "account": asked.account, "profile": asked.profile, "sql": asked.sql,
            "purpose": asked.purpose, "dialect": asked.dialect, "epsilon": asked.epsilon, "accuracy": asked.accuracy,
        }  # fmt: skip
        with self._engine.begin() as connection:
            found = connection.execute(
                select(QUESTIONS).where(QUESTIONS.c.request_id == asked.request_id)
            ).one_or_none()
            if found is None:
                connection.execute(insert(QUESTIONS).values(row | {"asked": _text(asked.asked)}))
            elif any(found._mapping[name] != value for name, value in row.items()):
                raise Taken(asked.request_id)

    def question(self, request_id: str, profile: str) -> Asked | None:
        """A question of an institution's own."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(QUESTIONS).where(QUESTIONS.c.request_id == request_id, QUESTIONS.c.profile == profile)
            ).one_or_none()
        return None if row is None else Asked(**{**row._mapping, "asked": datetime.fromisoformat(row.asked)})

    def save_search(self, account: str, name: str, query: str, now: datetime) -> None:
        """An auditor's search under a name of their own; one of that name is replaced."""
        of = (SEARCHES.c.account == account, SEARCHES.c.name == name)
        with self._engine.begin() as connection:
            connection.execute(delete(SEARCHES).where(*of))
            connection.execute(insert(SEARCHES).values(account=account, name=name, query=query, saved=_text(now)))

    def searches(self, account: str) -> list[tuple[str, str]]:
        """The names and queries of an auditor's searches, by name."""
        with self._engine.begin() as connection:
            wanted = select(SEARCHES.c.name, SEARCHES.c.query).where(SEARCHES.c.account == account)
            return [(row.name, row.query) for row in connection.execute(wanted.order_by(SEARCHES.c.name))]

    def forget_search(self, account: str, name: str) -> None:
        """Removes one; that there is none is no error."""
        with self._engine.begin() as connection:
            connection.execute(delete(SEARCHES).where(SEARCHES.c.account == account, SEARCHES.c.name == name))

    def write(self, act: Act) -> None:
        """A line of the journal."""
        with self._engine.begin() as connection:
            connection.execute(
                insert(ACTS).values(time=_text(act.time), account=act.account, what=act.what, about=act.about)
            )

    def acts(self, limit: int, before: int | None = None) -> list[tuple[int, Act]]:
        """The newest lines, numbered; those before a number."""
        wanted = select(ACTS).order_by(ACTS.c.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(ACTS.c.id < before)
        with self._engine.begin() as connection:
            return [
                (row.id, Act(datetime.fromisoformat(row.time), row.account, row.what, row.about))
                for row in connection.execute(wanted)
            ]

    def administrators(self) -> int:
        """How many can still sign in."""
        with self._engine.begin() as connection:
            return connection.execute(
                select(func.count()).where(ACCOUNTS.c.role == Role.ADMINISTRATOR.value, ACCOUNTS.c.locked.is_(False))
            ).scalar_one()


def _prepare(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 10000")


def _check_held(connection: Connection, name: str, role: Role, profile: str) -> None:
    """After the account is written, so that nobody else writes before this is known; what raises undoes it. A locked
    account keeps its profile, and so does one whose role is open."""
    if role not in ONE_PERSON or not profile:
        return
    others = select(ACCOUNTS.c.name).where(ACCOUNTS.c.profile == profile, ACCOUNTS.c.name != name)
    if connection.execute(others.limit(1)).one_or_none() is not None:
        raise Held(profile)


def _account(row: Row[Any]) -> Account:
    return _account_of(row._mapping)


def _account_of(row: Mapping[Any, Any]) -> Account:
    return Account(
        row[ACCOUNTS.c.name],
        Role(row[ACCOUNTS.c.role]),
        row[ACCOUNTS.c.profile],
        row[ACCOUNTS.c.enrolled],
        row[ACCOUNTS.c.locked],
        datetime.fromisoformat(row[ACCOUNTS.c.created]),
        row[ACCOUNTS.c.subject],
    )


def _session(token: str, row: Mapping[Any, Any]) -> Session:
    return Session(
        token,
        _account_of(row),
        Stage(row[SESSIONS.c.stage]),
        row[SESSIONS.c.csrf],
        datetime.fromisoformat(row[SESSIONS.c.created]),
        datetime.fromisoformat(row[SESSIONS.c.seen]),
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
