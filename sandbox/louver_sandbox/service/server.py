"""Starting and stopping the gRPC server: mutual TLS, bounded calls, health, and a clean end on SIGTERM."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from types import FrameType
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from louver.errors import Refused
from louver.v1 import access_pb2_grpc as access_grpc
from louver.v1 import audit_pb2_grpc as audit_grpc
from louver.v1 import matching_pb2_grpc as matching_grpc
from louver.v1 import policy_pb2_grpc as policy_grpc
from louver.v1 import registry_pb2_grpc as registry_grpc
from louver.v1 import sandbox_pb2_grpc as pb_grpc
from louver.v1 import scoring_pb2_grpc as scoring_grpc
from louver.v1 import subjects_pb2_grpc as subjects_grpc
from louver.v1 import tokens_pb2_grpc as tokens_grpc
from louver.v1 import warnings_pb2_grpc as warnings_grpc
from louver_sandbox.annals import note_activation
from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.auditing import index
from louver_sandbox.drafting.office import Office
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.policy.documents import PolicyRefused
from louver_sandbox.premises import InstallationRefused, utc_now
from louver_sandbox.publishing.record_keys import KeyRefused
from louver_sandbox.registered import RegistryRefused, ending
from louver_sandbox.service.access import AccessDesk, AccessOffice
from louver_sandbox.service.auditing import Auditing
from louver_sandbox.service.edge import new_incident
from louver_sandbox.service.incoming import Intake, Prompt
from louver_sandbox.service.matching import Matching
from louver_sandbox.service.messages import ReadableMessages
from louver_sandbox.service.observed import Observed
from louver_sandbox.service.policies import Policies
from louver_sandbox.service.presence import StillServed
from louver_sandbox.service.registry import Administration, Certificates
from louver_sandbox.service.scoring import Scoring
from louver_sandbox.service.servicer import Sandbox
from louver_sandbox.service.subjects import Subjects
from louver_sandbox.service.tls import credentials
from louver_sandbox.service.tokens import Tokens
from louver_sandbox.service.turnstile import Turnstile
from louver_sandbox.service.warnings import Warnings
from louver_sandbox.service.watch import Watch
from louver_sandbox.settings import Settings
from louver_sandbox.store import StoreError
from louver_sandbox.store.alone import only_service
from louver_sandbox.wiring import Platform

logger = logging.getLogger("louver.sandbox")

SERVICE = "louver.v1.SandboxService"
MESSAGE_BYTES = 4 * 1024 * 1024
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_connection_age_ms", 3_600_000),
    ("grpc.so_reuseport", 0),
)
MOST_CALLS = 4096
"""Calls gRPC lets in at all; those above `concurrent_calls` are turned away by a handler, with a code."""
SPARE = 64
"""Threads for all that is not a question, so that a crowd of those cannot keep the service from saying it is well."""
TABLES_S = 30.0
"""Seconds between two looks for tables that are to be made ahead."""
WARNINGS_S = 2.0
"""Seconds between two looks for warnings that are to be evaluated or posted."""
PROBE_S = 5.0
INDEXED_AT_ONCE = 5_000
"""Entries that the auditors' index takes at each probe."""
GRACE_S = 10.0
REFUSED: Final = (BundleRefused, InstallationRefused, KeyRefused, PolicyRefused, Refused, RegistryRefused)
"""What says of stored policies or of a registry that they must not count: their fault, which whoever wrote them can
mend."""


def _bind(server: grpc.Server, settings: Settings) -> int:
    """The port the server listens on from now. Raises `OSError` when the address cannot be had."""
    place = f"{settings.listen.host}:{settings.listen.port}"
    try:
        port: int = server.add_secure_port(place, credentials(settings))
    except RuntimeError:
        port = 0
    if port == 0:
        raise OSError(f"cannot listen on {place}: the address is in use or not one of this machine")
    return port


class Server:
    """The running service. Use it in a `with` statement; `address` is where it listens."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self._alone = ExitStack()
        if not settings.store.url:
            self._alone.enter_context(only_service(settings.state_file))
        try:
            self.platform = Platform(settings, utc_now, new_incident)
        except BaseException:
            self._alone.close()
            raise
        self._stopping = threading.Event()
        self._untaken: dict[str, str] = {}
        self._failing: dict[str, str] = {}
        self._serving = False
        self._warned: date | None = None
        try:
            note_activation(self.platform.books, self.platform.judgement, self.platform.approvals)
            self.platform.keep_anchor()
            turnstile = Turnstile(limits)
            self._watch = Watch(self.platform, turnstile, lambda: self._serving, self.problems)
            self._executor = ThreadPoolExecutor(turnstile.lanes, thread_name_prefix="line")
            self._handlers = ThreadPoolExecutor(limits.concurrent_calls + SPARE, thread_name_prefix="edge")
            self._intake = Intake(limits.concurrent_calls + SPARE)
            self._server = grpc.server(
                self._handlers,
                interceptors=[
                    Observed(self._watch.record),
                    ReadableMessages(),
                    StillServed(self.platform),
                    Prompt(self._intake),
                ],
                options=OPTIONS,
                maximum_concurrent_rpcs=MOST_CALLS,
            )
            pb_grpc.add_SandboxServiceServicer_to_server(
                Sandbox(self.platform, self._executor, turnstile, self._intake), self._server
            )
            matching_grpc.add_MatchingServiceServicer_to_server(
                Matching(self.platform, turnstile, self._intake), self._server
            )
            tokens_grpc.add_TokenServiceServicer_to_server(
                Tokens(self.platform, turnstile, self._intake), self._server
            )
            scoring_grpc.add_ScoringServiceServicer_to_server(
                Scoring(self.platform, self._executor, turnstile), self._server
            )
            subjects_grpc.add_SubjectServiceServicer_to_server(Subjects(self.platform, turnstile), self._server)
            self.warnings = Warnings(self.platform, turnstile, self._stopping)
            warnings_grpc.add_WarningServiceServicer_to_server(self.warnings, self._server)
            audit_grpc.add_AuditServiceServicer_to_server(Auditing(self.platform), self._server)
            self.office = Office(self.platform)
            policy_grpc.add_PolicyServiceServicer_to_server(Policies(self.platform, self.office), self._server)
            access_grpc.add_AccessServiceServicer_to_server(AccessDesk(self.platform), self._server)
            access_grpc.add_AccessOfficeServiceServicer_to_server(
                AccessOffice(self.platform, self.office), self._server
            )
            registry_grpc.add_CertificateServiceServicer_to_server(Certificates(self.platform), self._server)
            registry_grpc.add_AdministrationServiceServicer_to_server(Administration(self.platform), self._server)
            self.health = health.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
            self.address = f"{settings.listen.host}:{_bind(self._server, settings)}"
            self._watch.start(self.address)
        except BaseException:
            self.platform.close()
            self._alone.close()
            raise
        self._prober = threading.Thread(target=self._probe, name="probe", daemon=True)
        self._keeper = threading.Thread(target=self._keep_tables, name="tables", daemon=True)
        self._warner = threading.Thread(target=self._warn, name="warnings", daemon=True)
        self._poster = threading.Thread(target=self._post, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begins to answer, once its processes stand ready."""
        self.platform.warm()
        self._server.start()
        self._say(serving=True)
        self._keep_status()
        self._prober.start()
        self._keeper.start()
        self._warner.start()
        self._poster.start()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Refuses new calls, lets running ones end within `grace_s`, then ends every process it started."""
        self._stopping.set()
        self._serving = False
        self.health.enter_graceful_shutdown()
        self.warnings.wake()
        self._server.stop(grace_s).wait()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._handlers.shutdown(wait=True, cancel_futures=True)
        self._intake.close()
        for thread in (self._prober, self._keeper, self._warner, self._poster):
            if thread.is_alive():
                thread.join()
        self._keep_anchor()
        self._keep_status()
        self._watch.close()
        self.office.close()
        self.platform.close()
        self._alone.close()

    def problems(self) -> tuple[str, ...]:
        """What is wrong now, in words of ours; the service's messages say more."""
        store = () if self.platform.state.healthy else ("the state store does not take writes",)
        failing = (f"{step} fails" for step in tuple(self._failing))
        return (*store, *failing, *(f"{step} is not taken" for step in tuple(self._untaken)))

    def _say(self, *, serving: bool) -> None:
        self._serving = serving
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if serving else kinds.NOT_SERVING
        for name in ("", SERVICE):
            self.health.set(name, status)

    def _probe(self) -> None:
        """Asks the store for a sign of life while it is ill, and tells the health service what it finds."""
        while not self._stopping.wait(PROBE_S):
            if self.platform.state.healthy:
                self._say(serving=not self._failing)
                self._upkeep()
                self._say(serving=not self._failing)
                self._keep_status()
                continue
            self._say(serving=False)
            self._keep_status()
            try:
                self.platform.state.probe()
            except StoreError:
                logger.error("the state store does not take writes; nothing is answered until it does")

    def _keep_tables(self) -> None:
        """Makes tables of tokens and of models ahead of the questions that need them, a part at a time, and takes old
        ones away."""
        kept = {"tables of tokens": self._token_tables, "tables of models": self.platform.make_score_table}
        pause = TABLES_S
        while not self._stopping.wait(pause):
            went_on = [self._made_ahead(what, make) for what, make in kept.items()]
            pause = 0.0 if any(went_on) else TABLES_S

    def _made_ahead(self, what: str, make: Callable[[], bool]) -> bool:
        """One part of a table; whether there may be more to do. Nobody waits for it: without tables a question makes
        its own, or takes longer."""
        try:
            return make()
        except (OSError, StoreError, LogDamaged) as error:
            logger.error("%s are not kept: %s", what, error)
        except Exception as error:
            logger.error("%s are not kept: incident %s", what, new_incident(error))
        return False

    def _token_tables(self) -> bool:
        upkeep = self.platform.token_upkeep
        if upkeep.make_next():
            return True
        if gone := upkeep.sweep():
            logger.info("%d tables of tokens that no question reads are gone", len(gone))
        return False

    def _keep_status(self) -> None:
        """Where it cannot be kept `louver-sandbox status` says that the service has said nothing for a while."""
        try:
            self._watch.keep()
        except OSError as error:
            logger.error("the status is not kept: %s", error)

    def _warn(self) -> None:
        """Evaluates warnings whose data are new, and says so to those who follow them."""
        while not self._stopping.wait(WARNINGS_S):
            try:
                if self.platform.state.healthy and self.platform.evaluation.round(self._stopping):
                    self.warnings.wake()
            except Exception as error:  # the next round does what this one did not
                logger.error("warnings are not evaluated: incident %s", new_incident(error))

    def _post(self) -> None:
        """Posts notices to the addresses that wait for them."""
        while not self._stopping.wait(WARNINGS_S):
            try:
                if self.platform.state.healthy:
                    self.platform.posting.round()
            except Exception as error:  # the next round does what this one did not
                logger.error("notices are not posted: incident %s", new_incident(error))

    def _keep_anchor(self) -> None:
        """Without it nothing is less safe but a restore, so what stands in the way is told and not fatal."""
        try:
            self.platform.keep_anchor()
        except (OSError, StoreError, LogDamaged) as error:
            logger.error("the newest signed head is not kept beside the log: %s", error)

    def _upkeep(self) -> None:
        """One round. Nothing that one step meets keeps the next one from being taken."""
        self._taken("the newest signed head", self._keep_anchor)
        self._taken("the auditors' index", self._index)
        self._taken("what is due", self._put_due_in_force)
        self._taken("the stored bundle", self._follow)
        self._taken("what decided formerly", self.platform.succession.retire)
        self._taken("the registry of institutions", self._look_at_registry)
        self._taken("what uploads have left", self.platform.own_tables.tidy)
        self._taken("what drafts are judged by", self._expect_officers)

    def _expect_officers(self) -> None:
        """Where officers may call, what judges their drafts stands ready before the first one does."""
        if self.platform.officers.registered():
            self.office.warm()

    def _taken(self, step: str, act: Callable[[], object]) -> None:
        """One step of a round. What must not decide leaves what decides as it is, and `status` says why. Whatever
        else goes wrong is an incident, and health says so until the step goes well: a thread that ended would leave
        policies in force that are over, without a word."""
        try:
            act()
        except REFUSED as refused:
            if str(refused) != self._untaken.get(step):
                logger.error("%s is not taken: %s", step, refused)
            self._untaken[step] = str(refused)
            self._failing.pop(step, None)
        except Exception as error:
            if (said := repr(error)) != self._failing.get(step):
                logger.error("%s fails: incident %s", step, new_incident(error))
            self._failing[step] = said
        else:
            self._untaken.pop(step, None)
            self._failing.pop(step, None)

    def _put_due_in_force(self) -> None:
        """What was ordered comes into force on its day; where not all of it can, each version that can, so that none
        waits for another department's."""
        try:
            due = self.office.put_due_in_force()
        except Refused as refused:
            due = self._due_one_by_one()
            if due:
                logger.info("in force: %s", ", ".join(due))
            raise refused
        if due:
            logger.info("in force: %s", ", ".join(due))

    def _due_one_by_one(self) -> tuple[str, ...]:
        names, came = self.office.lifecycle().due(), []
        for name in names if len(names) > 1 else ():
            try:
                self.office.put_in_force({name})
                came.append(name)
            except Refused as refused:
                logger.error("%s does not come into force: %s", name, refused)
        return tuple(came)

    def _follow(self) -> None:
        """What an operator has activated comes into force at once."""
        if self.office.follow():
            logger.info("bundle %s decides now", self.platform.judgement.bundle.digest)

    def _look_at_registry(self) -> None:
        """What has changed in it is logged, also while nobody calls; who cannot call for long any more is told to
        the operator, once a day."""
        if problem := self.platform.registry.problem():
            raise RegistryRefused(problem)
        now = self.platform.clock()
        if self._warned != now.date():
            self._warned = now.date()
            for name, pin in ending(self.platform.registry.institutions().values(), now):
                logger.warning("the last certificate of %s ends at %s; it has no next one", name, pin.not_after)

    def _index(self) -> None:
        """What auditors search by follows the log; while it cannot, they are told how far it is."""
        try:
            index.catch_up(self.platform.state, INDEXED_AT_ONCE)
        except StoreError as error:
            logger.error("the auditors' index does not follow the log: %s", error)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()


TURN_S: Final = 0.001
"""How long a thread of the service computes while others wait for the interpreter's lock; Python's own default is
five times as long. What computes for longer without a turn does so without the lock, or in a process of its own."""


@contextmanager
def settled() -> Iterator[None]:
    """What is loaded stays out of every later collection, one of which held the interpreter's lock for 110 ms.

    At the end it is let go of, or modules written in C take it for lost and say so where nobody wants to hear it.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Runs the service until SIGTERM or SIGINT. `ready` is told the address."""
    sys.setswitchinterval(TURN_S)
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with Server(settings) as server, settled():
        ready(server.address)
        ended.wait()
