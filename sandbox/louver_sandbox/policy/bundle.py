"""Bundles: every policy document in one content-addressed value, signed by two different officers.

The content is canonical JSON (RFC 8785) of all documents; its SHA-256 is the bundle's digest. An officer signs
`SIGNING_CONTEXT` followed by the content with Ed25519 (RFC 8032); the context keeps the signature from meaning
anything elsewhere. A bundle counts when `OFFICER_THRESHOLD` different keys of the trusted set have signed it and it
has not expired (the threshold idea of TUF). Reading files is `policy/load.py`'s business: everything here is pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.perturbation import stored
from louver_sandbox.perturbation.named import named, register
from louver_sandbox.perturbation.refused import PerturbationRefused
from louver_sandbox.policy.documents import PolicyProblem, PolicyRefused, check_together
from louver_sandbox.policy.grants import Covering, GrantSet, Rulebook
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.noise import computed_tables
from louver_sandbox.stages import InstitutionType

FORMAT = "louver-policy-bundle/v1"
SIGNING_CONTEXT = b"louver policy bundle v1\n"
OFFICER_THRESHOLD = 2
MOST_BYTES = 16 * 1024 * 1024


class BundleRefused(Exception):
    """A bundle that must not be used, with every reason why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True, slots=True)
class Officer:
    """A policy officer's name and Ed25519 public key (32 raw bytes)."""

    name: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """One officer's signature (64 bytes) over a bundle's content."""

    officer: str
    signature: bytes


@dataclass(frozen=True)
class Bundle:
    """All policies in force together. Holding one from `verify_bundle` or `load_bundle` means it was signed."""

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
        return self.rulebook.grant_sets(catalog, today)


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


def sign_bundle(content: bytes, officer: str, key: Ed25519PrivateKey) -> Signature:
    """An officer's signature over the content."""
    return Signature(officer, key.sign(SIGNING_CONTEXT + content))


def verify_bundle(
    content: bytes, signatures: Sequence[Signature], officers: Sequence[Officer], today: date
) -> Bundle:
    """The bundle, if enough different trusted officers signed exactly these bytes and it has not expired.

    Raises BundleRefused with every reason.
    """
    signed, reasons = _signing_keys(content, signatures, officers)
    if len(signed) < OFFICER_THRESHOLD:
        reasons.append(f"{len(signed)} different officer keys signed it; {OFFICER_THRESHOLD} are needed")
        raise BundleRefused(reasons)
    bundle = parse_bundle(content)
    if bundle.platform.expires < today:
        raise BundleRefused((f"the bundle expired on {bundle.platform.expires.isoformat()}",))
    return bundle


def _signing_keys(
    content: bytes, signatures: Sequence[Signature], officers: Sequence[Officer]
) -> tuple[frozenset[bytes], list[str]]:
    trusted: Mapping[str, bytes] = {officer.name: officer.public_key for officer in officers}
    signed: set[bytes] = set()
    reasons: list[str] = []
    for item in signatures:
        key = trusted.get(item.officer)
        if key is None:
            reasons.append(f"{item.officer!r} is not a trusted officer")
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(item.signature, SIGNING_CONTEXT + content)
        except (InvalidSignature, ValueError):
            reasons.append(f"the signature of {item.officer!r} does not hold")
            continue
        if key in signed:
            reasons.append(f"{item.officer!r} signed with a key that has signed already")
        signed.add(key)
    return frozenset(signed), reasons


def make_officer(name: str, randomness: Callable[[int], bytes]) -> tuple[Officer, Ed25519PrivateKey]:
    """A new officer and the private key, from 32 bytes of the given randomness (`os.urandom` in use)."""
    key = Ed25519PrivateKey.from_private_bytes(randomness(32))
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Officer(name, raw), key


def signatures_text(signatures: Sequence[Signature]) -> bytes:
    """The signatures as the JSON that `parse_signatures` reads."""
    rows = [{"officer": item.officer, "signature": base64.b64encode(item.signature).decode()} for item in signatures]
    return rfc8785.dumps(rows)


def officers_text(officers: Sequence[Officer]) -> bytes:
    """The trusted officers as the JSON that `parse_officers` reads."""
    rows = [{"officer": item.name, "public_key": base64.b64encode(item.public_key).decode()} for item in officers]
    return rfc8785.dumps(rows)


def parse_signatures(text: bytes) -> tuple[Signature, ...]:
    """Signatures from their JSON. Raises BundleRefused."""
    return tuple(Signature(name, value) for name, value in _pairs(text, "signature"))


def parse_officers(text: bytes) -> tuple[Officer, ...]:
    """Trusted officers from their JSON. Raises BundleRefused when malformed or when two share a name."""
    officers = tuple(Officer(name, value) for name, value in _pairs(text, "public_key"))
    if len({officer.name for officer in officers}) != len(officers):
        raise BundleRefused(("two officers have the same name",))
    return officers


def _pairs(text: bytes, field: str) -> Iterator[tuple[str, bytes]]:
    malformed = BundleRefused((f"not a list of officer and {field}",))
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise malformed from wrong
    if not isinstance(rows, list):
        raise malformed
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"officer", field}:
            raise malformed
        name, encoded = row["officer"], row[field]
        if not isinstance(name, str) or not isinstance(encoded, str):
            raise malformed
        try:
            yield name, base64.b64decode(encoded, validate=True)
        except ValueError as wrong:
            raise malformed from wrong
