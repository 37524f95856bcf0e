"""A platform for scores in one process: ten features of one table, small keys, a real log and DuckDB as the worker."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import duckdb
import pyarrow as pa
from gmpy2 import mpz
from tests.support import scorecards
from tests.support.line import Line, line
from tests.support.policy_questions import BANK_A
from tests.support.relations import column, table
from tests.support.sealed import SIZES, small_key

from louver.scoring.audit import Certificate, certify
from louver.scoring.cards import FeatureSet
from louver.scoring.models import Model
from louver.sealing import proofs
from louver.sealing.keys import PrivateKey, PublicKey
from louver.sealing.randomisers import randomisers
from louver_sandbox import checker, journal
from louver_sandbox.algebra.types import INTEGER, TEXT
from louver_sandbox.catalog.model import Catalog, PrivacyUnit, Table, UnitType, Verb
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.engines import worker
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.pipeline import Call, Failed
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.model import Platform, Policy
from louver_sandbox.score_plan import ScoreCase, ScorePlan
from louver_sandbox.scoring.line import Answered, Pack, Parts, ScoreLine
from louver_sandbox.scoring.models import Models
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.sealing.keys import SealingKeys
from louver_sandbox.sealing.packing import Scorer
from louver_sandbox.stages import Request, SourceRef, Subject

KEY = small_key()
PURPOSE = "LOAN_ORIGINATION"
FIRMS = tuple(f"9137020{number:011d}" for number in range(12))
_drawn = random.Random(11)
VALUES = {firm: tuple(_drawn.randrange(8) for _ in range(10)) for firm in FIRMS}
"""What the table holds of each firm; 7 stands for no value."""


def firm_table() -> Table:
    """One row of ten numbers for each firm."""
    columns = [column("uscc", TEXT), *(column(f"c{number}", INTEGER, level=4) for number in range(10))]
    made = table("gov.firm", columns, [PrivacyUnit(UnitType.ENTERPRISE, "uscc", 1)])
    return replace(made, operable=frozenset({Verb.SCORE}))


def documents(**terms: object) -> tuple[Platform, Policy]:
    """The house with a feature set, and the owner's grant with these terms of scoring."""
    features = [
        {"name": f"f{number}", "table": "gov.firm", "take": "max", "column": f"c{number}", "edges": ["1", "2", "4"]}
        for number in range(10)
    ]
    budget = {"queries_per_day": 50, "predicates_per_day": 1}
    platform = {
        "kind": "platform",
        "id": "platform",
        "version": "1",
        "expires": "2099-12-31",
        "purposes": {PURPOSE: "loans", "RESEARCH": "research"},
        "groups": {"banks": {"title": "banks"}},
        "own_data_budget": budget,
        "feature_sets": {
            "credit": {"title": "t", "unit": "enterprise", "subjects": "gov.firm", "features": features}
        },
    }
    grant = {
        "id": "scores",
        "to": {"groups": ["banks"]},
        "verbs": ["score"],
        "purposes": [PURPOSE],
        "valid": {"from": "2020-01-01", "until": "2099-12-31"},
        "table": "gov.firm",
        "columns": {name: ["score"] for name in ("uscc", *(f"c{number}" for number in range(10)))},
        "treatment": "authorised",
        "scoring": {"auditors": [scorecards.AUDITOR], "subjects_per_day": 100, "models_per_quarter": 9, **terms},
        "budget": budget,
    }
    policy = {"kind": "policy", "id": "firms", "version": "1", "owner": "owner", "title": "t", "grants": [grant]}
    return Platform.model_validate(platform), Policy.model_validate(policy)


class DuckDbWorker:
    """Runs statements over the firms, in this process."""

    def run_statement(self, sources: Sequence[SourceRef], statement: str, call: Call) -> bytes:
        """One Arrow IPC stream."""
        rows = [(firm, *(None if value == 7 else value for value in of)) for firm, of in VALUES.items()]
        names = ", ".join(["uscc VARCHAR", *(f"c{number} BIGINT" for number in range(10))])
        with duckdb.connect() as connection:
            for source in sources:
                connection.execute(f"ATTACH ':memory:' AS {source.alias}")
                connection.execute(f"CREATE TABLE {source.alias}.main.data ({names})")
                marks = ", ".join("?" * 11)
                connection.executemany(f"INSERT INTO {source.alias}.main.data VALUES ({marks})", rows)
            found = connection.sql(statement).to_arrow_table()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, found.schema) as writer:
            writer.write_table(found)
        return bytes(sink.getvalue().to_pybytes())


@dataclass
class ScoreWorld:
    """A platform for scores, bank A's key registered. ``broken`` makes the adding up fail."""

    line: Line
    keys: SealingKeys
    models: Models
    consents: Consents
    scores: ScoreLine
    features: FeatureSet
    bundle: Bundle
    broken: list[bool] = field(default_factory=list)

    def register(self, model: Model, certificate: Certificate, who: Subject = BANK_A) -> RegisteredModel:
        """As the service does it."""
        return self.models.register(who, model, certificate, b"signature")

    def registered(self, version: str = "1", points: Sequence[Sequence[int]] | None = None) -> RegisteredModel:
        """A model as an auditor signs it."""
        opening = scorecards.opening(KEY, self.features, scorecards.card(self.features, points, version=version))
        return self.register(opening.model, certify(opening, scorecards.AUDITOR, scorecards.AUDITOR_KEY))

    def authorise(self, firm: str, who: Subject = BANK_A, **changes: object) -> str:
        """An authorisation that covers a score."""
        today = self.line.clock().date()
        given: dict[str, object] = {
            "unit": "enterprise",
            "subject": firm,
            "purpose": PURPOSE,
            "scope": ("gov.firm",),
            "granted_on": (today - timedelta(days=1)).isoformat(),
            "expires_on": (today + timedelta(days=30)).isoformat(),
            "evidence_sha256": "ab" * 32,
            "single_consent": False,
            "adverse_notice": False,
            "uses": 1,
            **changes,
        }
        return self.consents.record(who, Consent(**given))[0]  # type: ignore[arg-type]

    def score(
        self,
        model: RegisteredModel,
        pairs: Sequence[tuple[str, str]],
        request_id: str | None = None,
        purpose: str = PURPOSE,
        who: Subject = BANK_A,
    ) -> Answered:
        """A request for scores."""
        told = f"SCORE {pairs} WITH {model.digest}"
        request = Request(request_id or str(uuid.uuid4()), who, purpose, told)
        return self.scores.score(request, model.digest, pairs, Call(30.0, Event(), lambda stage: None))


def bins_of(firm: str) -> tuple[int, ...]:
    """The bins of a firm, by the edges 1, 2 and 4."""
    return tuple(0 if value == 7 else 1 + (value >= 1) + (value >= 2) + (value >= 4) for value in VALUES[firm])


@contextmanager
def score_world(folder: Path, **terms: object) -> Iterator[ScoreWorld]:
    """The platform, on a disk of its own."""
    platform, policy = documents(**terms)
    bundle = Bundle(platform, (policy,), "b" * 64)
    made = firm_table()
    catalog = Catalog({made.name: made}, "c" * 64)
    broken: list[bool] = []
    with line(folder) as opened, worker.prepare() as connection:
        books, clock = opened.books, opened.clock
        append = partial(journal.appended, books)
        keys = SealingKeys(books.state, clock, partial(journal.noted, books), sizes=SIZES)
        register_key(keys, KEY, clock())
        consents = Consents(books.state, clock, append)
        judgement: Callable[[], tuple[Catalog, Bundle]] = lambda: (catalog, bundle)  # noqa: E731
        auditors: Mapping[str, bytes] = {scorecards.AUDITOR: scorecards.AUDITOR_PUBLIC}
        models = Models(books.state, clock, append, keys, judgement, lambda: auditors)
        engine = checker.FormReader(DuckDbEngine(connection))

        def judge(case: ScoreCase) -> ScorePlan:
            verdict = checker.check_scores(case, checker.Judgement(catalog, bundle), engine)
            if verdict.refusal is not None:
                raise checker.refused(verdict.refusal)
            assert verdict.plan is not None
            return verdict.plan

        scorer = Scorer(random.Random(2).randrange)

        def add_up(
            model: RegisteredModel,
            key: PublicKey,
            ciphertexts: Sequence[mpz],
            bins: Sequence[int],
            packs: Sequence[Pack],
        ) -> Iterator[bytes]:
            if broken:
                raise Failed("died")
            powers = randomisers(key, len(packs))
            for content in scorer.score(model.digest, key, ciphertexts, bins, packs, powers):
                yield int(content).to_bytes(key.width, "big")

        @contextmanager
        def reserve(institution: str, call: Call) -> Iterator[DuckDbWorker]:
            yield DuckDbWorker()

        parts = Parts(
            books,
            clock,
            models,
            consents,
            judge,
            reserve,
            keys.public,
            keys.current,
            add_up,
            str,
        )
        features = FeatureSet("credit", platform.feature_sets["credit"].definition)
        yield ScoreWorld(opened, keys, models, consents, ScoreLine(parts), features, bundle, broken)


def register_key(keys: SealingKeys, key: PrivateKey, now: datetime) -> None:
    """As the service does it, for bank A."""
    proof = proofs.prove(key, BANK_A.institution)
    keys.register(BANK_A, key.public.to_bytes(), proof, now + timedelta(days=365), b"signed")
