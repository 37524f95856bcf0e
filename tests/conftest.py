"""What every test may use: a small city, and its service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.databases import AT_LENGTH, BOTH, SQLITE
from tests.support.installation import Service, copy_of, service, small_city
from tests.support.postgres import Server, server

from louver_sandbox.demo.city import City

settings.register_profile("machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("machine")  # How fast examples are made says how busy the machine is, and nothing of Louver.
# Examples are drawn anew in every run, also where a change is judged: what they assert holds for every example, so one
# that fails is a counterexample and prints how to see it again. Nothing statistical may be asserted of them.


LONG_FIRST = ("e2e", "real", "tpc", "attacks", "property")
"""The folders whose files take longest, one test or two of them taking most of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no file holds everybody up at the end (`--no-loadscope-reorder`)."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> tuple[bool, int]:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return item.path not in slow, LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server that nobody stops, with a database for each who asks."""
    with server() as running:
        yield running


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new state store of the test's own may be, on each kind of database."""
    return _place(request, tmp_path)


@pytest.fixture(params=AT_LENGTH)
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """The same, on SQLite alone but by command (`LOUVER_SOAK`)."""
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == SQLITE:
        return tmp_path / "state.db"
    running: Server = request.getfixturevalue("postgres_server")
    return running.emptied()


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """An installation nobody changes: copy it to damage it."""
    return small_city(tmp_path_factory.mktemp("city"))


@pytest.fixture
def own_city(city: City, tmp_path: Path) -> City:
    """A copy of the installation for one test."""
    return copy_of(city, tmp_path)


@pytest.fixture(scope="session")
def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that only ask; its installation is a copy."""
    with service(copy_of(city, tmp_path_factory.mktemp("served"))) as running:
        yield running
