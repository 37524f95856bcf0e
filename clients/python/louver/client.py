"""The blocking client: ``connect()`` and ``Client``.

    with louver.connect(profile="bank-a") as bank:
        answer = bank.analyse("SELECT district_code, count(*) FROM gov.ent_registry GROUP BY ALL", purpose="RESEARCH")

Every call raises ``Refused`` (change the question), ``Fault`` (tell the operator; ``Unreachable`` when there was
no answer at all), ``Unproven`` (tell the auditor) or ``Misused`` (nothing was sent).
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import grpc

from louver import questions, subjects, wire
from louver.access_calls import AccessCalls
from louver.connection import Connection, awaited
from louver.matching import asking
from louver.matching.results import Match, MatchableList
from louver.questions import Parameter
from louver.receipt import Receipt
from louver.redress_calls import RedressCalls
from louver.results import Answer, Explanation, QueryRecord, SealingKey, Table
from louver.scoring.client import ScoringCalls
from louver.sending import Outgoing
from louver.settings import Settings, settle
from louver.surroundings import Surroundings
from louver.tokens import asking as tokens_asking
from louver.transparency import TreeHead
from louver.v1 import matching_pb2 as matching_pb
from louver.v1 import sandbox_pb2 as pb
from louver.v1 import subjects_pb2
from louver.v1.matching_pb2_grpc import MatchingServiceStub
from louver.v1.sandbox_pb2_grpc import SandboxServiceStub
from louver.v1.subjects_pb2_grpc import SubjectServiceStub
from louver.v1.tokens_pb2_grpc import TokenServiceStub
from louver.wishes import Accuracy, Epsilon

if TYPE_CHECKING:
    from louver.sealing.keys import PrivateKey
    from louver.warnings import Warnings

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

KEY_LIFE = timedelta(days=730)
"""How long answers are sealed to a registered key when nobody says otherwise."""

UPLOAD_SECONDS = 3600.0
"""How long an upload may take when nobody says otherwise."""


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    log_key: str | None = None,
    purpose: str | None = None,
    dialect: str | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    surroundings: Surroundings | None = None,
    keys: str | Path | None = None,
    key_passphrase: str | Callable[[], str] | None = None,
) -> Client:
    """A client of the sandbox at ``target`` (``HOST:PORT``), by mutual TLS.

    What is not passed comes from ``LOUVER_*`` variables and the profile (see ``louver.profiles``). ``purpose`` is
    the default purpose of questions, ``dialect`` the SQL they are written in, ``timeout`` seconds per call. With a
    ``log_key`` every answer must be proved by its receipt, unless ``verify=False``. ``keys`` is the folder of the
    private keys that open sealed answers; ``key_passphrase`` (or a function that asks for it) unlocks them. Nothing
    is sent before the first call. Raises ``Misused``.
    """
    return Client(
        settle(
            target,
            profile=profile,
            certificate=certificate,
            key=key,
            ca=ca,
            log_key=log_key,
            purpose=purpose,
            dialect=dialect,
            timeout=timeout,
            verify=verify,
            surroundings=surroundings,
            keys=keys,
            key_passphrase=key_passphrase,
        )
    )


class Client(ScoringCalls, RedressCalls, AccessCalls, Connection):
    """A connection to a sandbox. Threads may share one; close it or use it in a ``with`` statement."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._stub = SandboxServiceStub(self._channel)
        self._matching = MatchingServiceStub(self._channel)
        self._subjects = SubjectServiceStub(self._channel)
        self._sets = asking.Sets()

    def analyse(
        self,
        sql: str,
        *,
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        dialect: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], None] | None = None,
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
    ) -> Answer:
        """Ask a question and get the protected answer, paid for and logged.

        ``parameters`` fill ``:name`` in the SQL. Asking again with the same ``request_id`` gives the same answer
        and charges nothing, which is how a call that was cut off is repeated. ``progress`` is told each stage. With
        ``seal`` the numbers leave the platform encrypted to your registered Paillier key, and are opened here.

        Under differential privacy a question costs what its policy says, or the ``epsilon`` asked for, or the least
        with which it is predicted as exact as ``accuracy`` says: ``"100"``, ``"2% of 50000"``, ``"0.5 among 8000"``,
        for all columns or, as a mapping, for each (``louver.wishes``). ``Answer.privacy`` says what it cost.
        """
        allowed = self.settings.time_allowed(timeout)
        question = self.settings.question(
            sql, purpose, parameters, request_id, allowed, dialect, seal, epsilon, accuracy
        )

        def attempt(left: float) -> Answer:
            assembly = wire.Assembly(question.request_id, seal=seal)
            call = self._stub.Analyse(pb.AnalyseRequest(question=question), timeout=left)
            try:
                for part in call:
                    stage = assembly.take(part)
                    if stage and progress:
                        progress(stage)
            finally:
                call.cancel()  # after a whole answer this does nothing; after Ctrl-C it stops the engine
            return assembly.answer(sql, self.settings.log_key, self.settings.private)

        return self._persistently(attempt, allowed, question.request_id)

    def explain(
        self,
        sql: str,
        *,
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        dialect: str | None = None,
        timeout: float | None = None,
        seal: bool = False,
        epsilon: Epsilon | None = None,
        accuracy: Accuracy | None = None,
    ) -> Explanation:
        """What ``analyse`` would do. Spends nothing; a question that would be refused comes back as a verdict."""
        request = self.settings.explain_request(sql, purpose, parameters, dialect, seal, epsilon, accuracy)
        return wire.explanation(self._call(self._stub.Explain, request, timeout))

    def lookup(
        self,
        template: str,
        subject: str,
        *,
        authorisation: str = "",
        purpose: str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Answer:
        """Ask an approved template (``id@version``) about one subject, under its recorded authorisation.

        The answer's notices say the sources and until when it is authorised. Where there is nothing to tell it has
        no rows, whether there is no such subject, no authorisation, or one that was revoked a moment ago.
        """
        given = subjects.call_parameters(subject, authorisation, parameters)
        return self.analyse(
            template,
            purpose=purpose,
            parameters=given,
            dialect=subjects.DIALECT,
            request_id=request_id,
            timeout=timeout,
            progress=progress,
        )

    def templates(self) -> list[subjects.Template]:
        """The templates that are offered to this caller today."""
        return subjects.templates(
            self._call(self._subjects.ListTemplates, subjects_pb2.ListTemplatesRequest()).templates
        )

    def authorisations(self) -> list[subjects.Authorisation]:
        """The authorisations this institution has recorded, the newest first."""
        response = self._call(self._subjects.ListAuthorisations, subjects_pb2.ListAuthorisationsRequest())
        return subjects.authorisations(response.authorisations)

    @property
    def warnings(self) -> Warnings:
        """Flags of borrowers after the loan: subscriptions and the notices that come of them
        (``louver.warnings``)."""
        from louver.warnings import Warnings

        return Warnings(self)

    def tables(self, own_only: bool = False) -> list[Table]:
        """The catalogue as this caller may see it; with ``own_only`` just the uploaded tables."""
        response = self._call(self._stub.ListTables, pb.ListTablesRequest(own_only=own_only))
        return [wire.table(message) for message in response.tables]

    def upload(
        self,
        name: str,
        data: object,
        replace: bool = False,
        progress: Callable[[int, int], None] | None = None,
        timeout: float = UPLOAD_SECONDS,
        encrypted: Mapping[str, int] | None = None,
        encrypting: Callable[[int, int], None] | None = None,
        tokens: Mapping[str, str] | None = None,
        blinding: Callable[[int, int], None] | None = None,
    ) -> Table:
        """Store one of the caller's own tables; nobody else can see it.

        ``data``: see ``louver.encoding.encode``. ``progress`` gets bytes sent and bytes in all, from a thread of
        gRPC; while columns are being encrypted the second is an estimate. What is cut off goes on where it was cut,
        for as long as ``timeout`` lets it. A name that is taken is refused unless the content is the same or
        ``replace`` is true.

        ``encrypted`` names columns that leave here as ciphertexts of the newest key, each with its decimal places
        (2 for yuan in fen); ``encrypting`` gets numbers encrypted and numbers in all. The table is looked at whole,
        and then encrypted batch by batch while it is sent. The ciphertexts are new each time, so the same table
        again is other content.

        ``tokens`` names columns of ids that leave here as tokens, each with the data element that the government's
        column declares (``{"id_no": "uscc"}``); ``blinding`` gets ids done and ids in all. Each different id is
        charged. What is no id becomes NULL, with a ``UserWarning`` that says how many.
        """
        evaluate = partial(self._tokens, progress=blinding)
        with self.settings.upload(data, encrypted or {}, encrypting, tokens, evaluate) as table:
            attempts = count()

            def attempt(left: float) -> pb.UploadTableResponse:
                offset = self._resumed(table, left) if next(attempts) else 0
                messages = table.messages(name, replace, offset, progress)
                try:
                    return awaited(self._stub.UploadTable.future(messages, timeout=left))
                except grpc.RpcError:
                    if table.failure is not None:
                        raise table.failure from None
                    raise

            return wire.uploaded(self._persistently(attempt, timeout))

    def _resumed(self, table: Outgoing, left: float) -> int:
        """Where a table that was cut off goes on; the service may notice the cut a moment later than we do."""
        request = pb.GetUploadRequest(upload_id=table.upload_id)
        for pause in (*self.settings.around.pauses, None):
            try:
                response = awaited(self._stub.GetUpload.future(request, timeout=left))
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                if pause is not None:
                    time.sleep(pause)
            else:
                return table.goes_on(response.received, response.sha256)
        return table.begins_anew()

    def _tokens(
        self, element: str, values: Sequence[bytes], progress: tokens_asking.Progress | None
    ) -> tuple[list[bytes], str]:
        """The tokens of ids and the key they are under. An evaluation that is cut off is repeated and costs once."""

        def each(part: Sequence[bytes], tell: tokens_asking.Progress) -> tuple[list[bytes], str]:
            question = tokens_asking.ask(self.settings, part, element, UPLOAD_SECONDS, tell)

            def attempt(left: float) -> tuple[list[bytes], str]:
                exchange = tokens_asking.Exchange(question, self.settings.log_key)
                call = TokenServiceStub(self._channel).Evaluate(exchange.sent(), timeout=left)
                try:
                    for response in call:
                        exchange.take(response)
                finally:
                    call.cancel()
                return exchange.result()

            with closing(question.blinded):
                return self._persistently(attempt, UPLOAD_SECONDS, question.message.request_id)

        return tokens_asking.evaluated(values, each, progress)

    def drop(self, name: str) -> None:
        """Forget one of the caller's own tables. Not repeated by itself: a second drop is refused."""
        request, seconds = pb.DropTableRequest(name=name), self.settings.profile.timeout
        self._translated(lambda: awaited(self._stub.DropTable.future(request, timeout=seconds)))

    def register_key(self, key: PrivateKey, valid_for: timedelta = KEY_LIFE) -> SealingKey:
        """Register the public part of a Paillier key; from then on answers are sealed to it.

        The private part stays here: what is sent is the modulus and a proof that it is sound.
        """
        request = self.settings.key_registration(key, valid_for)
        response = self._call(self._stub.RegisterKey, request)
        return wire.sealing_keys([response.key])[0]

    def keys(self) -> list[SealingKey]:
        """The caller's registered Paillier keys, the newest first."""
        return wire.sealing_keys(self._call(self._stub.ListKeys, pb.ListKeysRequest()).keys)

    def lists(self) -> list[MatchableList]:
        """The lists that you may match against today, and on which terms."""
        response = self._call(self._matching.ListMatchable, matching_pb.ListMatchableRequest())
        return asking.matchable(response.lists)

    def match(
        self,
        ids: Iterable[str],
        *,
        list: str,  # noqa: A002 - the domain's word
        purpose: str | None = None,
        mode: str = "hits",
        amounts: Iterable[int] | None = None,
        largest: int | None = None,
        authorisations: Iterable[str] = (),
        request_id: str | None = None,
        timeout: float = asking.MATCH_SECONDS,
        progress: Callable[[str], None] | None = None,
    ) -> Match:
        """Match your own ids against a list (``TABLE/LIST``, see ``lists``); they leave this machine blinded only.

        Mode ``hits`` gives those of your ids that are on the list, with what it says of them; the platform learns
        neither hits nor misses. ``count`` and ``sum`` (of ``amounts``, whole smallest units, one for each id) give
        one number with noise; the platform learns the hits, and a dishonest one could test as many other ids as the
        list is long: once, so a call that is cut off after that is not repeated here. Noise of a sum is for
        ``largest``, the bound of amounts that is signed and logged; by default the largest of them. The same batch
        against the same edition has the same number and costs no privacy; any other is paid for. ``authorisations``
        are ids of recorded ones by persons among yours, whom a list may show to whom they have allowed it; the
        platform knows whom these are about. Every id of every match is charged, but not again when a call that was
        cut off is repeated, which else is done here by itself.
        """
        batch = asking.Batch.of(ids, amounts)
        if progress:
            progress(f"blinding {len(batch.values)} ids")
        question = asking.ask(
            self.settings, batch, list, mode, purpose, request_id, timeout, authorisations, largest, progress
        )

        def attempt(left: float) -> Match:
            exchange = asking.Exchange(question, self._sets, self.settings.log_key, progress)
            waiting: queue.SimpleQueue[matching_pb.MatchRequest | None] = queue.SimpleQueue()
            call = self._matching.Match(_outgoing(exchange, waiting), timeout=left)
            try:
                for response in call:
                    for message in exchange.take(response):
                        waiting.put(message)
            finally:
                waiting.put(None)
                call.cancel()
            return exchange.result()

        with closing(question):
            return self._persistently(attempt, timeout, question.message.request_id)

    def report_measure(
        self,
        request_id: str,
        *,
        list: str,  # noqa: A002
        subject: str,
        measure: str,
        taken_on: date,
        note: str = "",
    ) -> int:
        """Report the measure you have taken on a hit of a match (联合奖惩反馈); gives the log entry's index.

        This tells the platform the subject. Not repeated by itself: each report is an entry.
        """
        request = asking.report(request_id, list, subject, measure, taken_on.isoformat(), note)
        seconds = self.settings.profile.timeout
        response = self._translated(lambda: awaited(self._matching.ReportMeasure.future(request, timeout=seconds)))
        return response.log_index

    def my_queries(self, limit: int = 20) -> list[QueryRecord]:
        """The newest ``limit`` lines of the caller's own trail."""
        messages: list[pb.QueryRecord] = []
        token = ""
        while len(messages) < limit:
            size = min(limit - len(messages), 100)
            page = self._call(self._stub.ListQueries, pb.ListQueriesRequest(page_size=size, page_token=token))
            messages.extend(page.queries)
            token = page.next_page_token
            if not token:
                break
        return wire.records(messages[:limit])

    def receipt(self, request_id: str) -> Receipt:
        """The receipt of an own answer, against the newest head of the log. Raises ``Unproven``."""
        checked = questions.checked_request_id(request_id)
        response = self._call(self._stub.GetReceipt, pb.GetReceiptRequest(request_id=checked))
        return wire.proven_receipt(response.receipt, checked, self.settings.log_key)

    def head(self) -> TreeHead:
        """The log's newest head, verified when a log key is set."""
        response = self._call(self._stub.GetHead, pb.GetHeadRequest())
        return wire.proven_head(response.checkpoint, self.settings.log_key)


def _outgoing(
    exchange: asking.Exchange, waiting: queue.SimpleQueue[matching_pb.MatchRequest | None]
) -> Iterator[matching_pb.MatchRequest]:
    """What a match sends: its batch, then what its answer asks for."""
    yield from exchange.first()
    while (message := waiting.get()) is not None:
        yield message
