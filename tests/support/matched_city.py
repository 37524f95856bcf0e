"""What the end-to-end tests of matches share: the plain computation, the wire itself, and the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import uuid
from datetime import timedelta
from typing import Any

import duckdb
import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.support.installation import Service, files_below

import louver
from louver.errors import Refused
from louver.signing import sign_match
from louver.statuses import failure
from louver.v1 import matching_pb2 as pb
from louver.v1.matching_pb2_grpc import MatchingServiceStub
from louver_sandbox.premises import utc_now

BLACK, RED = "gov.credit_list/black", "gov.credit_list/red"
STATUTORY = "gov.court_dishonest/dishonest"
PLANTED = "PLANTED7MISS4242X"
"""An id on no list."""


def plain(served: Service, sql: str) -> list[tuple[Any, ...]]:
    """The computation as it would be made by whoever may see everything."""
    world = served.city.world
    statement = (
        sql.replace("LIST", f"'{world}/gov.credit_list/*.parquet'")
        .replace("COURT", f"'{world}/gov.court_dishonest/*.parquet'")
        .replace("BOOK", f"'{world}/bank_a.loan_book/*.parquet'")
    )
    with duckdb.connect() as engine:
        return sorted(engine.execute(statement).fetchall(), key=repr)


def holding(served: Service, text: str) -> list[str]:
    files = files_below(served.city.settings.home, lambda path: "clients" not in path.parts)
    return [path.name for path, content in files if text.encode() in content]


def raw(served: Service) -> tuple[grpc.Channel, Any]:
    authority, key, certificate = served.files("bank_a")
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    channel = grpc.secure_channel(served.address, credentials)
    return channel, MatchingServiceStub(channel)


def question(served: Service, content: bytes, **changes: Any) -> pb.MatchQuestion:
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "purpose": "POST_LOAN",
        "list": BLACK,
        "mode": "hits",
        "ids": 100,
        "batch_sha256": hashlib.sha256(content).digest(),
        "expires": (utc_now() + timedelta(minutes=5)).isoformat(),
    }
    message = pb.MatchQuestion(**(fields | changes))
    key = load_pem_private_key(served.files("bank_a")[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    message.signature = sign_match(message, key)
    return message


def refusal(stub: Any, messages: list[pb.MatchRequest]) -> str:
    try:
        list(stub.Match(iter(messages), timeout=30))
    except grpc.RpcError as error:
        found = failure_of(error)
        assert isinstance(found, Refused), found
        return found.code
    return "answered"


def failure_of(error: grpc.RpcError) -> louver.Error:
    """Our error for what a call ended with."""
    assert isinstance(error, grpc.Call)
    return failure(error.code(), error.trailing_metadata())


def louver_command(served: Service, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    ca, key, certificate = served.files("bank_a")
    environment = os.environ | {
        "LOUVER_TARGET": served.address, "LOUVER_CA": str(ca), "LOUVER_KEY": str(key),
        "LOUVER_CERTIFICATE": str(certificate), "LOUVER_LOG_KEY": served.city.log_key, "LOUVER_LANG": "en",
    }  # fmt: skip
    command = [sys.executable, "-c", "from louver.cli import main; main()", *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, env=environment, timeout=120, check=False
    )
