"""Taking in the institutions' Paillier keys."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from louver.errors import Refused
from louver.sealing.keys import SIZES, PublicKey
from louver_sandbox.privacy.calendar import BEIJING
from louver_sandbox.refusals import sealing as refuse
from louver_sandbox.sealing import admission, registry
from louver_sandbox.sealing.registry import Registered
from louver_sandbox.settings import Limits
from louver_sandbox.stages import Subject
from louver_sandbox.store import State

Note = Callable[..., int]
"""Writes a log entry in a transaction (kind, then its fields) and gives its index."""


class SealingKeys:
    """The registered keys of every institution, of each at most ``most`` in a calendar quarter (Beijing time).
    ``sizes`` are those admitted; tests alone pass smaller ones."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        note: Note,
        *,
        sizes: tuple[int, ...] = SIZES,
        most: int | None = None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._note = note
        self._sizes = sizes
        self._most = Limits().sealing_keys if most is None else most
        self._known: dict[str, PublicKey] = {}
        self._lock = threading.Lock()

    def register(
        self, subject: Subject, modulus: bytes, proof: bytes, expires: datetime, signature: bytes
    ) -> Registered:
        """Admits and keeps a key, and logs it. The institution's current key, sent again, is just given back.

        Raises:
            Refused: LVR-5001 to LVR-5005, LVR-5029; each is logged.
        """
        now = self._clock()
        try:
            key = admission.modulus(modulus, sizes=self._sizes)
            admission.validity(expires, key, now)
            admission.proof(proof, key, subject.institution)
            # Every key there is was registered before most questions: they are compared with while nobody waits for
            # the store, and only those that came meanwhile while all do.
            with self._state.reading() as tx:
                if (kept := self._current(tx, subject, key, now)) is not None:
                    return kept
                last, others = registry.moduli(tx)
            admission.apart(key, others)
            with self._state.transaction() as tx:
                if (kept := self._current(tx, subject, key, now)) is not None:
                    return kept
                admission.apart(key, registry.moduli(tx, last)[1])
                return self._keep(tx, subject, key, proof, expires, signature, now)
        except Refused as refused:
            self._log_refusal(subject, refused)
            raise

    def _current(self, tx: Connection, subject: Subject, key: PublicKey, now: datetime) -> Registered | None:
        """The key, where it is registered and the institution's current one; None for one that may be registered.

        Raises `Refused` LVR-5029 where the institution has registered as many as it may.
        """
        kept = registry.find(tx, key.kid)
        if kept is not None and registry.current(tx, subject.institution, now) == key.kid:
            return kept
        if registry.count_since(tx, subject.institution, _quarter(now)) >= self._most:
            raise refuse.key_registrations({"limit": str(self._most)})
        return None

    def _keep(
        self,
        tx: Connection,
        subject: Subject,
        key: PublicKey,
        proof: bytes,
        expires: datetime,
        signature: bytes,
        now: datetime,
    ) -> Registered:
        replaced = registry.keys_of(tx, subject.institution)[:1]
        entry = self._note(
            tx,
            "sealing_key",
            institution=subject.institution,
            certificate=subject.fingerprint,
            key=key.kid,
            bits=key.bits,
            proof_sha256=hashlib.sha256(proof).hexdigest(),
            expires=expires.isoformat(),
            signature=signature.hex(),
            replaces=[old.key.kid for old in replaced],
        )
        made = Registered(subject.institution, key, now, expires, entry)
        registry.add(tx, made)
        return made

    def _log_refusal(self, subject: Subject, refused: Refused) -> None:
        with self._state.transaction() as tx:
            self._note(
                tx,
                "sealing_key_refused",
                institution=subject.institution,
                certificate=subject.fingerprint,
                code=refused.code,
            )

    def of(self, institution: str) -> tuple[Registered, ...]:
        """The institution's keys, the newest first."""
        with self._state.reading() as tx:
            return registry.keys_of(tx, institution)

    def current(self, institution: str) -> str:
        """The id of the key that its answers are sealed to now; empty where it has none that is valid."""
        with self._state.reading() as tx:
            return registry.current(tx, institution, self._clock())

    def current_public(self, institution: str) -> PublicKey | None:
        """That key itself."""
        kid = self.current(institution)
        return self.public(kid) if kid else None

    def live(self) -> tuple[str, ...]:
        """The ids of all keys that answers may be sealed to now."""
        with self._state.reading() as tx:
            return registry.live(tx, self._clock())

    def public(self, kid: str) -> PublicKey:
        """The registered key of that id. KeyError for another."""
        with self._lock:
            if kid not in self._known:
                with self._state.reading() as tx:
                    found = registry.find(tx, kid)
                if found is None:
                    raise KeyError("no key of that id is registered")
                self._known[kid] = found.key
            return self._known[kid]


def _quarter(now: datetime) -> datetime:
    """When the calendar quarter began."""
    there = now.astimezone(BEIJING)
    first = (there.month - 1) // 3 * 3 + 1
    return there.replace(month=first, day=1, hour=0, minute=0, second=0, microsecond=0)
