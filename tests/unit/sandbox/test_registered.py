"""The registry: several certificates of an institution, each from and until a moment; every change is logged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.support.line import line

from louver.errors import Refused
from louver_sandbox import journal
from louver_sandbox.identity import Registry
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.registered import (
    MOST_PINS,
    SOON,
    Institution,
    Pin,
    PinState,
    RegistryRefused,
    ending,
    parse_registry,
    registry_text,
)
from louver_sandbox.registrations import note_registry
from louver_sandbox.stages import InstitutionType
from louver_sandbox.store import StoreUnavailable

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEXT = "a" * 64, "b" * 64


def bank(*pins: Pin, name: str = "bank_a", title: str = "甲银行") -> Institution:
    return Institution(name, InstitutionType.BANK, title, frozenset({"banks"}), pins)


moments = st.one_of(st.none(), st.integers(-1000, 1000).map(lambda hours: NOW + timedelta(hours=hours)))
prints = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def pins(draw: st.DrawFn) -> tuple[Pin, ...]:
    found = []
    for one in draw(st.lists(prints, max_size=4, unique=True)):
        first, last = draw(moments), draw(moments)
        found.append(Pin(one, first, None if first is not None and last is not None and last <= first else last))
    return tuple(found)


@given(pins(), st.text("甲a \"\\'[]=#", max_size=12))
def test_what_is_written_is_read_again(some: tuple[Pin, ...], title: str) -> None:
    (read,) = parse_registry(registry_text([bank(*some, title=title)])).values()
    assert set(read.pins) == set(some)
    assert (read.title, read.groups, read.type) == (title, frozenset({"banks"}), InstitutionType.BANK)


@given(pins(), st.integers(-1200, 1200).map(lambda hours: NOW + timedelta(hours=hours)))
def test_a_pin_counts_exactly_from_and_until_its_moments(some: tuple[Pin, ...], now: datetime) -> None:
    for pin in some:
        begun = pin.not_before is None or pin.not_before <= now
        over = pin.not_after is not None and pin.not_after <= now
        assert pin.holds(now) == (begun and not over)
        assert pin.holds(now) == (pin.state(now) in (PinState.LIVE, PinState.ENDING))
        assert bank(*some).knows(pin.fingerprint, now) == pin.holds(now)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'[institutions.a]\ntype="bank"\n[[institutions.a.certificates]]\nfingerprint="{OLD}"\nkey="x"', "has"),
        ('[institutions.a]\ntype="bank"\n[[institutions.a.certificates]]\nfingerprint="abc"', "64 hexadecimal"),
        ('[institutions.a]\ntype="bank"\n[institutions.a.certificates]\nfingerprint="abc"', "64 hexadecimal"),
        (
            f'[institutions.a]\ntype="bank"\n[[institutions.a.certificates]]\nfingerprint="{OLD}"\n'
            "not_before=2026-07-02T00:00:00Z\nnot_after=2026-07-01T00:00:00Z",
            "before it begins",
        ),
        (
            f'[institutions.a]\ntype="bank"\n[[institutions.a.certificates]]\nfingerprint="{OLD}"\n'
            "not_before=2026-07-02T00:00:00",
            "a moment is written",
        ),
        (
            f'[institutions.a]\ntype="bank"\nfingerprints=["{OLD}"]\n'
            f'[[institutions.a.certificates]]\nfingerprint="{OLD}"',
            "each of them once",
        ),
        (
            f'[institutions.a]\ntype="bank"\nfingerprints=["{OLD}"]\n[institutions.b]\ntype="bank"\n'
            f'fingerprints=["{OLD}"]',
            "two institutions",
        ),
        (
            f'[institutions.a]\ntype="bank"\nfingerprints={[f"{n:064x}" for n in range(MOST_PINS + 1)]}',
            f"at most {MOST_PINS}",
        ),
        ("institutions = 3", "the only table"),
        ("[institutions.a]\ntype=['bank']", "type is one of"),
        ("x = " + "[" * 5000, "not TOML"),
        ("x = " + "1" * 5000, "not TOML"),
        (
            f'[institutions.a]\ntype="bank"\n[[institutions.a.certificates]]\nfingerprint="{OLD}"\n'
            "not_before=0001-01-01T00:00:00+23:00",
            "years 1 to 9999",
        ),
    ],
)
def test_a_file_with_one_wrong_line_is_refused_whole(text: str, why: str) -> None:
    with pytest.raises(RegistryRefused, match=why):
        parse_registry(text)


def test_both_certificates_count_while_they_overlap_and_then_the_next_alone(tmp_path: Path) -> None:
    authority = Authority.create(NOW)
    old, fresh = authority.client("bank_a", NOW), authority.client("bank_a", NOW)
    path, clock = tmp_path / "institutions.toml", [NOW]
    overlapping = bank(Pin(old.fingerprint, None, NOW + 14 * DAY), Pin(fresh.fingerprint, NOW + 7 * DAY, None))
    path.write_text(registry_text([overlapping]), encoding="utf-8")
    known = Registry(path, lambda: clock[0])

    def counts(issued: Issued) -> bool:
        try:
            return bool(known.subject(x509.load_pem_x509_certificate(issued.certificate)))
        except Refused:
            return False

    seen = []
    for days in (0, 6, 7, 13, 14, 80):
        clock[0] = NOW + days * DAY
        seen.append((counts(old), counts(fresh)))
    assert seen == [(True, False), (True, False), (True, True), (True, True), (False, True), (False, True)]


def test_whose_last_certificate_ends_is_named_in_time_and_who_has_a_next_one_is_not() -> None:
    soon, late = NOW + SOON - DAY, NOW + SOON + DAY
    institutions = [
        bank(Pin(OLD, None, soon), name="ends"),
        bank(Pin(OLD, None, soon), Pin(NEXT, soon, late + 90 * DAY), name="rotates"),
        bank(Pin(OLD, None, NOW - DAY), name="over"),
        bank(Pin(OLD, None, late), name="lasts"),
        bank(Pin(OLD), name="unbounded"),
        bank(name="struck_out"),
    ]
    assert [name for name, _ in ending(institutions, NOW)] == ["ends", "over"]


def test_every_change_of_the_registry_is_one_entry_whoever_made_it(tmp_path: Path) -> None:
    with line(tmp_path) as made:
        append = partial(journal.appended, made.books)
        looks = [
            ([bank(Pin(OLD))], ("bank_a",)),
            ([bank(Pin(OLD))], ()),
            ([bank(Pin(OLD, None, NOW), Pin(NEXT, NOW))], ("bank_a",)),
            ([bank(Pin(NEXT, NOW)), bank(name="bank_b")], ("bank_a", "bank_b")),
            ([bank(name="bank_b")], ("bank_a",)),
        ]
        for institutions, changed in looks:
            said = {item.id: item for item in institutions}
            assert note_registry(made.books.state, append, said) == changed
        found = made.books.log.entries(kind="registry", limit=100)
    assert [(entry.fields["institution"], entry.fields["change"]) for entry in found] == [
        ("bank_a", "registered"),
        ("bank_a", "changed"),
        ("bank_a", "changed"),
        ("bank_b", "registered"),
        ("bank_a", "struck_out"),
    ]
    assert found[1].fields["certificates"] == [
        {"fingerprint": OLD, "not_after": "2026-07-01T00:00:00Z"},
        {"fingerprint": NEXT, "not_before": "2026-07-01T00:00:00Z"},
    ]


def test_a_registry_that_cannot_be_logged_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "institutions.toml"
    path.write_text(registry_text([bank(Pin(OLD))]), encoding="utf-8")
    full: list[bool] = [False]

    def taken(institutions: object) -> None:
        if full[0]:
            raise StoreUnavailable("the disk is full")

    known = Registry(path, lambda: NOW, taken)
    assert set(known.institutions()) == {"bank_a"}
    full[0] = True
    path.write_text(registry_text([bank(Pin(OLD)), bank(Pin(NEXT), name="mallory")]), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            known.institutions()
    full[0] = False
    assert "mallory" in known.institutions(), "it is taken as soon as it can be said"


def test_nothing_is_done_for_an_institution_of_which_no_certificate_holds(tmp_path: Path) -> None:
    path, clock = tmp_path / "institutions.toml", [NOW]
    path.write_text(registry_text([bank(Pin(OLD, None, NOW + DAY)), bank(name="bank_b")]), encoding="utf-8")
    known = Registry(path, lambda: clock[0])
    found = known.institution("bank_a")
    assert found is not None
    assert (found.institution, found.fingerprint) == ("bank_a", "")
    assert known.institution("bank_b") is None
    clock[0] = NOW + DAY
    assert known.institution("bank_a") is None
