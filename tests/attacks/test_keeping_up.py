"""The service's own rounds: whatever one step of them meets, the next is taken, and health says what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from grpc_health.v1 import health_pb2
from tests.support.installation import copy_of

from louver_sandbox.audit.stored import LogDamaged
from louver_sandbox.demo.city import City
from louver_sandbox.policy.bundle import BundleRefused
from louver_sandbox.premises import InstallationRefused
from louver_sandbox.processes.pool import CheckerFailed, WorkerFailed
from louver_sandbox.refusals import drafting as refuse
from louver_sandbox.service import server as serving
from louver_sandbox.service.server import Server
from louver_sandbox.settings import Listen


@pytest.fixture(scope="module")
def server(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    mine = copy_of(city, tmp_path_factory.mktemp("rounds"))
    made = Server(replace(mine.settings, listen=Listen("127.0.0.1", 0)))
    try:
        yield made
    finally:
        made.stop(0)


def serves(server: Server) -> bool:
    """What health says once a round is over."""
    server._upkeep()
    server._say(serving=not server._failing)
    said = server.health.Check(health_pb2.HealthCheckRequest(service=serving.SERVICE), None)
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


STEPS = ["put_due_in_force", "follow"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "failure",
    [
        LogDamaged("entry 7"), CheckerFailed("died"), WorkerFailed("died"), ValueError("not JSON"), OSError("no disk"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_step_that_fails_is_said_by_health_and_keeps_none_back(
    server: Server, step: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def fails() -> None:
        raise failure

    for other in STEPS:
        monkeypatch.setattr(server.office, other, lambda other=other: taken.append(other))
    monkeypatch.setattr(server.platform.succession, "retire", lambda: taken.append("retire"))
    monkeypatch.setattr(server.office, step, fails)
    assert not serves(server)
    assert taken == [*(other for other in STEPS if other != step), "retire"]
    monkeypatch.undo()
    assert serves(server), "it is well again once the step goes well"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "refused",
    [BundleRefused(("2 are needed",)), InstallationRefused("no version"), refuse.bundle_unfit("tests fail")],
    ids=lambda one: type(one).__name__,
)
def test_what_must_not_decide_leaves_the_service_well(
    server: Server, step: str, refused: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses() -> None:
        raise refused

    server._untaken.clear()
    monkeypatch.setattr(server.office, step, refuses)
    assert serves(server)
    assert serves(server)
    assert [record.getMessage() for record in caplog.records if "is not taken" in record.getMessage()] == [
        f"{'what is due' if step == 'put_due_in_force' else 'the stored bundle'} is not taken: {refused}"
    ], "told once"


def test_a_version_that_is_due_does_not_wait_for_another_departments(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    came: list[str] = []

    class Due:
        def due(self) -> tuple[str, ...]:
            return ("police@9", "taxation@9")

    def put(names: set[str]) -> None:
        if "police@9" in names:
            raise refuse.bundle_unfit("tests fail: police")
        came.extend(names)

    monkeypatch.setattr(server.office, "lifecycle", Due)
    monkeypatch.setattr(server.office, "put_in_force", put)
    monkeypatch.setattr(server.office, "put_due_in_force", lambda: put({"police@9", "taxation@9"}))
    assert serves(server)
    assert came == ["taxation@9"]
    assert "police@9 does not come into force" in caplog.text


@pytest.mark.parametrize("failure", [WorkerFailed("died"), ValueError("not JSON")], ids=repr)
def test_tables_are_kept_whatever_one_of_them_met(
    server: Server, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those of tokens do not wait for those of models, nor the other way round."""
    tries: list[int] = []
    others: list[int] = []

    def fails_too() -> bool:
        others.append(len(others))
        raise failure

    def fails() -> bool:
        tries.append(len(tries))
        if len(tries) == 3:
            server._stopping.set()
        raise failure

    monkeypatch.setattr(serving, "TABLES_S", 0.0)
    monkeypatch.setattr(server, "_stopping", threading.Event())
    monkeypatch.setattr(server.platform.token_upkeep, "make_next", fails)
    monkeypatch.setattr(server.platform, "make_score_table", fails_too)
    server._keep_tables()
    assert tries == others == [0, 1, 2]


def test_where_no_model_is_registered_no_table_is_missing(server: Server) -> None:
    tables = server.platform.settings.score_tables
    (stray := tables / f"{'0' * 64}.table").touch()
    assert not server.platform.make_score_table()
    assert not stray.exists(), "one of a model that nobody is scored by goes"
