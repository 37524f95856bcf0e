"""The gRPC methods for policy officers. What they do stands in `drafting/office.py`; here it meets the wire."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from time import monotonic

import grpc
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver.v1 import policy_pb2 as pb
from louver.v1 import policy_pb2_grpc as pb_grpc
from louver_sandbox.drafting.judges import Gone
from louver_sandbox.drafting.office import LONGEST_HISTORY, Office
from louver_sandbox.drafting.simulation import Simulation
from louver_sandbox.drafting.texts import written
from louver_sandbox.officers import Caller
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.lifecycle import Version, version_text
from louver_sandbox.policy.officers import Signature
from louver_sandbox.refusals import drafting as refusals
from louver_sandbox.service import policies_told as told
from louver_sandbox.service.edge import guarded, on_end, peer_certificate
from louver_sandbox.service.officer_limits import OfficerLimits
from louver_sandbox.wiring import Platform

AT_ONCE = 8
"""Calls of officers that are answered at once; questions of institutions are not among them.

Statuses and revocations have as many places of their own: drafts that take long keep nobody from ending a policy."""
SIMULATIONS = 1
MOST_EXAMPLES = 20
EXAMPLES = 3
DAYS = 30
LONGEST_SQL = 65_536


class Policies(pb_grpc.PolicyServiceServicer):
    """The officers' calls over one office."""

    def __init__(self, platform: Platform, office: Office) -> None:
        self._platform = platform
        self._office = office
        self._calls = threading.BoundedSemaphore(AT_ONCE)
        self._statuses = threading.BoundedSemaphore(AT_ONCE)
        self._revocations = threading.BoundedSemaphore(AT_ONCE)
        self._limits = OfficerLimits(monotonic)
        self._simulations = threading.BoundedSemaphore(SIMULATIONS)

    def GetPolicyStatus(
        self, message: pb.GetPolicyStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetPolicyStatusResponse:
        """What is in force, what is signed, what is logged."""
        with self._call(context, self._statuses) as caller:
            signer = self._office.signer(caller)
            running, stored, logged, problem = self._office.status()
            return pb.GetPolicyStatusResponse(
                running_bundle=running,
                signed_bundle=stored,
                logged_bundle=logged,
                same=running == stored == logged,
                problem=problem,
                catalog=self._platform.judgement.catalog.digest,
                serials=self._office.serials(),
                officer=signer.name,
                department=signer.department,
                since=self._platform.in_force.since.isoformat(timespec="seconds"),
            )

    def ListPolicyVersions(
        self, message: pb.ListPolicyVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListPolicyVersionsResponse:
        """Every version, and every document in force."""
        with self._call(context):
            lifecycle = self._office.lifecycle()
            standing = lifecycle.standing()
            deciding = self._platform.in_force
            return pb.ListPolicyVersionsResponse(
                versions=[told.version(item, standing) for item in lifecycle.versions()],
                documents=told.documents(deciding.judgement.bundle, deciding.approvals, standing),
            )

    def GetPolicyVersion(
        self, message: pb.GetPolicyVersionRequest, context: grpc.ServicerContext
    ) -> pb.GetPolicyVersionResponse:
        """One version as the file that is signed."""
        with self._call(context):
            version = self._office.version(message.name)
            return pb.GetPolicyVersionResponse(version=self._told(version), file=version_text(version))

    def GetPolicyDocument(
        self, message: pb.GetPolicyDocumentRequest, context: grpc.ServicerContext
    ) -> pb.GetPolicyDocumentResponse:
        """A document in force as YAML."""
        with self._call(context):
            return pb.GetPolicyDocumentResponse(text=self._office.text_in_force(message.id))

    def LintPolicy(self, message: pb.LintPolicyRequest, context: grpc.ServicerContext) -> pb.LintPolicyResponse:
        """What is wrong with a draft."""
        with self._call(context):
            return pb.LintPolicyResponse(findings=told.findings(self._office.at_desk("lint", message.text)))

    def TestPolicy(self, message: pb.TestPolicyRequest, context: grpc.ServicerContext) -> pb.TestPolicyResponse:
        """A draft's own tests."""
        with self._call(context):
            found = self._office.at_desk("test", message.text)
            return pb.TestPolicyResponse(tests=told.tests(found), findings=told.findings(found))

    def DiffPolicy(self, message: pb.DiffPolicyRequest, context: grpc.ServicerContext) -> pb.DiffPolicyResponse:
        """What a draft changes for whom."""
        with self._call(context):
            found = self._office.at_desk("diff", self._text(message.text, message.version))
            return pb.DiffPolicyResponse(changes=told.changes(found), findings=told.findings(found))

    def ExplainPolicy(
        self, message: pb.ExplainPolicyRequest, context: grpc.ServicerContext
    ) -> pb.ExplainPolicyResponse:
        """What a question comes to."""
        with self._call(context) as caller:
            asked = (message.institution, message.purpose, _sql(message.sql), message.dialect)
            case = self._office.case(caller, "explaining", *asked)
            return told.explained(self._office.at_desk("explain", message.text, case))

    def DraftGrants(self, message: pb.DraftGrantsRequest, context: grpc.ServicerContext) -> pb.DraftGrantsResponse:
        """The smallest grant that would make a question legal."""
        with self._call(context) as caller:
            asked = (message.institution, message.purpose, _sql(message.sql), message.dialect)
            case = self._office.case(caller, "drafting_grants", *asked)
            return told.grants(self._office.at_desk("grants", "", case))

    def SimulatePolicy(
        self, message: pb.SimulatePolicyRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.SimulatePolicyResponse]:
        """The questions of the last days under a draft, as it is found out."""
        with self._call(context, self._simulations) as caller:
            if message.days > LONGEST_HISTORY or message.examples > MOST_EXAMPLES:
                said = f"at most {LONGEST_HISTORY} days and {MOST_EXAMPLES} examples"
                raise refusals.draft_unfit(said, f"最多 {LONGEST_HISTORY} 天、{MOST_EXAMPLES} 个例子")
            days, examples = message.days or DAYS, message.examples or EXAMPLES
            found = self._office.to_be_simulated(caller, message.text, message.version, days)
            if "content" not in found:
                yield pb.SimulatePolicyResponse(findings=told.findings(found), finished=True)
                return
            content = str(found["content"]).encode()
            ended = threading.Event()
            on_end(context, ended.set)
            yield pb.SimulatePolicyResponse()  # heard at once: it has begun
            last: Simulation | None = None
            try:
                for last, judged in self._office.simulation(content, days, examples, ended):
                    yield told.simulation(last, judged)
            except Gone:
                return
            if last is not None:
                if message.version:
                    lifecycle = self._office.lifecycle()
                    by = {"officer": caller.signs_as, "days": days, "draft": found["digest"]}
                    lifecycle.attach(self._office.version(message.version), {**last.plain(), **by})
                yield told.simulation(last, last.distinct, finished=True)

    def SubmitPolicy(self, message: pb.SubmitPolicyRequest, context: grpc.ServicerContext) -> pb.SubmitPolicyResponse:
        """A draft becomes a version that waits for signatures."""
        with self._call(context) as caller:
            first = _day(message.effective) or self._office.today
            made = self._office.submit(caller, message.text, (first, _day(message.expires)))
            if isinstance(made, Version):
                return pb.SubmitPolicyResponse(version=self._told(made), file=version_text(made))
            return pb.SubmitPolicyResponse(findings=told.findings(made), tests=told.tests(made))

    def ApprovePolicy(
        self, message: pb.ApprovePolicyRequest, context: grpc.ServicerContext
    ) -> pb.ApprovePolicyResponse:
        """The caller's own signature."""
        with self._call(context) as caller:
            signature = Signature(message.officer, message.signature)
            return pb.ApprovePolicyResponse(version=self._told(self._office.approve(caller, message.name, signature)))

    def ActivatePolicy(
        self, message: pb.ActivatePolicyRequest, context: grpc.ServicerContext
    ) -> pb.ActivatePolicyResponse:
        """An approved version comes into force, now or on its first day."""
        with self._call(context) as caller:
            version = self._told(self._office.activate(caller, message.name))
            return pb.ActivatePolicyResponse(version=version, running_bundle=self._platform.judgement.bundle.digest)

    def RevokePolicy(self, message: pb.RevokePolicyRequest, context: grpc.ServicerContext) -> pb.RevokePolicyResponse:
        """The caller's own signed revocation."""
        with self._call(context, self._revocations) as caller:
            said = self._office.revoke(caller, message.revocation).revocation
            return pb.RevokePolicyResponse(id=said.id, serial=said.serial)

    def _told(self, version: Version) -> pb.PolicyVersion:
        return told.version(version, self._office.lifecycle().standing())

    def _text(self, text: str, version: str) -> str:
        """A draft as it was sent, or the document of a version."""
        return text if not version else written(self._office.version(version).document)

    @contextmanager
    def _call(
        self, context: grpc.ServicerContext, places: threading.BoundedSemaphore | None = None
    ) -> Iterator[Caller]:
        """Who calls, in one of the places for such calls; whatever is raised leaves as a typed status."""
        places = places or self._calls
        with guarded(context):
            caller = self._peer(context)
            urgent = places is self._statuses or places is self._revocations
            mine = nullcontext() if urgent else self._limits.call(caller.signs_as)
            with mine, _place(places):
                self._office.warm()
                try:
                    yield caller
                except BundleRefused as refused:  # a file of the installation is not what it was
                    raise refusals.bundle_unfit("; ".join(refused.reasons)) from None

    def _peer(self, context: grpc.ServicerContext) -> Caller:
        """The officer; anybody else's try is noted in the log."""
        certificate = peer_certificate(context)
        try:
            return self._platform.officers.officer(certificate)
        except Refused as refused:
            self._platform.note_stranger(certificate.fingerprint(hashes.SHA256()).hex(), refused)
            raise


@contextmanager
def _place(places: threading.BoundedSemaphore) -> Iterator[None]:
    """One of the places for such calls. Raises `Refused` LVR-7203."""
    if not places.acquire(blocking=False):
        raise refusals.office_busy("calls of officers", "政策员调用")
    try:
        yield
    finally:
        places.release()


def _day(text: str) -> date | None:
    """A Beijing day. Raises `Refused` LVR-7204."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise refusals.draft_unfit("a day is written YYYY-MM-DD", "日期格式为 YYYY-MM-DD") from None


def _sql(text: str) -> str:
    if len(text) > LONGEST_SQL:
        raise refusals.draft_unfit(f"more than {LONGEST_SQL} characters of SQL", f"SQL 超过 {LONGEST_SQL} 个字符")
    return text
