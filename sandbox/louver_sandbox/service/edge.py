"""What stands around every handler: who asks, how long, and what may be said when something goes wrong.

An exception that escapes a gRPC handler is sent to the caller word for word, so none may: refusals become typed
details, everything else one constant fault with an incident id that only the operator's log explains.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import grpc
from cryptography import x509
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status

from louver.errors import Fault, Refused
from louver.v1 import errors_pb2
from louver_sandbox.refusals import capacity
from louver_sandbox.refusals import identity as refusals
from louver_sandbox.service.observed import call_of
from louver_sandbox.store import StoreError

logger = logging.getLogger("louver.sandbox")

_STATUS_BY_CODE: Mapping[str, grpc.StatusCode] = {
    "LVR-0101": grpc.StatusCode.UNAUTHENTICATED,
    "LVR-0102": grpc.StatusCode.UNAUTHENTICATED,
    "LVR-0103": grpc.StatusCode.UNAUTHENTICATED,
    "LVR-0104": grpc.StatusCode.UNAUTHENTICATED,
    "LVR-0105": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-0107": grpc.StatusCode.UNAVAILABLE,
    "LVR-0108": grpc.StatusCode.NOT_FOUND,
    "LVR-3101": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-3103": grpc.StatusCode.UNAVAILABLE,
    "LVR-3104": grpc.StatusCode.DEADLINE_EXCEEDED,
    "LVR-3107": grpc.StatusCode.DEADLINE_EXCEEDED,
    "LVR-7101": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7102": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7103": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-7104": grpc.StatusCode.NOT_FOUND,
    "LVR-7105": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7107": grpc.StatusCode.NOT_FOUND,
    "LVR-7108": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7109": grpc.StatusCode.DATA_LOSS,
    "LVR-7201": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7202": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7203": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-7204": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7205": grpc.StatusCode.NOT_FOUND,
    "LVR-7206": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7207": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7211": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-5401": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-5402": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-5403": grpc.StatusCode.NOT_FOUND,
    "LVR-7301": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7302": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7303": grpc.StatusCode.PERMISSION_DENIED,
    "LVR-7304": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7305": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LVR-7306": grpc.StatusCode.NOT_FOUND,
    "LVR-7307": grpc.StatusCode.INVALID_ARGUMENT,
    "LVR-7308": grpc.StatusCode.NOT_FOUND,
}


def new_incident(error: Exception) -> str:
    """Notes a failure for the operator and returns the id a caller may quote."""
    incident = uuid.uuid4().hex
    logger.error("incident %s: %s", incident, type(error).__name__, exc_info=error)
    return incident


def refusal_detail(refused: Refused) -> errors_pb2.RefusalDetail:
    """The refusal as the wire carries it."""
    return errors_pb2.RefusalDetail(
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
        retry_after_seconds=refused.retry_after or 0.0,
    )


def abort_refused(context: grpc.ServicerContext, refused: Refused) -> NoReturn:
    """Ends the call with a refusal."""
    code = _STATUS_BY_CODE.get(refused.code, grpc.StatusCode.FAILED_PRECONDITION)
    detail = any_pb2.Any()
    detail.Pack(refusal_detail(refused))
    status = status_pb2.Status(code=code.value[0], message=f"{refused.code}: {refused.message}", details=[detail])
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returned")


def abort_fault(context: grpc.ServicerContext, incident: str) -> NoReturn:
    """Ends the call with the one constant fault."""
    detail = any_pb2.Any()
    detail.Pack(errors_pb2.FaultDetail(incident_id=incident))
    status = status_pb2.Status(
        code=grpc.StatusCode.INTERNAL.value[0], message="the platform could not answer", details=[detail]
    )
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returned")


class Aborted(Exception):
    """gRPC's own way out of a handler; passed on untouched."""


@contextmanager
def guarded(context: grpc.ServicerContext) -> Iterator[None]:
    """Runs a handler's body; whatever it raises leaves as a typed status."""
    try:
        yield
    except Refused as refused:
        _refuse(context, refused)
    except Fault as fault:
        call_of(context).faulted()
        abort_fault(context, fault.incident)
    except StoreError as error:
        new_incident(error)
        _refuse(context, capacity.not_accepting())
    except Exception as error:
        call_of(context).faulted()
        abort_fault(context, new_incident(error))


def _refuse(context: grpc.ServicerContext, refused: Refused) -> NoReturn:
    call_of(context).refused(refused.code)
    abort_refused(context, refused)


def peer_certificate(context: grpc.ServicerContext) -> x509.Certificate:
    """The certificate TLS has verified. Raises `Refused` LVR-0101 when there is none."""
    pem = context.auth_context().get("x509_pem_cert")
    if not pem:
        raise refusals.unknown_certificate()
    return x509.load_pem_x509_certificate(bytes(pem[0]))


def deadline(context: grpc.ServicerContext, longest: float) -> float:
    """Seconds this call may take: the caller's wish, never more than the service allows."""
    remaining: float | None = context.time_remaining()
    return longest if remaining is None else max(0.0, min(remaining, longest))


def on_end(context: grpc.ServicerContext, act: Callable[[], None]) -> None:
    """Runs `act` when the call ends, also when the caller hangs up or has already done so."""
    if not context.add_callback(act):
        act()
