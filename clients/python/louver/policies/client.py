"""The officers' client: ``louver.policies.connect()``. It asks nothing of the data, and sends no key."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import grpc

from louver import access
from louver.connection import Connection, awaited
from louver.failures import Misused
from louver.policies import results
from louver.settings import settle
from louver.surroundings import Surroundings
from louver.v1 import access_pb2 as access_pb
from louver.v1 import policy_pb2 as pb
from louver.v1.access_pb2_grpc import AccessOfficeServiceStub
from louver.v1.policy_pb2_grpc import PolicyServiceStub

Q = TypeVar("Q")
R = TypeVar("R")

SIMULATION_SECONDS = 3600.0
CONNECTING_SECONDS = 20.0


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    log_key: str | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    surroundings: Surroundings | None = None,
) -> PolicyClient:
    """A client of the decision point at ``target``, by an officer's certificate; see ``louver.connect`` for where
    settings come from. Raises ``Misused``."""
    return PolicyClient(
        settle(
            target,
            profile=profile,
            certificate=certificate,
            key=key,
            ca=ca,
            log_key=log_key,
            timeout=timeout,
            verify=verify,
            surroundings=surroundings,
        )
    )


class PolicyClient(Connection):
    """An officer's connection to a sandbox. What changes something is in the log before it counts."""

    @property
    def _stub(self) -> PolicyServiceStub:
        return PolicyServiceStub(self._channel)

    def status(self) -> results.Status:
        """What decides, what is signed, what the log says: and whether that is one and the same."""
        return results.status(self._call(self._stub.GetPolicyStatus, pb.GetPolicyStatusRequest()))

    def versions(self) -> tuple[results.Version, ...]:
        """Every version of every document with its state."""
        found = self._call(self._stub.ListPolicyVersions, pb.ListPolicyVersionsRequest())
        return tuple(map(results.version, found.versions))

    def documents(self) -> tuple[results.Document, ...]:
        """The documents in force."""
        found = self._call(self._stub.ListPolicyVersions, pb.ListPolicyVersionsRequest())
        return tuple(map(results.document, found.documents))

    def version(self, name: str) -> tuple[results.Version, bytes]:
        """A version, and the file that is reviewed and signed (``louver.approving.read_version``)."""
        found = self._call(self._stub.GetPolicyVersion, pb.GetPolicyVersionRequest(name=name))
        return results.version(found.version), found.file

    def document(self, name: str) -> str:
        """A document in force as YAML, to go on from."""
        return self._call(self._stub.GetPolicyDocument, pb.GetPolicyDocumentRequest(id=name)).text

    def lint(self, text: str) -> tuple[results.Finding, ...]:
        """What is wrong with a draft, held against the catalogue, the registry and what is in force."""
        return results.findings(self._call(self._stub.LintPolicy, pb.LintPolicyRequest(text=text)).findings)

    def test(self, text: str) -> results.Tested:
        """The draft's own tests, beside everything that is in force."""
        found = self._call(self._stub.TestPolicy, pb.TestPolicyRequest(text=text))
        return results.Tested(results.tests(found.tests), results.findings(found.findings))

    def diff(
        self, text: str = "", *, version: str = ""
    ) -> tuple[tuple[results.Change, ...], tuple[results.Finding, ...]]:
        """What a draft, or a version, changes for whom; and what is wrong with it where it comes to no policy."""
        found = self._call(self._stub.DiffPolicy, pb.DiffPolicyRequest(text=text, version=version))
        changes = tuple(results.Change(one.direction, one.told) for one in found.changes)
        return changes, results.findings(found.findings)

    def explain(
        self, sql: str, *, institution: str, purpose: str, text: str = "", dialect: str = ""
    ) -> results.Explained:
        """What an institution's question comes to, under what is in force or under a draft."""
        asked = pb.ExplainPolicyRequest(institution=institution, purpose=purpose, sql=sql, text=text, dialect=dialect)
        return results.explained(self._call(self._stub.ExplainPolicy, asked))

    def grants_for(self, sql: str, *, institution: str, purpose: str, dialect: str = "") -> results.Grants:
        """The smallest grant that would make a question legal, with its risks as comments."""
        asked = pb.DraftGrantsRequest(institution=institution, purpose=purpose, sql=sql, dialect=dialect)
        found = self._call(self._stub.DraftGrants, asked)
        return results.Grants(found.text, found.legal, found.code, found.message, found.message_zh)

    def simulate(
        self, text: str = "", *, version: str = "", days: int = 30, examples: int = 3
    ) -> Iterator[results.Simulated]:
        """The questions of the last days under a draft, as it is found out; the last one is ``finished``.

        With a version the result is kept for those who are to approve it.
        """
        if days < 1 or examples < 0:
            raise Misused("a simulation has one day or more, and no fewer than no examples")
        asked = pb.SimulatePolicyRequest(text=text, version=version, days=days, examples=examples)
        self._await_connection()
        call = self._stub.SimulatePolicy(asked, timeout=SIMULATION_SECONDS)
        parts = iter(call)
        try:
            while (part := self._translated(lambda: next(parts, None))) is not None:
                yield results.simulated(part)
        finally:
            call.cancel()

    def submit(self, text: str, *, effective: str = "", expires: str = "") -> results.Submitted:
        """Files a draft as a version of the caller's, for signatures; days are Beijing days ``YYYY-MM-DD``."""
        asked = pb.SubmitPolicyRequest(text=text, effective=effective, expires=expires)
        found = self._once(self._stub.SubmitPolicy, asked)
        made = results.version(found.version) if found.HasField("version") else None
        return results.Submitted(made, found.file, results.findings(found.findings), results.tests(found.tests))

    def approve(self, name: str, signature: Mapping[str, str]) -> results.Version:
        """Files the caller's own signature, as ``louver.approving.signature`` or ``louver policy sign`` made it.

        Raises ``Misused`` for what is no signature."""
        try:
            signed = base64.b64decode(signature["signature"], validate=True)
            asked = pb.ApprovePolicyRequest(name=name, officer=str(signature["officer"]), signature=signed)
        except (KeyError, TypeError, ValueError):
            raise Misused("not a signature of a version", "`louver policy sign` writes one") from None
        return results.version(self._once(self._stub.ApprovePolicy, asked).version)

    def activate(self, name: str) -> results.Version:
        """Puts an approved version into force, now or on its first day."""
        return results.version(self._once(self._stub.ActivatePolicy, pb.ActivatePolicyRequest(name=name)).version)

    def revoke(self, revocation: bytes) -> tuple[str, int]:
        """Files the caller's own signed revocation; it counts at the next question. The document and its serial."""
        found = self._once(self._stub.RevokePolicy, pb.RevokePolicyRequest(revocation=revocation))
        return found.id, found.serial

    @property
    def _access(self) -> AccessOfficeServiceStub:
        return AccessOfficeServiceStub(self._channel)

    def access_requests(self, *, waiting: bool = False) -> tuple[access.AccessRequest, ...]:
        """The requests for access to the caller's department: those that wait first, by the day they are due."""
        found = self._call(
            self._access.ListDepartmentRequests, access_pb.ListDepartmentRequestsRequest(waiting=waiting)
        )
        return tuple(map(access.request, found.requests))

    def decide_access(self, name: str, *, grant: bool, answer: str, version: str = "") -> access.AccessRequest:
        """Decides about a request; the answer is shown to the institution. It opens nothing: a policy does, whose
        ``version`` may be named."""
        asked = access_pb.DecideAccessRequestRequest(id=name, grant=grant, answer=answer, version=version)
        return access.request(self._once(self._access.DecideAccessRequest, asked).request)

    def draft_access(self, name: str) -> access.AccessDraft:
        """The smallest grant that would make the question of a request legal, as a draft to judge."""
        found = self._call(self._access.DraftAccessGrant, access_pb.DraftAccessGrantRequest(id=name))
        return access.AccessDraft(found.text, found.legal, found.code, found.message, found.message_zh, found.sql)

    def access_figures(self, *, since: str = "", until: str = "") -> tuple[access.AccessFigures, ...]:
        """Supply and demand by department, of requests received in these Beijing days, ``until`` not included."""
        asked = access_pb.GetAccessFiguresRequest(since=since, until=until)
        return access.figures(self._call(self._access.GetAccessFigures, asked))

    def _once(self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q) -> R:
        """A call that changes something is not repeated by itself: whoever made it looks first what became of it.

        So it is made once there is a connection, or nothing of it has been sent when there is none.
        """
        seconds = self._await_connection()
        attempt: Callable[[], R] = lambda: awaited(method.future(request, timeout=seconds))  # noqa: E731
        return self._translated(attempt)

    def _await_connection(self) -> float:
        """Waits for one, not for ever; what a call may then take. Raises `Misused` where the client is closed."""
        if self._closed:
            raise Misused("the client is closed", "connect again")
        seconds = self.settings.time_allowed(None)
        with suppress(grpc.RpcError):
            # A question that changes nothing: a watch on the channel would outlive a client that is closed at once.
            asked = pb.GetPolicyStatusRequest()
            self._stub.GetPolicyStatus(asked, timeout=min(CONNECTING_SECONDS, seconds), wait_for_ready=True)
        return seconds
