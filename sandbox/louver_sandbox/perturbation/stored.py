"""Perturbation tables as documents: canonical JSON (RFC 8785), known by its SHA-256, verified whenever it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Final

import rfc8785

from louver_sandbox.perturbation.entropy import entropy
from louver_sandbox.perturbation.refused import PerturbationRefused, Reason
from louver_sandbox.perturbation.table import (
    KEY_BITS,
    MagnitudeTable,
    Multipliers,
    NoiseRow,
    NoiseTerms,
    PerturbationTable,
)
from louver_sandbox.perturbation.verify import verified, verified_for_magnitudes

COUNTS: Final = "louver-perturbation-counts/1"
MAGNITUDES: Final = "louver-perturbation-magnitudes/1"

PERSONS: Final = "persons.json"
ENTERPRISES: Final = "enterprises.json"
MAGNITUDE: Final = "magnitudes.json"


def written(table: PerturbationTable | MagnitudeTable) -> bytes:
    """The document of a table."""
    counts = isinstance(table, PerturbationTable)
    rows = table.rows if isinstance(table, PerturbationTable) else (table.row,)
    return rfc8785.dumps(
        {
            "format": COUNTS if counts else MAGNITUDES,
            "key_bits": KEY_BITS,
            "maximum": table.terms.maximum,
            "variance": str(table.terms.variance),
            "threshold": table.terms.threshold,
            "rows": [_written_row(row) for row in rows],
        }
    )


def read(document: bytes) -> PerturbationTable:
    """A table for counts.

    Raises:
        PerturbationRefused: it is no table, or does not hold what it says.
    """
    terms, rows = _parsed(document, COUNTS)
    return verified(PerturbationTable(terms, rows))


def read_for_magnitudes(document: bytes) -> MagnitudeTable:
    """A table for magnitudes. Raises as `read` does."""
    terms, rows = _parsed(document, MAGNITUDES)
    if len(rows) != 1:
        raise _no_table("one row is needed")
    return verified_for_magnitudes(MagnitudeTable(terms, rows[0]))


def digest(table: PerturbationTable | MagnitudeTable) -> str:
    """The SHA-256 of a table's document, by which a policy names it and the log records it."""
    return "sha256:" + hashlib.sha256(written(table)).hexdigest()


@cache
def supplied(name: str) -> bytes:
    """The document of a table that comes with the program: `PERSONS`, `ENTERPRISES` or `MAGNITUDE`. Read once."""
    return files(__package__).joinpath("tables", name).read_bytes()


@dataclass(frozen=True, slots=True)
class RowProperties:
    """What a row is like. The mean is zero in all of them; entropy is in nats."""

    count: int
    variance: Fraction
    entropy: Decimal
    unchanged: Fraction
    """The chance of no noise."""


def properties(table: PerturbationTable) -> tuple[RowProperties, ...]:
    """What each row is like, for the table's page and for an officer's choice."""
    return tuple(
        RowProperties(count, row.variance, entropy(row), _chance(row, 0)) for count, row in enumerate(table.rows)
    )


def _chance(row: NoiseRow, step: int) -> Fraction:
    weights = dict(zip(row.noise, row.weights, strict=True))
    return Fraction(weights.get(step, 0), 1 << KEY_BITS)


def _written_row(row: NoiseRow) -> dict[str, Any]:
    found: dict[str, Any] = {"noise": list(row.noise), "weights": list(row.weights)}
    if row.multipliers is not None:
        found |= {"slope": row.multipliers.slope, "curvature": row.multipliers.curvature}
    return found


def _parsed(document: bytes, form: str) -> tuple[NoiseTerms, tuple[NoiseRow, ...]]:
    try:
        found = json.loads(document)
        if found["format"] != form or found["key_bits"] != KEY_BITS:
            raise _no_table(f"the format is not {form} with {KEY_BITS} key bits")
        maximum, threshold = _whole(found["maximum"]), _whole(found["threshold"])
        variance, rows = Fraction(found["variance"]), tuple(_parsed_row(row) for row in found["rows"])
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        if isinstance(error, PerturbationRefused):
            raise
        raise _no_table("it is not a document of this form") from error
    return NoiseTerms(maximum, variance, threshold), rows


def _parsed_row(row: Mapping[str, Any]) -> NoiseRow:
    noise, weights = tuple(map(_whole, row["noise"])), tuple(map(_whole, row["weights"]))
    if "slope" not in row:
        return NoiseRow(noise, weights)
    return NoiseRow(noise, weights, Multipliers(str(row["slope"]), str(row["curvature"])))


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


def _no_table(why: str) -> PerturbationRefused:
    return PerturbationRefused(Reason.TABLE_UNSOUND, f"this is no perturbation table: {why}", f"不是扰动表：{why}")
