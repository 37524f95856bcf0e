"""Between messages and values: pure functions shared by the blocking and the asyncio client.

An answer arrives in pieces. ``Assembly`` collects them and believes nothing before everything is there and the
SHA-256 of the bytes is the one announced, the one logged and the one the receipt proves.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from louver.errors import Unproven
from louver.failures import cut_off
from louver.privacy import losses
from louver.receipt import Receipt, VerifiedReceipt
from louver.results import (
    Accuracy,
    Answer,
    Column,
    ColumnUse,
    Explanation,
    HeldIdentifier,
    Notice,
    Outcome,
    Permission,
    QueryRecord,
    SealingKey,
    Table,
    figure,
)
from louver.sealing.columns import METADATA
from louver.statuses import refused
from louver.transparency import Checkpoint, LogKey, TreeHead
from louver.v1 import sandbox_pb2 as pb

if TYPE_CHECKING:
    from louver.sealing.keys import PrivateKey

    Private = Callable[[str], PrivateKey]

MESSAGE_LIMIT = 4 << 20
"""Bytes of one message, gRPC's own default."""


@dataclass
class Assembly:
    """One answer under construction; ``take`` every part, then ask for the ``answer``. ``seal``: the question asked
    for a sealed one."""

    request_id: str
    header: pb.AnswerHeader | None = None
    receipt: bytes = b""
    seal: bool = False
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0

    def take(self, part: pb.AnalyseResponse) -> str | None:
        """Add one part; the stage's name when it is a sign of progress. Raises ``Unproven``."""
        match part.WhichOneof("part"):
            case "progress":
                return part.progress.stage
            case "header":
                self.header = part.header
            case "arrow":
                self._pieces.append(part.arrow)
                self._size += len(part.arrow)
                if self.header is None or self._size > self.header.arrow_bytes:
                    raise Unproven("the answer is longer than its header says", self.receipt)
            case "receipt":
                self.receipt = part.receipt
        return None

    def answer(self, sql: str, log_key: str, private: Private | None = None) -> Answer:
        """The whole answer; with a log key, only if its receipt proves it. ``private`` finds keys to open it with.

        Raises ``Unreachable`` when pieces are missing and ``Unproven`` when they do not belong together.
        """
        header, stream = self.header, b"".join(self._pieces)
        if header is None or self._size < header.arrow_bytes or not self.receipt:
            raise cut_off(self.request_id)
        digest = hashlib.sha256(stream).digest()
        if not hmac.compare_digest(digest, header.result_sha256):
            raise Unproven("the answer's bytes are not those its header announces", stream)
        if header.request_id != self.request_id:
            raise Unproven("the answer belongs to another request", header.SerializeToString())
        if self.seal and METADATA not in stream and "SEALED" not in {notice.code for notice in header.notices}:
            raise Unproven("the answer was to be sealed and came in clear", header.SerializeToString())
        receipt = Receipt.from_bytes(self.receipt)
        proof = _prove(receipt, header, sql, digest.hex(), log_key) if log_key else None
        return _answer(header, stream, receipt, proof, private)


def _prove(receipt: Receipt, header: pb.AnswerHeader, sql: str, digest: str, log_key: str) -> VerifiedReceipt:
    """The receipt, if its entry is the outcome of this request: about this SQL, these rows and this remainder."""
    proof = receipt.verify(log_key, sql=sql, result_digest=digest, request_id=header.request_id)
    recorded = {
        "kind": "outcome",
        "treatment": header.treatment,
        "remainder_digest": hashlib.sha256(header.remainder_arrow).hexdigest(),
    }
    for name, value in recorded.items():
        if proof.entry.get(name) != value:
            raise Unproven(f"the log entry records another {name}", receipt.entry)
    return proof


def _answer(
    header: pb.AnswerHeader, stream: bytes, receipt: Receipt, proof: VerifiedReceipt | None, private: Private | None
) -> Answer:
    return Answer(
        request_id=header.request_id,
        treatment=header.treatment,
        stream=stream,
        notices=tuple(map(_notice, header.notices)),
        cost=dict(header.cost),
        remaining=dict(header.remaining),
        policies=tuple(header.policies),
        stored=header.stored,
        development=header.development,
        receipt=receipt,
        proof=proof,
        remainder_stream=header.remainder_arrow,
        exactness=tuple(map(accuracy, header.accuracy)),
        private=private,
        privacy=losses(header.privacy),
    )


def explanation(response: pb.ExplainResponse) -> Explanation:
    """The verdict of a dry run."""
    return Explanation(
        admitted=response.admitted,
        refusal=refused(response.refusal) if response.HasField("refusal") else None,
        treatment=response.treatment,
        statement=response.statement,
        cost=dict(response.cost),
        remaining=dict(response.remaining),
        policies=tuple(response.policies),
        uses=tuple(ColumnUse(use.table, use.column, use.clause, use.function) for use in response.uses),
        columns=tuple(_column(column) for column in response.columns),
        obligations=tuple(response.obligations),
        outcomes=tuple(Outcome(o.name, o.type, o.kind, o.message, o.message_zh) for o in response.outcomes),
        rules=tuple(map(_notice, response.rules)),
        notices=tuple(map(_notice, response.notices)),
        shape=response.shape,
        accuracy=tuple(map(accuracy, response.accuracy)),
        privacy=losses(response.privacy),
    )


def _notice(message: pb.Notice) -> Notice:
    return Notice(message.code, message.count, message.rule, message.message, message.message_zh)


def accuracy(message: pb.Accuracy) -> Accuracy:
    """How exact numbers with noise are."""
    return Accuracy(
        column=message.column,
        kind=message.kind,
        standard_error=figure(message.standard_error),
        below=figure(message.below),
        above=figure(message.above),
        message=message.message,
        message_zh=message.message_zh,
        relative_error=figure(message.relative_error),
        low=tuple(map(figure, message.low)),
        high=tuple(map(figure, message.high)),
        share=figure(message.share),
        sealed=message.sealed,
    )


def _column(column: pb.Column) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        nullable=column.nullable,
        level=column.level,
        role=column.role,
        description=column.description,
        rights=tuple(column.rights),
        bounds=column.bounds,
        element=column.element,
        domain=tuple(column.domain),
        permissions=tuple(
            Permission(item.treatment, tuple(item.rights), tuple(item.purposes), item.rows)
            for item in column.permissions
        ),
    )


def table(message: pb.Table) -> Table:
    """A catalogue entry."""
    return Table(
        schema=message.schema,
        name=message.name,
        title=message.title,
        owner=message.owner,
        space=message.space,
        refresh=message.refresh,
        as_of=message.as_of,
        columns=tuple(_column(column) for column in message.columns),
        units=tuple(message.units),
        purposes=tuple(message.purposes),
        verbs=tuple(message.verbs),
        version=message.version,
        rows=message.rows,
        created=message.created,
        themes=tuple(message.themes),
    )


def uploaded(message: pb.UploadTableResponse) -> Table:
    """A table that was just taken in, with what the scanner found in it."""
    held = tuple(HeldIdentifier(one.column, one.element, one.texts) for one in message.held)
    return replace(table(message.table), held=held)


def records(messages: Iterable[pb.QueryRecord]) -> list[QueryRecord]:
    """Lines of the caller's trail."""
    return [
        QueryRecord(
            request_id=message.request_id,
            time=message.time,
            purpose=message.purpose,
            sql=message.sql,
            state=message.state,
            code=message.code,
            treatment=message.treatment,
            cost=dict(message.cost),
            log_index=message.log_index,
            rows=message.rows,
        )
        for message in messages
    ]


def sealing_keys(messages: Iterable[pb.SealingKey]) -> list[SealingKey]:
    """Registered keys."""
    return [
        SealingKey(
            kid=message.kid,
            bits=message.bits,
            registered=message.registered,
            expires=message.expires,
            current=message.current,
            log_index=message.log_index,
        )
        for message in messages
    ]


def proven_receipt(data: bytes, request_id: str, log_key: str) -> Receipt:
    """A receipt that was asked for; with a log key, verified to be about this request. Raises ``Unproven``."""
    receipt = Receipt.from_bytes(data)
    if log_key:
        receipt.verify(log_key, request_id=request_id)
    return receipt


def proven_head(checkpoint: str, log_key: str) -> TreeHead:
    """The log's head; with a log key, only if the log signed it. Raises ``Unproven``."""
    parsed = Checkpoint.parse(checkpoint.encode())
    return parsed.verify(LogKey.parse(log_key)) if log_key else parsed.claimed
