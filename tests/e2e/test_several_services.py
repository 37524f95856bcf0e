"""Several services on one installation whose state is on PostgreSQL: one ledger, one log, and always somebody there."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from tests.e2e.conftest import PROTECTED, SIMPLE
from tests.e2e.soundness import entries, kinds, wrongs
from tests.support import postgres
from tests.support.installation import Service, copy_of, eventually, service
from tests.support.lengths import at_length
from tests.support.postgres import Server
from typer.testing import CliRunner

from louver.client import Client
from louver.errors import Error
from louver.receipt import Receipt
from louver.transparency import LogKey, TreeHead
from louver.transparency.succession import KeyContradiction
from louver.transparency.whole_log import verify_export
from louver_sandbox.audit.head import Ed25519Signer, sign_head
from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app
from louver_sandbox.pki import Authority, Issued, write_secret
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings, load

PATIENCE_S = 200.0
EACH = 5
"""Questions that are answered at each stage."""


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that the test may stop."""
    with postgres.server() as running:
        yield running


@pytest.fixture
def shared_city(own_city: City, own_server: Server) -> City:
    """An installation whose state was moved to PostgreSQL."""
    moved = CliRunner().invoke(
        app, ["store", "move", "--to", own_server.database(empty=True), "--home", str(own_city.settings.home)]
    )
    assert moved.exit_code == 0, moved.stderr
    return City(load(own_city.settings.home), own_city.world)


@dataclass
class Bank:
    """A bank that asks on, of whichever service answers, with the same id until it has its answer."""

    addresses: list[Service]
    answered: dict[str, bytes] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask_on(self) -> None:
        """Asks a new question as soon as the last one is answered."""
        number = 0
        while not self.over.is_set():
            number += 1
            self.ask(str(uuid.uuid4()), SIMPLE + f" WHERE section <> '{'ABCDEFGHIJ'[number % 10]}'")

    def ask(self, request: str, sql: str) -> None:
        """Asks until there is an answer, of the services one after the other."""
        deadline, turn = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < deadline:
            turn += 1
            here = self.addresses[turn % len(self.addresses)]
            try:
                with here.connect(purpose="RESEARCH") as bank:
                    self.answered[request] = bank.analyse(sql, request_id=request, timeout=20).stream
                    return
            except Error:
                self.over.wait(0.05)
        self.failed.append(request)


@contextmanager
def asking(bank: Bank) -> Iterator[None]:
    """While a bank asks on."""
    thread = threading.Thread(target=bank.ask_on)
    thread.start()
    try:
        yield
    finally:
        bank.over.set()
        thread.join()


def more(bank: Bank, count: int) -> None:
    """Waits until so many more are answered."""
    wanted = len(bank.answered) + count
    assert eventually(lambda: len(bank.answered) >= wanted, PATIENCE_S)


@pytest.mark.timeout(800)
@pytest.mark.skipif(not at_length(0, 1), reason="three services: by LOUVER_SOAK=1; processes on one store are in CI")
@pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing())
def test_services_share_ledger_and_log_and_one_is_always_there(shared_city: City, own_server: Server) -> None:
    with ExitStack() as running:
        first_up = running.enter_context(ExitStack())
        first = first_up.enter_context(service(shared_city))
        second = running.enter_context(service(shared_city))
        with first.connect(purpose="RESEARCH") as here, second.connect(purpose="RESEARCH") as there:
            before = there.explain(PROTECTED.format(-1)).remaining["gov.tax_credit query"]
            answer = here.analyse(PROTECTED.format(1), request_id="11111111-1111-4111-8111-111111111111")
            again = there.analyse(PROTECTED.format(1), request_id="11111111-1111-4111-8111-111111111111")
            assert (again.stream, again.cost) == (answer.stream, {}), "the other has its answer, for nothing"
            assert there.explain(PROTECTED.format(-1)).remaining["gov.tax_credit query"] == before - 1
        bank = Bank([first, second])
        with asking(bank):
            more(bank, EACH)
            first_up.close()  # a rolling restart: each in its turn ends what it has begun and comes back
            bank.addresses = [second]
            more(bank, EACH)
            bank.addresses = [running.enter_context(service(shared_city)), second]
            more(bank, EACH)
            rotated(shared_city, 1)  # both go over to the next key with its entry, and each is asked in its turn
            more(bank, 2 * EACH)
            os.kill(second.pid, signal.SIGKILL)
            more(bank, EACH)
            own_server.stop()
            own_server.start()
            more(bank, EACH)
    assert bank.failed == []
    assert all(kinds(shared_city, request) in (["admission", "outcome"], ["outcome"]) for request in bank.answered)
    assert wrongs(shared_city) == []


def serial(running: Service) -> int:
    """Of the certificate that a new connection is shown."""
    host, _, port = running.address.rpartition(":")
    authority, key, certificate = running.files("bank_a")
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as made:
        shown = made.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def replace(path: Path, content: bytes) -> None:
    """Puts a new file in the place of one, in one step."""
    fresh = path.with_suffix(".new")
    write_secret(fresh, content)
    fresh.replace(path)


@pytest.fixture(scope="module")
def replacing(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose keys and certificates are replaced while it answers."""
    with service(copy_of(city, tmp_path_factory.mktemp("replacing"))) as running:
        yield running


def test_a_certificate_is_replaced_while_connections_stand(replacing: Service) -> None:
    """The one that stands goes on; the next is made with the new one; half a replacement changes nothing."""
    running, settings = replacing, replacing.city.settings
    secrets, pki = settings.secrets, settings.pki
    authority = Authority(Issued((pki / "authority.pem").read_bytes(), (secrets / "authority.key").read_bytes()))
    with running.connect(purpose="RESEARCH") as bank:
        before = serial(running)
        assert serial(running) == before
        fresh = authority.server("127.0.0.1", utc_now())
        replace(secrets / "server.key", fresh.key)
        assert serial(running) == before, "the key is not of that certificate"
        replace(secrets / "server.pem", fresh.certificate)
        assert serial(running) != before
        assert bank.analyse(SIMPLE).rows
        with running.connect(purpose="RESEARCH") as other:
            assert other.analyse(SIMPLE).rows


ROTATIONS = 3


def rotated(city: City, number: int) -> None:
    """As the operator replaces the log's key, in a process of its own."""
    done = CliRunner().invoke(
        app, ["keys", "rotate", "log", "--reason", f"number {number}", "--home", str(city.settings.home)]
    )
    assert done.exit_code == 0, done.stderr


def proved(bank: Client) -> Receipt:
    """The receipt of an answer, which the client has verified."""
    found = bank.analyse(SIMPLE).receipt
    assert found is not None
    return found


def test_the_logs_key_is_replaced_while_the_service_answers(replacing: Service, tmp_path: Path) -> None:
    """No question fails; every receipt, from before and after, is proved offline by whoever pins any of the keys; a
    log that was exported before verifies, and the one that is exported after; a thief of the first key proves nothing
    to whoever has looked since."""
    city, settings = replacing.city, replacing.city.settings
    pins = [city.log_key]
    thief = Ed25519Signer.from_seed(settings.origin, (settings.secrets / "log.seed").read_bytes())
    exported = [export(settings, tmp_path / "before.jsonl")]
    with replacing.connect(purpose="RESEARCH") as bank:
        receipts = [proved(bank)]
        asked = Bank([replacing])
        with asking(asked):
            more(asked, 1)
            for number in range(ROTATIONS):
                rotated(city, number)
                pins.append(city.log_key)
                more(asked, 2)
                receipts.append(proved(bank))  # its client pins the first key, and verifies
        head = bank.head()
    assert asked.failed == []
    assert all(kinds(city, request) in (["admission", "outcome"], ["outcome"]) for request in asked.answered)
    exported.append(export(settings, tmp_path / "after.jsonl"))
    newest = (settings.home / "log.pub").read_text(encoding="utf-8")
    for receipt in receipts:
        again = Receipt.from_bytes(receipt.to_bytes())
        assert again.verify(pins[0], sql=SIMPLE).entry["kind"] == "outcome"
        assert again.verify(newest, sql=SIMPLE).entry["kind"] == "outcome"
    with exported[0].open("rb") as lines:
        assert verify_export(lines, pins[0]).ok
    for pin in (*pins, newest):
        with exported[1].open("rb") as lines:
            found = verify_export(lines, pin)
        assert found.findings == ()
        assert receipts[-1].verify(pin)
    forged = sign_head(TreeHead(head.origin, head.size + 5, bytes(32)), thief)
    with pytest.raises(KeyContradiction, match="has retired"):
        forged.verify(LogKey.parse(pins[0]).learnt_from(receipts[1].checkpoint.note))
    assert wrongs(city) == []


def export(settings: Settings, target: Path) -> Path:
    """The whole log as an auditor takes it home."""
    done = CliRunner().invoke(app, ["log", "export", str(target), "--home", str(settings.home)])
    assert done.exit_code == 0, done.stderr
    return target


@pytest.mark.skipif(not at_length(0, 1), reason="every snapshot is built anew: by LOUVER_SOAK=1; the steps are in CI")
def test_the_record_key_is_replaced_while_the_service_answers(replacing: Service) -> None:
    """The same questions have the same answers over snapshots in which every subject has another key, and no question
    fails while the service goes over to them."""
    city, settings = replacing.city, replacing.city.settings
    with replacing.connect(purpose="RESEARCH") as bank:
        before = bank.analyse(PROTECTED.format(1)).rows
        asked = Bank([replacing])
        with asking(asked):
            more(asked, 1)
            done = CliRunner().invoke(
                app, ["keys", "rotate", "record", "--reason", "a lost disk", "--home", str(settings.home)]
            )
            assert done.exit_code == 0, done.stderr
            told = entries(city, kind="activation")[-1]["catalog"]
            assert eventually(lambda: entries(city, kind="activation")[-1]["catalog"] != told, 60.0)
            for path in settings.snapshots.glob("*.duckdb"):
                if path.stat().st_nlink > 1:  # shared with the city that this one is a copy of: not built here
                    path.unlink()
            more(asked, EACH)
            assert bank.analyse(PROTECTED.format(2)).rows == before, "no year is 1 or 2"
    assert asked.failed == []
    assert wrongs(city) == []
