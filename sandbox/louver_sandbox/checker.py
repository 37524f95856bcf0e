"""The checker: `judge` in a killable process that holds no data and no keys.

Parsers crash and hang, so a stranger's SQL is looked at here and nowhere else. The statement that would run is read
again by the engine's own parser before it is let through.
"""

from __future__ import annotations

import gc
import os
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from duckdb import DuckDBPyConnection

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.engines import worker
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.engines.engine import Engine
from louver_sandbox.engines.shape import Shape
from louver_sandbox.perturbation import stored
from louver_sandbox.pipeline import judge
from louver_sandbox.plan.calls import judge_call
from louver_sandbox.plan.features import judge_scores, statement_about_nobody
from louver_sandbox.plan.lookups import about_nobody
from louver_sandbox.plan.verify import form, verify
from louver_sandbox.plan.verify_scores import verify_scores
from louver_sandbox.plan.warnings import about_nobody as warned_about_nobody
from louver_sandbox.plan.warnings import judge_warnings, verify_warnings
from louver_sandbox.policy.bundle import Bundle, parse_bundle
from louver_sandbox.policy.called import is_call
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.score_plan import ScoreCase, ScoreVerdict
from louver_sandbox.stages import Case, RefusalRecord, Verdict
from louver_sandbox.warning_plan import WarningCase, WarningVerdict

LOCATION = "LOUVER_JUDGEMENT"
PRELOAD = ("sqlglot", "encodings.utf_16_be")
"""What a checker needs beside the engine. The encoding orders names in canonical JSON, and would be imported by the
first bundle that is read, when the folder it lies in is out of reach."""
LARGEST_CATALOG = 64 * 1024 * 1024
MOST_SETS = 64
"""Sets of own tables whose form, whose values, or whose catalogue is remembered."""
YOUNG_OBJECTS = 100_000
"""Objects a question may make before the collector stops it; a large one makes some ten thousand."""
SCORES = b"S"
"""Before a case about scores; one about a question begins with a brace."""
WARNINGS = b"W"
"""Before a case about warnings."""
ALL_SWEPT = 256
"""Questions after which everything made since the checker's start is looked at."""


@dataclass(frozen=True)
class Judgement:
    """What decisions are made by: the catalogue and the active policy bundle."""

    catalog: Catalog
    bundle: Bundle

    @cached_property
    def _joined(self) -> dict[int, tuple[tuple[Table, ...], Catalog]]:
        """Catalogues made already, by the identity of the own tables in them."""
        return {}

    def with_own(self, own: tuple[Table, ...]) -> Catalog:
        """The catalogue with the caller's own tables in it; the same object for this very tuple."""
        known = self._joined.get(id(own))
        if known is not None and known[0] is own:
            return known[1]
        if len(self._joined) >= MOST_SETS:
            self._joined.clear()
        tables = {**self.catalog.tables, **{table.name: table for table in own}}
        self._joined[id(own)] = (own, Catalog(tables, self.catalog.digest))
        return self._joined[id(own)][1]


def write_judgement(folder: Path, catalog: Catalog, bundle_content: bytes) -> None:
    """Leaves the catalogue and the verified bundle where checkers find them, each replaced in one step."""
    keep_judgement(folder, catalog, bundle_content)
    for name, content in (("catalog", codec.encode(catalog)), ("bundle", bundle_content)):
        _replace(folder / f"{name}.json", content)


def keep_judgement(folder: Path, catalog: Catalog, bundle_content: bytes) -> None:
    """Keeps a copy of each by its digest, so that an old decision can be replayed."""
    kept = folder / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    digest = parse_bundle(bundle_content).digest
    _replace(kept / f"catalog-{catalog.digest}.json", codec.encode(catalog))
    _replace(kept / f"bundle-{digest}.json", bundle_content)


def _replace(place: Path, content: bytes) -> None:
    fresh = place.with_name(f".{place.name}.{os.getpid()}.new")  # other services keep the same
    fresh.write_bytes(content)
    fresh.replace(place)


def read_kept(folder: Path, catalog: str, bundle: str) -> Judgement:
    """The catalogue and bundle of these digests, as they were. Raises `FileNotFoundError`."""
    kept = folder / "kept"
    return Judgement(
        codec.decode_kept((kept / f"catalog-{catalog}.json").read_bytes(), Catalog, LARGEST_CATALOG),
        parse_bundle((kept / f"bundle-{bundle}.json").read_bytes()),
    )


def read_judgement(folder: Path) -> Judgement:
    """The catalogue and the bundle that the service has left."""
    return Judgement(
        codec.decode((folder / "catalog.json").read_bytes(), Catalog, LARGEST_CATALOG),
        parse_bundle((folder / "bundle.json").read_bytes()),
    )


def record(refused: Refused) -> RefusalRecord:
    """The refusal as a value."""
    return RefusalRecord(
        code=refused.code,
        message=refused.message,
        hint=refused.hint,
        message_zh=refused.message_zh,
        hint_zh=refused.hint_zh,
        line=refused.line,
        column=refused.column,
        rule=refused.rule,
        policy_version=refused.policy_version,
        details=dict(refused.details),
        retry_after=refused.retry_after,
    )


def refused(record: RefusalRecord) -> Refused:
    """The value as a refusal."""
    return Refused(
        code=record.code,
        message=record.message,
        hint=record.hint,
        message_zh=record.message_zh,
        hint_zh=record.hint_zh,
        line=record.line,
        column=record.column,
        rule=record.rule,
        policy_version=record.policy_version,
        details=dict(record.details),
        retry_after=record.retry_after,
    )


class FormReader:
    """An engine's parser that reads each form of statement once."""

    def __init__(self, engine: Engine) -> None:
        self._parse = lru_cache(maxsize=1024)(engine.parse)

    def parse(self, statement: str) -> Shape:
        """What the engine's own parser sees in the statement's form. Raises `ShapeRefused`."""
        return self._parse(form(statement))


def reader(connection: DuckDBPyConnection) -> FormReader:
    """What reads statements by the engine behind a connection."""
    return FormReader(DuckDbEngine(connection))


MOST_KEPT = 256
"""Verdicts a checker remembers."""
LONGEST_KEPT = 16 * 1024
"""Bytes of the longest case whose verdict is remembered, its own tables aside."""


def case_to_bytes(case: Case) -> bytes:
    """The case as a checker is asked it: two lines of JSON, the second with the caller's own tables.

    They are most of a case and the same for all questions between two uploads, so each end works them out once.
    """
    return codec.encode(replace(case, own=())) + b"\n" + _own_to_bytes(case.own)


def case_from_bytes(content: bytes) -> Case:
    """The case in these bytes. Raises `codec.Malformed`."""
    asked, _, own = content.partition(b"\n")
    return replace(codec.decode(asked, Case), own=_own_from_bytes(own))


_FORMS: dict[int, tuple[tuple[Table, ...], bytes]] = {}


def _own_to_bytes(own: tuple[Table, ...]) -> bytes:
    """The tables' JSON, remembered for this very tuple: equal tables may still differ in form (1 and 1.0)."""
    known = _FORMS.get(id(own))
    if known is not None and known[0] is own:
        return known[1]
    if len(_FORMS) >= MOST_SETS:
        _FORMS.clear()
    content = codec.encode(own)
    _FORMS[id(own)] = (own, content)
    return content


@lru_cache(maxsize=MOST_SETS)
def _own_from_bytes(content: bytes) -> tuple[Table, ...]:
    return codec.decode_all(content, Table)


def anonymous(case: Case) -> Case:
    """The case without what tells one asking from another: the request's id, its time and its signature."""
    return replace(case, request=replace(case.request, id="", received=None, signature=b""))


class Checks:
    """Verdicts by one judgement, each distinct case decided once while it is remembered.

    What decides sees the anonymous case only, and the whole of it is what a verdict is remembered by; so a remembered
    verdict is the one that would be found again, whatever a case may hold one day. Another catalogue or bundle is
    another checker.
    """

    def __init__(self, judgement: Judgement, engine: FormReader, most: int = MOST_KEPT) -> None:
        self._judgement = judgement
        self._engine = engine
        self._most = most
        self._kept: OrderedDict[tuple[bytes, bytes], Verdict] = OrderedDict()

    def check(self, case: Case) -> Verdict:
        """The verdict on the case, under its own request's id."""
        verdict = self._verdict(anonymous(case))
        if verdict.plan is None:
            return verdict
        return replace(verdict, plan=replace(verdict.plan, request_id=case.request.id))

    def __len__(self) -> int:
        """How many verdicts are remembered."""
        return len(self._kept)

    def remembers(self, case: Case) -> bool:
        """Whether a case like this one need not be decided again."""
        return _key(anonymous(case)) in self._kept

    def _verdict(self, case: Case) -> Verdict:
        key = _key(case)
        verdict = self._kept.pop(key, None) or check(case, self._judgement, self._engine)
        if len(key[0]) <= LONGEST_KEPT:
            self._kept[key] = verdict
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return verdict


def _key(case: Case) -> tuple[bytes, bytes]:
    """The whole case in its JSON, where a parameter's type and form count too."""
    return codec.encode(replace(case, own=())), _own_to_bytes(case.own)


def check(case: Case, judgement: Judgement, engine: FormReader) -> Verdict:
    """The verdict on one case; `engine` reads the statement that would run once more."""
    try:
        chain = judge_call if is_call(case.request) else judge
        planned = chain(case.request, judgement.with_own(case.own), judgement.bundle, case.facts)
    except Refused as reason:
        return Verdict(None, record(reason))
    for made in (planned, *about_nobody(planned)):
        verify(made, tuple(engine.parse(statement) for statement in made.statements))
    return Verdict(planned, None)


def check_scores(case: ScoreCase, judgement: Judgement, engine: FormReader) -> ScoreVerdict:
    """The verdict on a request for scores; `engine` reads the statement that would run once more."""
    try:
        planned = judge_scores(case, judgement.catalog, judgement.bundle)
    except Refused as reason:
        return ScoreVerdict(None, record(reason))
    verify_scores(planned, engine.parse(statement_about_nobody(planned)))
    return ScoreVerdict(planned, None)


def check_warnings(case: WarningCase, judgement: Judgement, engine: FormReader) -> WarningVerdict:
    """The verdict on a template of warnings, its statement read as any lookup's and once more as it will run."""
    try:
        made, planned = judge_warnings(case, judgement.catalog, judgement.bundle)
    except Refused as reason:
        return WarningVerdict(None, record(reason))
    for one in (planned, *about_nobody(planned)):
        verify(one, tuple(engine.parse(statement) for statement in one.statements))
    verify_warnings(made, planned, engine.parse(warned_about_nobody(made)))
    return WarningVerdict(made, None)


def check_scores_here(case: ScoreCase, judgement: Judgement) -> ScoreVerdict:
    """The verdict on scores in this very process: for replaying what a checker has already let through."""
    with worker.prepare() as connection:
        return check_scores(case, judgement, reader(connection))


def check_here(case: Case, judgement: Judgement) -> Verdict:
    """The verdict on one case in this very process: for replaying what a checker has already let through."""
    with worker.prepare() as connection:
        return check(case, judgement, reader(connection))


def prepare() -> tuple[Path, DuckDBPyConnection]:
    """Run once in the zygote: where the judgement lies, and the locked engine. Children see no environment."""
    for name in (stored.PERSONS, stored.ENTERPRISES, stored.MAGNITUDE):
        # A bundle may name any of them, and where they lie is out of a checker's reach.
        stored.supplied(name)
    return Path(os.environ[LOCATION]), worker.prepare()


def main(channel: Channel, prepared: tuple[Path, DuckDBPyConnection]) -> None:
    """A checker's life: read the judgement, answer cases until the service hangs up."""
    folder, connection = prepared
    judgement, engine = read_judgement(folder), reader(connection)
    checks = Checks(judgement, engine)

    def answer(request: bytes) -> bytes:
        if request.startswith(SCORES):
            return codec.encode(check_scores(codec.decode(request[len(SCORES) :], ScoreCase), judgement, engine))
        if request.startswith(WARNINGS):
            return codec.encode(
                check_warnings(codec.decode(request[len(WARNINGS) :], WarningCase), judgement, engine)
            )
        return codec.encode(checks.check(case_from_bytes(request)))

    seal()
    serve(channel, answer, Broom().sweep)


class Broom:
    """Collects garbage between questions, when nobody waits, and not a dozen times within each.

    Syntax trees hold their parents, so only the collector frees them. What is there when the broom is made stays out
    of every collection; a question that makes very many objects is still swept up after while it is decided.
    """

    def __init__(self) -> None:
        self._swept = 0
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)

    def sweep(self) -> None:
        """Frees what the last question left, and now and then what has outlived its own question."""
        self._swept += 1
        gc.collect(0 if self._swept % ALL_SWEPT else 2)
