"""A difference leaves out nothing that a document says: every key of every section, by walking what is written."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from tests.support.policy_questions import city_bundle

from louver_sandbox.policy.difference.compare import compare
from louver_sandbox.policy.difference.offers import Documents
from louver_sandbox.policy.difference.sections import BY_EFFECT, THRESHOLD, UNSAID
from louver_sandbox.policy.difference.told import as_lines
from louver_sandbox.policy.model import Grant, Platform, Policy
from louver_sandbox.policy.templates import Template
from louver_sandbox.policy.terms import ThresholdTerms

BUNDLE = city_bundle()
OLD = Documents(BUNDLE.platform, tuple(BUNDLE.policies))
SILENT = ("title", "because", "reason", "reason_zh", "description")
"""Keys that are words for people, told only where the rule that has them is."""
SECTIONS = ("templates", "reports", "cubes")
WORDS = (
    *(
        "1",
        "0.5",
        "2",
        "1E-8",
        "0.000002",
        "17",
        "year",
        "day",
        "whole",
        "name",
        "amount",
        "integer",
        "filter",
        "order",
    ),
    *("RESEARCH", "POST_LOAN", "MARKETING", "DUTY", "match", "hits", "count", "dp", "threshold", "authorised"),
)
NOTHING_ELSE = {
    "subject",
    "library",
    "show",
    "noise",
    "accepts_risk",
    "verbs",
    "cubes",
    "treatment",
    "type",
    "allowance",
}
"""Keys whose values in the demo's policies hang on others, so that no other alone makes a document."""

Path = tuple[str | int, ...]


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of a document."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*at, key))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from leaves(one, (*at, place))
    else:
        yield at, value


def changed(document: dict[str, Any], at: Path, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    part: Any = made
    for step in at[:-1]:
        part = part[step]
    part[at[-1]] = value
    return made


def others(value: Any) -> list[Any]:
    """Values that could stand in its place."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if value is None:
        return [{}, 1, "2027-01-01", ["a"]]
    text = str(value)
    try:
        return [(date.fromisoformat(text) - timedelta(days=1)).isoformat()]
    except ValueError:
        return [text + "x", text + " + 0", *(word for word in WORDS if word != text)]


def kinds(document: dict[str, Any]) -> dict[Path, tuple[Path, Any]]:
    """One leaf for each way of keys through the document, whatever its place in a list is called."""
    named = {"fields", "columns", "keys", "measures", "parameters"}
    found: dict[Path, tuple[Path, Any]] = {}
    for at, value in leaves(document):
        kind = tuple(
            "*" if isinstance(step, int) or (place and at[place - 1] in named) else step
            for place, step in enumerate(at)
        )
        found.setdefault(kind, (at, value))
    return found


def cases() -> list[Any]:
    """A leaf of each kind, in the first policy of the demo that has one."""
    found: dict[Path, Any] = {}
    for policy in OLD.policies:
        document = policy.model_dump(mode="json", by_alias=True)
        for section in (*SECTIONS, "grants", "denies"):
            for kind, (at, value) in kinds({section: document.get(section, [])}).items():
                # A table of noise is named by its digest, and what names none is refused when it is loaded.
                if kind[-1] not in SILENT and kind not in found and kind[-3:-1] != ("threshold", "noise"):
                    found[kind] = pytest.param(policy.id, at, value, id=".".join(map(str, kind)))
    return list(found.values())


@pytest.mark.parametrize(("identity", "at", "value"), cases())
def test_whatever_is_changed_is_told(identity: str, at: Path, value: Any) -> None:
    (policy,) = (one for one in OLD.policies if one.id == identity)
    document = policy.model_dump(mode="json", by_alias=True)
    changes = (made for other in others(value) if (made := valid(changed(document, at, other))) not in (None, policy))
    made = next(changes, None)
    if made is None:
        assert value is None or NOTHING_ELSE & set(at), f"nothing else can stand at {at}"
        return
    new = Documents(OLD.platform, tuple(made if one.id == identity else one for one in OLD.policies))
    difference = compare(OLD, new)
    assert not difference.nothing, (at, value)
    assert len(list(as_lines(difference))) > 1
    if at[0] in SECTIONS or "privacy" in at:
        assert difference.changes, "it has no effect to compare, so what was and what is are told"


def valid(document: dict[str, Any]) -> Policy | None:
    try:
        return Policy.model_validate(document)
    except ValidationError:
        return None


def test_every_key_of_a_document_is_compared_one_way_or_the_other() -> None:
    """By its effect, or leaf by leaf: a new key is compared before anybody thinks of it."""
    written: dict[str, type[BaseModel]] = {"policy": Policy, "platform": Platform, "grant": Grant}
    for kind, keys in BY_EFFECT.items():
        assert keys <= set(written[kind].model_fields), kind
    assert set(ThresholdTerms.model_fields) >= THRESHOLD
    assert set(Policy.model_fields) | set(Platform.model_fields) >= UNSAID
    assert {"owner", *SECTIONS} == set(Policy.model_fields) - BY_EFFECT["policy"] - UNSAID - {"title"}
    assert {"feature_sets"} == set(Platform.model_fields) - BY_EFFECT["platform"] - UNSAID


def test_which_way_sections_go() -> None:
    (policy,) = (one for one in OLD.policies if one.id == "development-reform")
    warning = next(one for one in policy.templates if one.warning is not None)
    assert warning.warning is not None
    more = warning.model_copy(update={"warning": warning.warning.model_copy(update={"per_subject": 4})})

    def ways(old: tuple[Template, ...], new: tuple[Template, ...]) -> list[tuple[str, str, str]]:
        before, after = (
            Documents(OLD.platform, (policy.model_copy(update={"templates": held}),)) for held in (old, new)
        )
        return [(item.direction.value, item.what, item.subject) for item in compare(before, after).changes]

    name = f"development-reform/templates {warning.id}@1"
    assert ways((warning,), (more,)) == [("looser", "changed", f"{name} warning.per_subject")]
    assert ways((more,), (warning,)) == [("stricter", "changed", f"{name} warning.per_subject")]
    assert ways((), (warning,)) == [("looser", "added", name)]
    assert ways((warning,), ()) == [("stricter", "removed", name)]
    asked = warning.model_copy(update={"sql": warning.sql + " "})
    assert ways((warning,), (asked,)) == [("unclear", "changed", f"{name} sql")]
    wider = warning.model_copy(update={"purposes": (*warning.purposes, "RESEARCH")})
    assert ways((warning,), (wider,)) == [("looser", "added", f"{name} purposes.RESEARCH")]
    titled = warning.model_copy(update={"title": "another title"})
    assert ways((warning,), (titled,)) == []


def test_a_cube_that_costs_more_is_looser() -> None:
    (policy,) = (one for one in OLD.policies if one.cubes)
    (cube,) = policy.cubes
    dearer = policy.model_copy(update={"cubes": (cube.model_copy(update={"epsilon": cube.epsilon * 2}),)})
    new = Documents(OLD.platform, tuple(dearer if one.id == policy.id else one for one in OLD.policies))
    (change,) = compare(OLD, new).changes
    assert (change.direction.value, change.subject) == ("looser", f"{policy.id}/cubes {cube.name} epsilon")
