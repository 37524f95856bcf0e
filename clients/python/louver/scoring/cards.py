"""A scorecard as its owner writes it, and the feature set that it gives points to."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from louver.failures import Misused

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
MOST_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a set and the names of its bins, in order. ``ordered``: all but the first lie on a scale."""

    name: str
    bins: tuple[str, ...]
    ordered: bool


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """What the platform bins of a subject, in this order. ``definition`` is the policy's text of it, as JSON."""

    name: str
    definition: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the definition."""
        return hashlib.sha256(self.definition.encode()).hexdigest()

    @property
    def title(self) -> str:
        """For people."""
        return str(self._read()["title"])

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features. Raises ``Misused`` for a definition that is none."""
        try:
            return tuple(
                Feature(str(one["name"]), tuple(map(str, one["bins"])), one["ordered"] is True)
                for one in self._read()["features"]
            )
        except (KeyError, TypeError):
            raise Misused(f"the definition of feature set {self.name!r} cannot be read") from None

    def _read(self) -> Mapping[str, Any]:
        try:
            read: Mapping[str, Any] = json.loads(self.definition)
        except (ValueError, RecursionError):
            raise Misused(f"the definition of feature set {self.name!r} cannot be read") from None
        return read


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points for each feature and bin, in units of the last decimal; a subject's score is base and points added up.

    ``explained`` says in words why the points of a feature neither only rise nor only fall over its bins.
    """

    model: str
    version: str
    feature_set: str
    decimals: int
    base: int
    points: Mapping[str, Mapping[str, int]] = field(repr=False)
    explained: Mapping[str, str] = field(default_factory=dict)

    def of(self, features: FeatureSet) -> tuple[tuple[int, ...], ...]:
        """The points in the order of the set's features and bins. Raises ``Misused`` unless each has its own."""
        if features.name != self.feature_set:
            raise Misused(f"the scorecard is for {self.feature_set!r} and not for {features.name!r}")
        _same("feature", self.points, [one.name for one in features.features])
        for one in features.features:
            _same(f"bin of {one.name}", self.points[one.name], one.bins)
        return tuple(tuple(self.points[one.name][name] for name in one.bins) for one in features.features)

    def score(self, bins: Mapping[str, str]) -> Decimal:
        """What a subject with these bins scores, in clear. Raises KeyError for a bin that has no points."""
        total = self.base + sum(points[bins[name]] for name, points in self.points.items())
        return Decimal(total).scaleb(-self.decimals)


def read_card(text: str) -> Scorecard:
    """A scorecard in TOML: model, version, feature_set, decimals, base, [points.FEATURE] bin = points, [explained].

    Raises ``Misused`` with what is wrong.
    """
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misused(f"the scorecard is not TOML: {error}") from None
    unknown = sorted(body.keys() - {"model", "version", "feature_set", "decimals", "base", "points", "explained"})
    if unknown:
        raise Misused(f"a scorecard has no {unknown[0]!r}", "see docs/reference/scoring.md")
    decimals = body.get("decimals", 0)
    if type(decimals) is not int or not 0 <= decimals <= MOST_DECIMALS:
        raise Misused(f"decimals are a whole number from 0 to {MOST_DECIMALS}")
    points = body.get("points")
    if not isinstance(points, dict) or not all(isinstance(of, dict) for of in points.values()):
        raise Misused("a scorecard has a table of points for each feature", '[points.tax_score] "<60" = 10')
    return Scorecard(
        _matching("model", body.get("model"), NAME),
        _matching("version", body.get("version"), VERSION),
        _matching("feature_set", body.get("feature_set"), NAME),
        decimals,
        _units("base", body.get("base", 0), decimals),
        {
            name: {bin_: _units(f"{name} {bin_}", each, decimals) for bin_, each in of.items()}
            for name, of in points.items()
        },
        {name: str(why) for name, why in body.get("explained", {}).items()},
    )


def _matching(name: str, text: object, form: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not form.fullmatch(text):
        raise Misused(f"{name} is missing or has another form than {form.pattern}")
    return text


def _units(name: str, given: object, decimals: int) -> int:
    """A number or decimal text in units of the last decimal; never rounded."""
    try:
        if isinstance(given, bool) or not isinstance(given, int | str):
            raise InvalidOperation
        scaled = Decimal(given).scaleb(decimals)
        if not scaled.is_finite() or abs(scaled) > 2**31 or scaled != int(scaled):
            raise InvalidOperation
    except (InvalidOperation, OverflowError):
        raise Misused(
            f"{name}: points are whole numbers, or decimals in quotes with at most {decimals} decimals"
        ) from None
    return int(scaled)


def _same(what: str, given: Mapping[str, object], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in given:
            raise Misused(f"the scorecard has no points for {what} {name!r}", "every bin has points, if only 0")
    for name in given:
        if name not in wanted:
            raise Misused(f"the feature set has no {what} {name!r}", "louver models features shows what there is")
