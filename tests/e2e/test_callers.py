"""Who may ask: certificates that are wrong, expired, unknown, struck out or missing, and questions nobody signed."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from tests.e2e.conftest import SIMPLE, alive, raw_stub, signed_question
from tests.e2e.soundness import entries
from tests.support.installation import Service

import louver
from louver import Misused
from louver.errors import Error, Fault, Refused
from louver.v1 import sandbox_pb2 as pb
from louver.v1.sandbox_pb2_grpc import SandboxServiceStub
from louver_sandbox.identity import parse_registry
from louver_sandbox.operator.installation import write_registry
from louver_sandbox.pki import Authority, Issued
from louver_sandbox.premises import utc_now


def authority(served: Service) -> Authority:
    """The authority the service knows its callers by."""
    secrets = served.city.settings.secrets
    return Authority(Issued((secrets / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))


def expired(served: Service) -> Issued:
    """A certificate that ended nine months ago."""
    return authority(served).client("bank_a", utc_now() - timedelta(days=365), days=90)


def attempt(served: Service, issued: Issued, folder: Path) -> Error:
    """What a caller with this certificate is told."""
    issued.write(folder, "caller")
    with (
        pytest.raises(Error) as caught,
        louver.connect(
            served.address,
            certificate=folder / "caller.pem",
            key=folder / "caller.key",
            ca=served.city.settings.pki / "authority.pem",
            timeout=3.0,
        ) as client,
    ):
        client.analyse(SIMPLE, purpose="RESEARCH")
    return caught.value


def shaken(served: Service, issued: Issued | None) -> grpc.StatusCode:
    """How a call ends for someone who ignores our client's checks."""
    roots = (served.city.settings.pki / "authority.pem").read_bytes()
    pair = (issued.key, issued.certificate) if issued else (None, None)
    with grpc.secure_channel(served.address, grpc.ssl_channel_credentials(roots, *pair)) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            SandboxServiceStub(channel).GetHead(pb.GetHeadRequest(), timeout=5)
        assert isinstance(caught.value, grpc.Call)
        return caught.value.code()


@pytest.mark.parametrize("name", ["bank_a", "bank_z"], ids=["not registered", "unknown institution"])
def test_a_certificate_that_is_not_in_the_registry_is_told_so(served: Service, tmp_path: Path, name: str) -> None:
    error = attempt(served, authority(served).client(name, utc_now()), tmp_path)
    assert isinstance(error, Refused)
    assert error.code == "LVR-0101"


def test_an_expired_certificate_is_told_so_at_home_and_does_not_connect(
    served: Service, bank: louver.Client, tmp_path: Path
) -> None:
    error = attempt(served, expired(served), tmp_path)
    assert isinstance(error, Misused)
    assert "expired" in str(error)
    assert shaken(served, expired(served)) is grpc.StatusCode.UNAVAILABLE
    assert alive(bank)


def test_a_foreign_authority_does_not_connect(served: Service, bank: louver.Client, tmp_path: Path) -> None:
    foreign = Authority.create(utc_now()).client("bank_a", utc_now())
    assert isinstance(attempt(served, foreign, tmp_path), Fault)
    assert shaken(served, foreign) is grpc.StatusCode.UNAVAILABLE
    assert alive(bank)


def test_the_servers_own_certificate_is_no_callers(served: Service) -> None:
    secrets = served.city.settings.secrets
    server = Issued((secrets / "server.pem").read_bytes(), (secrets / "server.key").read_bytes())
    assert shaken(served, server) in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}


def test_no_certificate_does_not_connect(served: Service) -> None:
    assert shaken(served, None) is grpc.StatusCode.UNAVAILABLE


def test_without_tls_nothing_is_answered(served: Service) -> None:
    with grpc.insecure_channel(served.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            SandboxServiceStub(channel).GetHead(pb.GetHeadRequest(), timeout=5)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_struck_out_certificate_stops_working_on_an_open_connection(served: Service) -> None:
    path = served.city.settings.institutions
    text = path.read_text(encoding="utf-8")
    with served.connect("bank_b", purpose="RESEARCH") as bank_b:
        assert bank_b.analyse(SIMPLE).rows
        write_registry(path, [item for name, item in parse_registry(text).items() if name != "bank_b"])
        try:
            with pytest.raises(Refused, match="LVR-0101"):
                bank_b.analyse(SIMPLE)
        finally:
            path.write_text(text, encoding="utf-8")
        assert bank_b.analyse(SIMPLE).rows


def refused_on_the_wire(served: Service, question: pb.Question) -> str:
    """The code a message gets that is not its caller's question; the log has it too."""
    channel, stub = raw_stub(served, "bank_a")
    with channel, pytest.raises(grpc.RpcError) as caught:
        list(stub.Analyse(pb.AnalyseRequest(question=question), timeout=10))
    assert isinstance(caught.value, grpc.Call)
    code = str(caught.value.details()).partition(":")[0]
    logged = entries(served.city, request_id=question.request_id)
    assert [(entry["kind"], entry["code"], entry["institution"]) for entry in logged] == [("refusal", code, "bank_a")]
    return code


def test_an_unsigned_question_is_refused(served: Service) -> None:
    question = signed_question(served, "bank_a", SIMPLE)
    question.signature = b"\x30\x06\x02\x01\x01\x02\x01\x01"
    assert refused_on_the_wire(served, question) == "LVR-0103"


def test_a_question_signed_by_another_bank_is_refused(served: Service) -> None:
    assert refused_on_the_wire(served, signed_question(served, "bank_b", SIMPLE)) == "LVR-0103"


def test_a_question_changed_after_signing_is_refused(served: Service) -> None:
    question = signed_question(served, "bank_a", SIMPLE)
    question.purpose = "MARKETING"
    assert refused_on_the_wire(served, question) == "LVR-0103"
