"""The evaluation of blinded ids from the institution's side: what is sent, what is believed of what comes back.

``Question`` is made once and may be sent again: a retry has the same blinded ids, so that it is the same request and
pays nothing. ``Exchange`` is one attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from louver import questions
from louver.errors import Unproven
from louver.failures import Misused, cut_off
from louver.matching import oprf, spread
from louver.matching.spread import Finishing
from louver.receipt import Receipt
from louver.settings import Settings
from louver.signing import sign_tokens
from louver.tokens.columns import pieces
from louver.v1 import tokens_pb2 as pb

MOST_IDS = 100_000
"""Ids of one evaluation; more are asked for in several."""
PIECE = 512 * 1024

Progress = Callable[[int, int], None]
"""Hears ids done and ids in all."""


@dataclass(frozen=True)
class Question:
    """A signed question for tokens and the secrets that finish it."""

    message: pb.TokenQuestion
    blinded: Finishing = field(repr=False)


def ask(
    settings: Settings, values: Sequence[bytes], element: str, timeout: float, progress: Progress | None = None
) -> Question:
    """Blinds the inputs and signs the question; ``close`` its ids when it is done. Raises ``Misused``."""
    blinded = spread.blind(values, progress)
    around = settings.around
    message = pb.TokenQuestion(
        request_id=around.new_request_id(),
        element=element,
        ids=len(values),
        batch_sha256=hashlib.sha256(blinded.elements).digest(),
        expires=questions.rfc3339(questions.expiry(around.clock(), timeout)),
    )
    message.signature = sign_tokens(message, settings.credentials.signing_key)
    return Question(message, blinded)


class Exchange:
    """One attempt at an evaluation."""

    def __init__(self, question: Question, log_key: str) -> None:
        self._question = question
        self._log_key = log_key
        self._header: pb.EvaluateHeader | None = None
        self._evaluated = bytearray()
        self._receipt = b""

    def sent(self) -> Iterator[pb.EvaluateRequest]:
        """What is sent: the question and its batch."""
        yield pb.EvaluateRequest(question=self._question.message)
        content = self._question.blinded.elements
        for start in range(0, len(content), PIECE):
            yield pb.EvaluateRequest(batch=content[start : start + PIECE])

    def take(self, response: pb.EvaluateResponse) -> None:
        """Takes a message in. Raises ``Unproven`` where more comes than was asked for."""
        match response.WhichOneof("part"):
            case "header":
                self._header = response.header
            case "evaluated":
                self._evaluated += response.evaluated
                if len(self._evaluated) > oprf.evaluated_bytes(len(self._question.blinded)):
                    raise Unproven("more was evaluated than was asked for", b"")
            case "receipt":
                self._receipt = response.receipt

    def result(self) -> tuple[list[bytes], str]:
        """The tokens and the public key in hex, once everything has come and is proved. Raises ``Unproven`` and
        ``Unreachable``."""
        asked, header = self._question.message, self._header
        whole = len(self._evaluated) == oprf.evaluated_bytes(len(self._question.blinded))
        if header is None or not self._receipt or not whole:
            raise cut_off(asked.request_id)
        if (header.request_id, header.element) != (asked.request_id, asked.element):
            raise Unproven("the answer belongs to other ids", header.SerializeToString())
        tokens = self._question.blinded.finish(bytes(self._evaluated), header.public_key)
        if self._log_key:
            self._prove(header)
        return tokens, header.public_key.hex()

    def _prove(self, header: pb.EvaluateHeader) -> None:
        """The receipt's entry is the outcome of this very question, by the key that was proved."""
        asked, receipt = self._question.message, Receipt.from_bytes(self._receipt)
        digest = oprf.elements_digest(bytes(self._evaluated))
        proof = receipt.verify(self._log_key, result_digest=digest, request_id=asked.request_id)
        recorded = {
            "kind": "outcome",
            "verb": "token",
            "element": asked.element,
            "ids": asked.ids,
            "public_key": header.public_key.hex(),
        }
        for name, value in recorded.items():
            if proof.entry.get(name) != value:
                raise Unproven(f"the log entry records another {name}", receipt.entry)


Each = Callable[[Sequence[bytes], Progress], tuple[list[bytes], str]]
"""The tokens and the key of so many ids as one question may have; tells how far it is with them."""


def evaluated(values: Sequence[bytes], each: Each, progress: Progress | None) -> tuple[list[bytes], str]:
    """The tokens of as many ids as there are, and their one key.

    Raises ``Misused`` where the platform has replaced its keys meanwhile.
    """
    tokens: list[bytes] = []
    keys: dict[str, None] = {}
    tell = progress or (lambda done, total: None)
    tell(0, len(values))
    for part in pieces(values, MOST_IDS):
        before = len(tokens)
        made, key = each(part, lambda done, _, before=before: tell(before + done, len(values)))  # type: ignore[misc]
        tokens += made
        keys[key] = None
        tell(len(tokens), len(values))
    if len(keys) != 1:
        raise Misused("the platform has replaced its keys while tokens were made", "upload again")
    return tokens, next(iter(keys))
