"""TPC-H at scale 0.01 behind the real service: asked as a government's data, and as a bank's own."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from tests.support import tpch
from tests.support.installation import service
from tests.support.tpc import UNITS

import louver

SCALE = 0.01


@dataclass(frozen=True)
class World:
    """Clients of the running service, and plain DuckDB over the same files."""

    banks: Mapping[str, louver.Client]
    owner: louver.Client
    plain: duckdb.DuckDBPyConnection

    def ask(self, sql: str, purpose: str) -> louver.Answer:
        """What the bank gets that asks about the government's tables."""
        return self.banks[purpose].analyse(sql)

    def ask_unprotected(self, sql: str) -> louver.Answer:
        """What a bank gets that holds the same rows itself, so that nothing is protected from it."""
        return self.owner.analyse(sql)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tpch.generate(tmp_path_factory.mktemp("tpch") / "data", SCALE)


@pytest.fixture(scope="session")
def world(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    city = tpch.install(tmp_path_factory.mktemp("tpch") / "home", data)
    with ExitStack() as stack:
        running = stack.enter_context(service(city))
        owner = stack.enter_context(running.connect(tpch.OWNER, "RESEARCH"))
        for table in tpch.TABLES:
            owner.upload(table, data / f"{table}.parquet")
        banks = {purpose: stack.enter_context(running.connect(tpch.BANK, purpose)) for purpose in UNITS}
        yield World(banks, owner, stack.enter_context(tpch.plain(data)))
