"""What officers are told, as the wire has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from louver.v1 import policy_pb2 as pb
from louver_sandbox.drafting import texts
from louver_sandbox.drafting.lifecycle import ORDERED
from louver_sandbox.drafting.outcomes import Outcome
from louver_sandbox.drafting.simulation import Example, Simulation
from louver_sandbox.policy.approvals import Approval, missing
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.lifecycle import Standing, State, Version


def version(item: Version, standing: Standing) -> pb.PolicyVersion:
    """A version with its state as it follows from now."""
    said, state = item.statement, standing.state(item)
    waiting = state in (State.DRAFT, State.REVIEW)
    return pb.PolicyVersion(
        name=item.name,
        id=said.id,
        serial=said.serial,
        owner=said.owner,
        state=state.value,
        effective=said.effective.isoformat(),
        expires=said.expires.isoformat(),
        submitter=said.submitter,
        four_eyes=said.four_eyes,
        signers=[one.officer for one in item.approval.signatures],
        waits=missing(item.approval, standing.officers) if waiting else (),
        ordered_by=str(item.report.get(ORDERED, "")),
    )


def documents(bundle: Bundle, approvals: Sequence[Approval], standing: Standing) -> list[pb.PolicyDocument]:
    """The documents in force, with what their approvals say."""
    by_id = {item.statement.id: item for item in approvals}
    found = []
    for document in texts.documents(bundle):
        said = by_id[document.id].statement
        state = State.ACTIVE
        if said.serial <= standing.revoked.get(said.id, 0):
            state = State.REVOKED
        elif said.expires < standing.today:
            state = State.EXPIRED
        found.append(
            pb.PolicyDocument(
                id=said.id,
                owner=said.owner,
                title=getattr(document, "title", ""),
                serial=said.serial,
                signers=[one.officer for one in by_id[document.id].signatures],
                state=state.value,
            )
        )
    return found


def findings(found: Mapping[str, Any]) -> list[pb.PolicyFinding]:
    """What is wrong with a draft, in the order of its lines."""
    told = [pb.PolicyFinding(**item) for item in found.get("findings", ())]
    return sorted(told, key=lambda item: (item.line, item.column))


def tests(found: Mapping[str, Any]) -> list[pb.PolicyTest]:
    """Results of tests."""
    return [pb.PolicyTest(**item) for item in found.get("tests", ())]


def changes(found: Mapping[str, Any]) -> list[pb.PolicyChange]:
    """Each change as a line, with its direction."""
    marks = {"+": "looser", "-": "stricter", "?": "unclear"}
    lines = [line for line in found.get("lines", ()) if line[:1] in marks]
    return [
        pb.PolicyChange(
            direction=marks[line[0]], told=line[1:].strip().removeprefix(marks[line[0]]).strip().replace("  ", " ")
        )
        for line in lines
    ]


def explained(found: Mapping[str, Any]) -> pb.ExplainPolicyResponse:
    """What a question comes to."""
    said = {name: value for name, value in found.items() if name not in ("outcome", "findings")}
    outcome = found.get("outcome")
    return pb.ExplainPolicyResponse(
        outcome=None if outcome is None else pb.PolicyOutcome(**outcome), findings=findings(found), **said
    )


def grants(found: Mapping[str, Any]) -> pb.DraftGrantsResponse:
    """The smallest grant, or why there is none."""
    if "findings" in found:  # it lies below a floor
        first = found["findings"][0]
        return pb.DraftGrantsResponse(code="floor", message=first["message"], message_zh=first["message_zh"])
    return pb.DraftGrantsResponse(**found)


def simulation(found: Simulation, judged: int, *, finished: bool = False) -> pb.SimulatePolicyResponse:
    """A simulation so far."""
    return pb.SimulatePolicyResponse(
        asked=found.asked,
        distinct=found.distinct,
        judged=judged,
        erased=found.erased,
        unknown=found.unknown,
        finished=finished,
        moves=[
            pb.PolicyMove(
                before=before,
                after=after,
                questions=count,
                examples=[_example(item) for item in found.examples[(before, after)]],
            )
            for (before, after), count in sorted(found.moves.items(), key=lambda item: (-item[1], item[0]))
        ],
    )


def _example(item: Example) -> pb.PolicyExample:
    return pb.PolicyExample(
        entry=item.entry,
        institution=item.institution,
        purpose=item.purpose,
        times=item.times,
        before=_outcome(item.before),
        after=_outcome(item.after),
    )


def _outcome(item: Outcome) -> pb.PolicyOutcome:
    return pb.PolicyOutcome(verdict=item.verdict, rule=item.rule, cost=dict(item.cost), terms=item.terms)
