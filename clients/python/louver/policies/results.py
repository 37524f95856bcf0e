"""What officers are told, as values, and how messages become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from louver.v1 import policy_pb2 as pb


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a draft, and where (from 1). ``severity`` is error, warning or note."""

    line: int
    column: int
    severity: str
    code: str
    message: str
    message_zh: str
    hint: str
    hint_zh: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of a policy."""

    __test__ = False

    name: str
    passed: bool
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Tested:
    """A draft's own tests; where it comes to no policy, why."""

    tests: tuple[TestResult, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a draft changes: looser, stricter or unclear, and a line for people."""

    direction: str
    told: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a question: ``verdict`` is a treatment, a refusal's code or ``unfinished``."""

    verdict: str
    rule: str
    cost: Mapping[str, int]
    terms: str


@dataclass(frozen=True, slots=True)
class Explained:
    """An outcome, and why where it is a refusal; ``line`` and ``column`` are 0 where there is no place.

    ``outcome`` is None where the draft comes to no policy: then ``findings`` say why."""

    outcome: Outcome | None
    message: str
    message_zh: str
    hint: str
    hint_zh: str
    line: int
    column: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Grants:
    """The smallest grant as YAML; empty where the question is ``legal`` already, or none would do (``code``)."""

    text: str
    legal: bool
    code: str
    message: str
    message_zh: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document. ``state`` follows from its signatures, what is in force and the day; ``waits`` says
    what keeps it from being approved, ``ordered_by`` which officer has ordered it into force."""

    name: str
    id: str
    serial: int
    owner: str
    state: str
    effective: str
    expires: str
    submitter: str
    four_eyes: bool
    signers: tuple[str, ...]
    waits: tuple[str, ...]
    ordered_by: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document in force; ``state`` is active, revoked or expired."""

    id: str
    owner: str
    title: str
    serial: int
    signers: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """The version that a draft became and the ``file`` to sign; None where findings or tests stand against it."""

    version: Version | None
    file: bytes
    findings: tuple[Finding, ...]
    tests: tuple[TestResult, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The digests of the bundle that decides, of the stored one whose signatures hold, and of the log's last word.

    ``same``: they are one; otherwise ``problem`` may say what keeps the stored one from being taken. ``officer`` and
    ``department`` are the caller's.
    """

    running_bundle: str
    signed_bundle: str
    logged_bundle: str
    same: bool
    problem: str
    catalog: str
    serials: Mapping[str, int]
    officer: str
    department: str
    since: str


@dataclass(frozen=True, slots=True)
class Example:
    """One question whose outcome changes; ``entry`` is its newest log entry."""

    entry: int
    institution: str
    purpose: str
    times: int
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class Move:
    """How many questions move from what to what."""

    before: str
    after: str
    questions: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulation so far: ``judged`` of ``distinct`` different questions, which were asked ``asked`` times.

    ``findings`` where the draft comes to no policy.
    """

    asked: int
    distinct: int
    judged: int
    erased: int
    unknown: int
    finished: bool
    moves: tuple[Move, ...]
    findings: tuple[Finding, ...]

    @property
    def changed(self) -> int:
        """Questions that would have come out otherwise."""
        return sum(move.questions for move in self.moves)


def findings(found: Sequence[pb.PolicyFinding]) -> tuple[Finding, ...]:
    """Findings in the order of their lines."""
    return tuple(
        Finding(
            one.line,
            one.column,
            one.severity,
            one.code,
            one.message,
            one.message_zh,
            one.hint,
            one.hint_zh,
        )
        for one in found
    )


def tests(found: Sequence[pb.PolicyTest]) -> tuple[TestResult, ...]:
    """Results of tests."""
    return tuple(TestResult(one.name, one.passed, one.expected, one.got) for one in found)


def version(one: pb.PolicyVersion) -> Version:
    """A version."""
    return Version(
        one.name,
        one.id,
        one.serial,
        one.owner,
        one.state,
        one.effective,
        one.expires,
        one.submitter,
        one.four_eyes,
        tuple(one.signers),
        tuple(one.waits),
        one.ordered_by,
    )


def document(one: pb.PolicyDocument) -> Document:
    """A document in force."""
    return Document(one.id, one.owner, one.title, one.serial, tuple(one.signers), one.state)


def status(one: pb.GetPolicyStatusResponse) -> Status:
    """What is in force."""
    return Status(
        one.running_bundle,
        one.signed_bundle,
        one.logged_bundle,
        one.same,
        one.problem,
        one.catalog,
        dict(one.serials),
        one.officer,
        one.department,
        one.since,
    )


def outcome(one: pb.PolicyOutcome) -> Outcome:
    """What becomes of a question."""
    return Outcome(one.verdict, one.rule, dict(one.cost), one.terms)


def explained(one: pb.ExplainPolicyResponse) -> Explained:
    """What a question comes to."""
    return Explained(
        outcome(one.outcome) if one.HasField("outcome") else None,
        one.message,
        one.message_zh,
        one.hint,
        one.hint_zh,
        one.line,
        one.column,
        findings(one.findings),
    )


def simulated(one: pb.SimulatePolicyResponse) -> Simulated:
    """A simulation so far."""
    moves = tuple(
        Move(
            move.before,
            move.after,
            move.questions,
            tuple(
                Example(
                    item.entry,
                    item.institution,
                    item.purpose,
                    item.times,
                    outcome(item.before),
                    outcome(item.after),
                )
                for item in move.examples
            ),
        )
        for move in one.moves
    )
    counted = (one.asked, one.distinct, one.judged, one.erased, one.unknown)
    return Simulated(*counted, one.finished, moves, findings(one.findings))
