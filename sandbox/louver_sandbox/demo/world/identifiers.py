"""Identifiers that are valid in form and cannot belong to anybody.

County codes 370290 to 370299 are unassigned in every edition of GB/T 2260, so no real citizen number (GB 11643-1999)
and no real unified social credit code (GB 32100-2015) can start with them. A citizen number is kept as a 30-bit
*key* (prefix, day of birth, sequence) and spelled out only where a column needs it; a credit code is spelled
from the firm's row number through a bijection, so codes cannot collide and need no table.
"""

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world.columns import Array, beside, digits, fixed_strings
from louver_sandbox.demo.world.randomness import salt, uniform

FIRST_DAY = -25567
"""1900-01-01 in days since 1970-01-01: the origin of the days inside a key."""
SEQUENCES = 499
"""Sequence numbers usable per prefix, day and sex: odd 1..997 for men, even 2..998 for women (GB 11643)."""

_DAYS = 1 << 16
_ID_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ID_CHECKS = np.frombuffer(b"10X98765432", dtype=np.uint8)
_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", dtype=np.uint8)
_CODE_WEIGHTS = np.array([3**i % 31 for i in range(17)])
_ORG_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
_ORG_CHECKS = np.frombuffer(b"0123456789X", dtype=np.uint8)
_BODIES = 31**6
_STRIDE = 548_423_771
_KINDS = np.frombuffer(b"91929352", dtype=np.uint8).reshape(4, 2)


def _day_digits() -> Array:
    days = (np.arange(_DAYS) + FIRST_DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    return beside(digits(year, 4), digits(month, 2), digits((days - months).astype(np.int64) + 1, 2))


_DAY_DIGITS = _day_digits()
_DAY_SUMS = ((_DAY_DIGITS - 48) * _ID_WEIGHTS[6:14]).sum(axis=1)
_SEQ_DIGITS = digits(np.arange(1000), 3)
_SEQ_SUMS = ((_SEQ_DIGITS - 48) * _ID_WEIGHTS[14:17]).sum(axis=1)
_PREFIX_SUM = int(((np.frombuffer(b"37029", np.uint8) - 48) * _ID_WEIGHTS[:5]).sum())


def person_key(prefix: Array, birth: Array, sequence: Array) -> Array:
    """Packs prefix (0..9), birth (days since 1970-01-01) and sequence (1..998) into an int32."""
    day = birth.astype(np.int64) - FIRST_DAY
    return ((prefix.astype(np.int64) << 26) | (day << 10) | sequence).astype(np.int32)


def key_birth(keys: Array) -> Array:
    """Day of birth in days since 1970-01-01."""
    return ((keys >> 10) & (_DAYS - 1)) + FIRST_DAY


def key_cell(keys: Array) -> Array:
    """Prefix, day of birth and sex of a key: what a sequence number is unique within."""
    return ((keys >> 10) << 1) | (keys & 1)


def person_ids(keys: Array) -> Array:
    """Citizen numbers as an (n, 18) byte matrix, check character by GB 11643-1999."""
    prefix, day, sequence = keys >> 26, (keys >> 10) & (_DAYS - 1), keys & 1023
    matrix = np.empty((len(keys), 18), dtype=np.uint8)
    matrix[:, :5] = np.frombuffer(b"37029", np.uint8)
    matrix[:, 5] = prefix + 48
    matrix[:, 6:14] = _DAY_DIGITS[day]
    matrix[:, 14:17] = _SEQ_DIGITS[sequence]
    total = _PREFIX_SUM + prefix * int(_ID_WEIGHTS[5]) + _DAY_SUMS[day] + _SEQ_SUMS[sequence]
    matrix[:, 17] = _ID_CHECKS[total % 11]
    return matrix


def sequences(cell: Array, male: Array, slot: int, slots: int, offset: Array) -> Array:
    """Sequence numbers without replacement inside each cell (prefix, day, sex).

    The usable numbers are dealt to `slots` independent chunks; this one holds number `slot`. Within a cell, rows take
    consecutive places of the slot from a start given by `offset` (any integer per row; the first row's counts).
    Raises OverflowError when a cell holds more rows than its slot has numbers.
    """
    width = SEQUENCES // slots
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    if len(lengths) and int(lengths.max()) > width:
        raise OverflowError("more persons of one prefix, day and sex than sequence numbers")
    rank = np.arange(len(ordered)) - np.repeat(starts, lengths)
    place = (rank + np.repeat(offset[order[starts]] % width, lengths)) % width
    result = np.empty(len(cell), dtype=np.int64)
    result[order] = 2 * (place * slots + slot + 1) - male[order]
    return result


def credit_codes(rows: Array, subject_class: Array, district: Array, seed: int) -> Array:
    """Unified social credit codes of firms as an (n, 18) byte matrix (GB 32100-2015, body by GB 11714-1997).

    Digits 3 to 8 are the place of first registration; three firms in a hundred have moved since.
    """
    body = (rows.astype(np.int64) * _STRIDE + salt(seed, "uscc") % _BODIES) % _BODIES
    moved = uniform(seed, "moved", rows)
    first = np.where(moved < 0.03, (moved * 1e6).astype(np.int64) % 10, district)
    matrix = np.empty((len(rows), 18), dtype=np.uint8)
    matrix[:, :2] = _KINDS[subject_class]
    matrix[:, 2:7] = np.frombuffer(b"37029", np.uint8)
    matrix[:, 7] = first + 48
    matrix[:, 8:10] = np.frombuffer(b"MA", np.uint8)
    for position in range(15, 9, -1):
        body, digit = np.divmod(body, 31)
        matrix[:, position] = _ALPHABET[digit]
    org = _org_values()[matrix[:, 8:16]] @ _ORG_WEIGHTS
    check = (11 - org % 11) % 11
    matrix[:, 16] = _ORG_CHECKS[check]
    total = _code_values()[matrix[:, :17]] @ _CODE_WEIGHTS
    matrix[:, 17] = _ALPHABET[(31 - total % 31) % 31]
    return matrix


def _org_values() -> Array:
    # GB 11714 counts the letters A=10 .. Z=35, GB 32100 by their place in its own alphabet.
    values = np.zeros(256, dtype=np.int64)
    values[48:58] = np.arange(10)
    values[65:91] = np.arange(10, 36)
    return values


def _code_values() -> Array:
    values = np.zeros(256, dtype=np.int64)
    values[_ALPHABET] = np.arange(31)
    return values


def strings(matrix: Array) -> pa.Array:
    """The matrix as an Arrow string column."""
    return fixed_strings(matrix)


def text(matrix: Array) -> list[str]:
    """The matrix as Python strings, for the few that go into a report."""
    return [bytes(row).decode("ascii") for row in matrix]
