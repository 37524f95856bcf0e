"""What of an entry auditors search by: a pure function of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERDICTS = ("admitted", "answered", "refused", "aborted", "explained")
"""What became of a request, by its entry; other entries are acts of the platform and have none."""

_BY_KIND = {"admission": "admitted", "outcome": "answered", "refusal": "refused", "aborted": "aborted"}
_ABOUT = ("admission", "same_as", "entry")
"""Fields that name an earlier entry, the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an entry says of itself. ``cost`` is in units of the access budget (queries, predicates, ids, scores)."""

    kind: str
    institution: str
    purpose: str
    verdict: str
    code: str
    treatment: str
    datasets: tuple[str, ...]
    time: str
    cost: int
    about: int | None


def describe(fields: Mapping[str, Any], datasets_of_admission: tuple[str, ...] = ()) -> Described:
    """What the entry with these fields is searched by. An outcome is about the datasets of its admission."""
    own = _datasets(fields)
    return Described(
        kind=_text(fields, "kind"),
        institution=_text(fields, "institution"),
        purpose=_text(fields, "purpose"),
        verdict=verdict(fields),
        code=_text(fields, "code"),
        treatment=_text(fields, "treatment"),
        datasets=own or datasets_of_admission,
        time=_text(fields, "time"),
        cost=cost(fields),
        about=about(fields),
    )


def verdict(fields: Mapping[str, Any]) -> str:
    """What became of the request, or nothing where the entry is about none."""
    kind = fields.get("kind")
    if kind == "explain":
        return "refused" if fields.get("code") else "explained"
    return _BY_KIND.get(str(kind), "")


def about(fields: Mapping[str, Any]) -> int | None:
    """The earlier entry that it is about, if it names one."""
    found = next((fields[name] for name in _ABOUT if type(fields.get(name)) is int), None)
    return found if found is not None and found >= 0 else None


def cost(fields: Mapping[str, Any]) -> int:
    """Units of access budget that it charged."""
    total = 0
    for item in _objects(fields.get("charges")):
        keys, amount = item.get("keys"), _number(item.get("amount"), 1)
        total += (_number(item.get("count"), 0) + (len(keys) if isinstance(keys, list) else 0)) * amount
    return total


def order_of(cost: int) -> tuple[int, int]:
    """The least and the largest cost of the same order: 0, 1, 2 to 3, 4 to 7, ..."""
    bits = max(cost, 0).bit_length()
    return (0, 0) if bits == 0 else (1 << (bits - 1), (1 << bits) - 1)


def _datasets(fields: Mapping[str, Any]) -> tuple[str, ...]:
    named = {str(item.get("dataset", "")) for name in ("charges", "privacy") for item in _objects(fields.get(name))}
    snapshots = fields.get("snapshots")
    named |= set(snapshots) if isinstance(snapshots, dict) else set()
    return tuple(sorted(named - {""}))


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: object, otherwise: int) -> int:
    return value if type(value) is int and value >= 0 else otherwise


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
