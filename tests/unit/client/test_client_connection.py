"""When no connection comes about, the caller learns which certificate, name or address to look at."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.sandbox_simulator import Authority, Simulation, simulated_sandbox
from tests.unit.client.conftest import IMPATIENT

from louver.client import connect
from louver.failures import Misused, Unreachable
from louver.surroundings import Surroundings


def fail(simulation: Simulation, **changes: Any) -> Unreachable:
    """The error of a first call with other arguments."""
    with (
        connect(**simulation.arguments(surroundings=IMPATIENT, timeout=10, **changes)) as bank,
        pytest.raises(Unreachable) as caught,
    ):
        bank.tables()
    return caught.value


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "stranger", "another authority")


def test_an_authority_that_did_not_sign_the_sandbox(sandbox: Simulation, stranger: Authority) -> None:
    started = time.monotonic()
    error = fail(sandbox, ca=stranger.certificate)
    assert "not signed by the authority" in error.message
    assert "`ca`" in error.hint
    assert not error.transient
    assert time.monotonic() - started < 5, "what cannot pass is not repeated"


def test_a_certificate_the_sandbox_does_not_trust(sandbox: Simulation, stranger: Authority) -> None:
    identity = stranger.issue("impostor")
    error = fail(sandbox, certificate=identity.certificate, key=identity.key)
    assert "the sandbox does not" in error.message or "hung up" in error.message


def test_nothing_listens(sandbox: Simulation) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = fail(sandbox, target=f"127.0.0.1:{port}")
    assert f"nothing listens at 127.0.0.1:{port}" in error.message
    assert error.transient


def test_a_name_the_certificate_does_not_carry(sandbox: Simulation, tmp_path: Path) -> None:
    port = sandbox.target.rpartition(":")[2]
    error = fail(sandbox, target=f"127.0.0.2:{port}")
    assert "for another" in error.message or "nothing listens" in error.message


def test_a_host_nobody_knows(sandbox: Simulation) -> None:
    assert "unknown" in fail(sandbox, target="no-such-host.invalid:1").message


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulated_sandbox(tmp_path_factory.mktemp("expired"), server_days=(-9, -1)) as simulation:
        yield simulation


def test_a_sandbox_whose_certificate_has_expired(sandbox: Simulation, expired: Simulation) -> None:
    assert "has expired" in fail(expired).message


def test_an_own_certificate_that_has_expired_is_noticed_before_sending(sandbox: Simulation) -> None:
    old = sandbox.authority.issue("old", since=-9, days=-1)
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    with pytest.raises(Misused, match=f"your certificate expired on {day}"):
        connect(**sandbox.arguments(certificate=old.certificate, key=old.key))


def test_a_clock_that_is_wrong_is_suspected(sandbox: Simulation) -> None:
    early = Surroundings(clock=lambda: datetime.now(UTC) - timedelta(days=20))
    with pytest.raises(Misused) as caught:
        connect(**sandbox.arguments(surroundings=early))
    assert "clock" in caught.value.hint


def test_a_key_of_another_certificate(sandbox: Simulation) -> None:
    other = sandbox.authority.issue("other")
    with pytest.raises(Misused, match="does not belong"):
        connect(**sandbox.arguments(key=other.key))


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.mark.parametrize(
    ("field", "content", "message"),
    [
        ("certificate", b"no pem", "no certificate"),
        ("ca", b"no pem", "no certificate"),
        ("key", b"no pem", "no private key"),
        ("key", pem(rsa.generate_private_key(65537, 2048)), "another kind"),
        ("key", pem(ec.generate_private_key(ec.SECP384R1())), "another kind"),
        ("key", pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "password"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    sandbox: Simulation, tmp_path: Path, field: str, content: bytes, message: str
) -> None:
    path = tmp_path / "wrong.pem"
    path.write_bytes(content)
    with pytest.raises(Misused, match=message):
        connect(**sandbox.arguments(**{field: path}))


@pytest.mark.parametrize("field", ["certificate", "key", "ca"])
def test_files_that_are_not_there(sandbox: Simulation, tmp_path: Path, field: str) -> None:
    with pytest.raises(Misused, match=f"the {field} file does not exist"):
        connect(**sandbox.arguments(**{field: tmp_path / "absent.pem"}))
    with pytest.raises(Misused, match=f"the {field} file cannot be read"):
        connect(**sandbox.arguments(**{field: tmp_path}))


def test_something_that_speaks_no_tls(sandbox: Simulation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        import threading

        def answer_in_plain_text() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 20)

        thread = threading.Thread(target=answer_in_plain_text, daemon=True)
        thread.start()
        error = fail(sandbox, target=f"127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert "does not speak TLS" in error.message or "hung up" in error.message
