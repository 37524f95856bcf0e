"""The calls about access and certificates of both clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    import grpc
    import grpc.aio
    from cryptography.hazmat.primitives.asymmetric import ec

    from louver.access import AccessRequest
    from louver.certificates import CertificateRequest, Certificates
    from louver.settings import Settings
    from louver.v1.access_pb2_grpc import AccessServiceAsyncStub, AccessServiceStub
    from louver.v1.registry_pb2_grpc import CertificateServiceAsyncStub, CertificateServiceStub

    Q = TypeVar("Q")
    R = TypeVar("R")

T = TypeVar("T")


class AccessCalls:
    """What ``louver.Client`` can ask about access and its own certificates."""

    settings: Settings
    _channel: grpc.Channel

    if TYPE_CHECKING:

        def _call(
            self, method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q, timeout: float | None = None
        ) -> R: ...

    @property
    def _access(self) -> AccessServiceStub:
        from louver.v1.access_pb2_grpc import AccessServiceStub

        return AccessServiceStub(self._channel)

    @property
    def _certificates(self) -> CertificateServiceStub:
        from louver.v1.registry_pb2_grpc import CertificateServiceStub

        return CertificateServiceStub(self._channel)

    def request_access(
        self, table: str, columns: Sequence[str], *, purpose: str, legal_basis: str, reason: str, sql: str = ""
    ) -> AccessRequest:
        """Ask the department that owns a dataset (``department.name``) to open columns of it for a purpose.

        ``legal_basis`` is the law, contract or consent it rests on, ``sql`` a question you would ask. The same again
        while it waits is the same request. Whether there is such a dataset is not told by asking.
        """
        from louver import access

        message = access.wish(table, columns, purpose, legal_basis, reason, sql)
        return access.request(self._call(self._access.RequestAccess, message).request)

    def access_requests(self) -> list[AccessRequest]:
        """What you have asked for and what became of it, the newest first."""
        from louver import access
        from louver.v1 import access_pb2 as pb

        found = self._call(self._access.ListAccessRequests, pb.ListAccessRequestsRequest()).requests
        return [access.request(one) for one in found]

    def withdraw_access(self, request_id: str) -> AccessRequest:
        """Take a request back that waits."""
        from louver import access
        from louver.v1 import access_pb2 as pb

        message = pb.WithdrawAccessRequestRequest(id=request_id)
        return access.request(self._call(self._access.WithdrawAccessRequest, message).request)

    def certificates(self) -> Certificates:
        """The certificates by which the platform knows you, and your requests for more."""
        from louver import certificates
        from louver.v1 import registry_pb2 as pb

        return certificates.certificates(
            self._call(self._certificates.ListCertificates, pb.ListCertificatesRequest())
        )

    def request_certificate(self, key: ec.EllipticCurvePrivateKey) -> CertificateRequest:
        """Ask for your next certificate, for a new key (P-256), under the present one; an administrator confirms.

        The same key again is the same request."""
        from louver import certificates

        message = certificates.ordered(self.settings, key)
        return certificates.request(self._call(self._certificates.RequestCertificate, message).request)


class AsyncAccessCalls:
    """The same for ``louver.aio.AsyncClient``."""

    settings: Settings

    if TYPE_CHECKING:

        @property
        def _opened(self) -> grpc.aio.Channel: ...

        async def _call(self, attempt: Callable[[float], Awaitable[T]]) -> T: ...

    @property
    def _access(self) -> AccessServiceAsyncStub:
        from louver.v1.access_pb2_grpc import AccessServiceStub

        return cast("AccessServiceAsyncStub", AccessServiceStub(self._opened))

    @property
    def _certificates(self) -> CertificateServiceAsyncStub:
        from louver.v1.registry_pb2_grpc import CertificateServiceStub

        return cast("CertificateServiceAsyncStub", CertificateServiceStub(self._opened))

    async def request_access(
        self, table: str, columns: Sequence[str], *, purpose: str, legal_basis: str, reason: str, sql: str = ""
    ) -> AccessRequest:
        """Ask for access to columns of a dataset; see ``louver.Client.request_access``."""
        from louver import access

        message = access.wish(table, columns, purpose, legal_basis, reason, sql)
        response = await self._call(lambda left: self._access.RequestAccess(message, timeout=left))
        return access.request(response.request)

    async def access_requests(self) -> list[AccessRequest]:
        """What you have asked for and what became of it, the newest first."""
        from louver import access
        from louver.v1 import access_pb2 as pb

        message = pb.ListAccessRequestsRequest()
        response = await self._call(lambda left: self._access.ListAccessRequests(message, timeout=left))
        return [access.request(one) for one in response.requests]

    async def withdraw_access(self, request_id: str) -> AccessRequest:
        """Take a request back that waits."""
        from louver import access
        from louver.v1 import access_pb2 as pb

        message = pb.WithdrawAccessRequestRequest(id=request_id)
        response = await self._call(lambda left: self._access.WithdrawAccessRequest(message, timeout=left))
        return access.request(response.request)

    async def certificates(self) -> Certificates:
        """The certificates by which the platform knows you, and your requests for more."""
        from louver import certificates
        from louver.v1 import registry_pb2 as pb

        message = pb.ListCertificatesRequest()
        response = await self._call(lambda left: self._certificates.ListCertificates(message, timeout=left))
        return certificates.certificates(response)

    async def request_certificate(self, key: ec.EllipticCurvePrivateKey) -> CertificateRequest:
        """Ask for your next certificate; see ``louver.Client.request_certificate``."""
        from louver import certificates

        message = certificates.ordered(self.settings, key)
        response = await self._call(lambda left: self._certificates.RequestCertificate(message, timeout=left))
        return certificates.request(response.request)
