"""A match from the institution's side: what is sent, what is believed of what comes back. No input or output here.

``Question`` is made once and may be sent again: a retry has the same blinded ids, so that it is the same request and
pays nothing; but a list is evaluated for it once. ``Exchange`` is one attempt: give it every message that comes, send
what it gives back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from louver import questions, wire
from louver.errors import Unproven
from louver.failures import Misused, cut_off
from louver.matching import oprf, spread
from louver.matching.evaluating import OneList, check_subjects
from louver.matching.results import Hit, Match, MatchableList
from louver.matching.sets import LABEL_BYTES, LARGEST_ENTRY, TAG_BYTES, MatchSet
from louver.matching.spread import Finishing
from louver.matching.subjects import canonical, value_of
from louver.privacy import losses
from louver.receipt import Receipt, VerifiedReceipt
from louver.settings import Settings
from louver.signing import sign_match
from louver.v1 import matching_pb2 as pb

MODES = ("hits", "count", "sum")
MATCH_SECONDS = 900.0
"""How long a match may take when nobody says otherwise."""
MOST_IDS = 100_000
"""Ids of the largest match."""
MOST_SET_BYTES = 8 << 30
TOKEN_SENT = 32
PIECE = 512 * 1024
KEPT_SETS = 4
_KEY_USE = "louver.dev/match-key/v1"

Progress = Callable[[str], None]

MOST_AUTHORISATIONS = 1000
"""Authorisations of persons that one match brings."""
_AUTHORISATION = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True)
class Batch:
    """Different ids in one spelling, in order, with how the caller wrote each; ``amounts`` beside them."""

    values: tuple[bytes, ...]
    written: tuple[str, ...]
    amounts: tuple[int, ...]
    skipped: int

    @classmethod
    def of(cls, ids: Iterable[str], amounts: Iterable[int] | None = None) -> Batch:
        """The ids, each once; amounts of the same id are added up. What is no id is left out and counted.

        Raises ``Misused`` for too many ids, a negative amount, one that is no whole number, and other numbers of
        amounts than of ids.
        """
        given = list(ids)
        sums = [0] * len(given) if amounts is None else list(amounts)
        if len(sums) != len(given):
            raise Misused("there are as many amounts as ids", "pass one amount for each id")
        if any(type(amount) is not int or amount < 0 for amount in sums):
            raise Misused("an amount is a whole number of smallest units, 0 or more", "such as fen: 1250 for 12.50")
        found: dict[bytes, tuple[str, int]] = {}
        skipped = 0
        for id_, amount in zip(given, sums, strict=True):
            try:
                value = value_of(id_)
            except (ValueError, TypeError):
                skipped += 1
                continue
            first, before = found.get(value, (id_, 0))
            found[value] = (first, before + amount)
        if len(found) > MOST_IDS:
            raise Misused(f"a match has at most {MOST_IDS} ids, and these are {len(found)}", "split the list")
        if not found:
            raise Misused("there are no ids to match", "an id has letters and digits, at most 64")
        written = tuple(first for first, _ in found.values())
        return cls(tuple(found), written, tuple(amount for _, amount in found.values()), skipped)


@dataclass(frozen=True)
class Question:
    """A signed match and all that finishes it. ``blinded`` in mode hits, ``evaluator`` otherwise: secrets of ours."""

    message: pb.MatchQuestion
    batch: Batch
    content: bytes
    blinded: Finishing | None = field(repr=False)
    evaluator: OneList | None = field(repr=False)

    def close(self) -> None:
        """Ends what stands ready to finish the ids."""
        if self.blinded is not None:
            self.blinded.close()


def ask(
    settings: Settings,
    batch: Batch,
    list_: str,
    mode: str,
    purpose: str | None,
    request_id: str | None,
    timeout: float,
    authorisations: Iterable[str] = (),
    largest: int | None = None,
    progress: Progress | None = None,
) -> Question:
    """Blinds the ids and signs the match; ``close`` it when it is done.

    ``largest`` is the bound of amounts, by default the largest of them. Raises ``Misused``.
    """
    brought = tuple(dict.fromkeys(authorisations))
    if brought and mode != "hits":
        raise Misused(f"authorisations are for mode hits, not {mode}", "leave them out")
    if len(brought) > MOST_AUTHORISATIONS or not all(map(_AUTHORISATION.fullmatch, brought)):
        raise Misused(
            f"a match brings at most {MOST_AUTHORISATIONS} authorisations", "by the ids that recording them gave"
        )
    if mode not in MODES:
        raise Misused(f"a match has no mode {mode!r}", f"one of {', '.join(MODES)}")
    if mode != "sum" and any(batch.amounts):
        raise Misused(f"amounts are for mode sum, not {mode}", "leave them out")
    bound = _bound(batch, mode, largest)
    blinded, evaluator = None, None
    if mode == "hits":
        blinded = spread.blind(batch.values, _told_in_words(progress))
        content = blinded.elements
    else:
        evaluator = oprf.Evaluator.of(_seed(settings, batch, list_, mode, bound))
        content = _tokens(evaluator, batch)
    around = settings.around
    message = pb.MatchQuestion(
        request_id=questions.checked_request_id(around.new_request_id() if request_id is None else request_id),
        purpose=settings.profile.purpose if purpose is None else purpose,
        list=list_,
        mode=mode,
        ids=len(batch.values),
        batch_sha256=hashlib.sha256(content).digest(),
        public_key=b"" if evaluator is None else evaluator.public,
        expires=questions.rfc3339(questions.expiry(around.clock(), timeout)),
        authorisations=brought,
        largest_amount=bound,
    )
    message.signature = sign_match(message, settings.credentials.signing_key)
    return Question(message, batch, content, blinded, None if evaluator is None else OneList(evaluator))


def _bound(batch: Batch, mode: str, largest: int | None) -> int:
    """What is signed as the most that an amount of the batch is; 0 but for sums."""
    if mode != "sum":
        if largest is not None:
            raise Misused(f"a largest amount is for mode sum, not {mode}", "leave it out")
        return 0
    found = max(1, *batch.amounts)
    if largest is not None and largest < found:
        raise Misused("an amount is above the largest that is declared", "declare more, or cut the amount off")
    return found if largest is None else largest


def _seed(settings: Settings, batch: Batch, list_: str, mode: str, bound: int) -> bytes:
    """Of the key that a batch's tokens are made with: the same for the same batch, so that asked again it is known to
    be the same and has its number again; for any other batch another key, so that no two can be compared.

    It follows from the signing key, so nobody else can make the tokens of an id.
    """
    secret = settings.credentials.signing_key.private_numbers().private_value.to_bytes(66, "big")
    rows = sorted(zip(batch.values, batch.amounts, strict=True))
    said = hashlib.sha256(repr((_KEY_USE, list_, mode, bound, rows)).encode()).digest()
    return hmac.digest(secret, said, "sha256")


def _tokens(evaluator: oprf.Evaluator, batch: Batch) -> bytes:
    """Our ids as tokens with their amounts, in the order of tokens, so that places tell nothing."""
    tokens = (token[:TOKEN_SENT] for token in evaluator.tokens(batch.values))
    rows = sorted(zip(tokens, batch.amounts, strict=True))
    try:
        return b"".join(token + amount.to_bytes(8, "big") for token, amount in rows)
    except OverflowError:
        raise Misused("an amount has at most 64 bits") from None


def _told_in_words(progress: Progress | None) -> spread.Progress | None:
    """Half of the work on ids is before they are sent, and half when they come back."""
    if progress is None:
        return None
    return lambda done, total: progress(
        f"blinding {2 * done} of {total}" if 2 * done <= total else f"finishing {2 * done - total} of {total}"
    )


class Sets:
    """The last sets that came, so that they need not come again."""

    def __init__(self) -> None:
        self._kept: dict[str, MatchSet] = {}

    def known(self) -> list[bytes]:
        """Their digests."""
        return [bytes.fromhex(digest) for digest in self._kept]

    def find(self, digest: str) -> MatchSet | None:
        """The set of that digest."""
        return self._kept.get(digest)

    def keep(self, found: MatchSet) -> None:
        """Keeps a set in place of the oldest."""
        self._kept[found.digest] = found
        while len(self._kept) > KEPT_SETS:
            del self._kept[next(iter(self._kept))]


class Exchange:
    """One attempt at a match."""

    def __init__(self, question: Question, sets: Sets, log_key: str, progress: Progress | None = None) -> None:
        self._question = question
        self._sets = sets
        self._log_key = log_key
        self._progress = progress or (lambda stage: None)
        self._header: pb.MatchHeader | None = None
        self._set, self._evaluated, self._blinded = bytearray(), bytearray(), bytearray()
        self._personal = bytearray()
        self._number: pb.MatchNumber | None = None
        self._receipt = b""

    def first(self) -> Iterator[pb.MatchRequest]:
        """What is sent at once: the question and its batch."""
        yield pb.MatchRequest(question=self._question.message, known_sets=self._sets.known())
        for piece in _pieces(self._question.content):
            yield pb.MatchRequest(batch=piece)

    def take(self, response: pb.MatchResponse) -> Iterator[pb.MatchRequest]:
        """What is to be sent because of this message. Raises ``Unproven`` where more comes than was announced."""
        part = response.WhichOneof("part")
        match part:
            case "progress":
                self._progress(response.progress)
            case "header":
                self._take_header(response.header)
            case "set":
                self._add(self._set, response.set, self._announced.set_bytes)
            case "evaluated":
                self._add(self._evaluated, response.evaluated, oprf.evaluated_bytes(len(self._question.batch.values)))
            case "personal":
                most = len(self._question.message.authorisations) * (LARGEST_ENTRY + LABEL_BYTES + TAG_BYTES)
                self._add(self._personal, response.personal, most)
            case "blinded":
                whole = self._announced.subjects * oprf.ELEMENT_BYTES
                if self._add(self._blinded, response.blinded, whole) == whole:
                    yield from self._evaluate()
            case "number":
                self._number = response.number
            case "receipt":
                self._receipt = response.receipt

    def _take_header(self, header: pb.MatchHeader) -> None:
        if self._header is not None:
            raise Unproven("the answer has a second header", b"")
        if header.set_bytes > MOST_SET_BYTES:
            raise Unproven("the platform announces a larger list than there can be", b"")
        if self._question.evaluator is not None:
            known = self._sets.find(header.set_sha256.hex())
            check_subjects(header.subjects, None if known is None else len(known))
        self._header = header

    @property
    def _announced(self) -> pb.MatchHeader:
        if self._header is None:
            raise Unproven("the answer begins without its header", b"")
        return self._header

    def _add(self, buffer: bytearray, piece: bytes, most: int) -> int:
        buffer += piece
        if len(buffer) > most:
            raise Unproven("the answer is longer than its header says", b"")
        return len(buffer)

    def _evaluate(self) -> Iterator[pb.MatchRequest]:
        """The list's subjects under our key, with the proofs of it."""
        if self._question.evaluator is None:
            raise Unproven("blinded subjects came for a match in mode hits", b"")
        evaluated = self._question.evaluator.evaluated(bytes(self._blinded), self._question.message.request_id)
        for done, piece in evaluated:
            self._progress(f"evaluating {done} of {self._announced.subjects}")
            for part in _pieces(piece):
                yield pb.MatchRequest(evaluated=part)

    def result(self) -> Match:
        """The match, once everything has come. Raises ``Unproven`` and ``Unreachable``."""
        asked, header = self._question.message, self._header
        if header is None or not self._receipt:
            raise cut_off(asked.request_id)
        if (header.request_id, header.list, header.mode) != (asked.request_id, asked.list, asked.mode):
            raise Unproven("the answer belongs to another match", header.SerializeToString())
        self._progress("finishing")
        if asked.mode == "hits":
            hits, columns, digest = self._hits(header)
        else:
            hits, columns, digest = (), (), self._digest_of_number()
        receipt = Receipt.from_bytes(self._receipt)
        proof = self._prove(receipt, header, digest) if self._log_key else None
        number = self._number
        return Match(
            request_id=asked.request_id,
            list=asked.list,
            mode=asked.mode,
            set_sha256=header.set_sha256.hex(),
            day=header.day,
            ids=len(self._question.batch.values),
            skipped=self._question.batch.skipped,
            columns=columns,
            hits=hits,
            value=None if number is None else number.value,
            accuracy=None if number is None else wire.accuracy(number.accuracy),
            largest=asked.largest_amount,
            privacy=losses(header.privacy),
            cost=dict(header.cost),
            remaining=dict(header.remaining),
            policies=tuple(header.policies),
            development=header.development,
            receipt=receipt,
            proof=proof,
        )

    def _hits(self, header: pb.MatchHeader) -> tuple[tuple[Hit, ...], tuple[str, ...], str]:
        blinded = self._question.blinded
        if blinded is None or len(self._set) < header.set_bytes:
            raise cut_off(header.request_id)
        if len(self._evaluated) < oprf.evaluated_bytes(len(blinded)):
            raise cut_off(header.request_id)
        found = self._received_set(header)
        said = (found.header.list, found.header.day, found.header.public_key)
        if said != (header.list, header.day, header.public_key.hex()):
            raise Unproven("the set is of another list, day or key than the answer", header.SerializeToString())
        evaluated = bytes(self._evaluated)
        tokens = blinded.finish(evaluated, header.public_key)
        if len(self._personal) != len(self._question.message.authorisations) * found.record_bytes:
            raise cut_off(header.request_id)
        persons = found.opened(bytes(self._personal), tokens)
        hits = tuple(
            Hit(written, row)
            for written, token in zip(self._question.batch.written, tokens, strict=True)
            for row in found.rows(token) + persons.get(token, ())
        )
        self._sets.keep(found)
        return hits, found.header.columns, oprf.hits_digest(evaluated, bytes(self._personal))

    def _received_set(self, header: pb.MatchHeader) -> MatchSet:
        known = self._sets.find(header.set_sha256.hex())
        found = known if known is not None and not self._set else MatchSet(bytes(self._set))
        if found.digest != header.set_sha256.hex():
            raise Unproven("the list's set is not the one that its digest names", header.SerializeToString())
        return found

    def _digest_of_number(self) -> str:
        number = self._number
        if number is None:
            raise cut_off(self._question.message.request_id)
        return oprf.number_digest(number.value)

    def _prove(self, receipt: Receipt, header: pb.MatchHeader, digest: str) -> VerifiedReceipt:
        """The receipt, if its entry is the outcome of this very match, against this very set."""
        asked = self._question.message
        proof = receipt.verify(self._log_key, result_digest=digest, request_id=asked.request_id)
        recorded = {
            "kind": "outcome",
            "verb": "match",
            "list": asked.list,
            "mode": asked.mode,
            "ids": asked.ids,
            "match_set": header.set_sha256.hex(),
            **({"largest": asked.largest_amount} if asked.largest_amount else {}),
            **({} if self._question.evaluator is None else {"subjects": header.subjects}),
        }
        for name, value in recorded.items():
            if proof.entry.get(name) != value:
                raise Unproven(f"the log entry records another {name}", receipt.entry)
        return proof


def report(
    request_id: str, list_: str, subject: str, measure: str, taken_on: str, note: str
) -> pb.ReportMeasureRequest:
    """The feedback as it is sent. Raises ``Misused``."""
    try:
        canonical(subject)
    except ValueError:
        raise Misused("the subject is no id", "an id has letters and digits, at most 64") from None
    return pb.ReportMeasureRequest(
        request_id=questions.checked_request_id(request_id),
        list=list_,
        subject=subject,
        measure=measure,
        taken_on=taken_on,
        note=note,
    )


def matchable(messages: Sequence[pb.MatchableList]) -> list[MatchableList]:
    """The lists of an answer."""
    return [
        MatchableList(
            list=message.list,
            title=message.title,
            owner=message.owner,
            modes=tuple(message.modes),
            purposes=tuple(message.purposes),
            columns=tuple(message.columns),
            minimum_batch=message.minimum_batch,
            ids_per_day=message.ids_per_day,
            ids_per_month=message.ids_per_month,
            persons=message.persons,
        )
        for message in messages
    ]


def _pieces(content: bytes) -> Iterator[bytes]:
    return (content[start : start + PIECE] for start in range(0, len(content), PIECE))
