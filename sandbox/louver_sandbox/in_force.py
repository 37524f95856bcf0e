"""Everything that decides by one bundle, made together and replaced together.

A question meets one of these from its check to its answer, so it sees one bundle. A new bundle gets checkers of its
own, which read it from a folder of its own: one that starts late can read no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from louver_sandbox import checker, scorer, solver
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.accounting.one_at_a_time import OneAtATime
from louver_sandbox.catalog.model import Table
from louver_sandbox.checker import Judgement
from louver_sandbox.consents import Consents
from louver_sandbox.delegates import (
    CHECKER_CPU_S,
    AddUpInProcess,
    JudgeInChecker,
    JudgeScoresInChecker,
    JudgeWarningsInChecker,
    SolveInProcess,
    Worker,
    checker_zygote,
)
from louver_sandbox.engines import WORKER_ENVIRONMENT
from louver_sandbox.journal import Books
from louver_sandbox.match_line import Judging, MatchLine
from louver_sandbox.matching.editions import Editions
from louver_sandbox.obligations import Totals
from louver_sandbox.pipeline import Call, Pipeline, facts_at
from louver_sandbox.policy.approvals import Approval
from louver_sandbox.policy.load import load_officers
from louver_sandbox.premises import noise_secret, sampler_of
from louver_sandbox.processes.limits import Limits as ProcessLimits
from louver_sandbox.processes.pool import CheckerFailed, CheckerPool
from louver_sandbox.processes.sessions import SessionPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.release.complementary import Solve, no_solver
from louver_sandbox.report_line import ReportLine
from louver_sandbox.scoring.ahead import Ahead
from louver_sandbox.scoring.line import AddUp, Parts, ScoreLine, no_scorer
from louver_sandbox.scoring.models import Models
from louver_sandbox.sealing import tables
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Plan
from louver_sandbox.token_line import TokenLine
from louver_sandbox.withdrawn import Withdrawn

JUDGING = "judging"
"""The folder below `run/` in which each process has its own, and in that each bundle."""


@dataclass(frozen=True)
class House:
    """What stays when a bundle goes: the parts of a platform that any bundle decides over."""

    settings: Settings
    books: Books
    clock: Callable[[], datetime]
    new_incident: Callable[[Exception], str]
    reserve: Callable[[str, Call], AbstractContextManager[Worker]]
    own: Callable[[str], tuple[Table, ...]]
    tokens_ready: Callable[[Plan, str], None]
    sealing_keys: SealingKeys
    sealer: Sealer
    sessions: Callable[[], SessionPool]
    editions: Editions
    consents: Consents
    models: Models
    asked: OneAtATime
    judging: Path


class InForce:
    """What decides by one bundle. Close it when the last question that met it has been answered.

    `revoked` are the revocations that the log knows. Raises `KeyRefused` where the bundle asks for noise and there is
    no secret, and what the processes raise that it starts.
    """

    def __init__(
        self,
        house: House,
        judgement: Judgement,
        content: bytes,
        approvals: tuple[Approval, ...],
        revoked: Mapping[str, int],
    ) -> None:
        self.judgement = judgement
        self.approvals = approvals
        self.since = house.clock()
        self._house = house
        self._parts = ExitStack()
        self._counting = threading.Lock()
        self._uses, self._ended = 0, False
        self.tables: Ahead | None = None
        try:
            self._open(content, revoked)
        except BaseException:
            self._parts.close()
            raise

    def _open(self, content: bytes, revoked: Mapping[str, int]) -> None:
        house, settings, limits = self._house, self._house.settings, self._house.settings.limits
        bundle = self.judgement.bundle
        secret, sampler = noise_secret(settings, bundle), sampler_of(bundle)
        # The same bundle may decide over other snapshots, and one that starts late must read what it was made for.
        folder = house.judging / f"{bundle.digest}-{self.judgement.catalog.digest[:16]}"
        checker.keep_judgement(settings.run, self.judgement.catalog, content)
        checker.write_judgement(folder, self.judgement.catalog, content)
        self._zygote = self._parts.enter_context(checker_zygote(folder))
        self.checkers = self._parts.enter_context(CheckerPool(self._zygote, size=limits.checkers))
        self.withdrawn = Withdrawn(
            settings.revocations,
            [item.statement for item in self.approvals],
            load_officers(settings.officers),
            revoked,
        )
        judge = JudgeInChecker(
            self.checkers,
            house.own,
            limits.check_seconds,
            self.withdrawn,
            has_noise=sampler is not None,
            sealing_key=house.sealing_keys.current,
            tokens_ready=house.tokens_ready,
        )
        books, clock, incident = house.books, house.clock, house.new_incident
        self.pipeline = Pipeline(
            judge, house.reserve, books, clock, incident, self._solve(), secret, sampler, house.sealer, house.asked
        )
        self.reports = ReportLine(self.pipeline.answer, lambda: bundle, facts_at, books, clock)
        judging = Judging(
            self.judgement.catalog,
            bundle,
            lambda policies, now: self.withdrawn.check(policies, now.astimezone(SHANGHAI).date()),
        )
        self.tokens = TokenLine(judging, books, clock, incident, house.sessions)
        self.matches = MatchLine(judging, books, clock, incident, house.editions, house.sessions, sampler)
        self.judge_warnings = JudgeWarningsInChecker(self.checkers, limits.check_seconds, self.withdrawn)
        self.scores = ScoreLine(
            Parts(
                books,
                clock,
                house.models,
                house.consents,
                JudgeScoresInChecker(self.checkers, limits.check_seconds, self.withdrawn),
                house.reserve,
                house.sealing_keys.public,
                house.sealing_keys.current,
                self._add_up(),
                incident,
            )
        )

    def _add_up(self) -> AddUp:
        """Scorers start only where policies declare features."""
        if not self.judgement.bundle.platform.feature_sets:
            return no_scorer
        house, limits, folder = self._house, self._house.settings.limits, self._house.settings.score_tables
        # An installation from before there were tables has no such folder.
        folder.mkdir(mode=0o700, exist_ok=True)
        zygote = self._parts.enter_context(
            Zygote(
                scorer.ENTRY,
                preload=scorer.PRELOAD,
                prepare=scorer.PREPARE,
                environment={**WORKER_ENVIRONMENT, scorer.LOCATION: str(folder)},
                limits=ProcessLimits(
                    memory_mib=limits.memory_mib, cpu_seconds=CHECKER_CPU_S, open_files=64 + tables.MOST_OPEN
                ),
                readable=(folder,),
            )
        )
        pool = self._parts.enter_context(CheckerPool(zygote, size=limits.scorers, reply_cap=scorer.REPLY_CAP))
        add_up = AddUpInProcess(pool, limits.scorers, house.sealer, limits.score_seconds)
        models, public = house.models, house.sealing_keys.public
        self.tables = Ahead(folder, models.in_use, models.of_digest, public, add_up.shifted, add_up.renew)
        return add_up

    def _solve(self) -> Solve:
        """What keeps totals; its processes are started only where a policy in force asks for it.

        A question holds its worker's place until it is answered, so with as many solvers none waits for another.
        """
        grants = (grant for policy in self.judgement.bundle.policies for grant in policy.grants)
        if all(grant.threshold.totals is Totals.KEEP_BACK for grant in grants):
            return no_solver
        limits = self._house.settings.limits
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

    @contextmanager
    def more_checkers(self, size: int) -> Iterator[CheckerPool]:
        """Checkers beside those of questions: much to check must not hold questions up. While they are used, `retire`
        ends nothing. Raises `CheckerFailed` where it has."""
        with self._counting:
            if self._ended:
                raise CheckerFailed("died")
            self._uses += 1
        try:
            with CheckerPool(self._zygote, size=size) as checkers:
                yield checkers
        finally:
            with self._counting:
                self._uses -= 1

    def retire(self) -> bool:
        """Ends what decided by this bundle unless somebody still uses more checkers of it; whether it did."""
        with self._counting:
            if self._uses:
                return False
            self._ended = True
        self._parts.close()
        return True

    def close(self) -> None:
        """Ends every process that decided by this bundle, whoever uses it."""
        with self._counting:
            self._ended = True
        self._parts.close()
