"""The atom rule in the decision: over a table under it, a question selects and groups by dimensions only.

So every answer is computed from one table of safe atoms, whatever is asked in however many questions; joins over
dimensions weigh whole atoms, and joins over anything else are refused here (ADR 21).
"""

from __future__ import annotations

from louver_sandbox.algebra.types import Kind
from louver_sandbox.policy.atoms import INSIDE, is_counted_once
from louver_sandbox.policy.reading import Question, Reading
from louver_sandbox.refusals import policy as refuse
from louver_sandbox.refusals.policy import Ruling
from louver_sandbox.stages import Clause, Use


def atoms(question: Question) -> None:
    """Every use of a table under the atom rule is of a dimension, or a bare sum, mean or count of another column."""
    for reading in question.government:
        rules = reading.covering.atoms
        for use in reading.uses if rules is not None else ():
            if rules is None or use.column in rules.columns:
                continue
            ruling = Ruling("floor/atoms", "+".join(sorted({p.policy.version for p in reading.covering.permits})))
            if use.clause is not Clause.AGGREGATE:
                names = [f"{item.column} {item.told}".strip() for item in rules.dimensions]
                raise refuse.outside_atoms(reading.site(use), ruling, dimensions=names)
            if not _is_of_atoms(use, reading):
                raise refuse.not_of_atoms(reading.site(use), ruling)


def _is_of_atoms(use: Use, reading: Reading) -> bool:
    column = reading.table.column(use.column)
    if column is None or column.type.kind is Kind.BOOLEAN:
        # AND and OR of two flags are not in `through`, and are a selection by both.
        return False
    return INSIDE.issuperset((use.function, *use.through)) and is_counted_once(use.column, reading.table)
