"""Feature sets and the terms of scoring, as officers write them.

A feature is one number or code that is taken from a subject's rows of a table and put into a declared bin. Officers
declare sets of features; each owner grants the columns (right `score`, verb `score`). A scorecard has points for bins
and never sees a value.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from louver_sandbox.catalog.model import UnitType
from louver_sandbox.policy.words import Document, Identifier, TableText, Text

FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
MISSING = "missing"
"""The first bin of every feature: there is no row, or no value."""
OTHER = "other"
"""The last bin of a feature with listed values."""
MOST_BINS = 32
MOST_FEATURES = 64
MOST_CIPHERTEXTS = 512
"""Bins of a set together with the base: what one message to a scorer holds."""


class Take(StrEnum):
    """What is taken of a subject's rows."""

    MAX = "max"
    MIN = "min"
    SUM = "sum"
    COUNT = "count"
    LATEST = "latest"


class Feature(Document):
    """One feature: `take` of `column` over the subject's rows of `table` that satisfy `where`.

    `count` has no column and `latest` needs `order`, the column by which rows follow one another. Bins are made by
    `edges`, each bin holding its lower edge, or are the listed `values` and all others.
    """

    name: FeatureName
    table: TableText
    take: Take
    column: Text | None = None
    order: Text | None = None
    where: Text | None = None
    edges: tuple[Decimal, ...] | None = Field(default=None, min_length=1, max_length=MOST_BINS - 2)
    values: tuple[Text, ...] | None = Field(default=None, min_length=1, max_length=MOST_BINS - 2)

    @model_validator(mode="after")
    def _whole(self) -> Feature:
        if (self.column is None) is not (self.take is Take.COUNT):
            raise ValueError("count has no column, and all else has one")
        if (self.order is None) is (self.take is Take.LATEST):
            raise ValueError("latest needs an order, and nothing else has one")
        if (self.edges is None) is (self.values is None):
            raise ValueError("a feature has either edges or values")
        if self.values is not None and self.take in (Take.SUM, Take.COUNT):
            raise ValueError("a sum or number is binned by edges")
        if self.edges is not None and list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges rise")
        if len(set(self.bins)) != len(self.bins):
            raise ValueError("two bins have one name")
        return self

    @cached_property
    def bins(self) -> tuple[str, ...]:
        """The names of the bins, in order."""
        if self.values is not None:
            return (MISSING, *self.values, OTHER)
        told = [str(edge) for edge in self.edges or ()]
        between = (f"{low}..{high}" for low, high in itertools.pairwise(told))
        return (MISSING, f"<{told[0]}", *between, f">={told[-1]}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it takes and orders by; those of `where` come on top."""
        return tuple(name for name in (self.column, self.order) if name is not None)


class FeatureSet(Document):
    """Features of one kind of subjects, in a fixed order. A subject that is not in `subjects` has no score."""

    title: Text
    unit: UnitType
    subjects: TableText
    features: tuple[Feature, ...] = Field(min_length=1, max_length=MOST_FEATURES)

    @model_validator(mode="after")
    def _distinct(self) -> FeatureSet:
        names = [one.name for one in self.features]
        if len(set(names)) != len(names):
            raise ValueError("two features have one name")
        if sum(len(one.bins) for one in self.features) >= MOST_CIPHERTEXTS:
            raise ValueError(f"a set has fewer than {MOST_CIPHERTEXTS} bins")
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that is read, once each, in order of name."""
        return tuple(sorted({self.subjects, *(one.table for one in self.features)}))

    @cached_property
    def definition(self) -> str:
        """All of it as canonical JSON with the names of bins: what models name by its SHA-256."""
        told = self.model_dump(mode="json")
        for one, written in zip(self.features, told["features"], strict=True):
            written |= {"bins": one.bins, "ordered": one.edges is not None}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    @property
    def sha256(self) -> str:
        """The definition's digest, in hex."""
        return hashlib.sha256(self.definition.encode()).hexdigest()


class ScoringTerms(Document):
    """On which terms a grant lets its columns be scored.

    `auditors` are those whose signature admits a model; `models` (as `institution/model`) narrows them to some. A
    request has at least `least_subjects`; an institution scores `subjects_per_day` and registers
    `models_per_quarter` models of a feature set.
    """

    auditors: tuple[Identifier, ...] = Field(min_length=1)
    models: tuple[Text, ...] | None = Field(default=None, min_length=1)
    least_subjects: int = Field(default=1, ge=1, le=1_000)
    subjects_per_day: int = Field(ge=1, le=1_000_000)
    models_per_quarter: int = Field(default=2, ge=1, le=10)


class ScoreAsked(Document):
    """A request for scores that a test speaks of: of how many subjects, by which model (`institution/model`) of which
    feature set as the bundle defines it now, signed by which auditor."""

    feature_set: Identifier
    model: Text
    auditor: Identifier = "model-auditor"
    subjects: int = Field(default=10, ge=0, le=1_000_000)
