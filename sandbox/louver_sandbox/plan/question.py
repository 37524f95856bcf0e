"""The identity of a question: equal questions on the same data, catalogue and policy get the stored answer."""

from __future__ import annotations

import hashlib
import json

from louver_sandbox import codec
from louver_sandbox.algebra.relations import Relation
from louver_sandbox.core_plan import CorePlan
from louver_sandbox.encrypted_core import EncryptedPlan
from louver_sandbox.obligations import SealedColumns, ThresholdRules
from louver_sandbox.plan.emit import emit
from louver_sandbox.stages import OutputColumn, SourceRef, Treatment

FORMAT = 3
"""Raised when the same question would be answered differently."""


def question_digest(
    *,
    treatment: Treatment,
    cores: tuple[CorePlan, ...],
    sources: tuple[SourceRef, ...],
    shape: Relation | None,
    columns: tuple[OutputColumn, ...],
    threshold: ThresholdRules | None,
    bundle_digest: str,
    catalog_digest: str,
    seal: SealedColumns | None = None,
    encrypted: EncryptedPlan | None = None,
) -> str:
    """SHA-256 in hex over everything that decides the answer's bytes, column names included."""
    content: dict[str, object] = {
        "format": FORMAT,
        "treatment": treatment.value,
        "cores": [_core(core) for core in cores],
        "sources": [[source.alias, str(source.table), source.snapshot] for source in sources],
        "shape": None if shape is None else _shape(shape, cores),
        "columns": [[column.name, str(column.type)] for column in columns],
        "threshold": _rules(threshold),
        "policies": bundle_digest,
        "catalogue": catalog_digest,
    }
    if seal is not None:
        # Another key is another question: what is sealed to the old one would open for nobody.
        content["seal"] = codec.encode(seal).decode()
    if encrypted is not None:
        content["encrypted"] = codec.encode(encrypted).decode()
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _core(core: CorePlan) -> object:
    """A core without its id, which depends on how the question is written."""
    parts = codec.encode((core.columns, core.measures, core.unit_groups)).decode()
    noisy = [codec.encode(core.noisy).decode()] if core.noisy else []
    asked = [[[one.keys, one.cells] for one in core.asked]] if core.asked else []
    private = [codec.encode(core.private).decode()] if core.private is not None else []
    return [core.protected, core.statement, parts, *noisy, *asked, *private]


def _shape(shape: Relation, cores: tuple[CorePlan, ...]) -> str:
    """The shape's text; each core is named by its place."""
    places = {core.core_id: f"released{place}" for place, core in enumerate(cores, start=1)}
    return emit(shape, lambda scan: places[scan.id])


def _rules(threshold: ThresholdRules | None) -> object:
    if threshold is None:
        return None
    return {
        "k": {unit.value: least for unit, least in threshold.k.items()},
        "dominance_percent": threshold.dominance_percent,
        "p_percent": threshold.p_percent,
        "remainder": threshold.remainder,
        "noise": "none" if threshold.noise is None else codec.encode(threshold.noise).decode(),
        "totals": threshold.totals.value,
        "dominance_of_two": threshold.dominance_of_two,
        "prior_percent": threshold.prior_percent,
        "class_disclosure": threshold.class_disclosure.value,
        "recoded": threshold.recoded,
    }
