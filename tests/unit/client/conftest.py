"""Fixtures shared by the client's tests: a simulated sandbox per module, an untroubled one per test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.sandbox_simulator import Recorded, SandboxSimulator, Simulation, simulated_sandbox

from louver.client import Client, connect
from louver.errors import Refused
from louver.surroundings import Surroundings
from louver.v1 import sandbox_pb2 as pb

DISTRICTS = "SELECT district, count(*) AS n, sum(amount) AS total FROM hukou.person GROUP BY district"
EVERYTHING = "SELECT 1 AS everything"
FORBIDDEN = "SELECT name\nFROM hukou.person"

IMPATIENT = Surroundings(pauses=(0.01, 0.01, 0.01))


def districts() -> pa.Table:
    """Three districts, one of them withheld, one with a negative total."""
    return pa.table(
        {
            "district": ["市南区", "城阳区", None],
            "n": pa.array([1200, None, 7], pa.int64()),
            "total": pa.array([Decimal("-12.50"), None, Decimal("99999999999999999999999999999999999.99")]).cast(
                pa.decimal128(38, 2)
            ),
            "since": [date(2025, 1, 1), None, date(1970, 1, 1)],
        }
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulated_sandbox(tmp_path_factory.mktemp("simulation")) as simulation:
        yield simulation


@pytest.fixture
def sandbox(running: Simulation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Simulation:
    for name in ("TARGET", "CERTIFICATE", "KEY", "CA", "LOG_KEY", "PURPOSE", "TIMEOUT", "PROFILE"):
        monkeypatch.delenv(f"LOUVER_{name}", raising=False)
    monkeypatch.setenv("LOUVER_CONFIG", str(tmp_path / "config.toml"))
    service: SandboxSimulator = running.service
    for state in (service.answers, service.refusals, service.uploads, service.charged):
        state.clear()
    service.troubles.clear()
    service.asked.clear()
    service.cancelled.clear()
    withheld = pb.Notice(
        code="LVR-N01", count=2, rule="k=10", message="2 cells were withheld", message_zh="有 2 个单元格未公布"
    )
    service.answers[DISTRICTS] = Recorded(
        districts(), "threshold", (withheld,), remainder=pa.table({"district": [None], "n": [31]})
    )
    service.refusals[FORBIDDEN] = Refused(
        "LVR-2104",
        "column name identifies a person",
        "count or group instead",
        1,
        8,
        "negative-list",
        "hukou-credit@3",
        "name 列可识别个人",
        "请改为计数或分组",
        {"column": "name"},
    )
    return running


@pytest.fixture
def bank(sandbox: Simulation) -> Iterator[Client]:
    with connect(**sandbox.arguments(surroundings=IMPATIENT)) as client:
        yield client
