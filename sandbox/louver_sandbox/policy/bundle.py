"""Bundles: every policy document in one content-addressed value.

The content is canonical JSON (RFC 8785) of all documents; its SHA-256 is the bundle's digest. Each document in it
must be approved by officers of the department that it belongs to (`policy/approvals.py`). Reading files is
`policy/load.py`'s business: everything here is pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import rfc8785
from pydantic import ValidationError

from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.named import named, register
from louver_sandbox.perturbation.refused import PerturbationRefused
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused, check_together
from louver_sandbox.policy.grants import Covering, GrantSet, Rulebook
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.noise import computed_tables
from louver_sandbox.policy.templated import lookup_sets
from louver_sandbox.stages import InstitutionType

FORMAT = "louver-policy-bundle/v1"
MOST_BYTES = 16 * 1024 * 1024


class BundleRefused(Exception):
    """A bundle that must not be used, with every reason why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True)
class Bundle:
    """All policies in force together. Holding one from `verify_bundle` or `load_bundle` means it was approved."""

    platform: Platform
    policies: tuple[Policy, ...]
    digest: str

    @cached_property
    def rulebook(self) -> Rulebook:
        """The same rules, indexed by table."""
        return Rulebook.of(self.platform, self.policies)

    @cached_property
    def kept_parts(self) -> dict[tuple[int, str, InstitutionType, frozenset[str]], tuple[Table, Table | None]]:
        """What subjects may see of tables, as `visible` has derived it; by the table's identity and the subject."""
        return {}

    @cached_property
    def kept_catalogs(self) -> dict[tuple[int, str, InstitutionType, frozenset[str]], tuple[Catalog, Catalog]]:
        """What subjects may see of whole catalogues; by the catalogue's identity and the subject."""
        return {}

    @cached_property
    def kept_coverings(self) -> dict[tuple[int, str, InstitutionType, frozenset[str]], tuple[Table, Covering]]:
        """Which rules meet subjects on tables, as the decision has found it; by the same keys."""
        return {}

    def grant_sets(self, catalog: Catalog, today: date | None = None) -> tuple[GrantSet, ...]:
        """Every (table, columns, row filter) a permitted query may read: the snapshots to publish.

        With `today`, sets that only held on earlier days are left out.
        """
        templates = [template.name for policy in self.policies for template in policy.templates]
        looked_up = lookup_sets(self.rulebook, templates, catalog, today)
        found = {one: one for one in (*self.rulebook.grant_sets(catalog, today), *looked_up)}
        return tuple(sorted(found.values(), key=lambda item: (str(item.table), item.columns, item.row_filter or "")))


def bundle_content(platform: Platform, policies: Sequence[Policy]) -> bytes:
    """The canonical bytes of a bundle; the order of policies, grants and keys does not matter.

    Raises PolicyRefused when the documents contradict each other or go below a floor.
    """
    findings = tuple(check_together(platform, policies))
    if findings:
        raise PolicyRefused(
            tuple(
                PolicyProblem(
                    f"{source}: {'.'.join(map(str, item.where))}", 0, 0, item.message, item.message_zh, item.hint
                )
                for source, item in findings
            )
        )
    documents = [_ordered(policy) for policy in sorted(policies, key=lambda policy: policy.id)]
    tables = {name: json.loads(stored.written(named(name))) for name in computed_tables(policies)}
    return rfc8785.dumps(
        {
            "format": FORMAT,
            "platform": platform.model_dump(mode="json", by_alias=True),
            "policies": documents,
            **({"tables": tables} if tables else {}),
        }
    )


def _register_tables(tables: object) -> None:
    """Verifies the perturbation tables of a bundle and makes them known. Raises BundleRefused."""
    if not isinstance(tables, dict):
        raise BundleRefused(("the tables of the bundle are no tables",))
    for reference, document in tables.items():
        try:
            if register(reference.partition("@")[0], rfc8785.dumps(document)) != reference:
                raise BundleRefused((f"the perturbation table {reference} is another one",))
        except PerturbationRefused as refused:
            raise BundleRefused((f"the perturbation table {reference}: {refused.message}",)) from refused


def document_content(document: Platform | Policy) -> bytes:
    """The canonical bytes of one document, as it stands in a bundle; officers approve their SHA-256."""
    if isinstance(document, Platform):
        return bytes(rfc8785.dumps(document.model_dump(mode="json", by_alias=True)))
    return bytes(rfc8785.dumps(_ordered(document)))


def _ordered(policy: Policy) -> dict[str, Any]:
    by_id = {
        "grants": tuple(sorted(policy.grants, key=lambda grant: grant.id)),
        "denies": tuple(sorted(policy.denies, key=lambda deny: deny.id)),
    }
    return policy.model_copy(update=by_id).model_dump(mode="json", by_alias=True)


def parse_bundle(content: bytes) -> Bundle:
    """The bundle these bytes are, floors checked again, **signatures not**: for the checker, which gets bytes that
    the service has verified, and for tests. Raises BundleRefused."""
    if len(content) > MOST_BYTES:
        raise BundleRefused(("the bundle is too large",))
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or document.keys() - {"tables"} != {"format", "platform", "policies"}:
            raise BundleRefused(("the content is not a policy bundle",))
        if document["format"] != FORMAT or not isinstance(document["policies"], list):
            raise BundleRefused((f"the format is not {FORMAT}",))
        _register_tables(document.get("tables", {}))
        platform = Platform.model_validate(document["platform"])
        policies = tuple(Policy.model_validate(item) for item in document["policies"])
        canonical = bundle_content(platform, policies)
    except (ValueError, RecursionError, ValidationError) as wrong:
        raise BundleRefused(("the content is not a policy bundle of this version",)) from wrong
    except PolicyRefused as refused:
        raise BundleRefused(tuple(str(problem) for problem in refused.problems)) from refused
    if canonical != content:
        raise BundleRefused(("the content is not in canonical form (RFC 8785)",))
    return Bundle(platform, policies, hashlib.sha256(content).hexdigest())
