"""Evidence packs of a log as a year leaves it, made without a wire."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import IO

from tests.support.audit_logs import KEY, ORIGIN
from tests.support.audited import BEGIN, Calendar, fill, year_log

from louver.audit.results import Given
from louver.audit.witness import new_key
from louver.evidence import Scope, make_pack
from louver.transparency import Checkpoint
from louver.transparency.cosignature import cosign, with_signatures
from louver.transparency.proofs import ConsistencyProof
from louver_sandbox.audit import AuditLog, export_log
from louver_sandbox.auditing import index
from louver_sandbox.journal import Books
from louver_sandbox.refusals import auditing as refusals
from louver_sandbox.refusals import retention
from louver_sandbox.retention import pruning
from louver_sandbox.service import audit_told
from louver_sandbox.store import State

ENTRIES = 160
SCOPE = Scope("2026-03-01", "2026-06-01", ("bank_a",))
BUNDLE = b'{"a":"bundle"}'
WITNESS = new_key("audit.example/witness", "ed25519")


class Service:
    """What a service gives an auditor of a log, without the wire."""

    def __init__(self, log: AuditLog) -> None:
        self.log, self.cosigned = log, 0

    def read_entries(self, start: int) -> tuple[Checkpoint, Iterable[Given]]:
        head = self.log.head()
        return head, self._given(start, head.claimed.size)

    def _given(self, start: int, end: int) -> Iterator[Given]:
        with self.log.state.reading() as tx:
            for one in audit_told.followed(tx, start, end):
                yield Given(one.body, one.sql, one.salt, tuple(one.datasets), one.residue, one.pruned_by)

    def checkpoint(self, size: int = 0, *, cosigned: bool = False) -> Checkpoint:
        if not cosigned:
            return self.log.head()
        if not self.cosigned:
            raise refusals.unknown_head()
        head = self.log.signed(self.cosigned)
        return with_signatures(head, (cosign(head.claimed, WITNESS, 1_800_000_000),))

    def consistency(self, old_size: int, new_size: int = 0) -> ConsistencyProof:
        return self.log.consistency(old_size, new_size or None)

    def decider(self, digest: str) -> tuple[str, bytes]:
        if digest == hashlib.sha256(BUNDLE).hexdigest():
            return "bundle", BUNDLE
        raise retention.unknown_decider()

    def export(self, target: IO[bytes]) -> int:
        return sum(target.write(line) for line in export_log(self.log.state, ORIGIN))


def service_over(state: State, entries: int = ENTRIES) -> Service:
    """A year with an activation of what decides, whose first half's refusals were pruned."""
    log = year_log(state, entries)
    with state.transaction() as tx:
        digest = hashlib.sha256(BUNDLE).hexdigest()
        log.append(tx, {"kind": "activation", "bundle": digest, "catalog": "a" * 64, "serials": {"taxation": 3}})
    fill(log, entries - 1)
    middle = log.head().claimed.size
    log._clock = Calendar(timedelta(seconds=1), BEGIN + timedelta(days=366))
    while index.catch_up(state, 1000):
        pass
    before = pruning.limits({"refusal": 240}, BEGIN + timedelta(days=366))
    pruning.by_age(Books(state, log), before, execute=True)
    made = Service(log)
    made.cosigned = middle
    return made


def packed(service: Service, scope: Scope = SCOPE, *, with_log: bool = False) -> bytes:
    """A pack as a regulator gets it."""
    target = io.BytesIO()
    make_pack(service, KEY, scope, target, "pack.zip", {"refusal_burst": 2}, io.BytesIO() if with_log else None)
    return target.getvalue()
