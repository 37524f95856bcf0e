"""Sealed columns of a release: ciphertexts in place of numbers, before anything is stored or sent.

This is no protection of a subject. What is sealed has been protected before, and whoever holds the key reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import pyarrow as pa

from louver.sealing import ends
from louver.sealing.columns import METADATA, WINDOWED, Mark, of_double
from louver_sandbox.algebra.types import Kind, Type
from louver_sandbox.encrypted_core import EncryptedSums
from louver_sandbox.obligations import SealedColumns
from louver_sandbox.stages import Accuracy, Cell, OutputColumn


class SealMissing(Exception):
    """An answer must leave sealed, and there is nothing here to seal it with."""


class TooManySealed(Exception):
    """More cells than can be sealed in time."""


class Sealer(Protocol):
    """Encrypts integers to a registered key. ``most`` are the cells of one answer."""

    @property
    def most(self) -> int: ...

    def sealed(self, kid: str, numbers: Sequence[int]) -> tuple[int, list[bytes]]:
        """How many bytes a ciphertext has, and one for each number."""
        ...

    def room(self, kid: str) -> int:
        """How many bytes of ends a plaintext of the key holds (`louver.sealing.ends`)."""
        ...

    def added(self, sums: EncryptedSums, institution: str) -> list[list[bytes | None]]:
        """The cells of each encrypted column: one ciphertext, or two for an average, None where nothing leaves."""
        ...


def column(
    described: OutputColumn, cells: Sequence[Cell], seal: SealedColumns, sealer: Sealer | None
) -> tuple[pa.Field, list[bytes | None]]:
    """A sealed column: its Arrow field and its ciphertexts, None where there is no number."""
    if sealer is None:
        raise SealMissing
    width, ciphertexts = sealer.sealed(
        seal.key, [_integer(cell, described.type) for cell in cells if cell is not None]
    )
    given = iter(ciphertexts)
    mark = Mark(seal.key, described.type.kind.value, described.type.scale, seal.seal.value)
    field = pa.field(described.name, pa.binary(width), metadata={METADATA: mark.to_bytes()})
    return field, [None if cell is None else next(given) for cell in cells]


def is_sealed(schema: pa.Schema) -> bool:
    """Whether any column is of ciphertexts."""
    return any(METADATA in (field.metadata or {}) for field in schema)


def exactness(said: Sequence[Accuracy], seal: SealedColumns, sealer: Sealer | None) -> tuple[Accuracy, ...]:
    """What is said of columns, with the ends of every row's interval as ciphertexts: in clear they would tell the
    number between them."""
    if sealer is None:
        raise SealMissing
    return tuple(_without_ends(one, seal, sealer) if one.low or one.high else one for one in said)


def _without_ends(one: Accuracy, seal: SealedColumns, sealer: Sealer) -> Accuracy:
    _, ciphertexts = sealer.sealed(seal.key, ends.packed(one.low, one.high, sealer.room(seal.key)))
    return replace(one, low=(), high=(), sealed=b"".join(ciphertexts))


def encrypted_columns(
    sums: EncryptedSums | None, sealer: Sealer | None, columns: Sequence[OutputColumn], institution: str
) -> dict[int, tuple[pa.Field, Sequence[bytes | None]]]:
    """The columns made of an upload's own ciphertexts, by their place in the answer."""
    if sums is None:
        return {}
    if sealer is None:
        raise SealMissing
    if sum(cell is not None for column in sums.columns for cell in column.cells) > sealer.most:
        raise TooManySealed
    made: dict[int, tuple[pa.Field, Sequence[bytes | None]]] = {}
    for column, cells in zip(sums.columns, sealer.added(sums, institution), strict=True):
        one, plan = column.measure, sums.plan
        mark = Mark(
            plan.kid, one.type.kind.value, one.type.scale, WINDOWED,
            plan.window, plan.over, one.digits, one.divided,
        )  # fmt: skip
        width = next((len(cell) for cell in cells if cell is not None), 1)
        field = pa.field(columns[one.place].name, pa.binary(width), metadata={METADATA: mark.to_bytes()})
        made[one.place] = field, cells
    return made


def check_number(
    tables: Sequence[Sequence[tuple[Cell, ...]]],
    said: Sequence[Accuracy],
    seal: SealedColumns,
    sealer: Sealer | None,
) -> None:
    """Raises `TooManySealed` before anything is encrypted: a cell is one ciphertext, and ends are some more."""
    if sealer is None:
        raise SealMissing
    cells = sum(row[place] is not None for rows in tables for row in rows for place in seal.columns)
    room = sealer.room(seal.key)
    if cells + sum(ends.blocks(len(one.low), room) for one in said) > sealer.most:
        raise TooManySealed


def _integer(cell: Cell, type_: Type) -> int:
    match type_.kind, cell:
        case Kind.BOOLEAN, bool():
            return int(cell)
        case Kind.INTEGER, int() if not isinstance(cell, bool):
            return cell
        case Kind.DECIMAL, Decimal():
            sign, digits, exponent = cell.as_tuple()
            if exponent == -type_.scale:
                return int("".join(map(str, digits))) * (-1 if sign else 1)
        case Kind.DOUBLE, float():
            return of_double(cell)
    raise TypeError("a released value is not of its column's type")
