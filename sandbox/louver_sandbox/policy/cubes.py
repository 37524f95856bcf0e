"""Published cubes: numbers over every combination of some keys, made once for each version of the data under
differential privacy and then as public as any table (DOMAIN 1.1, 1.5).

    cubes:
      - id: insured-staff
        version: "1"
        title: 参保人数 insured staff by month, district and section
        read: gov.ss_ent_month s JOIN gov.ent_registry r USING (uscc)
        keys: {pay_month: {sql: s.pay_month, title: 月份}, section: {sql: r.section, title: 行业门类}}
        measures: {firms: {sql: count(*), title: 单位数}}
        epsilon: 1
        purpose: DUTY
        to: {groups: [banks]}
        purposes: [RESEARCH]
        valid: {from: 2026-01-01, until: 2030-12-31}

It is asked as a question like any other by `PUBLISHER`, to whom every department whose columns it reads grants them
with treatment dp; so its privacy loss is charged to the same lifetime caps. What comes of it stands in the table
`Cube.table`, which `to` may read for `purposes` at no further cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from louver_sandbox.policy.grantees import Grantees, Validity
from louver_sandbox.policy.words import Document, PurposeCode, Text

PUBLISHER = "cube-publisher"
"""Whom departments grant what cubes are made of. No institution can be registered under this name."""
SCHEMA = "cube"
TOTALS, EDITION, METHOD, EPSILON, DELTA = "totals", "edition", "method", "epsilon", "delta"
LOW, HIGH = "_low", "_high"
RESERVED = frozenset({TOTALS, EDITION, METHOD, EPSILON, DELTA})
MOST_KEYS, MOST_MEASURES = 5, 20

ColumnName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class CubeColumn(Document):
    """A key or measure: its SQL, and what people call it."""

    sql: Expression
    title: Text


class Cube(Document):
    """One cube. `read` is what stands after FROM; `epsilon` what one edition costs, at the delta of the policies."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    version: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}$")]
    title: Text
    read: Annotated[str, StringConstraints(min_length=1, max_length=8_192)]
    where: Expression | None = None
    keys: Mapping[ColumnName, CubeColumn] = Field(min_length=1, max_length=MOST_KEYS)
    measures: Mapping[ColumnName, CubeColumn] = Field(min_length=1, max_length=MOST_MEASURES)
    epsilon: Decimal = Field(gt=0, le=10)
    purpose: PurposeCode
    to: Grantees
    purposes: tuple[PurposeCode, ...] = Field(min_length=1)
    valid: Validity

    @model_validator(mode="after")
    def _names(self) -> Cube:
        told = [*self.keys, *(f"{name}{end}" for name in self.measures for end in ("", LOW, HIGH)), *RESERVED]
        if len(set(told)) < len(told):
            raise ValueError("two columns of the cube would have one name")
        return self

    @property
    def name(self) -> str:
        """`id@version`, as the command and the log call it."""
        return f"{self.id}@{self.version}"

    @property
    def table(self) -> str:
        """The table that it is published as."""
        return f"{SCHEMA}.{self.id.replace('-', '_')}_{self.version}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of that table: keys, which totals they are left out of, measures with the ends of their
        intervals, and how the numbers came about."""
        measured = (f"{name}{end}" for name in sorted(self.measures) for end in ("", LOW, HIGH))
        return (*sorted(self.keys), TOTALS, *measured, EDITION, METHOD, EPSILON, DELTA)

    @property
    def bits(self) -> Mapping[str, int]:
        """What the column `TOTALS` has for each key that a total leaves out; they are added up."""
        return {name: 1 << place for place, name in enumerate(sorted(self.keys, reverse=True))}

    @property
    def statement(self) -> str:
        """The question that it comes to."""
        # In the order of their names: a signed bundle keeps no other.
        keys = ", ".join(key.sql for _, key in sorted(self.keys.items()))
        told = [f"{one.sql} AS {name}" for part in (self.keys, self.measures) for name, one in sorted(part.items())]
        where = "" if self.where is None else f" WHERE {self.where}"
        return (
            f"SELECT {', '.join(told)}, grouping({keys}) AS {TOTALS} FROM {self.read}{where} GROUP BY CUBE ({keys})"
        )
