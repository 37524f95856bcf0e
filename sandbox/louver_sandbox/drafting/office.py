"""The officers' office in a running service: drafts tried at a desk, versions filed and signed, bundles put in force.

Decides nothing of its own: drafts are judged by the line's functions, signatures by `policy/approvals.py`, and what
comes into force is verified as at a start.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from louver.errors import Refused
from louver_sandbox import checker, codec, journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.annals import activated_serials
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.delegates import OUR_FAULT
from louver_sandbox.drafting import desk
from louver_sandbox.drafting.judges import Judges, Ticking
from louver_sandbox.drafting.lifecycle import STEP, Lifecycle
from louver_sandbox.drafting.outcomes import Outcome, outcome_of
from louver_sandbox.drafting.simulation import PATIENCE_S, History, Simulation, as_it_goes, meetings
from louver_sandbox.drafting.texts import LONGEST, documents, written
from louver_sandbox.officers import Caller
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy import model
from louver_sandbox.policy.approvals import HOUSE, owner_of
from louver_sandbox.policy.bundle import Bundle, BundleRefused
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.policy.lifecycle import State, Version
from louver_sandbox.policy.officers import Officer, Signature, serves
from louver_sandbox.policy.revocations import SignedRevocation, parse_revocations
from louver_sandbox.policy.sealing import SOME_KEY
from louver_sandbox.premises import InstallationRefused, Tools, record_epoch
from louver_sandbox.processes.pool import CheckerFailed
from louver_sandbox.publishing.publish_main import Job, published_by_process
from louver_sandbox.publishing.record_keys import KeyRefused
from louver_sandbox.publishing.refused import PublishRefused
from louver_sandbox.refusals import drafting as refuse
from louver_sandbox.registered import registry_text
from louver_sandbox.stages import Case, Request, Subject, Verdict
from louver_sandbox.store.qualities import Data, share
from louver_sandbox.wiring import Platform

DESK_S: Final = 60.0
"""What one job at a desk may take, and as much again its waiting: the first one starts the processes."""
MOST_WAITING: Final = 100
"""Versions of one department that nobody has approved yet."""
LONGEST_HISTORY: Final = 366


class Office:
    """What officers do, over one platform. Threads may share it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._judges = Judges(platform.settings.run)
        self._activating = threading.Lock()
        self._looked_at: tuple[date, int] | None = None

    def warm(self) -> None:
        """Starts what drafts and simulations are judged by, unless it is there: an officer calls, or may."""
        self._judges.warm()

    def close(self) -> None:
        """Ends the desks."""
        self._judges.close()

    # Who calls

    def signer(self, caller: Caller) -> Officer:
        """The caller's row among the officers who may sign. Raises `Refused` LVR-7201."""
        for officer in self.lifecycle().officers:
            if officer.name == caller.signs_as:
                return officer
        raise refuse.not_an_officer()

    def _of_owner(self, caller: Caller, owner: str) -> Officer:
        officer = self.signer(caller)
        if not serves(officer, owner) and not serves(officer, HOUSE):
            raise refuse.other_department(officer.department, owner)
        return officer

    # Drafts

    def at_desk(self, act: str, text: str, case: Case | None = None, **more: str) -> Mapping[str, Any]:
        """What a desk finds of a draft. Raises `Refused` LVR-7203 or LVR-7204."""
        return self._asked(act, self._platform.judgement, text, case, **more)

    def _asked(
        self, act: str, judgement: checker.Judgement, text: str = "", case: Case | None = None, **more: str
    ) -> Mapping[str, Any]:
        if len(text) > LONGEST:
            raise refuse.draft_unfit(f"more than {LONGEST} characters", f"超过 {LONGEST} 个字符")
        institutions = registry_text(self._platform.registry.institutions().values())
        job = {"act": act, "text": text, "institutions": institutions, **more}
        asked = b"" if case is None else checker.case_to_bytes(case)
        try:
            return desk.asked(self._judges.desks(), DESK_S, judgement, self.today, job, asked)
        except CheckerFailed as failed:
            if failed.kind == "busy":
                raise refuse.office_busy("drafts", "草案处理") from None
            if failed.kind in OUR_FAULT:
                raise
            raise refuse.draft_unfit("it takes too much time or memory", "占用时间或内存过多") from None

    def case(self, caller: Caller, step: str, institution: str, purpose: str, sql: str, dialect: str) -> Case:
        """A question as an institution would ask it that has uploaded nothing; it is logged that the caller wants to
        know. What an institution has of its own is no officer's business: a question about a table of theirs comes to
        the same whether they have one or not, and whoever asks has a key to seal to. Raises `Refused` LVR-7205."""
        known = self._platform.registry.institutions().get(institution)
        if known is None:
            raise refuse.unknown_version()
        subject = Subject(known.id, known.type, known.groups, "")
        facts = replace(facts_at(self._platform.clock()), sealing_key=SOME_KEY)
        request = Request("explain", subject, purpose, sql, dialect=dialect or "duckdb")
        journal.note(
            self._platform.books,
            STEP,
            step=step,
            officer=caller.signs_as,
            asker=institution,
            purpose=purpose,
            question=hashlib.sha256(sql.encode("utf-8", "surrogatepass")).hexdigest(),
        )
        return Case(request, (), facts)

    def text_in_force(self, name: str) -> str:
        """A document in force as YAML. Raises `Refused` LVR-7205."""
        for document in documents(self._platform.judgement.bundle):
            if document.id == name:
                return written(document)
        raise refuse.unknown_version()

    # Versions

    @property
    def today(self) -> date:
        """The Beijing day."""
        return self._platform.clock().astimezone(SHANGHAI).date()

    def lifecycle(self) -> Lifecycle:
        """The versions as they are now."""
        platform = self._platform
        return Lifecycle(
            platform.settings, Tools(platform.clock, lambda size: b""), platform.books, platform.judgement.catalog
        )

    def version(self, name: str) -> Version:
        """One version. Raises `Refused` LVR-7205."""
        try:
            return self.lifecycle().version(name)
        except InstallationRefused:
            raise refuse.unknown_version() from None

    def submit(self, caller: Caller, text: str, days: tuple[date, date | None]) -> Version | Mapping[str, Any]:
        """A new version, submitted by the caller; what is wrong with it otherwise. Raises `Refused` LVR-72xx."""
        signer = self.signer(caller)
        found = self.at_desk("submit", text)
        if "document" not in found:
            return found
        said = json.loads(found["document"])
        document: model.Platform | model.Policy
        if said["kind"] == "platform":
            document = model.Platform.model_validate(said)
        else:
            document = model.Policy.model_validate(said)
        owner = owner_of(document)
        if not serves(signer, owner):
            raise refuse.other_department(signer.department, owner)
        for known in self._platform.approvals:
            if known.statement.id == document.id and known.statement.owner != owner:
                raise refuse.other_department(owner, known.statement.owner)
        lifecycle = self.lifecycle()
        with lifecycle.alone():
            self._reserved(lifecycle, document.id, owner)
            standing = lifecycle.standing()
            waiting = [
                item
                for item in lifecycle.versions()
                if item.statement.owner == owner and standing.state(item) in (State.DRAFT, State.REVIEW)
            ]
            if len(waiting) >= MOST_WAITING:
                raise refuse.too_many_drafts(MOST_WAITING)
            last = days[1] or date.fromisoformat(found["expires"])
            try:
                return lifecycle.file(document, found["report"], signer.name, (days[0], last))
            except InstallationRefused:
                raise refuse.draft_unfit("it would end before it begins", "失效日早于生效日") from None

    def _reserved(self, lifecycle: Lifecycle, name: str, owner: str) -> None:
        """Raises `Refused` LVR-7252 where another department has signed a document of this id first. Of one in
        force the owner is known already, and to replace it by another's is refused with what is in force."""
        if any(known.statement.id == name for known in self._platform.approvals):
            return
        first = lifecycle.first_owner(name)
        if first not in (None, owner):
            raise refuse.reserved_id(name, first)

    def approve(self, caller: Caller, name: str, signature: Signature) -> Version:
        """The version with the caller's own signature. Raises `Refused` LVR-7205, LVR-7207, LVR-7208 or, where
        another department has signed one of that id before, LVR-7252."""
        signer = self.signer(caller)
        if signature.officer != signer.name:
            raise refuse.not_to_be_signed(f"it is in the name of {signature.officer!r}, and {signer.name!r} calls")
        self.version(name)
        lifecycle = self.lifecycle()
        with lifecycle.alone():
            version = lifecycle.version(name)
            state = lifecycle.standing().state(version)
            if state not in (State.DRAFT, State.REVIEW):
                raise refuse.not_in_that_state(name, state.value, "a draft or a version in review", "草案或待审版本")
            self._reserved(lifecycle, version.statement.id, version.statement.owner)
            try:
                return lifecycle.sign(name, signature)
            except BundleRefused as refused:
                raise refuse.not_to_be_signed("; ".join(refused.reasons)) from None

    def activate(self, caller: Caller, name: str) -> Version:
        """Puts an approved version into force, or has it wait for its first day. Raises `Refused` LVR-72xx."""
        version = self.version(name)
        signer = self._of_owner(caller, version.statement.owner)
        self._reserved(self.lifecycle(), version.statement.id, version.statement.owner)
        state = self.lifecycle().standing().state(version)
        if state is State.SCHEDULED:
            return self.lifecycle().order(name, signer.name)
        if state is not State.APPROVED:
            raise refuse.not_in_that_state(name, state.value, "an approved version", "已批准的版本")
        self.lifecycle().order(name, signer.name)
        self.put_in_force({name})
        return self.version(name)

    def put_in_force(self, names: set[str]) -> None:
        """Lets these versions decide, all at once. Raises `Refused` LVR-7209 or LVR-7210: then nothing changes."""
        with self._activating:
            lifecycle = self.lifecycle()
            with lifecycle.alone():
                try:
                    coming = lifecycle.coming(names)
                    checker.keep_judgement(
                        self._platform.settings.run, self._platform.judgement.catalog, coming.content
                    )
                    judgement = checker.Judgement(self._platform.judgement.catalog, coming.bundle)
                    changed = " ".join(item.id for item in coming.new)
                    tried = self._asked("together", judgement, changed=changed)
                    if "tests" in tried:
                        failed = ", ".join(item["name"] for item in tried["tests"])
                        raise refuse.bundle_unfit(f"tests fail: {failed}")
                    self._publish(coming.bundle)
                    self._platform.succession.replace(
                        coming.bundle, coming.content, coming.approvals, lambda: lifecycle.keep(coming)
                    )
                except (BundleRefused, KeyRefused, PolicyRefused) as refused:
                    raise refuse.bundle_unfit(str(refused)) from None

    def put_due_in_force(self) -> tuple[str, ...]:
        """Those versions that were ordered and whose first day has come. Raises as `put_in_force`.

        The versions are read where one was changed or a day has begun since they were found in order.
        """
        stamp = (self.today, _changed(self._platform.settings.requests))
        if stamp == self._looked_at:
            return ()
        due = self.lifecycle().due()
        try:
            if due:
                self.put_in_force(set(due))
        except Refused:
            self._looked_at = stamp  # not again until something changes: whoever orders it anew is told why
            raise
        self._looked_at = stamp
        return due

    def _publish(self, bundle: Bundle) -> None:
        """What the bundle grants and is not published yet, by the publisher's own process."""
        platform, settings = self._platform, self._platform.settings
        if not (missing := self._unpublished(bundle)):
            return
        job = Job(
            (settings.catalog,),
            settings.data,
            settings.secrets / "record.key",
            settings.snapshots,
            missing,
            fingerprint=record_epoch(settings),
        )
        try:
            for item in published_by_process(job):
                journal.note(
                    platform.books,
                    "snapshot",
                    snapshot=item.id,
                    table=str(item.table),
                    rows=item.rows,
                    sha256=item.sha256,
                )
                data = Data(str(item.table), platform.judgement.catalog.tables[item.table].data_version)
                with platform.books.state.transaction() as tx:
                    share(tx, item.id, data)
        except PublishRefused as refused:
            raise refuse.not_published(str(refused)) from None

    def _unpublished(self, bundle: Bundle) -> tuple[GrantSet, ...]:
        """What the bundle grants and has no snapshot."""
        catalog, folder = self._platform.succession.catalog(), self._platform.settings.snapshots
        return tuple(
            grant
            for grant in bundle.grant_sets(catalog, self.today)
            if not (folder / f"{_snapshot(catalog, grant)}.duckdb").exists()
        )

    def require_published(self, bundle: Bundle) -> None:
        """Raises `Refused` LVR-7210 where something is granted that is not published: who asked for it would pay for
        nothing."""
        if missing := self._unpublished(bundle):
            names = ", ".join(sorted({str(grant.table) for grant in missing}))
            raise refuse.not_published(f"{len(missing)} snapshots of {names}; `louver-sandbox publish` builds them")

    def follow(self) -> bool:
        """Takes the bundle in the installation's folder, once what it grants is published; whether it did. Raises
        `BundleRefused`, `Refused` LVR-7210."""
        return self._platform.succession.follow(self.require_published)

    def revoke(self, caller: Caller, content: bytes) -> SignedRevocation:
        """Files the caller's own revocation. Raises `Refused` LVR-7207."""
        signer = self.signer(caller)
        try:
            (item,) = parse_revocations(b"[" + content + b"]")
        except (BundleRefused, ValueError):
            raise refuse.not_to_be_signed("it is no revocation") from None
        if item.revocation.officer != signer.name:
            said = item.revocation.officer
            raise refuse.not_to_be_signed(f"it is in the name of {said!r}, and {signer.name!r} calls")
        try:
            self.lifecycle().revoke(item)
        except BundleRefused as refused:
            raise refuse.not_to_be_signed("; ".join(refused.reasons)) from None
        return item

    # History

    def to_be_simulated(self, caller: Caller, text: str, version: str, days: int) -> Mapping[str, Any]:
        """The bundle with a draft or version in it that the caller may hold against what banks have asked: one of the
        caller's own department, without errors. What a draft would have changed tells of questions, so it is logged
        who looked. What is wrong with it otherwise. Raises `Refused` LVR-72xx."""
        self.warm()
        found = self.at_desk("content", written(self.version(version).document) if version else text)
        if "content" not in found:
            return found
        self._of_owner(caller, found["owner"])
        for known in self._platform.approvals:
            if known.statement.id == found["id"]:
                self._of_owner(caller, known.statement.owner)
        named = {"policy": found["id"], "version": version, "officer": caller.signs_as, "days": days}
        journal.note(
            self._platform.books,
            STEP,
            step="simulating",
            draft=found["digest"],
            bundle=self._platform.judgement.bundle.digest,
            **named,
        )
        return found

    def simulation(
        self, content: bytes, days: int, examples: int, ended: threading.Event
    ) -> Iterator[tuple[Simulation, int]]:
        """What this bundle would have made of the questions of the last days, as it is found out."""
        platform = self._platform
        limits, now = platform.settings.limits, platform.clock()
        known = {
            item.id: Subject(item.id, item.type, item.groups, "")
            for item in platform.registry.institutions().values()
        }
        in_force, facts = platform.in_force, facts_at(now)
        tables: dict[str, Any] = {}
        with ExitStack() as parts:
            active = parts.enter_context(in_force.more_checkers(limits.checkers))
            catalog = in_force.judgement.catalog
            side = self._judges.other_side()
            after = parts.enter_context(side.judging(catalog, content, limits.checkers, limits.check_seconds))

            def before(case: Case) -> Outcome:
                try:
                    reply = active.ask(checker.case_to_bytes(case), PATIENCE_S)
                except CheckerFailed:
                    return outcome_of(None)
                return outcome_of(codec.decode(reply, Verdict))

            def both(request: Request) -> tuple[Outcome, Outcome]:
                asker = request.subject.institution
                if asker not in tables:
                    tables[asker] = (
                        platform.own_tables.tables(asker),
                        replace(facts, sealing_key=platform.sealing_keys.current(asker)),
                    )
                case = Case(request, *tables[asker])
                return before(case), outcome_of(after(case))

            told = History()
            met = meetings(platform.books.log, now - timedelta(days=days), known, told)
            yield from as_it_goes(met, told, both, limits.checkers, examples, Ticking(ended))

    # Status

    def status(self) -> tuple[str, str, str, str]:
        """The digests of the bundle that decides, of the stored one whose signatures hold, and of the log's last
        word; and what is wrong with the stored one."""
        platform = self._platform
        last = platform.books.log.latest(None, 1, institution=None, kinds=("activation",))
        logged = str(last[0].fields.get("bundle", "")) if last else ""
        stored, problem = "", ""
        try:
            bundle = platform.succession.stored().bundle
            stored = bundle.digest
            self.require_published(bundle)
        except BundleRefused as refused:
            problem = "; ".join(refused.reasons)
        except Refused as refused:
            problem = refused.message
        return platform.judgement.bundle.digest, stored, logged, problem

    def serials(self) -> Mapping[str, int]:
        """The versions in force, as the log has them."""
        return activated_serials(self._platform.books)


def _snapshot(catalog: Catalog, grant: GrantSet) -> str:
    return snapshot_id(catalog.tables[grant.table], grant.columns, grant.row_filter, grant.atoms)


def _changed(folder: Path) -> int:
    """When something was last put into the folder; a version is always put there as a new file."""
    return folder.stat().st_mtime_ns if folder.exists() else 0
