"""The one maker of Release and the one reader of exact rows (laws 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release import notices
from louver_sandbox.release.again import released_again
from louver_sandbox.release.complementary import Solve, no_solver
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.release.draws import Noise
from louver_sandbox.release.encrypted import encrypted_sums
from louver_sandbox.release.encrypted_told import encrypted_notices, with_encrypted
from louver_sandbox.release.leaks import without_personal_numbers
from louver_sandbox.release.mechanism import MECHANISMS
from louver_sandbox.sql.rules import quantize
from louver_sandbox.stages import Cell, Execution, OutputColumn, Release


def release(
    execution: Execution,
    solve: Solve = no_solver,
    secret: bytes | None = None,
    sampler: Sampler | None = None,
) -> Release:
    """What leaves. No value raises; WorkerLied (a fault) when the worker's parts contradict each other,
    TooManyMargins when they are too many to judge in time, NoiseSecretMissing when policies ask for noise and the
    `secret` by which it is drawn is not given, NoNoise when differential privacy needs a `sampler` and has none,
    DrawsUnfit when noise of an earlier answer was not drawn for these rows, NotInClear when the earlier answer itself
    is not one to be given again, whatever `solve` raises when it is killed.

    `solve` finds what else must be withheld so that totals may stay; without one they are kept back.

    Every value has its column's type: integers are 64 bits, decimals 38 digits. What does not fit (a sum beyond
    64 bits) is None with a notice, since a wrong number would be worse than none.
    """
    plan = execution.committed.plan
    if execution.committed.before is not None:
        return released_again(execution.committed.before, execution.committed)
    noise = Noise.of(execution, sampler, secret)
    made = MECHANISMS[plan.treatment].release(execution, solve, secret, noise.sampler)
    rows, lost = _fitted(made.rows, made.columns)
    remainder = None if made.remainder is None else _fitted((made.remainder,), made.columns)[0][0]
    found = (*made.notices, notices.out_of_range(lost)) if lost else made.notices
    encrypted = encrypted_sums(execution, rows, secret, sampler)
    found, accuracy = (*found, *encrypted_notices(plan)), with_encrypted(made.accuracy, plan)
    whole = replace(made, rows=rows, remainder=remainder, notices=found, accuracy=accuracy, encrypted=encrypted)
    return replace(without_personal_numbers(whole), drawn=noise.kept())


def _fitted(
    rows: tuple[tuple[Cell, ...], ...], columns: tuple[OutputColumn, ...]
) -> tuple[tuple[tuple[Cell, ...], ...], int]:
    """The rows in the columns' types, and how many values are lost. Column by column: most fit as they are."""
    if {len(row) for row in rows} - {len(columns)}:
        raise WorkerLied("rows that are not of the answer's columns")
    given = list(zip(*rows, strict=True))
    if all(_fits(values, column.type) for values, column in zip(given, columns, strict=False)):
        return rows, 0
    fitted = [[_fit(value, column.type) for value in values] for values, column in zip(given, columns, strict=True)]
    lost = sum(
        old is not None and new is None
        for before, after in zip(given, fitted, strict=True)
        for old, new in zip(before, after, strict=True)
    )
    return tuple(zip(*fitted, strict=True)), lost


def _fits(values: Sequence[Cell], type_: Type) -> bool:
    """Whether `_fit` would change nothing."""
    match type_.kind:
        case Kind.INTEGER:
            return all(value is None or (type(value) is int and _LEAST <= value <= _MOST) for value in values)
        case Kind.DECIMAL:
            unit, bound = Decimal(1).scaleb(-type_.scale), Decimal(10) ** (38 - type_.scale)
            return all(
                value is None or (isinstance(value, Decimal) and value.same_quantum(unit) and -bound < value < bound)
                for value in values
            )
        case Kind.DOUBLE:
            return _DOUBLES.issuperset(map(type, values))
        case _:
            return True


_LEAST, _MOST = -(2**63), 2**63 - 1
_DOUBLES = frozenset({float, type(None)})


def _fit(value: Cell, type_: Type) -> Cell:
    match type_.kind, value:
        case Kind.INTEGER, int() if not isinstance(value, bool):
            return value if _LEAST <= value <= _MOST else None
        case Kind.DECIMAL, int() | Decimal() if not isinstance(value, bool):
            return quantize(Decimal(value), type_.scale, 38)
        case Kind.DOUBLE, int() | Decimal():
            return float(value)
        case _:
            return value
