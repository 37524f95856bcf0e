"""What a finished call means: the typed detail decides, else the code, and no text of a status is ever repeated."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import status_pb2

from louver.errors import Fault, Refused
from louver.failures import UNKNOWN_INCIDENT, Unreachable
from louver.statuses import DETAILS_KEY, failure
from louver.v1 import errors_pb2

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


def trailing(*details: errors_pb2.RefusalDetail | errors_pb2.FaultDetail | StringValue) -> list[tuple[str, bytes]]:
    status = status_pb2.Status(code=9, message="a text that must not be repeated")
    for detail in details:
        status.details.add().Pack(detail)
    return [("other", b"x"), (DETAILS_KEY, status.SerializeToString())]


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_is_a_refusal_under_any_code(code: grpc.StatusCode) -> None:
    detail = errors_pb2.RefusalDetail(code="LVR-3001", message="no budget left", retry_after_seconds=30)
    error = failure(code, trailing(StringValue(value="unknown detail"), detail))
    assert isinstance(error, Refused)
    assert (error.code, error.line, error.retry_after, error.retryable) == ("LVR-3001", None, 30, True)


def test_a_fault_has_its_incident() -> None:
    error = failure(grpc.StatusCode.INTERNAL, trailing(errors_pb2.FaultDetail(incident_id="inc-1")))
    assert isinstance(error, Fault)
    assert error.incident == "inc-1"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("metadata", [None, [], [(DETAILS_KEY, b"\xff\xff")], [(DETAILS_KEY, "text")], trailing()])
def test_without_a_detail_the_code_gives_a_constant_text(
    code: grpc.StatusCode, metadata: list[tuple[str, str | bytes]] | None
) -> None:
    error = failure(code, metadata, "some-id")
    assert isinstance(error, Fault)
    assert error.incident == UNKNOWN_INCIDENT
    assert "must not be repeated" not in str(error)


def test_only_what_may_pass_is_called_transient() -> None:
    transient = {code for code in CODES if isinstance(error := failure(code, None), Unreachable) and error.transient}
    assert transient == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_a_lost_answer_names_the_request_to_repeat() -> None:
    assert "request_id=some-id" in str(failure(grpc.StatusCode.DEADLINE_EXCEEDED, None, "some-id"))
