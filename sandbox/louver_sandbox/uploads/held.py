"""What the leak scanner finds in an upload: numbers of persons and firms in its texts, told to whoever sent it.

A column that is of identifiers is one that its owner joins by, and knows. What slips in is told apart: a remark with
somebody's citizen number, a card's number in a reference. Nothing is refused for it, since the table is the
institution's own; it is counted, logged, and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from louver_sandbox.catalog.sources import quote
from louver_sandbox.elements import codes, identifiers
from louver_sandbox.elements.names import are_names
from louver_sandbox.elements.scanner import scan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FIRST: Final = 1_000
"""Different values by which a column is known for one of identifiers; all of it is read where it is none."""
_SHARE: Final = 0.5
_BATCH: Final = 20_000
_WHOLE: Final = {
    "citizen_number": (identifiers.normal_citizen_number, identifiers.citizen_number_defect),
    "uscc": (identifiers.normal_code, identifiers.credit_code_defect),
    "bank_card": (identifiers.normal_code, identifiers.bank_card_defect),
    "mobile": (identifiers.normal_mobile, identifiers.mobile_defect),
}


_LONG_ENOUGH: Final = {
    True: "length({0}) > 14",
    False: "length({0}) > 8 OR regexp_matches({0}, '[\u3400-\u9fff]{{2}}')",
}
"""What may hold something: of whole numbers and of texts."""


@dataclass(frozen=True, slots=True)
class Held:
    """An element that stands in a column: in how many different texts, or 0 where the column is of it."""

    column: str
    element: str
    texts: int


def prepare() -> None:
    """Reads the tables of codes from the disk, once before any child is forked: a confined one cannot."""
    codes.region_defect("370202")


def held(connection: DuckDBPyConnection, columns: Mapping[str, bool]) -> tuple[Held, ...]:
    """What these columns of `main.data` hold, texts and (true) whole numbers.

    Time grows with their different values: some 100,000 a second. Numbers are read from 15 digits on, since shorter
    ones are amounts.
    """
    return tuple(
        one for name, whole in columns.items() for one in _of_column(name, _different(connection, name, whole))
    )


def _different(connection: DuckDBPyConnection, name: str, whole: bool) -> Iterator[str]:
    text = f"CAST({quote(name)} AS VARCHAR)"
    found = connection.execute(
        f"SELECT DISTINCT {text} FROM main.data WHERE {_LONG_ENOUGH[whole].format(text)}"  # noqa: S608 - quoted
    )
    while batch := found.fetchmany(_BATCH):
        yield from (str(text) for (text,) in batch)


def _is_one(text: str) -> Iterator[str]:
    """The first element of which the whole text is a value."""
    known = (element for element, (normal, defect) in _WHOLE.items() if defect(normal(text)) is None)
    yield from islice(known, 1)


def _of_column(name: str, texts: Iterator[str]) -> Iterator[Held]:
    first = list(islice(texts, _FIRST))
    whole = Counter(element for text in first for element in _is_one(text))
    if whole.total() > _SHARE * len(first):
        yield from (Held(name, element, 0) for element in sorted(whole))
        return
    if are_names(first):
        yield Held(name, "person_name", 0)
        return
    counts = Counter(element for part in (first, texts) for text in part for element in scan(text))
    yield from (Held(name, element, counts[element]) for element in sorted(counts))
