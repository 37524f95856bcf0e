"""A whole sandbox in memory: real gRPC on loopback, real mutual TLS, real signatures and receipts, recorded answers.

What it does not do is think: answers and refusals are looked up by the exact SQL. ``troubles`` makes the next calls
go wrong, one trouble per call.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pyarrow as pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from gmpy2 import mpz
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from louver.errors import Refused
from louver.receipt import Receipt, commitment
from louver.sealing.keys import PublicKey
from louver.sealing.proofs import proves
from louver.signing import is_registered_by, is_signed_by
from louver.transparency import Checkpoint, Note, Signature, TreeHead, VerifierKey
from louver.transparency.merkle import leaf_hash
from louver.transparency.proofs import TlogProof
from louver.v1 import errors_pb2
from louver.v1 import sandbox_pb2 as pb
from louver.v1.sandbox_pb2_grpc import SandboxServiceServicer, add_SandboxServiceServicer_to_server

PIECE = 700
"""Bytes of a piece of an answer: small, so that every answer has several."""


class Trouble(Enum):
    """What the next call meets."""

    UNAVAILABLE = auto()
    CUT_OFF = auto()
    FAULT = auto()
    FOREIGN_TEXT = auto()
    SLOW = auto()
    OTHER_BYTES = auto()
    OTHER_RECEIPT = auto()
    OTHER_REQUEST = auto()
    OTHER_TREATMENT = auto()
    NO_REMAINDER = auto()
    LONGER = auto()


@dataclass(frozen=True)
class Identity:
    """PEM files of one party."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as a test."""

    def __init__(self, folder: Path, name: str = "simulated authority") -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(self._name).issuer_name(self._name)
        builder = builder.public_key(self._key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=365)).not_valid_after(now + timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = self.folder / "ca.pem"
        self.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, *, days: int = 30, since: int = -1) -> Identity:
        """A certificate for ``name`` and loopback, good from ``since`` days to ``days`` days from now."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days=since)).not_valid_after(now + timedelta(days=days))
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ip_address("127.0.0.1")),
            x509.UniformResourceIdentifier(f"urn:louver:institution:{name}"),
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        identity = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        identity.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return identity


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class LogSimulator:
    """A transparency log that signs a tree of one entry for every receipt: small, and a real proof."""

    def __init__(self, origin: str = "louver.example/simulated") -> None:
        self._key = Ed25519PrivateKey.generate()
        self.key = VerifierKey(origin, self._key.public_key().public_bytes_raw())

    def head(self, size: int, root: bytes) -> Checkpoint:
        """A signed checkpoint."""
        claimed = TreeHead(self.key.name, size, root)
        text = claimed.text()
        return Checkpoint(
            claimed, Note(text, (Signature(self.key.name, self.key.id, self._key.sign(text.encode())),))
        )

    def receipt(self, request_id: str, sql: str, recorded: Recorded) -> Receipt:
        """The receipt of an outcome."""
        salt = hashlib.sha256(request_id.encode()).digest()
        entry = {
            "v": 1,
            "kind": "outcome",
            "index": 0,
            "time": "2026-01-01T00:00:00Z",
            "request_id": request_id,
            "treatment": recorded.treatment,
            "result_digest": hashlib.sha256(ipc(recorded.table)).hexdigest(),
            "remainder_digest": hashlib.sha256(recorded.remainder_stream).hexdigest(),
            "commitments": {"sql": commitment("sql", salt, sql)},
        }
        body = json.dumps(entry, separators=(",", ":"), sort_keys=True).encode()
        return Receipt(body, TlogProof(0, (), self.head(1, leaf_hash(body))), {"sql": salt})


@dataclass(frozen=True)
class Recorded:
    """An answer on record."""

    table: pa.Table
    treatment: str = "exact"
    notices: tuple[pb.Notice, ...] = ()
    cost: Mapping[str, int] = field(default_factory=lambda: {"query": 1})
    remainder: pa.Table | None = None

    @property
    def remainder_stream(self) -> bytes:
        """The remainder row as it is sent; empty when there is none."""
        return b"" if self.remainder is None else ipc(self.remainder)


def ipc(table: pa.Table) -> bytes:
    """The table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class SandboxSimulator(SandboxServiceServicer):
    """The service. Public attributes are what a test arranges before and looks at after."""

    def __init__(self) -> None:
        self.log = LogSimulator()
        self.answers: dict[str, Recorded] = {}
        self.refusals: dict[str, Refused] = {}
        self.catalogue: list[pb.Table] = []
        self.uploads: dict[str, bytes] = {}
        self.partial: dict[str, bytes] = {}
        self.troubles: deque[Trouble] = deque()
        self.asked: list[pb.Question] = []
        self.charged: dict[str, str] = {}
        self.cancelled = threading.Event()
        self.largest_piece = 0
        self.keys: list[pb.SealingKey] = []

    def Analyse(  # noqa: N802
        self, request: pb.AnalyseRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.AnalyseResponse]:
        question = request.question
        self.asked.append(question)
        trouble = self._trouble(context)
        if not is_signed_by(question, _caller_key(context)):
            _refuse(context, Refused("LVR-0301", "the question is not signed by your certificate's key"))
        self._refuse_if_recorded(question.sql, context)
        recorded = self.answers[question.sql]
        stored = question.request_id in self.charged
        self.charged[question.request_id] = question.sql
        yield pb.AnalyseResponse(progress=pb.Progress(stage="checked"))
        if trouble is Trouble.SLOW:
            context.add_callback(self.cancelled.set)
            self.cancelled.wait(20)
            return
        yield pb.AnalyseResponse(progress=pb.Progress(stage="running"))
        stream = ipc(recorded.table)
        yield pb.AnalyseResponse(header=self._header(question, recorded, stream, stored, trouble))
        sent = stream if trouble is not Trouble.OTHER_BYTES else stream[:-1] + bytes([stream[-1] ^ 1])
        for start in range(0, len(sent), PIECE):
            yield pb.AnalyseResponse(arrow=sent[start : start + PIECE])
            if trouble is Trouble.CUT_OFF:
                context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        if trouble is Trouble.LONGER:
            yield pb.AnalyseResponse(arrow=b"more")
        about = "SELECT 2" if trouble is Trouble.OTHER_RECEIPT else question.sql
        receipt = self.log.receipt(question.request_id, about, recorded)
        yield pb.AnalyseResponse(receipt=receipt.to_bytes())

    def _header(
        self, question: pb.Question, recorded: Recorded, stream: bytes, stored: bool, trouble: Trouble | None
    ) -> pb.AnswerHeader:
        return pb.AnswerHeader(
            request_id=str(uuid.uuid4()) if trouble is Trouble.OTHER_REQUEST else question.request_id,
            treatment="exact" if trouble is Trouble.OTHER_TREATMENT else recorded.treatment,
            notices=recorded.notices,
            cost={} if stored else dict(recorded.cost),
            remaining={"hukou/query": 99},
            arrow_bytes=len(stream),
            result_sha256=hashlib.sha256(stream).digest(),
            stored=stored,
            policies=["hukou-credit@3"],
            rows=recorded.table.num_rows,
            remainder_arrow=b"" if trouble is Trouble.NO_REMAINDER else recorded.remainder_stream,
        )

    def Explain(self, request: pb.ExplainRequest, context: grpc.ServicerContext) -> pb.ExplainResponse:  # noqa: N802
        self._trouble(context)
        if refused := self.refusals.get(request.sql):
            detail = refusal_detail(refused)
            summary = pb.RefusalSummary(
                code=detail.code, message=detail.message, line=detail.line, column=detail.column
            )
            return pb.ExplainResponse(admitted=False, refusal=summary)
        use = pb.ColumnUse(table="hukou.person", column="district", clause="group by")
        return pb.ExplainResponse(
            admitted=True,
            treatment=self.answers[request.sql].treatment,
            statement=request.sql,
            cost={"query": 1},
            policies=["hukou-credit@3"],
            uses=[use],
            columns=[pb.Column(name="n", type="integer")],
            obligations=["threshold 10"],
            remaining={"query": 41},
            outcomes=[
                pb.Outcome(name="n", type="integer", kind="count", message="number of rows", message_zh="行数")
            ],
            rules=[pb.Notice(code="RULE", count=10, rule="units", message="10 persons", message_zh="10 个自然人")],
            notices=[pb.Notice(code="CELLS_UNTOLD", message="groups may be missing", message_zh="可能有分组未列出")],
            shape='SELECT "n" FROM "released1"',
        )

    def ListTables(  # noqa: N802
        self, request: pb.ListTablesRequest, context: grpc.ServicerContext
    ) -> pb.ListTablesResponse:
        self._trouble(context)
        own = [self._own(name, content) for name, content in self.uploads.items()]
        return pb.ListTablesResponse(tables=own if request.own_only else [*self.catalogue, *own])

    def UploadTable(  # noqa: N802
        self, request_iterator: Iterator[pb.UploadTableRequest], context: grpc.ServicerContext
    ) -> pb.UploadTableResponse:
        trouble = self._trouble(context)
        header = next(request_iterator).header
        content = self.partial.get(header.upload_id, b"")
        if header.offset != len(content):
            _refuse(context, Refused("LVR-5311", "the upload was not cut off there", "ask how much has come"))
        digest = b""
        for message in request_iterator:
            content += message.arrow
            digest = message.end.sha256
            self.partial[header.upload_id] = content
            self.largest_piece = max(self.largest_piece, len(message.arrow))
            if trouble is Trouble.CUT_OFF:
                context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        if header.name in self.uploads and not header.replace:
            _refuse(context, Refused("LVR-4201", "a table of this name exists", "pass replace=True"))
        self.partial.pop(header.upload_id, None)
        if digest != hashlib.sha256(content).digest():
            _refuse(context, Refused("LVR-5312", "the bytes are others than they should be", "upload again"))
        self.uploads[header.name] = content
        return pb.UploadTableResponse(table=self._own(header.name, self.uploads[header.name]))

    def GetUpload(self, request: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:  # noqa: N802
        content = self.partial.get(request.upload_id, b"")
        return pb.GetUploadResponse(received=len(content), sha256=hashlib.sha256(content).digest())

    def _own(self, name: str, content: bytes) -> pb.Table:
        table = pa.ipc.open_stream(content).read_all()
        columns = [pb.Column(name=item.name, type=str(item.type), nullable=True, level=3) for item in table.schema]
        version = hashlib.sha256(content).hexdigest()
        return pb.Table(
            schema="bank_a", name=name, space="institution", columns=columns, version=version, rows=table.num_rows
        )

    def DropTable(self, request: pb.DropTableRequest, context: grpc.ServicerContext) -> pb.DropTableResponse:  # noqa: N802
        self._trouble(context)
        if self.uploads.pop(request.name, None) is None:
            _refuse(context, Refused("LVR-4202", "you have no table of this name"))
        return pb.DropTableResponse()

    def ListQueries(  # noqa: N802
        self, request: pb.ListQueriesRequest, context: grpc.ServicerContext
    ) -> pb.ListQueriesResponse:
        self._trouble(context)
        start = int(request.page_token or 0)
        stop = start + min(request.page_size, 2)  # a page is small, so that paging is exercised
        lines = [
            pb.QueryRecord(
                request_id=question.request_id, sql=question.sql, purpose=question.purpose, state="answered"
            )
            for question in reversed(self.asked)
        ]
        return pb.ListQueriesResponse(
            queries=lines[start:stop], next_page_token=str(stop) if stop < len(lines) else ""
        )

    def GetReceipt(self, request: pb.GetReceiptRequest, context: grpc.ServicerContext) -> pb.GetReceiptResponse:  # noqa: N802
        self._trouble(context)
        if request.request_id not in self.charged:
            _refuse(context, Refused("LVR-0401", "there is no answer under this request id"))
        sql = self.charged[request.request_id]
        receipt = self.log.receipt(request.request_id, sql, self.answers[sql])
        return pb.GetReceiptResponse(receipt=receipt.to_bytes())

    def GetHead(self, request: pb.GetHeadRequest, context: grpc.ServicerContext) -> pb.GetHeadResponse:  # noqa: N802
        self._trouble(context)
        head = self.log.head(len(self.asked), hashlib.sha256(b"root").digest())
        return pb.GetHeadResponse(checkpoint=head.to_bytes().decode())

    def RegisterKey(  # noqa: N802
        self, request: pb.RegisterKeyRequest, context: grpc.ServicerContext
    ) -> pb.RegisterKeyResponse:
        self._trouble(context)
        key = PublicKey(mpz(int.from_bytes(request.modulus, "big")))
        if not is_registered_by(request, _caller_key(context)) or not proves(request.proof, key, "bank-a"):
            _refuse(context, Refused("LVR-5003", "the proof does not hold"))
        for older in self.keys:
            older.current = False
        made = pb.SealingKey(kid=key.kid, bits=key.bits, expires=request.expires, current=True, log_index=7)
        self.keys.insert(0, made)
        return pb.RegisterKeyResponse(key=made)

    def ListKeys(self, request: pb.ListKeysRequest, context: grpc.ServicerContext) -> pb.ListKeysResponse:  # noqa: N802
        self._trouble(context)
        return pb.ListKeysResponse(keys=self.keys)

    def _refuse_if_recorded(self, sql: str, context: grpc.ServicerContext) -> None:
        if refused := self.refusals.get(sql):
            _refuse(context, refused)

    def _trouble(self, context: grpc.ServicerContext) -> Trouble | None:
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is Trouble.UNAVAILABLE:
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        if trouble is Trouble.FAULT:
            abort(context, grpc.StatusCode.INTERNAL, errors_pb2.FaultDetail(incident_id="inc-17"))
        if trouble is Trouble.FOREIGN_TEXT:
            raise RuntimeError("row 4: 张三, 370299190001010000")
        return trouble


def _caller_key(context: grpc.ServicerContext) -> ec.EllipticCurvePublicKey:
    (pem,) = context.auth_context()["x509_pem_cert"]
    key = x509.load_pem_x509_certificate(bytes(pem)).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def refusal_detail(refused: Refused) -> errors_pb2.RefusalDetail:
    """A refusal as it crosses the wire."""
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
        retry_after_seconds=refused.retry_after or 0,
    )


def _refuse(context: grpc.ServicerContext, refused: Refused) -> NoReturn:
    abort(context, grpc.StatusCode.FAILED_PRECONDITION, refusal_detail(refused))


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, detail: Message) -> NoReturn:
    """End a call with a typed detail."""
    status = status_pb2.Status(code=code.value[0], message=code.name)
    status.details.add().Pack(detail)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort returns never")


@dataclass(frozen=True)
class Simulation:
    """A running simulator and what a bank needs to reach it."""

    service: SandboxSimulator
    authority: Authority
    bank: Identity
    target: str

    @property
    def log_key(self) -> str:
        return str(self.service.log.key)

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """Keyword arguments of ``connect``."""
        given = {"certificate": self.bank.certificate, "key": self.bank.key, "ca": self.authority.certificate}
        return {"target": self.target, **given, "log_key": self.log_key, "purpose": "credit_approval", **changes}

    def environment(self) -> dict[str, str]:
        """The same as ``LOUVER_*`` variables."""
        return {f"LOUVER_{name.upper()}": str(value) for name, value in self.arguments().items()}


@contextmanager
def simulated_sandbox(folder: Path, server_days: Sequence[int] = (-1, 30)) -> Iterator[Simulation]:
    """A sandbox on a free port of loopback; ``server_days`` bound the validity of its certificate."""
    authority = Authority(folder)
    since, until = server_days
    server_identity = authority.issue("sandbox", since=since, days=until)
    service = SandboxSimulator()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    add_SandboxServiceServicer_to_server(service, server)
    chain = (server_identity.key.read_bytes(), server_identity.certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([chain], authority.certificate.read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield Simulation(service, authority, authority.issue("bank-a"), f"127.0.0.1:{port}")
    finally:
        service.cancelled.set()
        server.stop(None).wait()
