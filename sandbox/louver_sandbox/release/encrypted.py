"""Sums of numbers that nobody here can see: which ciphertexts make up each cell, and the noise that goes with them.

The cells are those that the rules let leave: where a number of rows leaves in an encrypted column's place, the sum
does. What protects the rows' subjects is decided here, before a ciphertext is looked at: how many rows of a subject
count, noise under contract, and under `strict` by which chance a row is counted where (CRYPTO 5.1).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from louver_sandbox.encrypted_core import (
    THOUSAND,
    EncryptedCell,
    EncryptedColumn,
    EncryptedMeasure,
    EncryptedPlan,
    EncryptedSums,
    Protection,
)
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.sampler import Sampler
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.stages import Cell, Execution, Members

Key = tuple[object, ...]


class NoSampler(Exception):
    """Sums that leave with noise, and nothing to draw it with: nothing may leave."""


class NoSecret(Exception):
    """Rows that are told by chance, and no secret by which it is drawn: nothing may leave."""


def encrypted_sums(
    execution: Execution, rows: Sequence[tuple[Cell, ...]], secret: bytes | None, sampler: Sampler | None
) -> EncryptedSums | None:
    """What is to be computed over ciphertexts for these rows of the answer; None where no column is encrypted.

    `secret` is the releaser's, by which rows are told at random; `sampler` draws noise.

    Raises:
        WorkerLied: there are no rows of the upload. NoSampler, NoSecret: as they say.
    """
    plan, found = execution.committed.plan.encrypted, execution.members
    if plan is None:
        return None
    if found is None:
        raise WorkerLied("an encrypted column without its rows")
    kept = bounded(found, plan)
    if plan.protection is Protection.STRICT:
        if secret is None:
            raise NoSecret("no secret")
        return _Strict(plan, rows, told(found, kept, plan, secret)).sums()
    return _Plain(plan, rows, found, kept, sampler).sums()


def bounded(found: Members, plan: EncryptedPlan) -> Any:
    """Which rows count, as a mask: of each subject at most so many, and none without a subject where subjects are
    protected. Which of a subject's rows these are follows from the numbers of rows and of their groups alone."""
    row = np.frombuffer(found.row, "<u8")
    if not plan.has_units or not len(row):
        return np.ones(len(row), bool)
    unit, present = np.frombuffer(found.unit, "<u8"), np.frombuffer(found.present, "u1").astype(bool)
    order = np.lexsort((_numbered(found, plan), row, unit, ~present))
    same = np.r_[False, unit[order][1:] == unit[order][:-1]]
    starts = np.flatnonzero(~same)
    rank = np.arange(len(row)) - np.repeat(starts, np.diff(np.r_[starts, len(row)]))
    kept = np.zeros(len(row), bool)
    kept[order] = rank < plan.unit_rows
    return kept & present


def _numbered(found: Members, plan: EncryptedPlan) -> Any:
    """The number of each row's group, the last for a row in none: what a row is in does not follow from the order in
    which a worker tells rows and groups. Groups have numbers where rows are told by chance; elsewhere all have 0."""
    if plan.protection is not Protection.STRICT:
        return np.zeros(len(found.row) // 8, "<i8")
    numbers, none = plan.number_of, plan.labels - 1
    of_cell = np.array([numbers.get(key, none) for key in found.cells], "<i8")
    return of_cell[np.frombuffer(found.cell, "<u8")]


def told(found: Members, kept: Any, plan: EncryptedPlan, secret: bytes) -> Any:
    """The group that each row of the upload is told to be in, by its number; the last number is none.

    The same for the same rows, grouping and data for ever: the chance comes from a stream that the secret, the label
    and the true groups give, by the row's number. True groups are part of it since one draw must never be shown for
    two of them: what differs in both would be those that kept their own, for certain.
    """
    row = np.frombuffer(found.row, "<u8")[kept]
    true = np.full(plan.rows, plan.labels - 1, "<i8")
    # A row that a join repeats counts once, in the first of its groups.
    np.minimum.at(true, row, _numbered(found, plan)[kept])
    groups = hashlib.sha256(true.tobytes()).digest()
    key = hmac.digest(secret, b"louver rows\0" + plan.label.encode() + groups, "sha256")
    drawn = np.frombuffer(hashlib.shake_256(key).digest(16 * plan.rows), "<u8").reshape(-1, 2)
    own = drawn[:, 0] % np.uint64(plan.kept_of) < THOUSAND
    other = (drawn[:, 1] % np.uint64(plan.labels)).astype("<i8")
    return np.where(own, true, other)


def _ids(rows: Any) -> bytes:
    """Rows as they are handed on."""
    content: bytes = rows.astype("<u4").tobytes()
    return content


def _key(row: Sequence[Cell], plan: EncryptedPlan) -> Key:
    return tuple(row[place] for place in plan.places)


def _rows_of(row: Sequence[Cell], one: EncryptedMeasure) -> int | None:
    """The number of rows by which a cell was judged; None where it is withheld."""
    count = row[one.place]
    return count if isinstance(count, int) and not isinstance(count, bool) else None


@dataclass
class _Sets:
    """The sets of rows that are asked for, each once."""

    places: dict[bytes, int] = field(default_factory=dict)

    def place(self, rows: bytes) -> int:
        return self.places.setdefault(rows, len(self.places))


@dataclass(frozen=True)
class _Plain:
    """Exact memberships: with noise under contract, and as they are where nothing is protected."""

    plan: EncryptedPlan
    rows: Sequence[tuple[Cell, ...]]
    found: Members
    kept: Any
    sampler: Sampler | None

    def sums(self) -> EncryptedSums:
        sets = _Sets()
        cells: Mapping[Key, int] = {key: place for place, key in enumerate(self.found.cells)}
        measures = self.plan.measures
        noise = {of: self._noise(one) for of, one in {one.sum_of: one for one in measures}.items()}
        columns = [EncryptedColumn(one, tuple(self._cells(one, cells, sets, noise[one.sum_of]))) for one in measures]
        return EncryptedSums(self.plan, tuple(sets.places), tuple(columns))

    def _cells(
        self, one: EncryptedMeasure, cells: Mapping[Key, int], sets: _Sets, noise: Sequence[int]
    ) -> list[EncryptedCell | None]:
        by_cell = self._by_cell(one)
        made: list[EncryptedCell | None] = []
        for row, addend in zip(self.rows, noise, strict=True):
            count = _rows_of(row, one)
            place = cells.get(_key(row, self.plan))
            # Of no rows there is no sum, as in clear.
            if count is None or (place is None and self.plan.places) or (count <= 0 and not one.noise):
                made.append(None)
                continue
            rows = by_cell.get(-1 if place is None else place, b"")
            divisor = count if one.divided else 1
            made.append(None if divisor <= 0 else EncryptedCell(sets.place(rows), one.factor, 0, addend, divisor))
        return made

    def _noise(self, one: EncryptedMeasure) -> Sequence[int]:
        if self.plan.protection is Protection.NONE:
            return [0] * len(self.rows)
        if self.sampler is None:
            raise NoSampler("no sampler")
        return DiscreteGaussian(one.noise).drawn(self.sampler, len(self.rows)) if self.rows else []

    def _by_cell(self, one: EncryptedMeasure) -> dict[int, bytes]:
        """The rows of each cell that count for a measure."""
        counts = self.kept
        if one.condition >= 0:
            counts = counts & np.frombuffer(self.found.holds[one.condition], "u1").astype(bool)
        cell, row = (np.frombuffer(content, "<u8")[counts] for content in (self.found.cell, self.found.row))
        if not self.plan.places:
            return {0: _ids(row), -1: _ids(row)}
        order = np.argsort(cell, kind="stable")
        cell, row = cell[order], row[order]
        places, starts = np.unique(cell, return_index=True)
        parts = np.split(row, starts[1:])
        return {int(place): _ids(part) for place, part in zip(places, parts, strict=False)}


@dataclass(frozen=True)
class _Strict:
    """Memberships told at random: each sum is put right by the chances, from the sum of all rows."""

    plan: EncryptedPlan
    rows: Sequence[tuple[Cell, ...]]
    told: Any

    def sums(self) -> EncryptedSums:
        order = np.argsort(self.told, kind="stable")
        starts = np.searchsorted(self.told[order], np.arange(self.plan.labels))
        parts = np.split(order, starts[1:])
        # One for each label, those that are empty or do not leave among them: together they are all rows.
        sets = tuple(_ids(part) for part in parts)
        numbers = self.plan.number_of
        columns = [EncryptedColumn(one, tuple(self._cells(one, numbers))) for one in self.plan.measures]
        return EncryptedSums(self.plan, sets, tuple(columns))

    def _cells(self, one: EncryptedMeasure, numbers: Mapping[Key, int]) -> list[EncryptedCell | None]:
        """T being a group's sum as told and S that of all rows, t T labels - (t - 1000) S is 1000 labels times the
        true sum on average."""
        made: list[EncryptedCell | None] = []
        for row in self.rows:
            count, number = _rows_of(row, one), numbers.get(_key(row, self.plan))
            if count is None or number is None or (one.divided and count <= 0):
                made.append(None)
                continue
            times = self.plan.kept_of * self.plan.labels * one.factor
            total = -(self.plan.kept_of - THOUSAND) * one.factor
            made.append(EncryptedCell(number, times, total, 0, count if one.divided else 1))
        return made
