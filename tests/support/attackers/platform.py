"""The platform around a releaser: every question is decided as for a bank, and paid for where a cap says so.

What is refused is refused by the platform's own decision over a policy, what is spent by its own books, and atoms are
those of its own publisher. Only the numbers come from a releaser, for these are many (`releasers.CellKeyed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.support.atomic import Atomic, atomic, firm_bundle
from tests.support.attackers.people import People
from tests.support.attackers.releasers import Answer, Engine, LimitReached, Releaser
from tests.support.catalogs import a_catalog, a_column, a_table
from tests.support.policy_questions import BANK_A, TODAY, grant_document

from louver.errors import Refused
from louver_sandbox.algebra.types import BOOLEAN, INTEGER
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, Role, Table, UnitType
from louver_sandbox.commit import charge_cells
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.holding import taken
from louver_sandbox.stages import Facts, Plan, Request, Subject
from louver_sandbox.store import State

NOON: Final = datetime(2026, 7, 1, 4, tzinfo=UTC)
NUMBERS: Final = ("district", "age", "house", "grade", "income")
NOISE: Final[Mapping[str, Any]] = {"method": "cell-key", "rounding": {"mode": "random", "base": 5}}
COLLUDING: Final = tuple(replace(BANK_A, institution=f"bank_{letter}") for letter in "abcd")
"""Institutions that pool their answers: as many as can spend a cap of which each has a quarter."""

Dimensions = Sequence[Mapping[str, Any]]
BANDS: Final[Mapping[str, Any]] = {"column": "age", "width": 6}
"""With districts and a secret these are more combinations than any setting leaves."""


def person_table(number: int) -> Table:
    """`gov.person` of so many people, as its owner describes it."""
    columns = [a_column("person_id", role=Role.IDENTIFIER), a_column("late", BOOLEAN, role=Role.FLAG)]
    columns += [a_column(name, INTEGER) for name in NUMBERS]
    unit = PrivacyUnit(UnitType.PERSON, "person_id", 1, at_least=number)
    return a_table("gov.person", columns=[replace(column, nullable=False) for column in columns], units=[unit])


def person_grant(atoms: Dimensions = (), **more: Any) -> dict[str, Any]:
    """A grant that gives all that its rules allow: with atoms what selects is a dimension, without it is anything."""
    selected = {str(item["column"]) for item in atoms} or {*NUMBERS, "late"}
    rights: dict[str, Any] = {"person_id": {"aggregate": {"functions": ["count"]}}}
    rights |= {name: ["aggregate"] for name in NUMBERS if name not in selected}
    rights |= {name: ["group_key", "filter", "order"] for name in sorted(selected)}
    document = {"table": "gov.person", "columns": rights} | ({"atoms": list(atoms)} if atoms else {})
    return grant_document("people", **document | more)


def capped(percent: int) -> dict[str, Any]:
    """A grant of free predicates with noise, rounding and a cap of so many cells in a hundred people."""
    return person_grant(threshold={"noise": NOISE, "unit_sets": {"percent": percent}})


def risks(grant: dict[str, Any], number: int = 2_000) -> set[str]:
    """What lint wants accepted of it."""
    bundle, table = firm_bundle(grant), person_table(number)
    (policy,) = bundle.policies
    return {one.risk.value for one in taken(policy.grants[0], table, bundle.rulebook.atoms(table))}


@dataclass(frozen=True)
class Told:
    """The codes of all refusals so far, which an attacker reads as no answer."""

    codes: dict[str, int]

    def add(self, code: str) -> None:
        self.codes[code] = self.codes.get(code, 0) + 1


class Platform:
    """Decides every question and has it paid for by one of the institutions, before the releaser answers it.

    A refusal by the policy is no answer; where nobody of them has cells left the attack is over (`LimitReached`).
    """

    def __init__(self, releaser: Releaser, catalog: Catalog, bundle: Bundle, books: State | None = None) -> None:
        self._releaser, self._catalog, self._bundle, self._books = releaser, catalog, bundle, books
        self._number = count()
        self._asking = list(COLLUDING)
        self._left = 0
        self.told = Told({})

    def ask(self, sqls: Sequence[str]) -> list[Answer]:
        admitted = [self._admits(sql) for sql in sqls]
        answers = iter(self._releaser.ask([sql for sql, is_in in zip(sqls, admitted, strict=True) if is_in]))
        return [next(answers) if is_in else None for is_in in admitted]

    @property
    def left(self) -> int:
        """How many cells the institution that asked last could still pay for."""
        return self._left

    def _admits(self, sql: str) -> bool:
        request = Request(f"r{next(self._number)}", self._asking[0], "RESEARCH", sql)
        try:
            plan = judge(request, self._catalog, self._bundle, Facts(TODAY))
        except Refused as refused:
            self.told.add(refused.code)
            return False
        if plan.cells:
            self._pay(plan, request)
        return True

    def _pay(self, plan: Plan, request: Request) -> None:
        assert self._books is not None
        while self._asking:
            paying: Subject = self._asking[0]
            try:
                with self._books.transaction() as tx:
                    (cells,) = charge_cells(tx, plan, replace(request, subject=paying), NOON)
            except Refused as refused:
                self.told.add(refused.code)
                self._asking.pop(0)
            else:
                self._left = cells.left
                return
        self._asking = list(COLLUDING)
        raise LimitReached


def behind_a_cap(people: People, releaser: Releaser, percent: int, books: State) -> Platform:
    """What all institutions together get where the policy has free predicates and a cap."""
    table = replace(person_table(len(people.known)), data_version="v1")
    return Platform(releaser, a_catalog(table), firm_bundle(capped(percent)), books)


def published(people: People, atoms: Dimensions, folder: Path, **more: Any) -> Atomic:
    """The people in a snapshot of the platform's own publisher, under the atom rule."""
    known = people.known
    columns = {"district": known.district, "age": known.age, "house": known.house, "late": people.late}
    columns |= {"grade": people.grade, "income": people.income}
    rows = [
        {"person_id": f"P{person}"} | {name: values[person].item() for name, values in columns.items()}
        for person in range(len(known))
    ]
    return atomic(folder, rows, firm_bundle(person_grant(atoms, **more)), person_table(len(known)))


def recoded(people: People, snapshot: Atomic) -> Engine:
    """The rows of the snapshot for a releaser: known columns and secrets as the publisher left them."""
    names = ("district", "age", "house", "late", "grade")
    rows = snapshot.rows(f"SELECT {', '.join(names)} FROM data ORDER BY substr(person_id, 2)::INT")
    district, age, house, late, grade = (np.array(column) for column in zip(*rows, strict=True))
    known = replace(people.known, district=district, age=age, house=house)
    return Engine(replace(people, known=known, late=late, grade=grade))
