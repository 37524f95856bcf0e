"""Taking in models: everything that must hold of one before it is kept (CRYPTO 5.0 and 5.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from louver.errors import Refused
from louver.scoring.audit import Certificate, holds
from louver.scoring.cards import MOST_DECIMALS, NAME, VERSION
from louver.scoring.models import Model
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.audit.entries import JSON
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.consents import Append
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.features import FeatureSet
from louver_sandbox.policy.scoring import models_per_quarter
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.scoring import registry
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.sealing import admission
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.stages import Subject
from louver_sandbox.store import State

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
AUDITOR_KEY = 32
"""Bytes of an Ed25519 public key."""


class AuditorsRefused(Exception):
    """The file of model auditors cannot be used; the text says why."""


def parse_auditors(text: str) -> Mapping[str, bytes]:
    """Auditors' Ed25519 public keys by name, from a JSON object of hexadecimal digits. Raises `AuditorsRefused`."""
    try:
        told = json.loads(text)
        found = {str(name): bytes.fromhex(key) for name, key in told.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise AuditorsRefused("auditors.json: an object of names and public keys in hex is expected") from None
    if any(len(key) != AUDITOR_KEY for key in found.values()):
        raise AuditorsRefused("auditors.json: an Ed25519 public key has 64 hexadecimal digits")
    return found


class Models:
    """The registered models of every institution. ``auditors`` is asked anew each time: one may be struck out."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        append: Append,
        keys: SealingKeys,
        judgement: Callable[[], tuple[Catalog, Bundle]],
        auditors: Callable[[], Mapping[str, bytes]],
    ) -> None:
        self._state = state
        self._clock = clock
        self._append = append
        self._keys = keys
        self._judgement = judgement
        self._auditors = auditors

    def register(self, subject: Subject, model: Model, certificate: Certificate, signature: bytes) -> RegisteredModel:
        """Admits and keeps a model, and logs it. The same model sent again is just given back.

        Raises:
            Refused: LVR-5011 to LVR-5014 for its ciphertexts, LVR-5201 to LVR-5206; each is logged.
        """
        try:
            judgement = self._judgement()  # once: a bundle that comes into force meanwhile decides the next model
            features = self._admitted(subject, model, certificate, judgement[1])
            with self._state.transaction() as tx:
                known = registry.named(tx, subject.institution, model.model, model.version)
                if known is not None:
                    if known.digest != model.digest:
                        raise refuse.model_taken({})
                    return known
                return self._keep(tx, subject, model, certificate, signature, features, judgement)
        except Refused as refused:
            with self._state.transaction() as tx:
                told: dict[str, JSON] = {"kind": "model_refused", "institution": subject.institution}
                self._append(tx, {**told, "certificate": subject.fingerprint, "code": refused.code}, {})
            raise

    def _admitted(self, subject: Subject, model: Model, certificate: Certificate, bundle: Bundle) -> FeatureSet:
        if not _whole(model) or model.institution != subject.institution:
            raise refuse.model_form({})
        features = bundle.platform.feature_sets.get(model.feature_set)
        if features is None or features.sha256 != model.feature_set_sha256:
            raise refuse.feature_set({})
        if model.kid != self._keys.current(subject.institution):
            raise refuse.model_key({})
        key = self._keys.public(model.kid)
        expected = 1 + sum(len(one.bins) for one in features.features)
        batch = admission.batch(model.content, key, (0,), expected)
        if batch.rows != expected:
            raise refuse.model_form({})
        trusted = self._auditors().get(certificate.auditor)
        if trusted is None or not holds(certificate, model, trusted):
            raise refuse.model_audit({})
        return features

    def _keep(
        self,
        tx: Connection,
        subject: Subject,
        model: Model,
        certificate: Certificate,
        signature: bytes,
        features: FeatureSet,
        judgement: tuple[Catalog, Bundle],
    ) -> RegisteredModel:
        now = self._clock()
        catalog, bundle = judgement
        quarter = quarter_of(now)
        most = models_per_quarter(subject, features, catalog, bundle, now.astimezone(SHANGHAI).date())
        if registry.in_quarter(tx, subject.institution, model.feature_set, quarter) >= most:
            raise refuse.models_spent({"limit": str(most)})
        entry = self._append(
            tx,
            {
                "kind": "model",
                "institution": subject.institution,
                "certificate": subject.fingerprint,
                "model": model.digest,
                "name": model.model,
                "version": model.version,
                "feature_set": model.feature_set,
                "feature_set_sha256": model.feature_set_sha256,
                "key": model.kid,
                "rules_sha256": model.rules_sha256,
                "auditor": certificate.auditor,
                "audit_signature": certificate.signature.hex(),
                "signature": signature.hex(),
            },
            {},
        )
        made = RegisteredModel(
            model.digest,
            subject.institution,
            model.model,
            model.version,
            model.feature_set,
            model.feature_set_sha256,
            model.kid,
            model.decimals,
            model.rules_sha256,
            model.content,
            certificate.auditor,
            quarter,
            now.astimezone(UTC).isoformat(timespec="seconds"),
            entry,
        )
        registry.add(tx, made)
        return made

    def of(self, institution: str) -> tuple[RegisteredModel, ...]:
        """The institution's models, the newest first."""
        with self._state.reading() as tx:
            return registry.models_of(tx, institution)

    def in_use(self) -> list[str]:
        """The digests of the models that may be scored by now: those under present keys."""
        kids = self._keys.live()
        with self._state.reading() as tx:
            return registry.under_keys(tx, kids)

    def of_digest(self, digest: str) -> RegisteredModel:
        """One of them, whosever it is. Raises `Refused` LVR-5211."""
        with self._state.reading() as tx:
            found = registry.of_digest(tx, digest)
        if found is None:
            raise refuse.unknown_model({})
        return found

    def find(self, institution: str, digest: str) -> RegisteredModel:
        """The institution's model. Raises `Refused` LVR-5211."""
        with self._state.reading() as tx:
            found = registry.find(tx, institution, digest)
        if found is None:
            raise refuse.unknown_model({})
        return found


def quarter_of(now: datetime) -> str:
    """The calendar quarter in Beijing, such as 2026-Q4."""
    here = now.astimezone(SHANGHAI)
    return f"{here.year:04d}-Q{(here.month + 2) // 3}"


def _whole(model: Model) -> bool:
    forms = (
        NAME.fullmatch(model.model),
        VERSION.fullmatch(model.version),
        NAME.fullmatch(model.feature_set),
        *map(_DIGEST.match, (model.feature_set_sha256, model.kid, model.rules_sha256)),
    )
    return all(forms) and 0 <= model.decimals <= MOST_DECIMALS
