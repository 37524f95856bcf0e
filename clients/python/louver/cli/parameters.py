"""Values from the command line: ``name=value`` is text, ``name:type=value`` is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from louver.failures import Misused
from louver.questions import Parameter


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


READERS: Mapping[str, Callable[[str], Parameter]] = {
    "bool": _boolean,
    "int": int,
    "decimal": Decimal,
    "text": str,
    "date": date.fromisoformat,
}
"""The types a parameter may have, by the name they have on the command line."""


def parse_parameters(given: Iterable[str]) -> dict[str, Parameter]:
    """``["d:date=2025-01-01", "district=市南区"]`` as typed values. Raises ``Misused``."""
    parameters: dict[str, Parameter] = {}
    for text in given:
        name, value = parse_parameter(text)
        if name in parameters:
            raise Misused(f"parameter {name} is given twice")
        parameters[name] = value
    return parameters


def parse_parameter(text: str) -> tuple[str, Parameter]:
    """One parameter. Raises ``Misused`` for an unknown type or a value that is not of it."""
    declared, separator, value = text.partition("=")
    name, _, kind = declared.partition(":")
    if not separator or not name:
        raise Misused(f"--param takes name=value or name:type=value, not {text!r}", "such as d:date=2025-01-01")
    reader = READERS.get(kind or "text")
    if reader is None:
        raise Misused(f"parameter {name} has the unknown type {kind!r}", f"types: {', '.join(READERS)}")
    try:
        return name, reader(value)
    except (ValueError, KeyError, InvalidOperation):
        raise Misused(f"parameter {name} is not a valid {kind}: {value!r}") from None


FEN = 2
"""Decimal places of an amount of money."""


def places_of(given: Iterable[str]) -> dict[str, int]:
    """``["balance", "rate=4"]`` as columns to encrypt and their decimal places. Raises ``Misused``."""
    columns: dict[str, int] = {}
    for text in given:
        name, separator, places = text.partition("=")
        if not name or (separator and not places.isdecimal()):
            raise Misused(f"--encrypt takes a column or column=places, not {text!r}", "such as balance or rate=4")
        if name in columns:
            raise Misused(f"column {name} is given twice")
        columns[name] = int(places) if separator else FEN
    return columns


def elements_of(given: Iterable[str]) -> dict[str, str]:
    """``["id_no=uscc"]`` as columns of ids and the data elements they hold. Raises ``Misused``."""
    columns: dict[str, str] = {}
    for text in given:
        name, separator, element = text.partition("=")
        if not name or not separator or not element:
            raise Misused(f"--token takes column=element, not {text!r}", "such as id_no=uscc")
        if name in columns:
            raise Misused(f"column {name} is given twice")
        columns[name] = element
    return columns
