"""Signing in: two factors, each code once, little for whoever is not let in, and no way to wait out the doors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver.failures import Misused
from louver_server.accounts import codes, passwords, throttle
from louver_server.accounts.doors import Doors, NotLetIn, TooOften, TooWeak
from louver_server.accounts.model import IDLE, LONGEST, Asked, Role, Session, Stage
from louver_server.accounts.passkeys import Site
from louver_server.accounts.store import Held, Store, Taken
from louver_server.kept_secret import read_secret

OWN = "eleven slats of cedar wood"
HERE = "10.0.0.7"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def doors(tmp_path: Path, clock: Clock) -> Iterator[Doors]:
    store = Store.open(tmp_path / "console.db")
    yield Doors(store, os.urandom(32), clock, os.urandom, Site("https://console.example"))
    store.close()


def enrolled(doors: Doors, name: str = "wang.fang", role: Role = Role.ANALYST) -> bytes:
    """The second factor of somebody who has enrolled."""
    session = doors.knock(name, doors.invite(name, role, "bank_a", "boss"), HERE)
    secret = doors.pending_secret(session)
    doors.enrol(session, OWN, code(doors, secret), HERE)
    return secret


def code(doors: Doors, secret: bytes, ahead: int = 0) -> str:
    return codes.code_at(secret, int(doors.clock().timestamp()) // codes.STEP + ahead)


def wrong(doors: Doors, name: str, address: str) -> None:
    """What is kept of a wrong try, without the time that a password takes."""
    for who, _ in throttle.counted(name, address):
        doors.store.failed(who, doors.clock(), throttle.WINDOW)


def test_codes_are_those_of_rfc_6238() -> None:
    secret = b"12345678901234567890"
    published = {59: "94287082", 1111111109: "07081804", 1234567890: "89005924", 20000000000: "65353130"}
    for seconds, eight in published.items():
        assert codes.code_at(secret, seconds // 30) == eight[-6:]


def test_a_first_password_opens_enrolment_only_and_is_used_up_by_it(doors: Doors, clock: Clock) -> None:
    first = doors.invite("wang.fang", Role.ANALYST, "bank_a", "boss")
    session = doors.knock("wang.fang", first, HERE)
    assert session.stage is Stage.ENROL
    secret = doors.pending_secret(session)
    for weak in ("short", "wang.fangwang.fang", "a" * 30, first):
        with pytest.raises(TooWeak):
            doors.enrol(session, weak, code(doors, secret), HERE)
    with pytest.raises(NotLetIn):
        doors.enrol(session, OWN, "000000" if code(doors, secret) != "000000" else "111111", HERE)
    after = doors.enrol(session, OWN, code(doors, secret), HERE)
    assert (after.stage, after.account.enrolled) == (Stage.FULL, True)
    assert doors.store.session(session.token, clock.now) is None
    with pytest.raises(NotLetIn):
        doors.knock("wang.fang", first, HERE)


def test_a_code_is_good_once_and_neighbours_of_the_clock_are_taken(doors: Doors, clock: Clock) -> None:
    secret = enrolled(doors)
    for ahead in (-2, 2):
        with pytest.raises(NotLetIn):
            doors.confirm(doors.knock("wang.fang", OWN, HERE), code(doors, secret, ahead), HERE)
    clock.later(minutes=5)
    shown = code(doors, secret, -1)
    assert doors.confirm(doors.knock("wang.fang", OWN, HERE), shown, HERE).stage is Stage.FULL
    with pytest.raises(NotLetIn):
        doors.confirm(doors.knock("wang.fang", OWN, HERE), shown, HERE)
    assert doors.confirm(doors.knock("wang.fang", OWN, HERE), code(doors, secret, 1), HERE).stage is Stage.FULL
    with pytest.raises(NotLetIn):
        doors.confirm(doors.knock("wang.fang", OWN, HERE), code(doors, secret), HERE)


def test_the_password_alone_opens_nothing(doors: Doors) -> None:
    enrolled(doors)
    session = doors.knock("wang.fang", OWN, HERE)
    assert session.stage is Stage.CODE
    with pytest.raises(NotLetIn):
        doors.pending_secret(session)
    with pytest.raises(NotLetIn):
        doors.confirm(
            Session(session.token, session.account, Stage.FULL, "", session.created, session.seen), "1", HERE
        )


def test_five_wrong_tries_from_one_place_close_it_and_others_still_come_in(doors: Doors, clock: Clock) -> None:
    enrolled(doors)
    for _ in range(throttle.OF_ONE_PLACE):
        with pytest.raises(NotLetIn):
            doors.knock("wang.fang", "wrong", HERE)
    with pytest.raises(TooOften) as closed:
        doors.knock("wang.fang", OWN, HERE)
    assert closed.value.wait <= throttle.WINDOW
    assert doors.knock("wang.fang", OWN, "10.0.0.8").stage is Stage.CODE
    clock.later(seconds=throttle.WINDOW.total_seconds() + 1)
    assert doors.knock("wang.fang", OWN, HERE).stage is Stage.CODE


def test_a_strangers_guesses_close_no_door_but_to_the_names_that_were_wrong(doors: Doors, clock: Clock) -> None:
    """Behind a proxy everybody comes from its address. A guesser has one try at each name and no more."""
    secret = enrolled(doors)
    for number in range(throttle.IN_ALL):
        wrong(doors, f"nobody.{number}", HERE)
    assert doors.wait(HERE) == timedelta(0), "nor the way to the provider"
    session = doors.knock("wang.fang", OWN, HERE)
    assert doors.confirm(session, code(doors, secret, 1), HERE).stage is Stage.FULL
    with pytest.raises(NotLetIn):
        doors.knock("wang.fang", "wrong", HERE)
    for password in ("wrong", OWN):
        with pytest.raises(TooOften):
            doors.knock("wang.fang", password, HERE)
    assert doors.knock("wang.fang", OWN, "10.0.0.8").stage is Stage.CODE
    clock.later(seconds=throttle.WINDOW.total_seconds() + 1)
    assert doors.knock("wang.fang", OWN, HERE).stage is Stage.CODE


def test_one_account_is_guessed_at_thirty_times_from_wherever(doors: Doors) -> None:
    enrolled(doors)
    for number in range(throttle.IN_ALL):
        wrong(doors, "wang.fang", f"10.0.1.{number}")
    with pytest.raises(TooOften):
        doors.knock("wang.fang", OWN, "10.0.2.1")


def test_wrong_codes_count_as_wrong_passwords_do(doors: Doors) -> None:
    secret = enrolled(doors)
    session = doors.knock("wang.fang", OWN, HERE)
    for _ in range(throttle.OF_ONE_PLACE):
        with pytest.raises(NotLetIn):
            doors.confirm(session, code(doors, secret, 3), HERE)
    with pytest.raises(TooOften):
        doors.confirm(session, code(doors, secret, 1), HERE)


def test_names_are_not_told_apart(doors: Doors) -> None:
    enrolled(doors)
    doors.invite("locked.out", Role.ANALYST, "bank_a", "boss")
    doors.lock("locked.out", "boss", locked=True)
    for name in ("nobody", "wang.fang", "locked.out"):
        with pytest.raises(NotLetIn) as told:
            doors.knock(name, "wrong", HERE)
        assert not told.value.args
    whys = [act.about for _, act in doors.store.acts(3)]
    assert [why.split(",")[0] for why in whys] == ["locked", "wrong password", "no such account"]


def test_sessions_end_by_idleness_age_lock_and_reset(doors: Doors, clock: Clock) -> None:
    secret = enrolled(doors)

    def inside() -> Session:
        clock.later(minutes=2)
        return doors.confirm(doors.knock("wang.fang", OWN, HERE), code(doors, secret), HERE)

    idle = inside()
    clock.later(seconds=IDLE.total_seconds() - 1)
    assert doors.store.session(idle.token, clock.now) is not None
    clock.later(seconds=IDLE.total_seconds() + 1)
    assert doors.store.session(idle.token, clock.now) is None
    old = inside()
    for _ in range(int(LONGEST / timedelta(minutes=20))):
        assert doors.store.session(old.token, clock.now) is not None
        clock.later(minutes=20)
    clock.later(minutes=1)
    assert doors.store.session(old.token, clock.now) is None
    back = inside()
    assert doors.store.session(back.token, clock.now - timedelta(hours=1)) is None
    locked = inside()
    doors.lock("wang.fang", "boss", locked=True)
    assert doors.store.session(locked.token, clock.now) is None
    doors.lock("wang.fang", "boss", locked=False)
    reset = inside()
    first = doors.invite_again("wang.fang", "boss")
    assert doors.store.session(reset.token, clock.now) is None
    assert doors.knock("wang.fang", first, HERE).stage is Stage.ENROL
    with pytest.raises(NotLetIn):
        doors.knock("wang.fang", OWN, HERE)


def test_what_is_kept_lets_nobody_in(doors: Doors, tmp_path: Path) -> None:
    """Whoever reads the database has no token, no password and no second factor."""
    secret = enrolled(doors)
    session = doors.knock("wang.fang", OWN, HERE)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"wang.fang" in kept
    for private in (session.token.encode(), OWN.encode(), secret, codes.shown(secret).encode()):
        assert private not in kept
    other = Doors(doors.store, os.urandom(32), doors.clock, os.urandom, doors.site)
    with pytest.raises(codes.Unreadable):
        other.confirm(session, code(doors, secret, 1), HERE)


def test_a_second_factor_of_one_account_is_none_of_another(doors: Doors) -> None:
    key = os.urandom(32)
    kept = codes.wrapped(b"s" * 20, "wang.fang", key, os.urandom)
    assert codes.unwrapped(kept, "wang.fang", key) == b"s" * 20
    with pytest.raises(codes.Unreadable):
        codes.unwrapped(kept, "li.na", key)


@pytest.mark.parametrize("role", [Role.OFFICER, Role.ADMINISTRATOR])
def test_a_profile_of_one_person_has_one_account(doors: Doors, role: Role) -> None:
    """Where two people must agree, one who makes accounts is not both of them; an institution's people share."""
    doors.invite("zhao", role, "zhao", "boss")
    doors.lock("zhao", "boss", locked=True)
    with pytest.raises(Held):
        doors.invite("helper", role, "zhao", "boss")
    assert doors.store.account("helper") is None
    with pytest.raises(NotLetIn):
        doors.welcome("1001", "helper", (role, "zhao"), HERE)
    assert doors.store.account("helper") is None
    doors.welcome("1001", "helper", (Role.ANALYST, "bank_a"), HERE)
    doors.release("helper", "boss")
    with pytest.raises(NotLetIn):
        doors.welcome("1001", "helper", (role, "zhao"), HERE)
    kept = doors.store.account("helper")
    assert kept is not None
    assert (kept.role, kept.profile, kept.enrolled) == (Role.ANALYST, "bank_a", False)
    for name in ("wang.fang", "li.na"):
        doors.invite(name, Role.ANALYST, "bank_a", "boss")
    for name in ("boss.one", "boss.two"):
        doors.invite(name, Role.ADMINISTRATOR, "", "boss")


def test_names_are_taken_once_and_questions_have_one_text(doors: Doors, clock: Clock) -> None:
    doors.invite("wang.fang", Role.ANALYST, "bank_a", "boss")
    with pytest.raises(Taken):
        doors.invite("wang.fang", Role.ADMINISTRATOR, "", "boss")
    asked = Asked("1" * 36, "wang.fang", "bank_a", "SELECT 1", "RESEARCH", "", "", "", clock.now)
    doors.store.remember(asked)
    doors.store.remember(asked)
    assert doors.store.question(asked.request_id, "bank_a") == asked
    assert doors.store.question(asked.request_id, "bank_b") is None
    with pytest.raises(Taken):
        doors.store.remember(Asked("1" * 36, "wang.fang", "bank_a", "SELECT 2", "RESEARCH", "", "", "", clock.now))


@given(st.text(min_size=1, max_size=40))
def test_a_password_is_right_however_it_was_typed_and_nothing_else_is(text: str) -> None:
    import unicodedata

    assert passwords.prepared(unicodedata.normalize("NFD", text)) == passwords.prepared(text)


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "console.secret"
    made = read_secret(path, os.urandom)
    assert read_secret(path, os.urandom) == made
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(Misused, match="read by others"):
        read_secret(path, os.urandom)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Misused, match="bytes long"):
        read_secret(path, os.urandom)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"x" * 8192)
    with pytest.raises(Misused, match="no database"):
        Store.open(tmp_path / "a.db")
