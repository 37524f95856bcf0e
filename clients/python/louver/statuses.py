"""How a finished gRPC call becomes one of our errors: by its typed detail, else by its status code alone."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from louver.errors import Error, Fault, Refused
from louver.failures import UNKNOWN_INCIDENT, Unreachable
from louver.v1 import errors_pb2
from louver.v1 import sandbox_pb2 as pb

DETAILS_KEY = "grpc-status-details-bin"
"""Where gRPC carries a serialised ``google.rpc.Status`` (gRPC, "Richer error model")."""

Metadata = Iterable[tuple[str, str | bytes]]


def failure(code: grpc.StatusCode, trailing: Metadata | None, request_id: str = "") -> Error:
    """The error a finished call stands for: a typed detail if there is one, else a constant text by its code."""
    return _typed(trailing) or _untyped(code, request_id)


def _typed(trailing: Metadata | None) -> Error | None:
    for key, value in trailing or ():
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            status = status_pb2.Status.FromString(value)
            return _first_known(status)
        except DecodeError:
            # Bytes that are no Status came from something else than the platform: the code alone then speaks.
            return None
    return None


def _first_known(status: status_pb2.Status) -> Error | None:
    refusal, fault = errors_pb2.RefusalDetail(), errors_pb2.FaultDetail()
    for detail in status.details:
        if detail.Unpack(refusal):
            return refused(refusal, refusal.retry_after_seconds or None)
        if detail.Unpack(fault):
            return Fault(fault.incident_id or UNKNOWN_INCIDENT)
    return None


def refused(detail: errors_pb2.RefusalDetail | pb.RefusalSummary, retry_after: float | None = None) -> Refused:
    """A refusal as it crossed the wire; a line of 0 means that it is about no place."""
    return Refused(
        code=detail.code,
        message=detail.message,
        hint=detail.hint,
        line=detail.line or None,
        column=detail.column or None,
        rule=detail.rule,
        policy_version=detail.policy_version,
        message_zh=detail.message_zh,
        hint_zh=detail.hint_zh,
        details=dict(detail.details),
        retry_after=retry_after,
    )


_UNTYPED: dict[grpc.StatusCode, tuple[str, str, bool]] = {
    grpc.StatusCode.UNAVAILABLE: ("the service is not available", "try again in a moment", True),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("no answer came within the time allowed", "allow more: timeout=...", True),
    grpc.StatusCode.CANCELLED: ("the call was cancelled", "", False),
    grpc.StatusCode.UNIMPLEMENTED: (
        "the service does not know this call",
        "it runs another version, or the address is not a Louver sandbox",
        False,
    ),
    grpc.StatusCode.UNAUTHENTICATED: (
        "the service does not know this certificate",
        "ask the operator whether its fingerprint is registered for your institution",
        False,
    ),
    grpc.StatusCode.PERMISSION_DENIED: ("the service does not admit this certificate to the call", "", False),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("a message is larger than 4 MiB, or the service is overloaded", "", False),
}


def _untyped(code: grpc.StatusCode, request_id: str) -> Error:
    known = _UNTYPED.get(code)
    if known is None:
        return Fault(UNKNOWN_INCIDENT)
    message, hint, transient = known
    return Unreachable(UNKNOWN_INCIDENT, message, hint, transient, request_id)
