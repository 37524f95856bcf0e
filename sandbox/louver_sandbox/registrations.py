"""What the log says of the registry of institutions: every change, whoever made it and by whatever means.

The registry is a file that administrators may edit by hand, so what is logged follows from what stands in it: before
a registry counts it is held against what was logged last, and each institution that differs has an entry of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, insert, select

from louver_sandbox.audit import stored
from louver_sandbox.audit.entries import JSON
from louver_sandbox.registered import Institution, Pin, stamp
from louver_sandbox.stages import InstitutionType
from louver_sandbox.store import State
from louver_sandbox.suspensions import Append

metadata = MetaData()

registrations = Table(
    "registrations",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("said", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
)
"""The institutions as they were logged last: ``said`` is canonical JSON, ``entry`` the log's entry about it."""

_SAID = ("type", "title", "groups", "certificates")
_PAGE = 1000


def note_registry(state: State, append: Append, registry: Mapping[str, Institution]) -> tuple[str, ...]:
    """Logs what is another than was logged last; the ids of those institutions. Not inside a transaction."""
    wanted = {name: _said(item) for name, item in registry.items()}
    with state.reading() as tx:
        if _logged(tx) == wanted:
            return ()
    with state.transaction() as tx:
        before = _logged(tx)
        changed = tuple(sorted(name for name in {*before, *wanted} if before.get(name) != wanted.get(name)))
        for name in changed:
            _note(tx, append, name, before.get(name), wanted.get(name))
        return changed


def taken_out(tx: Connection, registry: Mapping[str, Institution], start: int) -> Mapping[str, Institution]:
    """An older registry without what the log has taken out of it from entry ``start`` on; for each institution its
    last entry counts. Nothing is added: a certificate that is new in the log, and a new group, wait for somebody who
    writes them. What the log says counts as logged from here."""
    kept = dict(registry)
    for name, (entry, fields) in _last(tx, start).items():
        tx.execute(delete(registrations).where(registrations.c.institution == name))
        if fields["change"] == "struck_out":
            kept.pop(name, None)
            continue
        said = json.dumps({key: fields[key] for key in _SAID}, ensure_ascii=False, sort_keys=True)
        tx.execute(insert(registrations).values(institution=name, said=said, entry=entry))
        if name in kept:
            kept[name] = _narrowed(kept[name], fields)
    return kept


def _last(tx: Connection, start: int) -> Mapping[str, tuple[int, Mapping[str, Any]]]:
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    while page := stored.entries(tx, start, _PAGE, {"kind": "registry"}):
        found |= {str(entry.fields["institution"]): (entry.index, entry.fields) for entry in page}
        start = page[-1].index + 1
    return found


def _narrowed(item: Institution, said: Mapping[str, Any]) -> Institution:
    """What both say of it: its certificates from the later and until the earlier moment; its type as it is logged."""
    logged = {one["fingerprint"]: one for one in said["certificates"]}
    pins = []
    for pin in item.pins:
        if (one := logged.get(pin.fingerprint)) is None:
            continue
        first = max(filter(None, (pin.not_before, _moment(one.get("not_before")))), default=None)
        last = min(filter(None, (pin.not_after, _moment(one.get("not_after")))), default=None)
        if first is None or last is None or first < last:
            pins.append(Pin(pin.fingerprint, first, last))
    groups = item.groups.intersection(said["groups"])
    return replace(item, type=InstitutionType(said["type"]), groups=groups, pins=tuple(pins))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _note(tx: Connection, append: Append, name: str, before: str | None, said: str | None) -> None:
    change = "registered" if before is None else "struck_out" if said is None else "changed"
    body: dict[str, JSON] = {"kind": "registry", "institution": name, "change": change}
    body |= json.loads(said) if said is not None else {}
    entry = append(tx, body, {})
    tx.execute(delete(registrations).where(registrations.c.institution == name))
    if said is not None:
        tx.execute(insert(registrations).values(institution=name, said=said, entry=entry))


def _logged(tx: Connection) -> dict[str, str]:
    rows = tx.execute(select(registrations.c.institution, registrations.c.said).order_by(registrations.c.institution))
    return {row.institution: row.said for row in rows}


def _said(item: Institution) -> str:
    certificates = [_pin(pin) for pin in sorted(item.pins, key=lambda pin: pin.fingerprint)]
    body = {
        "type": item.type.value,
        "title": item.title,
        "groups": sorted(item.groups),
        "certificates": certificates,
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def _pin(pin: Pin) -> dict[str, str]:
    said = {"fingerprint": pin.fingerprint}
    said |= {"not_before": stamp(pin.not_before)} if pin.not_before is not None else {}
    return said | ({"not_after": stamp(pin.not_after)} if pin.not_after is not None else {})
