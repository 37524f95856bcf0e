"""The line of a request for scores: from a bank's applicants to ciphertexts and a receipt that proves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gmpy2 import mpz

from louver.errors import Fault, Refused
from louver.scoring.layout import slots
from louver.sealing import bulk
from louver.sealing.keys import PublicKey
from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.consents import Authorisations
from louver_sandbox.journal import Books
from louver_sandbox.pipeline import Call, Failed
from louver_sandbox.plan.verify_scores import sent
from louver_sandbox.refusals import scoring as refuse
from louver_sandbox.refusals.capacity import not_accepting
from louver_sandbox.score_plan import ScoreCase, ScorePlan
from louver_sandbox.scoring.bins import decode_bins
from louver_sandbox.scoring.commit import ABSENT, SCORED, Given, Order, Paid, abort, commit, find_given, record
from louver_sandbox.scoring.models import Models
from louver_sandbox.scoring.registry import Pair, RegisteredModel
from louver_sandbox.sealing.packing import Bins
from louver_sandbox.stages import Request, SourceRef
from louver_sandbox.store import StoreError


class Worker(Protocol):
    """One reserved worker."""

    def run_statement(self, sources: Sequence[SourceRef], statement: str, call: Call) -> bytes:
        """The worker's reply, one Arrow IPC stream. Raises `Failed`."""


Pack = tuple[Bins, ...]

AddUp = Callable[[RegisteredModel, PublicKey, Sequence[mpz], Sequence[int], Sequence[Pack]], Iterator[bytes]]
"""Makes the ciphertext of each pack, in order. Raises `Failed`."""


def no_scorer(
    model: RegisteredModel, key: PublicKey, ciphertexts: Sequence[mpz], bins: Sequence[int], packs: Sequence[Pack]
) -> Iterator[bytes]:
    """Where no policy declares features nothing is ever scored. Raises `Failed`."""
    raise Failed("error")


@dataclass(frozen=True, slots=True)
class Answered:
    """What the caller gets: encrypted scores, their proof, and what they cost."""

    content: bytes = field(repr=False)
    receipt: bytes = field(repr=False)
    cost: Mapping[str, int]
    stored: bool


@dataclass(frozen=True)
class Parts:
    """What the line works with. ``judge`` is `judge_scores` in a killable process, ``reserve`` gives a worker before
    anything is charged, ``public`` a registered key and ``current`` the id of an institution's own."""

    books: Books
    clock: Callable[[], datetime]
    models: Models
    authorisations: Authorisations
    judge: Callable[[ScoreCase], ScorePlan]
    reserve: Callable[[str, Call], AbstractContextManager[Worker]]
    public: Callable[[str], PublicKey]
    current: Callable[[str], str]
    add_up: AddUp
    new_incident: Callable[[Exception], str]


class ScoreLine:
    """Answers requests for scores."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def score(self, request: Request, model: str, pairs: Sequence[Pair], call: Call) -> Answered:
        """Admit, then run. Raises `Refused` (logged) or `Fault`."""
        parts = self._parts
        try:
            if (given := find_given(request, parts.books)) is not None:
                return self._again(given)
            order = self._order(request, parts.models.find(request.subject.institution, model), pairs)
            call.progress("checked")
            with parts.reserve(request.subject.institution, call) as worker:
                paid = commit(order, parts.books, parts.authorisations, parts.clock())
                if isinstance(paid, Given):
                    return self._again(paid)
                call.progress("admitted")
                return self._run(paid, worker, call)
        except Refused as refused:
            raise self._logged(request, refused) from None

    def _order(self, request: Request, model: RegisteredModel, pairs: Sequence[Pair]) -> Order:
        """What policies permit. Raises `Refused`."""
        parts = self._parts
        if model.kid != parts.current(request.subject.institution):
            raise refuse.model_key({})  # a key is replaced for a reason that we do not know
        case = ScoreCase(
            request.subject,
            request.purpose,
            model.feature_set,
            model.feature_set_sha256,
            model.name,
            model.auditor,
            len(pairs),
            parts.clock().astimezone(SHANGHAI).date(),
        )
        return Order(request, model, tuple(pairs), parts.judge(case))

    def _run(self, paid: Paid, worker: Worker, call: Call) -> Answered:
        """Everything that reads rows. Refuses nothing; a failure is one constant fault, and stays charged."""
        try:
            packs, places, codes = self._scored(paid, worker, call)
            content, receipt = record(paid, codes, packs, places, self._parts.books)
        except Exception as error:
            raise self._aborted(paid, error) from error
        return Answered(content, receipt.to_bytes(), paid.cost, stored=False)

    def _scored(
        self, paid: Paid, worker: Worker, call: Call
    ) -> tuple[list[bytes], Mapping[Pair, tuple[int, int]], list[str]]:
        """Ciphertexts, where in them each score lies, and what the log says of every pair.

        Whoever may not be scored keeps an empty place and slot, so that a request takes as long whoever is in it.
        """
        order, wanted = paid.order, [code is None for code in paid.codes]
        if not any(code != "given_again" for code in paid.codes):
            return [], {}, [code or SCORED for code in paid.codes]
        asked = [pair[0] if score else None for pair, score in zip(order.pairs, wanted, strict=True)]
        bins = order.plan.rules.bins
        reply = worker.run_statement(order.plan.features.sources, sent(order.plan, asked), call)
        found = decode_bins(reply, asked, bins)
        call.progress("binned")
        key = self._parts.public(order.model.kid)
        size = slots(key)
        packs = [tuple(found[start : start + size]) for start in range(0, len(found), size)]
        made: list[bytes] = []
        ciphertexts = bulk.numbers(bulk.read(order.model.content)[1], key.width)
        for content in self._parts.add_up(order.model, key, ciphertexts, bins, packs):
            made.append(content)
            call.progress(f"scored {min(len(made) * size, len(found))} of {len(found)}")
        places = {
            pair: divmod(place, size)
            for place, (pair, score) in enumerate(zip(order.pairs, wanted, strict=True))
            if score and found[place] is not None
        }
        codes = [
            code if code is not None else SCORED if pair in places else ABSENT
            for pair, code in zip(order.pairs, paid.codes, strict=True)
        ]
        return made, places, codes

    def _again(self, given: Given) -> Answered:
        return Answered(given.content, self._parts.books.log.receipt(given.outcome).to_bytes(), {}, stored=True)

    def _logged(self, request: Request, refused: Refused) -> Refused:
        try:
            journal.refuse(request, refused, self._parts.books)
        except StoreError:
            return not_accepting()
        return refused

    def _aborted(self, paid: Paid, error: Exception) -> Fault:
        incident = self._parts.new_incident(error)
        try:
            abort(paid, error.kind if isinstance(error, Failed) else "internal", self._parts.books)
        except StoreError as lost:
            self._parts.new_incident(lost)
        return Fault(incident)
