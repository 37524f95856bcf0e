"""What decides, and what decides after it: bundles exchanged at once, from the next question on.

What decided formerly stays until no question can be left that met it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.annals import (
    activated_serials,
    logged_revocations,
    note_activation,
    refuse_former,
    refuse_other_owners,
)
from louver_sandbox.catalog.load import with_record_key
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.checker import Judgement
from louver_sandbox.in_force import House, InForce
from louver_sandbox.policy.approvals import Approval, verify_bundle
from louver_sandbox.policy.bundle import Bundle, BundleRefused
from louver_sandbox.policy.load import CONTENT_FILE, load_approvals, load_officers
from louver_sandbox.premises import record_epoch

RETIRED_S = 120.0
"""How long what decided formerly is kept beyond the longest question: for those that waited to be asked."""


@dataclass(frozen=True)
class StoredBundle:
    """A bundle as it lies in the installation's folder, verified."""

    bundle: Bundle
    content: bytes
    approvals: tuple[Approval, ...]


class Succession:
    """Bundles of one installation, one after the other. Threads may share it. Raises what `InForce` raises."""

    def __init__(self, house: House, judgement: Judgement, content: bytes, approvals: tuple[Approval, ...]) -> None:
        self._house = house
        self._replacing = threading.RLock()
        self._former: list[tuple[float, InForce]] = []
        self._followed: tuple[object, ...] | None = None
        self._deciding = self._made(judgement, content, approvals)

    @property
    def now(self) -> InForce:
        """What decides now. Whoever asks it twice may meet two bundles: a call takes it once."""
        return self._deciding

    def replace(
        self, bundle: Bundle, content: bytes, approvals: tuple[Approval, ...], kept: Callable[[], None]
    ) -> None:
        """Lets a verified bundle decide from the next question on, all at once, over the snapshots in use now.

        `kept` makes it lasting, once everything stands that decides by it; then the log says so, and then it decides.
        The catalogue stays, but for the record key of its snapshots. Where anything fails before the last step, what
        decided goes on deciding. Raises what `InForce` and `kept` raise, and `BundleRefused` where the log knows a
        later version.
        """
        judgement = Judgement(self.catalog(), bundle)
        with self._replacing:
            refuse_former(self._house.books, approvals)
            refuse_other_owners(self._deciding.approvals, approvals)
            fresh = self._made(judgement, content, approvals)
            try:
                kept()
                note_activation(self._house.books, judgement, approvals)
            except BaseException:
                fresh.close()
                raise
            former, self._deciding = self._deciding, fresh
            self._former.append((time.monotonic() + RETIRED_S + self._house.settings.limits.query_seconds, former))

    def catalog(self) -> Catalog:
        """The catalogue, with the record key that its snapshots are made with now."""
        known, epoch = self._deciding.judgement.catalog, record_epoch(self._house.settings)
        if all(table.record_key == epoch for table in known.tables.values() if table.units):
            return known
        return with_record_key(known, epoch, self._house.settings.data)

    def stored(self) -> StoredBundle:
        """The bundle in the installation's folder, verified as at a start. Raises `BundleRefused`."""
        folder = self._house.settings.bundle
        try:
            content = (folder / CONTENT_FILE).read_bytes()
        except OSError:
            raise BundleRefused((f"{CONTENT_FILE} cannot be read",)) from None
        approvals = load_approvals(folder)
        today = self._house.clock().astimezone(SHANGHAI).date()
        officers = load_officers(self._house.settings.officers)
        bundle = verify_bundle(content, approvals, officers, today, self.catalog())
        refuse_former(self._house.books, approvals)
        refuse_other_owners(self._deciding.approvals, approvals)
        return StoredBundle(bundle, content, approvals)

    def follow(self, check: Callable[[Bundle], None]) -> bool:
        """Takes the bundle in the folder where that is another one than decides, as an operator's `activate` leaves
        it; whether it did. Raises `BundleRefused` for one that must not decide, and what `check` raises: then
        nothing changes.

        What another service has revoked, or replaced by a later version that is not in the folder here, answers no
        more in any case."""
        self._deciding.withdrawn.know(logged_revocations(self._house.books))
        self._deciding.withdrawn.know(
            {name: serial - 1 for name, serial in activated_serials(self._house.books).items()}
        )
        stamp = self._stamp()
        if stamp == self._followed:
            return False
        with self._replacing:
            try:
                stored = self.stored()
                other = (stored.bundle.digest, stored.approvals, self.catalog().digest) != (
                    self._deciding.judgement.bundle.digest,
                    self._deciding.approvals,
                    self._deciding.judgement.catalog.digest,
                )
                if other:
                    check(stored.bundle)
                    self.replace(stored.bundle, stored.content, stored.approvals, lambda: None)
            except BundleRefused:
                self._followed = stamp
                raise
            self._followed = stamp
            return other

    def _stamp(self) -> tuple[object, ...]:
        """What changes when the stored bundle, the officers, the snapshots' record key or the day do."""
        today = self._house.clock().astimezone(SHANGHAI).date()
        files = (
            self._house.settings.bundle,
            self._house.settings.bundle / CONTENT_FILE,
            self._house.settings.officers,
        )
        return (
            today,
            record_epoch(self._house.settings),
            *((status.st_mtime_ns, status.st_ino) for status in (path.stat() for path in files)),
        )

    def retire(self, *, at_once: bool = False) -> None:
        """Ends what decided formerly, when no question can be left that met it and no simulation uses it."""
        with self._replacing:
            over = [item for item in self._former if at_once or item[0] < time.monotonic()]
            self._former = [item for item in self._former if item not in over]
        for until, former in over:
            if at_once:
                former.close()
            elif not former.retire():
                with self._replacing:
                    self._former.append((until, former))

    def close(self) -> None:
        """Ends everything that decides or did."""
        self.retire(at_once=True)
        self._deciding.close()

    def _made(self, judgement: Judgement, content: bytes, approvals: tuple[Approval, ...]) -> InForce:
        return InForce(self._house, judgement, content, approvals, logged_revocations(self._house.books))
