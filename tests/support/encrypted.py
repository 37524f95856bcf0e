"""A bank's loans with encrypted amounts beside firms' tax grades, in one process: from a question to opened rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.support.relations import (
    RULES_5,
    Row,
    World,
    column,
    committed,
    enterprise,
    question,
    readings,
    reply_to,
    snapshots,
    table,
)
from tests.support.sealed import small_key

from louver import results
from louver.sealing import bulk
from louver.sealing.ciphertexts import Owner
from louver.sealing.keys import PrivateKey
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, Kind, Type
from louver_sandbox.catalog.model import SpaceKind, Table
from louver_sandbox.encrypted_core import ContractRules, EncryptedRules, StrictRules
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.obligations import Period, Seal
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.release.complementary import no_solver
from louver_sandbox.release.decode import decode
from louver_sandbox.release.encode import encode
from louver_sandbox.release.release import release
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.stages import Admitted, Answer, Plan, Release

MONEY = Type(Kind.DECIMAL, 2)
GRADES = ("A", "B", "C", "D")
SECRET = b"s" * 32

CONTRACT = ContractRules(
    most=Decimal(1000),
    rows=1,
    each=PrivacyCost(Fraction(1, 2)),
    allowance=PrivacyCost(Fraction(4)),
    lifetime=PrivacyCost(Fraction(8)),
    period=Period.MONTH,
    delta=Fraction(1, 10**6),
)
STRICT = StrictRules(epsilon=Fraction(4), labels=10, rows=1, error_percent=1000, labels_of_all=10)

A07 = (
    "SELECT t.grade, count(*) AS loans, sum(l.amount) AS owed, avg(l.amount) AS mean FROM bank_a.loan l "
    "JOIN gov.tax_credit t ON t.uscc = l.id_no GROUP BY t.grade ORDER BY 1"
)


@dataclass(frozen=True)
class Lending:
    """Firms with grades, and the loans of one bank: rows with `id_no`, `amount` (fen), `days` and `branch`."""

    world: World
    loans: tuple[Row, ...]
    key: PrivateKey

    def plain(self, sql: str) -> World:
        """The same world with the amounts in clear, for a plain computation to compare with."""
        rows = [{**loan, "amount": Decimal(int(str(loan["amount"]))).scaleb(-2)} for loan in self.loans]
        loan = _loans(len(self.loans), "")
        return World((*self.world.tables[:-1], loan), {**self.world.rows, loan.name: rows})


def _loans(count: int, kid: str) -> Table:
    hidden: dict[str, Any] = {"encrypted": kid, "distinct": count} if kid else {}
    return table(
        "bank_a.loan",
        [
            replace(column("id_no", nullable=False), unique=True),
            replace(column("amount", MONEY, nullable=False), **hidden),
            replace(column("days", INTEGER, nullable=False), **hidden),
            column("branch", nullable=False),
        ],
        space=SpaceKind.INSTITUTION,
    )


def lending(loans: Sequence[Row], grades: Mapping[str, str], key: PrivateKey | None = None) -> Lending:
    """A world in which firms have these grades."""
    key = key or small_key()
    graded = table(
        "gov.tax_credit",
        [
            column("uscc", nullable=False),
            replace(column("grade", nullable=False), domain=GRADES),
            column("arrears", BOOLEAN, nullable=False),
            column("district"),
        ],
        [enterprise("uscc", rows_per_unit=1)],
    )
    own = _loans(len(loans), key.kid)
    stored = [{**loan, "amount": number, "days": number} for number, loan in enumerate(loans)]
    firms = [
        {"uscc": uscc, "grade": grade, "arrears": place % 3 == 0, "district": "南北"[place % 2]}
        for place, (uscc, grade) in enumerate(sorted(grades.items()))
    ]
    rows = {graded.name: firms, own.name: stored}
    return Lending(World((graded, own), rows), tuple(loans), key)


def some_lending(count: int = 200, key: PrivateKey | None = None) -> Lending:
    """Loans to so many firms, of grades in turn and amounts that differ."""
    loans = [
        {"id_no": f"u{number:04}", "amount": 100 + 37 * number, "days": number % 9, "branch": "东西"[number % 2]}
        for number in range(count)
    ]
    grades = {f"u{number:04}": GRADES[number % 4] for number in range(count)}
    return lending(loans, grades, key)


def permit(of: Lending, sql: str, encrypted: EncryptedRules | None = CONTRACT, *, public: bool = False) -> Admitted:
    """A permit for the question; with `public` nothing in it is protected."""
    rules = replace(RULES_5, encrypted=encrypted, seal=Seal.PAILLIER)
    made = question(of.world, sql, protected=frozenset() if public else None, rules=rules)
    return replace(made, facts=replace(made.facts, sealing_key=of.key.kid))


def keep(of: Lending, folder: Path) -> Path:
    """The file of ciphertexts, as an upload leaves it."""
    path = folder / "loans.sealed"
    if not path.exists():
        numbers = [int(str(loan[name])) for loan in of.loans for name in ("amount", "days")]
        path.write_bytes(bulk.write(Owner(of.key).encrypt(numbers), of.key.public, (2, 0)))
    return path


@dataclass(frozen=True)
class Asked:
    """A question over encrypted columns, and what became of it."""

    plan: Plan
    release: Release
    answer: Answer
    opened: results.Answer

    @property
    def by_key(self) -> dict[object, tuple[Any, ...]]:
        """The opened rows by their first column."""
        return {row[0]: row[1:] for row in self.opened.rows}


def asked(of: Lending, made: Admitted, folder: Path, sampler: Sampler | None, secret: bytes | None = SECRET) -> Asked:
    """Plans, runs, releases, encrypts and opens."""
    planned = plan(made)
    verify(planned, readings(planned))
    path = keep(of, folder)
    with snapshots(of.world, planned) as connection:
        execution = decode(reply_to(connection, planned), committed(planned))
    released = release(execution, no_solver, secret, sampler)
    sealer = Sealer(
        {of.key.kid: of.key.public}.__getitem__, most=10_000, stock=0, locate=lambda snapshot, institution: path
    )
    answer = encode(released, committed(planned), sealer)
    opened = results.Answer("r", "threshold", answer.arrow, private=lambda kid: of.key)
    return Asked(planned, released, answer, opened)


def shown(answer: Answer) -> str:
    """Everything of an answer but its rows, as text."""
    return json.dumps([notice.message for notice in answer.notices], ensure_ascii=False)
