"""The gRPC methods around access that institutions ask for: theirs, and those of the departments that decide."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from typing import Final

import grpc
from cryptography.hazmat.primitives import hashes

from louver.errors import Refused
from louver.v1 import access_pb2 as pb
from louver.v1 import access_pb2_grpc as pb_grpc
from louver_sandbox import access, journal
from louver_sandbox.access import Access, Decision, Figures, Wish
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.drafting.office import Office
from louver_sandbox.identity import uri_name
from louver_sandbox.officers import Caller
from louver_sandbox.pki import AUDITOR_URN
from louver_sandbox.policy.approvals import HOUSE
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.officers import EVERY_DEPARTMENT, serves
from louver_sandbox.refusals import access as refuse
from louver_sandbox.refusals import drafting
from louver_sandbox.service import policies_told
from louver_sandbox.service.edge import guarded, peer_certificate
from louver_sandbox.service.peers import peer
from louver_sandbox.wiring import Platform

AT_ONCE: Final = 8
LONGEST_ID: Final = 64


class AccessDesk(pb_grpc.AccessServiceServicer):
    """An institution's own requests, over one `Platform`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def RequestAccess(
        self, message: pb.RequestAccessRequest, context: grpc.ServicerContext
    ) -> pb.RequestAccessResponse:
        """Takes a request; whether there is such a dataset is not told."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            wish = _wish(message.wish)
            taken = self._platform.access.ask(subject, wish, self._owner(wish.table))
            return pb.RequestAccessResponse(request=told(taken))

    def ListAccessRequests(
        self, message: pb.ListAccessRequestsRequest, context: grpc.ServicerContext
    ) -> pb.ListAccessRequestsResponse:
        """The caller's own."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            with self._platform.state.reading() as tx:
                found = access.of_institution(tx, subject.institution)
            return pb.ListAccessRequestsResponse(requests=[told(one) for one in found])

    def WithdrawAccessRequest(
        self, message: pb.WithdrawAccessRequestRequest, context: grpc.ServicerContext
    ) -> pb.WithdrawAccessRequestResponse:
        """Takes one of the caller's own back."""
        with guarded(context):
            subject, _ = peer(self._platform, context)
            left = self._platform.access.withdraw(subject.institution, message.id[:LONGEST_ID])
            return pb.WithdrawAccessRequestResponse(request=told(left))

    def _owner(self, table: str) -> str:
        """The department of a dataset; empty where there is none of that name."""
        for known in self._platform.judgement.catalog.tables.values():
            if str(known.name) == table and known.space is SpaceKind.GOVERNMENT:
                return known.owner
        return ""


class AccessOffice(pb_grpc.AccessOfficeServiceServicer):
    """What departments decide, over one office."""

    def __init__(self, platform: Platform, office: Office) -> None:
        self._platform = platform
        self._office = office
        self._calls = threading.BoundedSemaphore(AT_ONCE)

    def ListDepartmentRequests(
        self, message: pb.ListDepartmentRequestsRequest, context: grpc.ServicerContext
    ) -> pb.ListDepartmentRequestsResponse:
        """Those to the caller's department, what waits first."""
        with self._call(context) as caller:
            departments = self._departments(caller)
            with self._platform.state.reading() as tx:
                found = access.of_departments(tx, departments, waiting=message.waiting)
            return pb.ListDepartmentRequestsResponse(requests=[told(one, whole=True) for one in found])

    def DecideAccessRequest(
        self, message: pb.DecideAccessRequestRequest, context: grpc.ServicerContext
    ) -> pb.DecideAccessRequestResponse:
        """Grants or turns down one of them."""
        with self._call(context) as caller:
            known, signer = self._mine(caller, message.id), self._office.signer(caller)
            if message.version:
                owner = self._office.version(message.version).statement.owner
                if not message.grant or owner not in (known.department, HOUSE):
                    raise refuse.access_form("version")
            said = Decision(message.grant, message.answer, signer.name, message.version)
            return pb.DecideAccessRequestResponse(
                request=told(self._platform.access.decide(known.id, said), whole=True)
            )

    def DraftAccessGrant(
        self, message: pb.DraftAccessGrantRequest, context: grpc.ServicerContext
    ) -> pb.DraftAccessGrantResponse:
        """The smallest grant for the question of a request."""
        with self._call(context) as caller:
            known = self._mine(caller, message.id)
            sql = access.question(known.wish)
            case = self._office.case(caller, "drafting_grants", known.institution, known.wish.purpose, sql, "")
            found = policies_told.grants(self._office.at_desk("grants", "", case))
            return pb.DraftAccessGrantResponse(
                text=found.text,
                legal=found.legal,
                code=found.code,
                message=found.message,
                message_zh=found.message_zh,
                sql=sql,
            )

    def GetAccessFigures(
        self, message: pb.GetAccessFiguresRequest, context: grpc.ServicerContext
    ) -> pb.GetAccessFiguresResponse:
        """Supply and demand, to officers and auditors; that an auditor looked is logged."""
        with guarded(context):
            self._reader(context)
            since, until = _day(message.since), _day(message.until)
            today = self._platform.clock().astimezone(BEIJING).date()
            with self._platform.state.reading() as tx:
                found = access.figures(tx, since, until, today)
            return pb.GetAccessFiguresResponse(departments=list(map(_figures, found)))

    def _reader(self, context: grpc.ServicerContext) -> None:
        certificate = peer_certificate(context)
        try:
            if uri_name(certificate).startswith(AUDITOR_URN):
                looked = self._platform.log_auditors.auditor(certificate)
                fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
                said = {"auditor": looked.id, "certificate": fingerprint, "verb": "access_figures"}
                journal.note(self._platform.books, "audit_look", **said)
            else:
                self._platform.officers.officer(certificate)
        except Refused as refused:
            self._platform.note_stranger(certificate.fingerprint(hashes.SHA256()).hex(), refused)
            raise

    def _departments(self, caller: Caller) -> tuple[str, ...] | None:
        """Those whose requests an officer sees: their own; the platform's officers also see what is nobody's. None is
        all of them."""
        department = self._office.signer(caller).department
        if department == EVERY_DEPARTMENT:
            return None
        return (department, "") if department == HOUSE else (department,)

    def _mine(self, caller: Caller, identity: str) -> Access:
        """A request to the caller's department; another department's is none. Raises `Refused` LVR-5403."""
        with self._platform.state.reading() as tx:
            known = access.find(tx, identity[:LONGEST_ID])
        if known is None or not serves(self._office.signer(caller), known.department or HOUSE):
            raise refuse.unknown_access()
        return known

    @contextmanager
    def _call(self, context: grpc.ServicerContext) -> Iterator[Caller]:
        """The officer who calls, in one of the places for such calls; anybody else's try is noted in the log."""
        with guarded(context):
            certificate = peer_certificate(context)
            try:
                caller = self._platform.officers.officer(certificate)
            except Refused as refused:
                self._platform.note_stranger(certificate.fingerprint(hashes.SHA256()).hex(), refused)
                raise
            if not self._calls.acquire(blocking=False):
                raise drafting.office_busy("calls about access", "数据申请调用")
            try:
                yield caller
            except BundleRefused as refused:  # the officers' list or a version file is not what it was
                raise drafting.bundle_unfit("; ".join(refused.reasons)) from None
            finally:
                self._calls.release()


def told(one: Access, *, whole: bool = False) -> pb.AccessRequest:
    """A request as the wire carries it: to its institution, or whole to a department."""
    found = pb.AccessRequest(
        id=one.id,
        wish=pb.AccessWish(
            table=one.wish.table,
            columns=one.wish.columns,
            purpose=one.wish.purpose,
            legal_basis=one.wish.legal_basis,
            reason=one.wish.reason,
            sql=one.wish.sql,
        ),
        state=one.state.value,
        received=one.received.isoformat(),
        due=one.due.isoformat(),
        settled=one.settled,
        answer=one.answer,
        decided="" if one.decided_at is None else one.decided_at.astimezone(UTC).isoformat(timespec="seconds"),
        log_index=one.entry,
    )
    if whole:
        found.institution, found.version = one.institution, one.version
        found.officer, found.department = one.officer, one.department
    return found


def _figures(one: Figures) -> pb.AccessFigures:
    return pb.AccessFigures(
        department=one.department,
        received=one.received,
        waiting=one.waiting,
        overdue=one.overdue,
        granted=one.granted,
        refused=one.refused,
        withdrawn=one.withdrawn,
        met_per_mille=one.met_per_mille,
        median_half_days=one.median_half_days,
    )


def _wish(message: pb.AccessWish) -> Wish:
    return Wish(
        message.table, tuple(message.columns), message.purpose, message.legal_basis, message.reason, message.sql
    )


def _day(text: str) -> date | None:
    """A Beijing day. Raises `Refused` LVR-5401."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise refuse.access_form("day") from None
