"""The composition root: one installation's settings turned into a running platform, and taken down again.

Nothing here decides anything. The service process never opens data: it hands workers the paths of snapshots and reads
their replies.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial

from louver.errors import Refused
from louver.failures import Misused
from louver.matching.oprf import library
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox import journal
from louver_sandbox.access import AccessRequests
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.accounting.one_at_a_time import OneAtATime
from louver_sandbox.administrators import Administrators
from louver_sandbox.annals import (
    former_tokens,
    logged_set,
    logged_tokens,
    tables_of_snapshots,
    tables_of_tokens,
)
from louver_sandbox.auditing import replayer
from louver_sandbox.auditors import Auditors
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.checker import Judgement
from louver_sandbox.commit import Preview, preview
from louver_sandbox.consents import Consents
from louver_sandbox.corrections import Corrections
from louver_sandbox.delegates import AddInProcesses, Worker, checker_zygote
from louver_sandbox.disputes import Disputes
from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.identity import Registry
from louver_sandbox.in_force import JUDGING, House, InForce
from louver_sandbox.match_line import MatchLine
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.editions import Editions
from louver_sandbox.matching.token_ahead import Holding, Upkeep
from louver_sandbox.matching.tokens import JoinKeys, TokenTables
from louver_sandbox.officers import Callers
from louver_sandbox.pipeline import Call, Pipeline
from louver_sandbox.policy.approvals import Approval
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.load import CONTENT_FILE, load_approvals
from louver_sandbox.premises import isolation_of, load_judgement, noise_secret, open_books
from louver_sandbox.processes.admission import Overloaded
from louver_sandbox.processes.limits import Limits as ProcessLimits
from louver_sandbox.processes.pool import CheckerPool, WorkerFailed, WorkerPool
from louver_sandbox.processes.sessions import SessionPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.recount import anchor
from louver_sandbox.refusals import capacity
from louver_sandbox.registered import Institution
from louver_sandbox.registrations import note_registry
from louver_sandbox.renewals import Renewals
from louver_sandbox.report_line import ReportLine
from louver_sandbox.scoring.line import ScoreLine
from louver_sandbox.scoring.models import Models, parse_auditors
from louver_sandbox.sealing import adding
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.registry import Registered
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.settings import Settings
from louver_sandbox.shelf import Shelf
from louver_sandbox.stages import Plan, Request, Subject
from louver_sandbox.store import State
from louver_sandbox.store.alone import own_folder
from louver_sandbox.succession import Succession
from louver_sandbox.suspensions import Append, Suspensions
from louver_sandbox.token_line import TokenLine
from louver_sandbox.uploads.own_tables import OwnTables
from louver_sandbox.warning_plan import WarningCase
from louver_sandbox.warnings.evaluation import Evaluation
from louver_sandbox.warnings.evaluation import Parts as WarningParts
from louver_sandbox.warnings.posting import HOOKS_FILE, Posting
from louver_sandbox.warnings.subscriptions import Subscriptions
from louver_sandbox.warnings.telling import Telling
from louver_sandbox.withdrawn import Withdrawn

WARM_S = 30.0


class Platform:
    """A running installation. Close it when done; everything it started ends with it."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], new_incident: Callable[[Exception], str]):
        self.settings = settings
        self.clock = clock
        self._lock = threading.Lock()
        self._strangers: set[tuple[str, str]] = set()
        self._parts = ExitStack()
        try:
            self._open(new_incident)
        except BaseException:
            self._parts.close()
            raise

    def _open(self, new_incident: Callable[[Exception], str]) -> None:
        settings, limits = self.settings, self.settings.limits
        self.isolation = isolation_of(settings)
        judgement, content = load_judgement(settings, self.clock()), (settings.bundle / CONTENT_FILE).read_bytes()
        noise_secret(settings, judgement.bundle)  # before anything is started
        self.state = self._parts.enter_context(State.open(settings.state))
        self.books = open_books(settings, self.state, self.clock, self.isolation.level)
        if (behind := anchor.problem(self.books, settings.anchors)) is not None:
            raise behind
        append = partial(journal.appended, self.books)
        self.registry = Registry(settings.institutions, self.clock, partial(self._registered, append))
        self.log_auditors = Auditors(settings.log_auditors, self.registry)
        self.officers = Callers(settings.officers_certificates, self.registry, self.log_auditors)
        self.administrators = Administrators(settings.administrators, self.registry, self.log_auditors, self.officers)
        self.suspensions = Suspensions(self.state, self.clock, append)
        self.renewals = Renewals(self.state, self.clock, append)
        self.access = AccessRequests(self.state, self.clock, append)
        self._replayers: CheckerPool | None = None
        self.shelf = Shelf(settings, self.books)
        workers = self._parts.enter_context(
            Zygote(
                WORKER_ENTRY,
                preload=WORKER_PRELOAD,
                prepare=WORKER_PREPARE,
                environment=WORKER_ENVIRONMENT,
                limits=ProcessLimits(memory_mib=2 * limits.memory_mib + 512),
                readable=(settings.snapshots, settings.uploads),
            )
        )
        self.workers = self._parts.enter_context(
            WorkerPool(
                workers,
                size=limits.workers,
                queue=limits.queue,
                per_institution=min(limits.per_institution, limits.workers),
            )
        )
        most_keys = settings.limits.sealing_keys
        self.sealing_keys = SealingKeys(self.state, self.clock, partial(journal.noted, self.books), most=most_keys)
        self._matchers: SessionPool | None = None
        self.join_keys = JoinKeys(settings, self._match_sessions)
        self.token_tables = TokenTables(
            settings,
            self.join_keys,
            self.shelf.path,
            partial(journal.note, self.books),
            partial(logged_tokens, self.books),
            new_incident,
            former=partial(former_tokens, self.books),
        )
        self.token_upkeep = Upkeep(
            self.token_tables,
            self.join_keys,
            partial(tables_of_tokens, self.books),
            partial(tables_of_snapshots, self.books),
            self._published,
        )
        note = partial(journal.noted, self.books)
        self.own_tables = self._parts.enter_context(
            OwnTables(
                settings, self.state, self.clock, note, self.sealing_keys.current_public, self.join_keys.current
            )
        )
        self.sealer = self._parts.enter_context(
            Sealer(
                self.sealing_keys.public,
                most=limits.sealed_cells,
                stock=limits.randomisers,
                add=self._adding(),
                locate=self.shelf.ciphertexts,
            )
        )
        for kid in self.sealing_keys.live():
            self.sealer.keep_ready(kid)
        self.consents = Consents(self.state, self.clock, partial(journal.appended, self.books))
        new_id = lambda: str(uuid.uuid4())  # noqa: E731
        self.corrections = Corrections(self.state, self.clock, append, new_id)
        self.disputes = Disputes(self.state, self.clock, append, new_id, self.corrections)
        self.subscriptions = Subscriptions(lambda: self.judgement.bundle, self.books, self.clock)
        self.telling = Telling(self.books, self.clock, self._may_be_told)
        self.posting = Posting(settings.home / HOOKS_FILE, self.books, self.clock, self.telling, new_incident)
        self.evaluation = Evaluation(
            WarningParts(
                self.books,
                self.clock,
                lambda case: self.in_force.judge_warnings(case),
                self.reserve,
                self.registry.institution,
                new_incident,
            )
        )
        self.models = Models(
            self.state,
            self.clock,
            partial(journal.appended, self.books),
            self.sealing_keys,
            self._judged_by,
            self._auditors,
        )
        house = House(
            settings,
            self.books,
            self.clock,
            new_incident,
            self.reserve,
            self.own_tables.tables,
            self.token_tables.ready,
            self.sealing_keys,
            self.sealer,
            self._match_sessions,
            Editions(settings, partial(journal.note, self.books), partial(logged_set, self.books)),
            self.consents,
            self.models,
            OneAtATime(self.state.claims()),
            self._parts.enter_context(own_folder(settings.run / JUDGING)),
        )
        self.succession = Succession(house, judgement, content, load_approvals(settings.bundle))
        self._parts.callback(self.succession.close)

    @property
    def in_force(self) -> InForce:
        """What decides now. Whoever asks it twice may meet two bundles: a call takes it once."""
        return self.succession.now

    @property
    def judgement(self) -> Judgement:
        """The catalogue and the bundle in force."""
        return self.succession.now.judgement

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Who approved what is in force."""
        return self.succession.now.approvals

    @property
    def checkers(self) -> CheckerPool:
        """The checkers of what is in force."""
        return self.succession.now.checkers

    @property
    def withdrawn(self) -> Withdrawn:
        """Which documents in force answer no more."""
        return self.succession.now.withdrawn

    @property
    def pipeline(self) -> Pipeline:
        """The line of questions under what is in force."""
        return self.succession.now.pipeline

    @property
    def matches(self) -> MatchLine:
        """The line of matches under what is in force."""
        return self.succession.now.matches

    @property
    def tokens(self) -> TokenLine:
        """The line of tokens under what is in force."""
        return self.succession.now.tokens

    @property
    def reports(self) -> ReportLine:
        """The line of reports under what is in force."""
        return self.succession.now.reports

    @property
    def scores(self) -> ScoreLine:
        """The line of scores under what is in force."""
        return self.succession.now.scores

    def make_score_table(self) -> bool:
        """Goes on with the next table of a registered model, by a part; whether one was missing. Raises `Failed`."""
        ahead = self.succession.now.tables
        return ahead is not None and ahead.make_next()

    def _match_sessions(self) -> SessionPool:
        """The matchers; their zygote is started at the first match. Raises `WorkerFailed` without the library."""
        try:
            library()
        except Misused:
            raise WorkerFailed("error") from None
        with self._lock:
            if self._matchers is None:
                limits = self.settings.limits
                # An installation from before there was matching has no such folder, and then no key either.
                self.settings.matching.mkdir(mode=0o700, exist_ok=True)
                zygote = self._parts.enter_context(
                    Zygote(
                        matcher.ENTRY,
                        preload=matcher.PRELOAD,
                        prepare=matcher.PREPARE,
                        environment={**WORKER_ENVIRONMENT, matcher.LOCATION: str(self.settings.matching)},
                        limits=ProcessLimits(memory_mib=limits.memory_mib, cpu_seconds=limits.upload_seconds),
                        readable=(self.settings.matching,),
                    )
                )
                self._matchers = SessionPool(zygote, size=min(2, limits.workers))
                self._parts.callback(self._matchers.close)
            return self._matchers

    def _published(self) -> Mapping[str, Sequence[Holding]]:
        """The snapshots that today's grants read, by table."""
        judgement, today = self.judgement, self.clock().astimezone(SHANGHAI).date()
        catalog = judgement.catalog
        found: dict[str, list[Holding]] = {}
        for one in judgement.bundle.grant_sets(catalog, today):
            if (table := catalog.table(one.table)) is not None:
                name = snapshot_id(table, one.columns, one.row_filter, one.atoms)
                found.setdefault(str(one.table), []).append(Holding(name, frozenset(one.columns)))
        return found

    def replayers(self) -> CheckerPool:
        """The processes that make old decisions again; their zygote is started at the first replay."""
        with self._lock:
            if self._replayers is None:
                zygote = self._parts.enter_context(checker_zygote(self.settings.run, replayer.ENTRY))
                self._replayers = self._parts.enter_context(CheckerPool(zygote, size=1, lifetime=1))
            return self._replayers

    def _may_be_told(self, institution: str, template: str, purpose: str) -> bool:
        """Whether policy lets an institution have a warning now, as a question would be decided. Raises `Refused`
        LVR-3101 where that cannot be said at the moment."""
        who = self.registry.institution(institution)
        if who is None:
            return False
        try:
            today = self.clock().astimezone(SHANGHAI).date()
            self.in_force.judge_warnings(WarningCase(who, purpose, template, today))
        except Refused as refused:
            if refused.code.startswith("LVR-3"):
                raise
            return False
        return True

    def _judged_by(self) -> tuple[Catalog, Bundle]:
        judgement = self.judgement
        return judgement.catalog, judgement.bundle

    def _auditors(self) -> Mapping[str, bytes]:
        """The model auditors as the operator's file says now; without one there are none."""
        path = self.settings.auditors
        return parse_auditors(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _adding(self) -> AddInProcesses:
        """What adds up ciphertexts. Its processes see the uploads and nothing else."""
        limits = self.settings.limits
        adders = self._parts.enter_context(
            Zygote(
                adding.ENTRY,
                preload=adding.PRELOAD,
                environment=WORKER_ENVIRONMENT,
                limits=ProcessLimits(memory_mib=2 * limits.memory_mib + 512),
                readable=(self.settings.uploads,),
            )
        )
        size = limits.threads_per_worker
        pool = self._parts.enter_context(CheckerPool(adders, size=size, lifetime=1))
        return AddInProcesses(pool, limits.query_seconds, size)

    def warm(self) -> None:
        """Waits until a worker and a checker stand ready, so that nobody pays for their start."""
        deadline = time.monotonic() + WARM_S
        while not (self.workers.ready_count() and self.checkers.ready_count()) and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextmanager
    def reserve(self, institution: str, call: Call) -> Iterator[Worker]:
        """A worker, before anything is charged. Raises `Refused` LVR-3101 or LVR-3104."""
        if call.deadline_s <= 0 or call.cancelled.is_set():
            raise capacity.deadline_too_short()
        try:
            slot = self.workers.reserve(institution, time.monotonic() + call.deadline_s)
        except Overloaded as overloaded:
            raise capacity.overloaded(overloaded.scope, overloaded.retry_after) from None
        with slot:
            yield Worker(slot, self.settings.limits, self.shelf.path, institution, self.token_tables.paths)

    def preview(self, plan: Plan, request: Request) -> Preview:
        """What a commit would do now. Raises `Refused` LVR-3001, LVR-3010 to LVR-3014 or LVR-32xx."""
        with self.state.reading() as tx:
            return preview(tx, plan, request, self.clock())

    def register_key(self, subject: Subject, message: pb.RegisterKeyRequest, expires: datetime) -> Registered:
        """Admits a Paillier key and begins to make randomisers for it.

        Raises `Refused` LVR-5001 to LVR-5005 and LVR-5029."""
        kept = self.sealing_keys.register(subject, message.modulus, message.proof, expires, message.signature)
        self.sealer.keep_ready(kept.key.kid)
        return kept

    def refused_at_the_edge(self, subject: Subject, question: pb.Question, refused: Refused) -> Refused:
        """The refusal of a message that is not the caller's question, once the log has it."""
        request = Request(question.request_id[:64], subject, question.purpose[:64], question.sql[:4096])
        return self.pipeline.logged(request, refused)

    def _registered(self, append: Append, institutions: Mapping[str, Institution]) -> None:
        """Says in the log what has changed in the registry, before it counts."""
        note_registry(self.state, append, institutions)

    def note_stranger(self, fingerprint: str, refused: Refused) -> None:
        """Logs that a certificate was turned away, once per certificate, reason and run: it can ask on."""
        with self._lock:
            reason = (fingerprint, refused.message)
            known = reason in self._strangers
            self._strangers.add(reason)
        if not known:
            journal.note(self.books, "refusal", code=refused.code, certificate=fingerprint)

    def keep_anchor(self) -> None:
        """Keeps the newest signed head beside the store, so that an older copy of it is known. Raises OSError."""
        anchor.keep(self.books, self.settings.anchors)

    def close(self) -> None:
        """Ends every process it started and closes the store."""
        self._parts.close()

    def __enter__(self) -> Platform:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
