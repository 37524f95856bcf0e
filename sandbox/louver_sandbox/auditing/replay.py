"""Replaying a decision: the same question, facts, catalogue and policies must reach the same verdict (law 6)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from louver.errors import Refused
from louver_sandbox import checker, codec, journal
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.audit.commitments import Opening
from louver_sandbox.audit.entries import Entry
from louver_sandbox.audit.log import MAX_PAGE, AuditLog
from louver_sandbox.catalog.model import Table
from louver_sandbox.pipeline import facts_at
from louver_sandbox.policy.match_terms import MatchMode
from louver_sandbox.policy.matching import MatchQuestion, decide_match
from louver_sandbox.policy.tokens import TokenQuestion, decide_tokens
from louver_sandbox.private_core import Wish
from louver_sandbox.score_plan import ScoreCase, ScoreVerdict
from louver_sandbox.scoring.commit import question_of as question_of_scores
from louver_sandbox.scoring.commit import statement_digest
from louver_sandbox.settings import Settings
from louver_sandbox.stages import Case, InstitutionType, Request, Subject, Verdict


@dataclass(frozen=True, slots=True)
class Deciders:
    """What makes the decisions: this process, for an operator's command, or a checker's, for a service."""

    question: Callable[[Case, checker.Judgement], Verdict] = checker.check_here
    scores: Callable[[ScoreCase, checker.Judgement], ScoreVerdict] = checker.check_scores_here


HERE: Final = Deciders()

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Replayed:
    """What the log says, what the replay found, and whether they are the same."""

    recorded: Mapping[str, str]
    found: Mapping[str, str]

    @property
    def same(self) -> bool:
        """Whether the replay confirms the entry."""
        return self.recorded == self.found


class NotReplayable(Exception):
    """The entry cannot be replayed; the text says why."""


def replay(
    index: int,
    log: AuditLog,
    settings: Settings,
    own: tuple[Table, ...],
    decide: Deciders = HERE,
) -> Replayed:
    """Decides the question of an admission entry again, or of the admission behind an outcome; `own` are the own
    tables that the admission read. Raises `NotReplayable`."""
    entry = decision(index, log)
    fields: Mapping[str, Any] = entry.fields
    if not all(_DIGEST.fullmatch(str(fields.get(name))) for name in ("catalog", "bundle")):
        raise NotReplayable("it does not name the catalogue and bundle that it was decided by")
    try:
        judgement = checker.read_kept(settings.run, fields["catalog"], fields["bundle"])
    except FileNotFoundError:
        raise NotReplayable("the catalogue or bundle of this decision is no longer kept") from None
    if (judgement.catalog.digest, judgement.bundle.digest) != (fields["catalog"], fields["bundle"]):
        raise NotReplayable("what is kept is not the catalogue and bundle of this decision")
    if fields.get("verb") == "match":
        return _match(fields, journal.moment(entry), judgement)
    if fields.get("verb") == "token":
        return _tokens(fields, journal.moment(entry), judgement)
    if fields.get("verb") == "score":
        return _score(entry, log.open(entry.index), judgement, decide)
    request = question_of(entry, log.open(entry.index), None)
    if request is None:
        raise NotReplayable("the question's text has been erased")
    facts = replace(facts_at(journal.moment(entry)), sealing_key=str(_seal(entry).get("key", "")))
    case = Case(request, own, facts)
    verdict = decide.question(case, judgement)
    recorded = {name: str(fields[name]) for name in ("treatment", "question", "statement_sha256")}
    if verdict.plan is None:
        return Replayed(recorded, {"refused": verdict.refusal.code if verdict.refusal else "-"})
    found = {
        "treatment": verdict.plan.treatment.value,
        "question": verdict.plan.question,
        "statement_sha256": journal.statement_digest(verdict.plan),
    }
    return Replayed(recorded, found)


def _tokens(fields: Mapping[str, Any], moment: datetime, judgement: checker.Judgement) -> Replayed:
    """The decision about tokens: by the same rules, at the same price."""
    question = TokenQuestion(_subject(fields), str(fields["element"]), int(fields["ids"]))
    (charged,) = fields["charges"]
    recorded = {"rules": str(list(fields["rules"])), "charges": f"{charged['amount']} {charged['kind']}"}
    try:
        admitted = decide_tokens(question, judgement.catalog, judgement.bundle, facts_at(moment))
    except Refused as refused:
        return Replayed(recorded, {"refused": refused.code})
    return Replayed(
        recorded, {"rules": str(list(admitted.rules)), "charges": f"{question.ids} {admitted.charge.kind}"}
    )


def _score(entry: Entry, openings: Mapping[str, Opening], judgement: checker.Judgement, decide: Deciders) -> Replayed:
    """The decision about scores: the same statement by the same rules at the same price, for the same subjects.

    Which of these an authorisation covered depends on the books, so it is not decided again."""
    fields: Mapping[str, Any] = entry.fields
    if "scorecard" not in fields:
        raise NotReplayable("it is from before admissions of scores named their model and auditor")
    if "decisions" not in openings:
        raise NotReplayable("the list of subjects has been erased")
    pairs = [(subject, held) for subject, held, _ in json.loads(openings["decisions"].text)]
    case = ScoreCase(
        _subject(fields),
        str(fields["purpose"]),
        str(fields["feature_set"]),
        str(fields["feature_set_sha256"]),
        str(fields["scorecard"]),
        str(fields["auditor"]),
        len(pairs),
        facts_at(journal.moment(entry)).today,
    )
    recorded = {name: str(fields[name]) for name in ("question", "statement_sha256", "snapshots", "rules")}
    recorded["limits"] = str([item["limit"] for item in fields["charges"]])
    verdict = decide.scores(case, judgement)
    if verdict.plan is None:
        return Replayed(recorded, {"refused": verdict.refusal.code if verdict.refusal else "-"})
    plan = verdict.plan
    limits = [one.limit for one in plan.rules.queries] + [plan.rules.subjects_per_day]
    found = {
        "question": question_of_scores(str(fields["model"]), pairs, plan),
        "statement_sha256": statement_digest(plan),
        "snapshots": str({str(source.table): source.snapshot for source in plan.features.sources}),
        "rules": str(list(plan.rules.rules)),
        "limits": str(limits),
    }
    return Replayed(recorded, found)


def _subject(fields: Mapping[str, Any]) -> Subject:
    """Who asked, as the entry describes it."""
    told = fields["subject"]
    kind = InstitutionType(told["type"])
    return Subject(str(fields["institution"]), kind, frozenset(told["groups"]), str(fields["certificate"]))


def _match(fields: Mapping[str, Any], moment: datetime, judgement: checker.Judgement) -> Replayed:
    """The decision about a match, which had no text: the same set, by the same rules, at the same price."""
    mode = MatchMode(fields["mode"])
    asked = (str(fields["purpose"]), str(fields["list"]), mode, int(fields["ids"]), int(fields.get("largest", 0)))
    question = MatchQuestion(_subject(fields), *asked)
    charges = ", ".join(f"{item['amount']} {item['kind']}" for item in fields["charges"])
    recorded = {"edition": str(fields["edition"]), "rules": str(list(fields["rules"])), "charges": charges}
    try:
        admitted = decide_match(question, judgement.catalog, judgement.bundle, facts_at(moment))
    except Refused as refused:
        return Replayed(recorded, {"refused": refused.code})
    charges = ", ".join(f"{item.amount} {item.charge.kind}" for item in admitted.charges)
    found = {"edition": admitted.spec.id, "rules": str(list(admitted.rules)), "charges": charges}
    return Replayed(recorded, found)


def decision(index: int, log: AuditLog) -> Entry:
    """The admission that an entry is or comes from: an outcome names it, or the outcome whose answer it repeats. One
    that was shared names nothing, so that its receipt tells nothing: the first with the same bytes is meant."""
    entry = log.entry(index)
    while entry.fields["kind"] == "outcome":
        earlier = entry.fields.get("admission", entry.fields.get("same_as"))
        if entry.fields.get("shared"):
            earlier = _released(entry, log)
        if not isinstance(earlier, int) or earlier >= entry.index:
            raise NotReplayable(f"entry {entry.index} names no decision")
        entry = log.entry(earlier)
    if entry.fields["kind"] != "admission":
        raise NotReplayable(f"entry {index} is of kind {entry.fields['kind']}; no decision stands behind it")
    return entry


def _released(shared: Entry, log: AuditLog) -> int | None:
    """The outcome that has released what another one shares."""
    same, start = ("question", "result_digest"), 0
    while page := log.entries(start, MAX_PAGE, kind="outcome"):
        for entry in page:
            if all(entry.fields.get(name) == shared.fields.get(name) for name in same):
                return entry.index
        start = page[-1].index + 1
    return None


def question_of(entry: Entry, openings: Mapping[str, Opening], known: Subject | None) -> Request | None:
    """The question that an entry is about, None where its text has been erased.

    `known` is the requester of entries that do not describe theirs (refusals of older versions).
    """
    fields: Mapping[str, Any] = entry.fields
    if "sql" not in openings or "parameters" not in openings:
        return None
    subject = known
    if "subject" in fields or subject is None:
        subject = _subject(fields)
    parameters = {name: _value(kind, text) for name, kind, text in ast.literal_eval(openings["parameters"].text)}
    # Entries from before there were dialects are in DuckDB's.
    dialect = str(fields.get("dialect", "duckdb"))
    made = Request(fields["request_id"], subject, fields["purpose"], openings["sql"].text, parameters, dialect)
    seal = _seal(entry)
    made = replace(made, seal=str(seal["scheme"])) if seal.get("asked") else made
    return replace(made, wish=codec.decode_kept(fields["wish"].encode(), Wish)) if "wish" in fields else made


def _seal(entry: Entry) -> Mapping[str, Any]:
    """What an admission says of its answer's seal; nothing where it is not sealed."""
    fields: Mapping[str, Any] = entry.fields
    seal: Mapping[str, Any] = fields.get("seal", {})
    return seal


def _value(kind: str, text: str) -> Value:
    match kind:
        case "bool":
            return text == "True"
        case "int":
            return int(text)
        case "Decimal":
            return Decimal(text)
        case "date":
            return date.fromisoformat(text)
        case "datetime":
            return datetime.fromisoformat(text)
        case _:
            return text
