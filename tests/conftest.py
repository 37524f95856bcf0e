"""What every test may use: a small city, and its service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.installation import Service, copy_of, service, small_city

from louver_sandbox.demo.city import City

settings.register_profile("machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("machine")  # How fast examples are made says how busy the machine is, and nothing of Louver.


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
