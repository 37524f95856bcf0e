"""Between wire messages and values. What is missing or not of its form is refused with the field's name."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from louver.errors import Refused
from louver.sealing.columns import SCHEME
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.accounting import unit_sets
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.commit import Preview, remaining
from louver_sandbox.obligations import (
    NoiseRules,
    RoundingKind,
    Seal,
    ThresholdRules,
    Totals,
    UnitSetCap,
)
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.release import notices
from louver_sandbox.release.accuracies import accuracies
from louver_sandbox.release.encrypted_told import with_encrypted
from louver_sandbox.release.losses import predicted
from louver_sandbox.sealing.registry import Registered
from louver_sandbox.service import budgets, explaining, gauge, rules_told, wishes
from louver_sandbox.stages import Accuracy, Notice, Plan, Receipted, Request, Subject

DIALECT = re.compile(r"[a-z]{0,16}\Z")
PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,63}\Z")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
DECIMAL = re.compile(r"-?[0-9]{1,38}(\.[0-9]{1,38})?\Z")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
SEALS = ("", SCHEME)
LONGEST_TEXT = 4096
MOST_PARAMETERS = 64
PIECE = 512 * 1024


def parameter(name: str, value: pb.Value) -> Value:
    """A typed constant. Raises `Refused` LVR-0105."""
    kind = value.WhichOneof("kind")
    try:
        match kind:
            case "boolean":
                return value.boolean
            case "integer":
                return value.integer
            case "decimal" if DECIMAL.match(value.decimal):
                return Decimal(value.decimal)
            case "text" if len(value.text) <= LONGEST_TEXT:
                return value.text
            case "date" if DATE.match(value.date):
                return date.fromisoformat(value.date)
    except (ValueError, InvalidOperation):
        raise refusals.malformed_request(f"parameters.{name}") from None
    raise refusals.malformed_request(f"parameters.{name}")


def parameters(values: Mapping[str, pb.Value]) -> Mapping[str, Value]:
    """Every named parameter."""
    if len(values) > MOST_PARAMETERS or not all(PARAMETER.match(name) for name in values):
        raise refusals.malformed_request("parameters")
    return {name: parameter(name, values[name]) for name in sorted(values)}


def request(question: pb.Question, subject: Subject) -> Request:
    """The question as a value. Raises `Refused` LVR-0105, LVR-2365, LVR-2367."""
    try:
        if str(uuid.UUID(question.request_id)) != question.request_id:
            raise refusals.malformed_request("request_id")
    except ValueError:
        raise refusals.malformed_request("request_id") from None
    if not PURPOSE.match(question.purpose):
        raise refusals.malformed_request("purpose")
    if not DIALECT.match(question.dialect):
        raise refusals.malformed_request("dialect")
    if question.seal not in SEALS:
        raise refusals.malformed_request("seal")
    if not question.sql.strip():
        raise refusals.malformed_request("sql")
    return Request(
        id=question.request_id,
        subject=subject,
        purpose=question.purpose,
        sql=question.sql,
        parameters=parameters(question.parameters),
        dialect=question.dialect or "duckdb",
        signature=question.signature,
        seal=question.seal,
        wish=wishes.wish(question.epsilon, question.accuracy),
    )


def dry_request(message: pb.ExplainRequest, subject: Subject) -> Request:
    """A question to be explained: it needs no id and no signature, for nothing is released or spent."""
    question = pb.Question(
        request_id=str(uuid.uuid4()),
        purpose=message.purpose,
        sql=message.sql,
        parameters=message.parameters,
        dialect=message.dialect,
        seal=message.seal,
        epsilon=message.epsilon,
        accuracy=message.accuracy,
    )
    return request(question, subject)


def upload(messages: Iterator[pb.UploadTableRequest]) -> tuple[str, bool, _Arriving]:
    """The name, whether it may replace another table, and the bytes to come. Raises `Refused` LVR-0105."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "header":
        raise refusals.malformed_request("header")
    return first.header.name, first.header.replace, _Arriving(messages, first.header)


class _Arriving:
    """An upload as the wire carries it."""

    def __init__(self, messages: Iterator[pb.UploadTableRequest], header: pb.UploadHeader) -> None:
        self._messages = messages
        self.upload = header.upload_id
        self.offset = header.offset
        self.sha256: bytes | None = None

    def __iter__(self) -> Iterator[bytes]:
        for message in self._messages:
            match message.WhichOneof("part"):
                case "arrow" if self.sha256 is None:
                    yield message.arrow
                case "end" if self.upload and self.sha256 is None:
                    self.sha256 = message.end.sha256
                case _:
                    raise refusals.malformed_request("arrow")


def sealing_key(kept: Registered, current: str) -> pb.SealingKey:
    """A registered key as the wire carries it; `current` is the id of the one that answers are sealed to."""
    return pb.SealingKey(
        kid=kept.key.kid,
        bits=kept.key.bits,
        registered=kept.registered.isoformat(),
        expires=kept.expires.isoformat(),
        current=kept.key.kid == current,
        log_index=kept.entry,
    )


def notice(value: Notice) -> pb.Notice:
    """A notice as the wire carries it."""
    return pb.Notice(
        code=value.code, count=value.count, rule=value.rule, message=value.message, message_zh=value.message_zh
    )


def accuracy(value: Accuracy) -> pb.Accuracy:
    """How exact a column is, as the wire carries it."""
    return pb.Accuracy(
        column=value.column,
        kind=value.kind,
        standard_error=value.standard_error,
        below=value.below,
        above=value.above,
        message=value.message,
        message_zh=value.message_zh,
        relative_error=value.relative_error,
        low=value.low,
        high=value.high,
        share=value.share,
        sealed=value.sealed,
    )


def header(request_id: str, receipted: Receipted, *, development: bool) -> pb.AnswerHeader:
    """What comes before the rows."""
    answer = receipted.answer
    return pb.AnswerHeader(
        request_id=request_id,
        treatment=answer.treatment.value,
        notices=[notice(item) for item in (*answer.notices, *budgets.losses(answer, stored=receipted.stored))],
        cost={} if receipted.stored else dict(answer.cost),
        remaining=dict(answer.remaining),
        arrow_bytes=len(answer.arrow),
        result_sha256=hashlib.sha256(answer.arrow).digest(),
        stored=receipted.stored,
        policies=list(answer.policies),
        development=development,
        rows=answer.rows,
        remainder_arrow=answer.remainder,
        accuracy=[accuracy(item) for item in answer.accuracy],
        privacy=gauge.losses(answer.privacy, stored=receipted.stored),
    )


def pieces(content: bytes) -> list[bytes]:
    """The content in messages that fit gRPC's default limit."""
    return [content[start : start + PIECE] for start in range(0, len(content), PIECE)] or [b""]


_TOTALS: Mapping[Totals, tuple[str, ...]] = {
    Totals.KEEP_BACK: (),
    Totals.COMPLEMENTARY: ("further cells are withheld so that totals may be shown",),
    Totals.KNOWN: ("further cells are withheld, since the totals of every table count as known",),
}


def obligations(rules: ThresholdRules | None) -> list[str]:
    """What a threshold answer will be held to, in words."""
    if rules is None:
        return []
    two = rules.dominance_of_two
    prior = "" if rules.prior_percent == 100 else f" who knows all to within {rules.prior_percent} %"
    least = [f"at least {k} units of type {unit.value} in every cell" for unit, k in sorted(rules.k.items())]
    return [
        *least,
        f"no unit above {rules.dominance_percent} % of a sum",
        *([] if two is None else [f"no two units together above {two} % of a sum"]),
        f"no contribution estimable within {rules.p_percent} % by another" + prior,
        "withheld cells are counted in a notice" + (" and shown together where safe" if rules.remainder else ""),
        *_TOTALS[rules.totals],
        *([] if rules.noise is None else [noise(rules.noise)]),
        *([] if rules.unit_sets is None else [cap(rules.unit_sets)]),
        *([] if rules.seal is Seal.NONE else [f"numbers leave encrypted to your key ({rules.seal.value})"]),
    ]


def cap(rules: UnitSetCap) -> str:
    """The cap on released cells, in words."""
    return (
        f"released groups are at most {rules.percent} % of the units of each data version for all institutions "
        f"together, {rules.institution_percent} % of these for one"
    )


def noise(rules: NoiseRules) -> str:
    """The noise of a threshold answer, in words."""
    tables = ", ".join(f"{name} for {unit.value}" for unit, name in sorted(rules.tables.items())) or "no table"
    rounding = "" if rules.rounding is RoundingKind.NONE else f", rounded ({rules.rounding}) to {rules.base}"
    sums = "no sums" if rules.share is None else f"sums {rules.share} of their largest contributions"
    return f"counts have noise by cell key ({tables}){rounding}; {sums}"


def explanation(plan: Plan, statement: str, preview: Preview) -> pb.ExplainResponse:
    """A plan as a dry run tells it, with what asking it would cost and leave."""
    cost: dict[str, int] = {}
    for charge in () if preview.stored else plan.charges:
        cost[f"{charge.dataset} {charge.kind}"] = cost.get(f"{charge.dataset} {charge.kind}", 0) + charge.amount
    limits = budgets.rules(plan, preview.balances, preview.privacy)
    said = (*explaining.certain_notices(plan), *((notices.stored(),) if preview.stored else ()))
    return pb.ExplainResponse(
        admitted=True,
        treatment=plan.treatment.value,
        statement=statement,
        cost={**cost, **unit_sets.cost(preview.cells)},
        remaining={**remaining(preview.balances), **unit_sets.remaining(preview.cells)},
        policies=list(plan.policies),
        uses=[
            pb.ColumnUse(table=str(use.table), column=use.column, clause=use.clause.value, function=use.function)
            for use in plan.uses
        ],
        columns=[pb.Column(name=one.name, type=one.type) for one in explaining.outcomes(plan)],
        obligations=obligations(plan.threshold),
        outcomes=[
            pb.Outcome(name=one.name, type=one.type, kind=one.kind, message=one.told[0], message_zh=one.told[1])
            for one in explaining.outcomes(plan)
        ],
        rules=[notice(rule) for rule in (*rules_told.rules(plan), *limits)],
        notices=[notice(item) for item in said],
        shape=explaining.shape(plan),
        accuracy=[accuracy(item) for item in with_encrypted((*accuracies(plan), *predicted(plan)), plan)],
        privacy=gauge.losses(preview.privacy),
    )


def refused_explanation(refused: Refused) -> pb.ExplainResponse:
    """A refusal as a dry run tells it: an answer, not an error."""
    return pb.ExplainResponse(
        admitted=False,
        refusal=pb.RefusalSummary(
            code=refused.code,
            message=refused.message,
            hint=refused.hint,
            message_zh=refused.message_zh,
            hint_zh=refused.hint_zh,
            line=refused.line or 0,
            column=refused.column or 0,
            rule=refused.rule,
            policy_version=refused.policy_version,
            details=dict(refused.details),
        ),
    )
