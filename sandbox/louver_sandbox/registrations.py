"""What the log says of the registry of institutions: every change, whoever made it and by whatever means.

The registry is a file that administrators may edit by hand, so what is logged follows from what stands in it: before
a registry counts it is held against what was logged last, and each institution that differs has an entry of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, insert, select

from louver_sandbox.audit.entries import JSON
from louver_sandbox.registered import Institution, Pin, stamp
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
