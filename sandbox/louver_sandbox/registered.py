"""The registry of institutions as its file says it: who they are, and the certificates by which they are known.

A certificate counts by its SHA-256 standing here (a pin, after RFC 7469), not by its name and authority alone. An
institution may have several pins, each from and until a moment: so its next certificate counts before the last one
ends. A file is taken whole or not at all.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from louver_sandbox.stages import InstitutionType

INSTITUTION = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
MOST_PINS = 16
"""Certificates of one institution at a time."""
SOON = timedelta(days=14)
"""How long before its end a pin is said to be ending."""
_KEYS = frozenset({"type", "title", "groups", "fingerprints", "certificates"})
_PIN_KEYS = frozenset({"fingerprint", "not_before", "not_after"})


class RegistryRefused(Exception):
    """The registry of institutions cannot be used; the text says which entry and why."""


class PinState(StrEnum):
    """How a pin stands at a moment: it counts, not yet, not for long any more, or no more."""

    LIVE = "live"
    WAITING = "waiting"
    ENDING = "ending"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Pin:
    """One certificate by its SHA-256 in hex, from and until when it counts; None is without such a bound, beyond the
    certificate's own dates, which TLS holds it to."""

    fingerprint: str
    not_before: datetime | None = None
    not_after: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it counts at this moment."""
        return (self.not_before is None or self.not_before <= now) and (
            self.not_after is None or now < self.not_after
        )

    def state(self, now: datetime) -> PinState:
        """How it stands at this moment."""
        if self.not_before is not None and now < self.not_before:
            return PinState.WAITING
        if self.not_after is None or now + SOON < self.not_after:
            return PinState.LIVE
        return PinState.ENDING if now < self.not_after else PinState.OVER


@dataclass(frozen=True, slots=True)
class Institution:
    """One registered institution and the certificates by which it is known."""

    id: str
    type: InstitutionType
    title: str
    groups: frozenset[str]
    pins: tuple[Pin, ...] = field(default=())

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of all its pins, whether they count at this moment or not."""
        return frozenset(pin.fingerprint for pin in self.pins)

    def knows(self, fingerprint: str, now: datetime) -> bool:
        """Whether a certificate is one of its own at this moment."""
        return any(pin.fingerprint == fingerprint and pin.holds(now) for pin in self.pins)


def parse_registry(text: str) -> Mapping[str, Institution]:
    """Institutions by id. Raises `RegistryRefused`."""
    try:
        body = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
        raise RegistryRefused(f"not TOML ({error})") from None
    if set(body) - {"institutions"} or not isinstance(body.get("institutions", {}), dict):
        raise RegistryRefused("the only table at the top is [institutions]")
    found = {name: _institution(name, entry) for name, entry in body.get("institutions", {}).items()}
    owners = Counter(print_ for item in found.values() for print_ in item.fingerprints)
    if twice := [print_ for print_, count in owners.items() if count > 1]:
        raise RegistryRefused(f"certificate {twice[0]} stands with two institutions")
    return found


def _institution(name: str, body: object) -> Institution:
    if not INSTITUTION.match(name) or not isinstance(body, dict):
        raise RegistryRefused(f"institution {name!r}: not a name of lower-case letters, digits and _, with a table")
    if unknown := set(body) - _KEYS:
        raise RegistryRefused(f"institution {name}: unknown key {sorted(unknown)[0]}")
    kind, groups = body.get("type"), body.get("groups", [])
    if not isinstance(kind, str) or kind not in set(InstitutionType) or not _are_texts(groups):
        raise RegistryRefused(f"institution {name}: type is one of {', '.join(InstitutionType)}; groups are names")
    fingerprints, certificates = body.get("fingerprints", []), body.get("certificates", [])
    if not isinstance(certificates, list) or not _are_texts(fingerprints):
        raise RegistryRefused(f"institution {name}: a fingerprint is 64 hexadecimal digits")
    pins = (*(_pin(name, {"fingerprint": one}) for one in fingerprints), *(_pin(name, one) for one in certificates))
    if len(pins) > MOST_PINS or len({pin.fingerprint for pin in pins}) < len(pins):
        raise RegistryRefused(f"institution {name}: at most {MOST_PINS} certificates, each of them once")
    return Institution(name, InstitutionType(kind), str(body.get("title", name)), frozenset(groups), pins)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _pin(name: str, body: object) -> Pin:
    if not isinstance(body, dict) or set(body) - _PIN_KEYS:
        raise RegistryRefused(f"institution {name}: a certificate has {', '.join(sorted(_PIN_KEYS))}")
    fingerprint = body.get("fingerprint")
    if not isinstance(fingerprint, str) or not FINGERPRINT.match(fingerprint):
        raise RegistryRefused(f"institution {name}: a fingerprint is 64 hexadecimal digits")
    first, last = (_moment(name, body.get(key)) for key in ("not_before", "not_after"))
    if first is not None and last is not None and last <= first:
        raise RegistryRefused(f"institution {name}: certificate {fingerprint} ends before it begins")
    return Pin(fingerprint, first, last)


def _moment(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise RegistryRefused(f"institution {name}: a moment is written 2026-07-01T00:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise RegistryRefused(f"institution {name}: a moment lies within the years 1 to 9999") from None


def registry_text(institutions: Iterable[Institution]) -> str:
    """The file that says so."""
    lines: list[str] = []
    for item in sorted(institutions, key=lambda item: item.id):
        open_ended = sorted(pin.fingerprint for pin in item.pins if pin.not_before is None and pin.not_after is None)
        lines += [
            f"[institutions.{item.id}]",
            f'type = "{item.type.value}"',
            f"title = {quoted(item.title)}",
            f"groups = [{', '.join(quoted(group) for group in sorted(item.groups))}]",
            f"fingerprints = [{', '.join(map(quoted, open_ended))}]",
            "",
        ]
        for pin in item.pins:
            if pin.fingerprint in open_ended:
                continue
            lines += [f"[[institutions.{item.id}.certificates]]", f"fingerprint = {quoted(pin.fingerprint)}"]
            lines += [f"not_before = {stamp(pin.not_before)}"] if pin.not_before is not None else []
            lines += [f"not_after = {stamp(pin.not_after)}"] if pin.not_after is not None else []
            lines += [""]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def stamp(moment: datetime) -> str:
    """A moment as TOML and RFC 3339 write it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def ending(institutions: Iterable[Institution], now: datetime) -> Sequence[tuple[str, Pin]]:
    """What wants an administrator's attention: institutions whose every pin is over or soon will be, each with the
    pin that lasts longest. One whose next certificate counts beyond that is not among them."""
    found = []
    for item in sorted(institutions, key=lambda item: item.id):
        lasting = [pin for pin in item.pins if pin.state(now) in (PinState.LIVE, PinState.WAITING)]
        if item.pins and not lasting:
            found.append((item.id, max(item.pins, key=lambda pin: pin.not_after or now)))
    return found
