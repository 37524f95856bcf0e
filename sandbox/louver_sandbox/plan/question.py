"""The identity of a question: equal questions on the same data, catalogue and policy get the stored answer."""

from __future__ import annotations

import hashlib
import json

from louver_sandbox.algebra.relations import Relation
from louver_sandbox.plan.emit import emit
from louver_sandbox.stages import OutputColumn, SourceRef, ThresholdRules, Treatment

FORMAT = 1
"""Raised when the same question would be answered differently."""


def question_digest(
    *,
    treatment: Treatment,
    statement: str,
    sources: tuple[SourceRef, ...],
    shape: Relation | None,
    columns: tuple[OutputColumn, ...],
    threshold: ThresholdRules | None,
    bundle_digest: str,
    catalog_digest: str,
) -> str:
    """SHA-256 in hex over everything that decides the answer's bytes, column names included."""
    content = {
        "format": FORMAT,
        "treatment": treatment.value,
        "statement": statement,
        "sources": [[source.alias, str(source.table), source.snapshot] for source in sources],
        "shape": emit(shape, lambda _: "released") if shape is not None else None,
        "columns": [[column.name, str(column.type)] for column in columns],
        "threshold": _rules(threshold),
        "policies": bundle_digest,
        "catalogue": catalog_digest,
    }
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _rules(threshold: ThresholdRules | None) -> object:
    if threshold is None:
        return None
    return {
        "k": {unit.value: least for unit, least in threshold.k.items()},
        "dominance_percent": threshold.dominance_percent,
        "p_percent": threshold.p_percent,
        "remainder": threshold.remainder,
        "noise": threshold.noise,
    }
