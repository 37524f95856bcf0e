"""The straight line in one process with questions that are really answered under differential privacy.

The tables are those of `private_worlds`; what `tests.support.line` puts in the places of checker, pool and clock stands
here too. `world` may change between questions, as when new data are published.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from sqlalchemy import func, select
from tests.support.audit_logs import SIGNER, SeededRandomness, SettableClock
from tests.support.line import NOON, ORIGIN, Line, fresh_books
from tests.support.private_worlds import PERSON, asked, rules, world
from tests.support.relations import World, readings, reply_to, snapshots
from tests.support.seeded_noise import SeededSampler

from louver_sandbox.audit.log import AuditLog
from louver_sandbox.journal import Books
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.obligations import AccessBudget
from louver_sandbox.pipeline import Call, Pipeline
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.policy.sealing import of_private
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.private_core import PrivateRules
from louver_sandbox.stages import Facts, Plan, Request
from louver_sandbox.store import State, schema

MANY = 10**6


def budget(rho: Fraction = Fraction(1, 4), lifetime: int = MANY, allowance: int = MANY) -> PrivateRules:
    """What policy says of `gov.account`: what a question costs, and how many of them there may be."""
    return paying(rules("gov.account", PERSON, rho=rho), lifetime, allowance)


def paying(of: PrivateRules, lifetime: int, allowance: int) -> PrivateRules:
    """The same rules, for so many questions of all institutions and of each."""
    if of.terms is None:
        raise ValueError("no terms")
    whole, part = (PrivacyCost(of.each.rho * n, of.each.delta * n) for n in (lifetime, allowance))
    return replace(of, terms=replace(of.terms, lifetime=whole, allowance=part))


class StandingClock(SettableClock):
    """A clock that moves when told and never by itself."""

    def __call__(self) -> datetime:
        return self.now


@dataclass
class PrivateLine(Line):
    """A line whose questions cost privacy loss of `gov.account`. `secret` is the releaser's, `keys_of` the sealing keys
    of institutions that have others than `sealing_key`."""

    world: World = field(default_factory=world)
    allowed: tuple[PrivateRules, ...] = field(default_factory=lambda: (budget(),))
    sampler: Sampler = field(default_factory=lambda: SeededSampler(1))
    secret: bytes | None = None
    keys_of: dict[str, str] = field(default_factory=dict)
    checker: threading.Lock = field(default_factory=threading.Lock)
    """The service's checkers are processes; the parsers here are one."""

    def __post_init__(self) -> None:
        self.slot = self
        self.redraw(self.sampler)

    def redraw(self, sampler: Sampler) -> None:
        """Draws from this sampler from now on."""
        self._line = Pipeline(
            self._judge,
            self._reserve,
            self.books,
            self.clock,
            self._incident,
            self.solve,
            self.secret,
            sampler=sampler,
            sealer=self.sealer,
        )

    def spent_losses(self) -> int:
        """Charges of privacy loss in the ledger: three accounts for each."""
        with self.books.state.reading() as tx:
            return int(tx.execute(select(func.count()).select_from(schema.privacy_ledger)).scalar_one())

    @property
    def pipeline(self) -> Pipeline:
        """The real one, which draws."""
        return self._line

    def _judge(self, request: Request, facts: Facts) -> Plan:
        with self.checker:
            permit = asked(self.world, request.sql, self.allowed)
            keyed = replace(permit.facts, sealing_key=self.keys_of.get(request.subject.institution, self.sealing_key))
            made = plan(
                replace(
                    permit,
                    bound=replace(permit.bound, request=request),
                    budget=AccessBudget(MANY, MANY),
                    facts=keyed,
                    seal=of_private((), request, keyed),
                )
            )
            verify(made, readings(made))
        return made

    def run(self, plan: Plan, call: Call) -> bytes:
        """What an honest worker replies."""
        with snapshots(self.world, plan) as connection:
            return reply_to(connection, plan)


def versioned(of: World, version: str) -> World:
    """The same rows as a new version of the data."""
    tables = tuple(replace(table, data_version=f"{version}-{table.name}") for table in of.tables)
    return World(tables, of.rows)


@contextmanager
def private_line(
    folder: Path, of: World, busy_timeout_s: float = 60.0, place: Path | str = ""
) -> Iterator[PrivateLine]:
    """A line over books in this folder, fresh ones where there are none, or over those at this place."""
    path = folder / "state.db"
    if not place and not path.exists():
        path.write_bytes(fresh_books())
    with State.open(place or path, busy_timeout_s=busy_timeout_s) as state:
        log = AuditLog(state, SIGNER, ORIGIN, clock=SettableClock(NOON), randomness=SeededRandomness())
        yield PrivateLine(Books(state, log), StandingClock(NOON), path, world=of)
