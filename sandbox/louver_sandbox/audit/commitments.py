"""Private texts behind salted commitments.

The entry holds ``commitment(field, salt, text)``, the side table ``openings`` the salt and the text. Whoever is
shown both can check them against the log; once they are erased the commitment says nothing, and the tree still
stands. Later entries about the same text repeat the commitment, so that one erasure reaches them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, insert, select, update

from louver.receipt import SALT_BYTES, commitment
from louver_sandbox.store import schema
from louver_sandbox.store.clock import Randomness
from louver_sandbox.store.prepared import Prepared
from louver_sandbox.store.texts import storable, told


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment: the salt, and the text it hides."""

    salt: bytes = field(repr=False)
    text: str = field(repr=False)


def make(private: Mapping[str, str], randomness: Randomness) -> dict[str, tuple[str, Opening]]:
    """Commit to each text under a fresh salt: by field, the commitment and what opens it."""
    openings = {name: Opening(randomness(SALT_BYTES), text) for name, text in private.items()}
    return {name: (commitment(name, item.salt, item.text), item) for name, item in openings.items()}


def keep(tx: Connection, made: Mapping[str, tuple[str, Opening]]) -> None:
    """Store the openings, in the transaction of the entry that holds the commitments."""
    if made:
        rows = [
            {"commitment": value, "field": name, "salt": opening.salt, "text": storable(opening.text), "erased": None}
            for name, (value, opening) in made.items()
        ]
        _INSERT.run(tx, *rows)


def find(tx: Connection, commitments: Mapping[str, str]) -> dict[str, Opening]:
    """The openings that are left, by field; erased ones are absent."""
    kept = {name: _KEPT.row(tx, {"of": value}) for name, value in commitments.items()}
    return {name: Opening(row[0], told(row[1])) for name, row in kept.items() if row is not None}


def erase(tx: Connection, value: str, time: str) -> bool:
    """Forget salt and text for ever. False when they were erased before or never kept."""
    table = schema.openings.c
    result = tx.execute(
        update(schema.openings)
        .where(table.commitment == value, table.erased.is_(None))
        .values(salt=None, text=None, erased=time)
    )
    return result.rowcount == 1


_o = schema.openings.c
_INSERT = Prepared(insert(schema.openings))
_KEPT = Prepared(select(_o.salt, _o.text).where(_o.commitment == bindparam("of"), _o.erased.is_(None)))
