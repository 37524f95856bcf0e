"""Policies on their way into force, on the sandbox's side: files, checks, and a log entry for every step.

Keys never come here: officers sign where their keys are (`louver policy sign`), and bring signatures.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.annals import note_activation
from louver_sandbox.audit.entries import JSON
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.journal import Books
from louver_sandbox.policy.approvals import Approval, Statement, missing, owner_of
from louver_sandbox.policy.bundle import Bundle, BundleRefused, bundle_content, parse_bundle
from louver_sandbox.policy.difference.compare import compare
from louver_sandbox.policy.difference.offers import Documents
from louver_sandbox.policy.difference.told import as_json
from louver_sandbox.policy.documents import PolicyProblem
from louver_sandbox.policy.lifecycle import (
    Standing,
    State,
    Version,
    assembled,
    drafted,
    parse_version,
    signed,
    verified,
    version_text,
)
from louver_sandbox.policy.lint import lint
from louver_sandbox.policy.load import CONTENT_FILE, Library, load_approvals, load_officers, write_bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.policy.officers import Signature
from louver_sandbox.policy.revocations import (
    SignedRevocation,
    latest,
    parse_revocations,
    revocations_text,
    verify_revocation,
)
from louver_sandbox.policy.severity import Severity
from louver_sandbox.policy.testing import confined, own_cases_of, report, run_cases, stands_against, untested
from louver_sandbox.premises import InstallationRefused, Tools, load_judgement, open_books, registered_catalog
from louver_sandbox.settings import Settings
from louver_sandbox.store import State as Store

ORDERED = "ordered_by"
"""In a version's report: the officer who ordered it into force."""
RESERVING = (State.REVIEW, State.APPROVED, State.SCHEDULED)
"""Versions by which an id is a department's before one is in force."""
STEP = "policy"
"""The kind of a log entry about a step of a version's life."""


@dataclass(frozen=True)
class Draft:
    """What a new version is made of: which document of which library, who submits it, and its days."""

    library: Library
    id: str
    submitter: str
    effective: date
    expires: date | None = None


@dataclass(frozen=True)
class Coming:
    """A bundle that is to be in force: what is new in it, and which serials were in force before it."""

    bundle: Bundle
    content: bytes
    approvals: tuple[Approval, ...]
    new: tuple[Statement, ...]
    former: Mapping[str, int]


class Lifecycle:
    """The versions of one installation. Every method that changes something leaves a log entry.

    A service brings its own `books` and the catalogue that it runs with; a command opens and reads them.
    """

    def __init__(
        self, settings: Settings, tools: Tools, books: Books | None = None, catalog: Catalog | None = None
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._own_books = books
        self._own_catalog = catalog
        self.today = tools.clock().astimezone(SHANGHAI).date()
        self.officers = load_officers(settings.officers)
        self._alone = False

    def standing(self) -> Standing:
        """What states follow from now."""
        active = {approval.statement.id: approval.statement.serial for _, approval in self._current()}
        revoked = {name: item.serial for name, item in latest(self._revocations(), self.officers).items()}
        return Standing(active, revoked, self.officers, self.today)

    def versions(self) -> tuple[Version, ...]:
        """Every version there is, in the order of documents and serials."""
        found = [parse_version(path.read_bytes()) for path in self._settings.requests.glob("*.json")]
        return tuple(sorted(found, key=lambda item: (item.statement.id, item.statement.serial)))

    def version(self, name: str) -> Version:
        """One of them. Raises InstallationRefused."""
        for version in self.versions():
            if version.name == name:
                return version
        raise InstallationRefused(f"there is no version {name}; `louver-sandbox policy versions` lists them")

    def first_owner(self, name: str) -> str | None:
        """The department whose an id is: that of the document in force, which one that was in force stays, or else of
        the first version that somebody has signed and that still may come into force. None where there is neither:
        what nobody answers for, or can answer for no more, keeps no id from others."""
        current = [approval.statement.owner for document, approval in self._current() if document.id == name]
        standing = self.standing()
        waiting = [item.statement for item in self.versions() if standing.state(item) in RESERVING]
        mine = sorted((one for one in waiting if one.id == name), key=lambda one: one.serial)
        return next(iter((*current, *(one.owner for one in mine))), None)

    def draft(self, draft: Draft) -> Version:
        """A new version, checked beside what is in force. Raises InstallationRefused, PolicyRefused."""
        document = _document(draft)
        catalog = self._catalog()
        bundle, others = self._beside(document, draft.library)
        if (first := self.first_owner(document.id)) not in (None, owner_of(document)):
            raise InstallationRefused(f"{document.id} is the id of a document of {first}")
        _refuse_errors(document, lint(draft.library, catalog, self.today), draft.library)
        told = {"tests": tested(bundle, catalog, {document.id}), "difference": _difference(others, bundle)}
        return self.file(document, told, draft.submitter, (draft.effective, draft.expires or bundle.platform.expires))

    def file(
        self, document: Platform | Policy, told: Mapping[str, Any], submitter: str, days: tuple[date, date]
    ) -> Version:
        """A new version of a document that was examined, with what was found. Raises InstallationRefused."""
        if days[1] < days[0]:
            raise InstallationRefused(f"it would end on {days[1]}, before it begins")
        with self.alone():
            standing = self.standing()
            known = [item.statement.serial for item in self.versions() if item.statement.id == document.id]
            former = (standing.active.get(document.id, 0), standing.revoked.get(document.id, 0))
            statement = drafted(document, max([0, *known, *former]) + 1, days, submitter, self._catalog())
            version = Version(document, Approval(statement, ()), told)
            self._keep(version)
            self._step(version, "drafted", submitter=submitter)
        return version

    def sign(self, name: str, signature: Signature) -> Version:
        """The version with one more officer's signature. Raises BundleRefused, InstallationRefused."""
        with self.alone():
            version = self.version(name)
            state = self.standing().state(version)
            if state not in (State.DRAFT, State.REVIEW):
                raise InstallationRefused(f"{name} is {state.value}; it is signed no more")
            said = version.statement
            in_force = any(document.id == said.id for document, _ in self._current())  # refused when it is to come
            if not in_force and (first := self.first_owner(said.id)) not in (None, said.owner):
                raise InstallationRefused(f"{said.id} is the id of a document of {first}")
            more = signed(version, signature, self.officers)
            self._keep(more)
            self._step(more, "submitted" if state is State.DRAFT else "approved", officer=signature.officer)
        return more

    def order(self, name: str, officer: str) -> Version:
        """Notes that an approved version is to come into force on its first day. Raises InstallationRefused."""
        with self.alone():
            version = self.version(name)
            state = self.standing().state(version)
            if state not in (State.APPROVED, State.SCHEDULED):
                raise InstallationRefused(f"{name} is {state.value}; only what is approved comes into force")
            ordered = replace(version, report={**version.report, ORDERED: officer})
            self._keep(ordered)
            self._step(ordered, "scheduled", officer=officer, effective=version.statement.effective.isoformat())
        return ordered

    def due(self) -> tuple[str, ...]:
        """The versions that were ordered into force and whose first day has come."""
        standing = self.standing()
        return tuple(
            item.name
            for item in self.versions()
            if item.report.get(ORDERED) and standing.state(item) is State.APPROVED
        )

    def content_with(self, document: Platform | Policy) -> bytes:
        """The bundle in force with this document in its place: what a draft would be judged by."""
        current = {item.id: item for item, _ in self._current()}
        together: Mapping[str, Platform | Policy] = {**current, document.id: document}
        house = next(item for item in together.values() if isinstance(item, Platform))
        return bundle_content(house, [item for item in together.values() if isinstance(item, Policy)])

    def attach(self, version: Version, simulation: Mapping[str, Any]) -> None:
        """Keeps a simulation's result with the version, for those who are to approve it."""
        with self.alone():
            latest = self.version(version.name)
            self._keep(replace(latest, report={**latest.report, "simulation": simulation}))
            self._step(latest, "simulated", asked=simulation["asked"], changed=simulation["changed"])

    def activate(self) -> tuple[Bundle, tuple[str, ...]]:
        """Puts every approved version that is due into force; the bundle, and the names of what came.

        The bundle is verified as the service will verify it, and the tests of all its policies are run. Raises
        BundleRefused, PolicyRefused, InstallationRefused.
        """
        with self.alone():
            coming = self.coming()
            tested(coming.bundle, self._catalog(), {item.id for item in coming.new})
            self.keep(coming)
            with self._books() as books:
                note_activation(books, load_judgement(self._settings, self._tools.clock()), coming.approvals)
        return coming.bundle, tuple(f"{item.id}-{item.serial}" for item in coming.new)

    def coming(self, only: Collection[str] | None = None) -> Coming:
        """What would be in force with every approved version that is due, or with these of them; verified as the
        service will verify it, and not tested. Raises BundleRefused, PolicyRefused."""
        standing = self.standing()
        versions = [item for item in self.versions() if only is None or item.name in only]
        content, approvals = assembled(self._current(), versions, standing)
        bundle = verified(content, approvals, standing, self._catalog())
        new = [
            item.statement for item in approvals if item.statement.serial != standing.active.get(item.statement.id)
        ]
        return Coming(bundle, content, approvals, tuple(new), standing.active)

    def keep(self, coming: Coming) -> None:
        """Writes it where the service reads it, and the steps of its versions into the log."""
        write_bundle(self._settings.bundle, coming.content, coming.approvals)
        with self._books() as books:
            for statement in coming.new:
                journal.note(books, STEP, step="activated", **_named(statement))
                if (former := coming.former.get(statement.id)) is not None:
                    journal.note(books, STEP, step="superseded", policy=statement.id, serial=former)

    def revoke(self, item: SignedRevocation) -> None:
        """Ends a document's versions up to a serial, at the next question. Raises BundleRefused."""
        verify_revocation(item, self.officers)
        said = item.revocation
        if (owner := self.first_owner(said.id)) not in (None, said.owner):
            raise BundleRefused((f"{said.id} belongs to {owner}, not to {said.owner}",))
        with self.alone():
            _replace(self._settings.revocations, revocations_text([*self._revocations(), item]))
        fields: dict[str, JSON] = said.model_dump(mode="json")
        with self._books() as books:
            journal.note(books, STEP, step="revoked", policy=fields.pop("id"), **fields)

    def _current(self) -> tuple[tuple[Platform | Policy, Approval], ...]:
        """The documents in force with their approvals; none where there is no bundle yet."""
        path = self._settings.bundle / CONTENT_FILE
        if not path.exists():
            return ()
        bundle = parse_bundle(path.read_bytes())
        by_id = {item.statement.id: item for item in load_approvals(self._settings.bundle)}
        documents: tuple[Platform | Policy, ...] = (bundle.platform, *bundle.policies)
        return tuple((document, by_id[document.id]) for document in documents if document.id in by_id)

    def _beside(self, document: Platform | Policy, library: Library) -> tuple[Bundle, Bundle | None]:
        """The bundle with the document in it, and the one in force; at first the others are the library's."""
        documents: Sequence[Platform | Policy] = (library.platform, *library.policies)
        current = {item.id: item for item, _ in self._current()}
        others = current or {item.id: item for item in documents}
        together = {**others, document.id: document}
        house = [item for item in together.values() if isinstance(item, Platform)]
        policies = [item for item in together.values() if isinstance(item, Policy)]
        if len(house) != 1:
            raise InstallationRefused(f"{len(house)} platform documents; exactly one is needed")
        before = parse_bundle((self._settings.bundle / CONTENT_FILE).read_bytes()) if current else None
        return parse_bundle(bundle_content(house[0], policies)), before

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes versions meanwhile, neither another thread nor another process. May be nested."""
        if self._alone:
            yield
            return
        self._settings.requests.mkdir(exist_ok=True)
        with (self._settings.requests / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._alone = True
            try:
                yield
            finally:
                self._alone = False

    def _revocations(self) -> tuple[SignedRevocation, ...]:
        path = self._settings.revocations
        return parse_revocations(path.read_bytes()) if path.exists() else ()

    def _catalog(self) -> Catalog:
        return self._own_catalog or registered_catalog(self._settings)

    def _keep(self, version: Version) -> None:
        self._settings.requests.mkdir(exist_ok=True)
        _replace(self._settings.requests / f"{version.name}.json", version_text(version))

    def _step(self, version: Version, step: str, **more: JSON) -> None:
        complete = not missing(version.approval, self.officers)
        with self._books() as books:
            journal.note(books, STEP, step=step, complete=complete, **_named(version.statement), **more)

    @contextmanager
    def _books(self) -> Iterator[Books]:
        if self._own_books is not None:
            yield self._own_books
            return
        with Store.open(self._settings.state) as state:
            yield open_books(self._settings, state, self._tools.clock)


def _named(statement: Statement) -> dict[str, JSON]:
    """How the log names a version."""
    return {"policy": statement.id, "serial": statement.serial, "statement": statement.digest}


def _document(draft: Draft) -> Platform | Policy:
    documents: Sequence[Platform | Policy] = (draft.library.platform, *draft.library.policies)
    for document in documents:
        if document.id == draft.id:
            return document
    raise InstallationRefused(f"there is no document {draft.id} among these policies")


def _refuse_errors(document: Platform | Policy, found: Sequence[PolicyProblem], library: Library) -> None:
    """Errors in the document's own file stop it; warnings and notes are for the reviewers."""
    files = {item.path for item in library.loaded if item.document.id == document.id}
    errors = [item for item in found if item.severity is Severity.ERROR and item.source in files]
    if errors:
        raise InstallationRefused("\n".join(map(str, errors)))


def tested(bundle: Bundle, catalog: Catalog, changed: Collection[str] | None) -> Mapping[str, int]:
    """How many tests were run, by policy. Raises InstallationRefused where a policy has none, or one stands against
    the bundle, in which these policies are new; all of them if none are named."""
    if bare := untested(bundle.policies):
        raise InstallationRefused(f"{', '.join(bare)}: no tests; a policy without tests cannot be activated")
    results = {policy.id: run_cases(own_cases_of(policy), catalog, bundle) for policy in bundle.policies}
    new = set(results) if changed is None else changed
    alone = confined(bundle, catalog, new)
    failed = [
        report(found)
        for name, found in results.items()
        if any(stands_against(result, name, new, alone) for result in found)
    ]
    if failed:
        raise InstallationRefused("\n".join(failed))
    return {name: len(found) for name, found in results.items()}


def require_tests(library: Library, settings: Settings) -> None:
    """Runs the tests of a library's policies. Raises InstallationRefused where one fails or a policy has none."""
    bundle = parse_bundle(bundle_content(library.platform, library.policies))
    tested(bundle, registered_catalog(settings), None)


def _difference(before: Bundle | None, after: Bundle) -> Mapping[str, Any] | None:
    if before is None:
        return None
    old, new = (Documents(bundle.platform, bundle.policies) for bundle in (before, after))
    return as_json(compare(old, new))


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
