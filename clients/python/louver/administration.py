"""The administrators' client: ``louver.administration.connect()``. It asks nothing of the data and allows nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from louver.certificates import PinnedCertificate
from louver.connection import Connection
from louver.settings import settle
from louver.surroundings import Surroundings
from louver.v1 import registry_pb2 as pb
from louver.v1.registry_pb2_grpc import AdministrationServiceStub


@dataclass(frozen=True, slots=True)
class Suspension:
    """Since when, by whom and why an institution is suspended; ``resume_by`` proposes that it be served again."""

    since: str
    by: str
    reason: str
    resume_by: str
    resume_reason: str
    log_index: int


@dataclass(frozen=True, slots=True)
class RegisteredInstitution:
    """An institution with its certificates; ``suspension`` is None while it is served, ``requests`` how many requests
    for certificates wait."""

    id: str
    type: str
    title: str
    groups: tuple[str, ...]
    certificates: tuple[PinnedCertificate, ...]
    suspension: Suspension | None
    requests: int


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    ca: str | Path | None = None,
    timeout: float | None = None,
    surroundings: Surroundings | None = None,
) -> AdministrationClient:
    """A client of the registry at ``target``, by an administrator's certificate; see ``louver.connect`` for where
    settings come from. Raises ``Misused``."""
    return AdministrationClient(
        settle(
            target,
            profile=profile,
            certificate=certificate,
            key=key,
            ca=ca,
            timeout=timeout,
            surroundings=surroundings,
            verify=False,
        )
    )


class AdministrationClient(Connection):
    """An administrator's connection to a sandbox. What changes something is in the log before it counts, and is
    repeated by itself while there is no connection: the same again by the same person changes nothing."""

    @property
    def _stub(self) -> AdministrationServiceStub:
        return AdministrationServiceStub(self._channel)

    def institutions(self) -> tuple[tuple[RegisteredInstitution, ...], str]:
        """Every institution, and what is wrong with the registry's file, where something is."""
        found = self._call(self._stub.ListInstitutions, pb.ListInstitutionsRequest())
        return tuple(map(_institution, found.institutions)), found.problem

    def suspend(self, institution: str, reason: str) -> Suspension:
        """Ends all service to an institution from now on, also of questions that are under way."""
        asked = pb.SuspendInstitutionRequest(institution=institution, reason=reason)
        return _suspension(self._call(self._stub.SuspendInstitution, asked).suspension)

    def resume(self, institution: str, reason: str) -> Suspension | None:
        """Proposes that it be served again, or agrees to somebody else's proposal; None where it is served."""
        asked = pb.ResumeInstitutionRequest(institution=institution, reason=reason)
        found = self._call(self._stub.ResumeInstitution, asked)
        return _suspension(found.suspension) if found.HasField("suspension") else None


def _institution(one: pb.RegisteredInstitution) -> RegisteredInstitution:
    pinned = tuple(
        PinnedCertificate(pin.fingerprint, pin.not_before, pin.not_after, pin.calling, pin.state)
        for pin in one.certificates
    )
    held = _suspension(one.suspension) if one.HasField("suspension") else None
    return RegisteredInstitution(one.id, one.type, one.title, tuple(one.groups), pinned, held, one.requests)


def _suspension(one: pb.Suspension) -> Suspension:
    return Suspension(one.since, one.by, one.reason, one.resume_by, one.resume_reason, one.log_index)
