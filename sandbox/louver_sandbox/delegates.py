"""The stages that run in processes of their own, as the line calls them: judging, solving, working."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from gmpy2 import mpz

from louver.sealing import bulk
from louver.sealing.keys import PublicKey
from louver_sandbox import checker, codec, scorer
from louver_sandbox.catalog.model import Table
from louver_sandbox.encrypted_core import TokenUse
from louver_sandbox.engines import WORKER_ENTRY, WORKER_ENVIRONMENT, WORKER_PRELOAD, WORKER_PREPARE
from louver_sandbox.engines.engine import Job, Source, Translation, encode_job
from louver_sandbox.pipeline import Call, Failed
from louver_sandbox.processes.child import REQUEST_CAP
from louver_sandbox.processes.limits import Limits as ProcessLimits
from louver_sandbox.processes.pool import CheckerFailed, CheckerPool, Slot, WorkerFailed, WorkerPool
from louver_sandbox.processes.zygote import Zygote
from louver_sandbox.refusals import capacity
from louver_sandbox.score_plan import ScoreCase, ScorePlan, ScoreVerdict
from louver_sandbox.scoring.line import Pack
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.sealing import adding
from louver_sandbox.sealing.sealer import Sealer
from louver_sandbox.settings import Limits, Settings
from louver_sandbox.shelf import SnapshotUnfit
from louver_sandbox.stages import Case, Facts, Plan, Request, SourceRef, Treatment, Verdict
from louver_sandbox.suppression.pattern import Pattern, Problem
from louver_sandbox.suppression.wire import Malformed, pattern_from_bytes, problem_to_bytes
from louver_sandbox.warning_plan import WarningCase, WarningPlan, WarningVerdict
from louver_sandbox.withdrawn import Withdrawn

MIB = 1024 * 1024
MEMBER_BYTES = 192
"""What a row may take of a worker's reply that says which group it is in."""
OUR_FAULT = frozenset({"error", "reply", "too_large"})
"""Failures of a checker that no query should be able to cause; the operator has to know."""
CHECKER_CPU_S = 100_000
"""Processor time of one checker's whole life; a single case is bounded by its deadline."""


def checker_zygote(
    run: Path, entry: str = "louver_sandbox.checker:main", preload: tuple[str, ...] = (), memory_mib: int = 512
) -> Zygote:
    """Forks checkers that judge by the catalogue and bundle which `checker.write_judgement` left in this folder."""
    return Zygote(
        entry,
        preload=(*WORKER_PRELOAD, *checker.PRELOAD, *preload),
        prepare="louver_sandbox.checker:prepare",
        environment={**WORKER_ENVIRONMENT, checker.LOCATION: str(run)},
        limits=ProcessLimits(memory_mib=memory_mib, cpu_seconds=CHECKER_CPU_S),
        readable=(run,),
    )


@contextmanager
def one_worker(
    settings: Settings, locate: Callable[[str, str], Path]
) -> Iterator[Callable[[str, Call], AbstractContextManager[Worker]]]:
    """What an operator's command reserves a worker by, one at a time, where no service runs."""
    limits = settings.limits
    with (
        Zygote(
            WORKER_ENTRY,
            preload=WORKER_PRELOAD,
            prepare=WORKER_PREPARE,
            environment=WORKER_ENVIRONMENT,
            limits=ProcessLimits(memory_mib=2 * limits.memory_mib + 512),
            readable=(settings.snapshots, settings.uploads),
        ) as zygote,
        WorkerPool(zygote, size=1, queue=1, per_institution=1) as pool,
    ):

        @contextmanager
        def reserve(institution: str, call: Call) -> Iterator[Worker]:
            with pool.reserve(institution, time.monotonic() + call.deadline_s) as slot:
                yield Worker(slot, limits, locate, institution)

        yield reserve


class JudgeInChecker:
    """`judge` asked of a checker process; what a checker cannot finish is refused as too complex.

    Without `has_noise` a question that needs noise is refused, before anything is charged. `tokens_ready` refuses
    where tokens in the institution's tables cannot be read, and makes what they are read by."""

    def __init__(
        self,
        pool: CheckerPool,
        own: Callable[[str], tuple[Table, ...]],
        seconds: float,
        withdrawn: Withdrawn,
        *,
        has_noise: bool = True,
        sealing_key: Callable[[str], str] = lambda institution: "",
        tokens_ready: Callable[[Plan, str], None] = lambda plan, institution: None,
    ) -> None:
        self._tokens_ready = tokens_ready
        self._pool = pool
        self._has_noise = has_noise
        self._own = own
        self._sealing_key = sealing_key
        self._seconds = seconds
        self._withdrawn = withdrawn

    def __call__(self, request: Request, facts: Facts) -> Plan:
        """The plan. Raises `Refused`."""
        institution = request.subject.institution
        case = Case(request, self._own(institution), replace(facts, sealing_key=self._sealing_key(institution)))
        verdict = codec.decode(_checked(self._pool, checker.case_to_bytes(case), self._seconds), Verdict)
        if verdict.refusal is not None:
            raise checker.refused(verdict.refusal)
        if verdict.plan is None or verdict.plan.request_id != request.id:
            raise codec.Malformed("a verdict without a plan of this request")
        self._withdrawn.check(verdict.plan.policies, facts.today)
        if (verdict.plan.treatment is Treatment.DP or verdict.plan.privacy) and not self._has_noise:
            raise capacity.noise_not_installed()
        self._tokens_ready(verdict.plan, institution)
        return verdict.plan


class JudgeScoresInChecker:
    """`judge_scores` asked of a checker process, which is told how many subjects there are and none of them."""

    def __init__(self, pool: CheckerPool, seconds: float, withdrawn: Withdrawn) -> None:
        self._pool = pool
        self._seconds = seconds
        self._withdrawn = withdrawn

    def __call__(self, case: ScoreCase) -> ScorePlan:
        """The plan. Raises `Refused`."""
        asked = checker.SCORES + codec.encode(case)
        verdict = codec.decode(_checked(self._pool, asked, self._seconds), ScoreVerdict)
        if verdict.refusal is not None:
            raise checker.refused(verdict.refusal)
        if verdict.plan is None or verdict.plan.case != case:
            raise codec.Malformed("a verdict without a plan of this case")
        self._withdrawn.check(verdict.plan.rules.policies, case.today)
        return verdict.plan


class JudgeWarningsInChecker:
    """`judge_warnings` asked of a checker process, which knows of no subject."""

    def __init__(self, pool: CheckerPool, seconds: float, withdrawn: Withdrawn) -> None:
        self._pool = pool
        self._seconds = seconds
        self._withdrawn = withdrawn

    def __call__(self, case: WarningCase) -> WarningPlan:
        """The plan. Raises `Refused`."""
        asked = checker.WARNINGS + codec.encode(case)
        verdict = codec.decode(_checked(self._pool, asked, self._seconds), WarningVerdict)
        if verdict.refusal is not None:
            raise checker.refused(verdict.refusal)
        if verdict.plan is None or verdict.plan.case != case:
            raise codec.Malformed("a verdict without a plan of this case")
        self._withdrawn.check(verdict.plan.policies, case.today)
        return verdict.plan


def _checked(pool: CheckerPool, asked: bytes, seconds: float) -> bytes:
    """A checker's answer. Raises `Refused` for what it cannot finish, `CheckerFailed` where that is our fault."""
    try:
        return pool.ask(asked, seconds)
    except CheckerFailed as failed:
        if failed.kind == "busy":
            raise capacity.overloaded("service", 1.0) from None
        if failed.kind in OUR_FAULT:
            raise
        raise capacity.too_complex() from None


class SolveInProcess:
    """Asks a solver, each problem of a new one; what it cannot finish within its limits is a worker's fault."""

    def __init__(self, pool: CheckerPool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    def __call__(self, problem: Problem) -> Pattern | None:
        """The pattern, None where there is none or the problem is too large to ask. Raises `Failed`."""
        asked = problem_to_bytes(problem)
        if len(asked) > REQUEST_CAP:
            return None
        try:
            return pattern_from_bytes(self._pool.ask(asked, self._seconds), problem)
        except CheckerFailed as failed:
            raise Failed("timeout" if failed.kind == "busy" else failed.kind) from None
        except Malformed:
            raise Failed("reply") from None


class AddUpInProcess:
    """Asks scorers, as many at once as there are, for a few ciphertexts each; randomisers come from the sealer's
    stock."""

    def __init__(self, pool: CheckerPool, size: int, sealer: Sealer, seconds: float) -> None:
        self._pool = pool
        self._size = size
        self._sealer = sealer
        self._seconds = seconds

    def __call__(
        self,
        model: RegisteredModel,
        key: PublicKey,
        ciphertexts: Sequence[mpz],
        bins: Sequence[int],
        packs: Sequence[Pack],
    ) -> Iterator[bytes]:
        """The ciphertext of each pack, in order. Raises `Failed`."""

        def ask(part: Sequence[Pack]) -> bytes:
            powers = self._sealer.randomisers(model.kid, len(part))
            job = scorer.Job(model.digest, int(key.n), tuple(bins), tuple(ciphertexts), tuple(part), tuple(powers))
            return self._asked(scorer.job_to_bytes(job), len(part) * key.width)

        parts = [packs[start : start + scorer.PACKS] for start in range(0, len(packs), scorer.PACKS)]
        with ThreadPoolExecutor(self._size, thread_name_prefix="score") as threads:
            for reply in threads.map(ask, parts):
                yield from (reply[at : at + key.width] for at in range(0, len(reply), key.width))

    def shifted(self, key: PublicKey, ciphertexts: Sequence[mpz]) -> list[mpz]:
        """These shifted by one slot. Raises `Failed`."""
        asked = scorer.shift_to_bytes(key, ciphertexts)
        return bulk.numbers(memoryview(self._asked(asked, len(ciphertexts) * key.width)), key.width)

    def renew(self) -> None:
        """Has every scorer look for tables anew."""
        self._pool.reload()

    def _asked(self, job: bytes, expected: int) -> bytes:
        try:
            reply = self._pool.ask(job, self._seconds)
        except CheckerFailed as failed:
            raise Failed("timeout" if failed.kind == "busy" else failed.kind) from None
        if len(reply) != expected:
            raise Failed("reply")
        return reply


class AddInProcesses:
    """Multiplies ciphertexts in processes that each do one part; what they cannot finish is a worker's fault."""

    def __init__(self, pool: CheckerPool, seconds: float, processes: int) -> None:
        self._pool = pool
        self._seconds = seconds
        self._processes = processes

    def __call__(self, path: Path, key: PublicKey, columns: int, column: int, sets: Sequence[bytes]) -> list[mpz]:
        """The product of each set of rows. Raises `Failed`."""
        parts = list(adding.divided(sets, self._processes))

        def asked(part: list[tuple[int, bytes]]) -> tuple[list[int], bytes]:
            job = adding.Job(path, key, columns, column, tuple(rows for _, rows in part))
            return [place for place, _ in part], self._pool.ask(job.encode(), self._seconds)

        try:
            with ThreadPoolExecutor(self._processes) as threads:
                return adding.combined(len(sets), key, list(threads.map(asked, parts)))
        except CheckerFailed as failed:
            raise Failed("timeout" if failed.kind == "busy" else failed.kind) from None
        except adding.Unfit:
            raise Failed("reply") from None


def _rows_told(plan: Plan) -> int:
    """How many rows a worker may tell of, of which each is in one group: as many as the upload has, and as many again
    where a join repeats some."""
    return 0 if plan.encrypted is None else 2 * plan.encrypted.rows


class Worker:
    """One reserved worker as the pipeline sees it."""

    def __init__(
        self,
        slot: Slot,
        limits: Limits,
        locate: Callable[[str, str], Path],
        institution: str,
        token_tables: Callable[[TokenUse, Sequence[SourceRef], str], tuple[Path, ...]] | None = None,
    ) -> None:
        self._token_tables = token_tables
        self._slot = slot
        self._limits = limits
        self._locate = locate
        self._institution = institution

    def run(self, plan: Plan, call: Call) -> bytes:
        """The worker's Arrow reply, one stream per core. Raises `Failed`."""
        about_one = plan.lookup is not None
        return self._run(plan.sources, plan.statements, call, _rows_told(plan), plan.tokens, few=about_one)

    def run_statement(self, sources: Sequence[SourceRef], statement: str, call: Call) -> bytes:
        """The worker's Arrow reply to one statement of ours, as one stream. Raises `Failed`."""
        return self._run(sources, (statement,), call)

    def _run(
        self,
        sources: Sequence[SourceRef],
        statements: tuple[str, ...],
        call: Call,
        rows: int = 0,
        tokens: Sequence[TokenUse] = (),
        *,
        few: bool = False,
    ) -> bytes:
        seconds = max(0.05, call.deadline_s)
        job = Job(
            sources=self._sources(sources, tokens),
            statements=statements,
            row_cap=self._limits.result_rows + rows,
            byte_cap=self._limits.result_mib * MIB + MEMBER_BYTES * rows,
            memory_mib=self._limits.memory_mib,
            threads=self._limits.threads_per_worker,
            timeout_ms=int(seconds * 1000),
            few=few,
        )
        try:
            return self._slot.run(
                encode_job(job), deadline_s=seconds, cancelled=call.cancelled, reply_cap=2 * job.byte_cap
            )
        except WorkerFailed as failed:
            raise Failed(failed.kind) from None

    def _sources(self, sources: Sequence[SourceRef], tokens: Sequence[TokenUse]) -> tuple[Source, ...]:
        try:
            found = [self._locate(source.snapshot, self._institution) for source in sources]
            translated = {source.alias: self._translations(source.alias, sources, tokens) for source in sources}
        except SnapshotUnfit as unfit:
            raise Failed("snapshot") from unfit
        return tuple(
            Source(source.alias, str(path), translated[source.alias])
            for source, path in zip(sources, found, strict=True)
        )

    def _translations(
        self, alias: str, sources: Sequence[SourceRef], tokens: Sequence[TokenUse]
    ) -> tuple[Translation, ...]:
        """The columns of a source that hold tokens, each with the tables of published ids that it is read by."""
        uses = [use for use in tokens if use.source == alias]
        if not uses:
            return ()
        if self._token_tables is None:
            raise SnapshotUnfit("this worker reads no tokens")
        return tuple(
            Translation(use.column, tuple(map(str, self._token_tables(use, sources, self._institution))))
            for use in uses
        )
