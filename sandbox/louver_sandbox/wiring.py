"""The composition root: one installation's settings turned into a running platform, and taken down again.

Nothing here decides anything. The service process never opens data: it hands workers the paths of snapshots and reads
their replies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial

from louver.errors import Refused
from louver.failures import Misused
from louver.matching.oprf import library
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox import checker, journal, scorer, solver
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.annals import (
    former_tokens,
    logged_revocations,
    logged_set,
    logged_tokens,
    tables_of_snapshots,
    tables_of_tokens,
)
from louver_sandbox.auditing import replayer
from louver_sandbox.auditors import Auditors
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.commit import Preview, preview
from louver_sandbox.consents import Consents
from louver_sandbox.delegates import (
    CHECKER_CPU_S,
    AddInProcesses,
    AddUpInProcess,
    JudgeInChecker,
    JudgeScoresInChecker,
    SolveInProcess,
    Worker,
    checker_zygote,
)
from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.identity import Registry
from louver_sandbox.match_line import Judging, MatchLine
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.editions import Editions
from louver_sandbox.matching.token_ahead import Holding, Upkeep
from louver_sandbox.matching.tokens import JoinKeys, TokenTables
from louver_sandbox.obligations import Totals
from louver_sandbox.pipeline import Call, Pipeline
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.load import CONTENT_FILE, load_approvals, load_officers
from louver_sandbox.premises import (
    isolation_of,
    load_judgement,
    noise_secret,
    open_books,
    sampler_of,
)
from louver_sandbox.processes.admission import Overloaded
from louver_sandbox.processes.limits import Limits as ProcessLimits
from louver_sandbox.processes.pool import CheckerPool, WorkerFailed, WorkerPool
from louver_sandbox.processes.sessions import SessionPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.recount import anchor
from louver_sandbox.refusals import capacity
from louver_sandbox.release.complementary import Solve, no_solver
from louver_sandbox.scoring.line import AddUp, Parts, ScoreLine, no_scorer
from louver_sandbox.scoring.models import Models, parse_auditors
from louver_sandbox.sealing import adding
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.registry import Registered
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.settings import Settings
from louver_sandbox.shelf import Shelf
from louver_sandbox.stages import Plan, Request, Subject
from louver_sandbox.store import State
from louver_sandbox.token_line import TokenLine
from louver_sandbox.uploads.own_tables import OwnTables
from louver_sandbox.withdrawn import Withdrawn

WARM_S = 30.0


class Platform:
    """A running installation. Close it when done; everything it started ends with it."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], new_incident: Callable[[Exception], str]):
        self.settings = settings
        self.clock = clock
        self._lock = threading.Lock()
        self._strangers: set[str] = set()
        self._parts = ExitStack()
        try:
            self._open(new_incident)
        except BaseException:
            self._parts.close()
            raise

    def _open(self, new_incident: Callable[[Exception], str]) -> None:
        settings, limits = self.settings, self.settings.limits
        self.isolation = isolation_of(settings)
        self.judgement = load_judgement(settings, self.clock())
        checker.write_judgement(settings.run, self.judgement.catalog, (settings.bundle / CONTENT_FILE).read_bytes())
        secret = noise_secret(settings, self.judgement.bundle)
        self.state = self._parts.enter_context(State.open(settings.state))
        self.books = open_books(settings, self.state, self.clock, self.isolation.level)
        if (behind := anchor.problem(self.books, settings.anchors)) is not None:
            raise behind
        self.registry = Registry(settings.institutions)
        self.log_auditors = Auditors(settings.log_auditors, self.registry)
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
        checkers = self._parts.enter_context(checker_zygote(settings.run))
        self.workers = self._parts.enter_context(
            WorkerPool(
                workers,
                size=limits.workers,
                queue=limits.queue,
                per_institution=min(limits.per_institution, limits.workers),
            )
        )
        self.checkers = self._parts.enter_context(CheckerPool(checkers, size=limits.checkers))
        self.sealing_keys = SealingKeys(self.state, self.clock, partial(journal.noted, self.books))
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
            self._published(),
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
        self.approvals = load_approvals(settings.bundle)
        statements = [item.statement for item in self.approvals]
        self.withdrawn = Withdrawn(
            settings.revocations, statements, load_officers(settings.officers), logged_revocations(self.books)
        )
        sampler, own = sampler_of(self.judgement.bundle), self.own_tables.tables
        judge = JudgeInChecker(
            self.checkers,
            own,
            limits.check_seconds,
            self.withdrawn,
            has_noise=sampler is not None,
            sealing_key=self.sealing_keys.current,
            tokens_ready=self.token_tables.ready,
        )
        self.pipeline = Pipeline(
            judge, self.reserve, self.books, self.clock, new_incident, self._solve(), secret, sampler, self.sealer
        )
        judging = Judging(
            self.judgement.catalog,
            self.judgement.bundle,
            lambda policies, now: self.withdrawn.check(policies, now.astimezone(SHANGHAI).date()),
        )
        self.tokens = TokenLine(judging, self.books, self.clock, new_incident, self._match_sessions)
        self.matches = MatchLine(
            judging,
            self.books,
            self.clock,
            new_incident,
            Editions(settings, partial(journal.note, self.books), partial(logged_set, self.books)),
            self._match_sessions,
            sampler,
        )
        self._open_scoring(new_incident)

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
        catalog, today = self.judgement.catalog, self.clock().astimezone(SHANGHAI).date()
        found: dict[str, list[Holding]] = {}
        for one in self.judgement.bundle.grant_sets(catalog, today):
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

    def _open_scoring(self, new_incident: Callable[[Exception], str]) -> None:
        """Models, authorisations and the line of scores. Scorers start only where policies declare features."""
        append = partial(journal.appended, self.books)
        self.consents = Consents(self.state, self.clock, append)
        self.models = Models(self.state, self.clock, append, self.sealing_keys, self._in_force, self._auditors)
        self.scores = ScoreLine(
            Parts(
                self.books,
                self.clock,
                self.models,
                self.consents,
                JudgeScoresInChecker(self.checkers, self.settings.limits.check_seconds, self.withdrawn),
                self.reserve,
                self.sealing_keys.public,
                self.sealing_keys.current,
                self._add_up(),
                new_incident,
            )
        )

    def _in_force(self) -> tuple[Catalog, Bundle]:
        return self.judgement.catalog, self.judgement.bundle

    def _auditors(self) -> Mapping[str, bytes]:
        """The model auditors as the operator's file says now; without one there are none."""
        path = self.settings.auditors
        return parse_auditors(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _add_up(self) -> AddUp:
        if not self.judgement.bundle.platform.feature_sets:
            return no_scorer
        limits = self.settings.limits
        zygote = self._parts.enter_context(
            Zygote(
                scorer.ENTRY,
                preload=scorer.PRELOAD,
                environment=WORKER_ENVIRONMENT,
                limits=ProcessLimits(memory_mib=limits.memory_mib, cpu_seconds=CHECKER_CPU_S),
                readable=(),
            )
        )
        pool = self._parts.enter_context(CheckerPool(zygote, size=limits.scorers, reply_cap=scorer.REPLY_CAP))
        return AddUpInProcess(pool, limits.scorers, self.sealer, limits.score_seconds)

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

    def _solve(self) -> Solve:
        """What keeps totals; its processes are started only where a policy in force asks for it.

        A question holds its worker's place until it is answered, so with as many solvers none waits for another.
        """
        grants = (grant for policy in self.judgement.bundle.policies for grant in policy.grants)
        if all(grant.threshold.totals is Totals.KEEP_BACK for grant in grants):
            return no_solver
        limits = self.settings.limits
        solvers = self._parts.enter_context(
            Zygote(
                solver.ENTRY,
                preload=solver.PRELOAD,
                environment=WORKER_ENVIRONMENT,
                limits=ProcessLimits(memory_mib=limits.solver_memory_mib, cpu_seconds=2 * limits.solve_seconds),
                readable=(),
            )
        )
        pool = self._parts.enter_context(
            CheckerPool(solvers, size=limits.workers, lifetime=1, reply_cap=solver.REPLY_CAP)
        )
        return SolveInProcess(pool, limits.solve_seconds)

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
        """Admits a Paillier key and begins to make randomisers for it. Raises `Refused` LVR-5001 to LVR-5005."""
        kept = self.sealing_keys.register(subject, message.modulus, message.proof, expires, message.signature)
        self.sealer.keep_ready(kept.key.kid)
        return kept

    def refused_at_the_edge(self, subject: Subject, question: pb.Question, refused: Refused) -> Refused:
        """The refusal of a message that is not the caller's question, once the log has it."""
        request = Request(question.request_id[:64], subject, question.purpose[:64], question.sql[:4096])
        return self.pipeline.logged(request, refused)

    def note_stranger(self, fingerprint: str, refused: Refused) -> None:
        """Logs that an unregistered certificate was turned away, once per certificate and run: it can ask on."""
        with self._lock:
            known = fingerprint in self._strangers
            self._strangers.add(fingerprint)
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
