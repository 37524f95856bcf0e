"""A complete installation over the synthetic city, made once per test session, and its service as a real process."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import louver
from louver.errors import Refused
from louver_sandbox.demo.city import City, build
from louver_sandbox.demo.running import running
from louver_sandbox.operator.installation import Tools
from louver_sandbox.premises import utc_now
from louver_sandbox.settings import Settings, load

PERSONS = 2000


def small_city(folder: Path, dirt: float = 0.0) -> City:
    """A city of two thousand persons with three institutions, published and ready to serve. With `dirt` what the
    departments deliver is damaged, and tidied before it is registered."""
    made = build(folder / "home", PERSONS, Tools(utc_now, secrets.token_bytes), lambda text: None, dirt=dirt)
    return City(with_limits(made), made.world)


def copy_of(city: City, folder: Path) -> City:
    """The same installation elsewhere, to be damaged freely; snapshots and data are shared by hard link."""
    home = folder / "home"
    shutil.copytree(
        city.settings.home, home, copy_function=_link_if_immutable, ignore=shutil.ignore_patterns("*.log")
    )
    return City(load(home), home / "data")


def _link_if_immutable(source: str, target: str) -> str:
    path = Path(source)
    if path.suffix in {".parquet", ".duckdb"} and "uploads" not in path.parts:
        Path(target).hardlink_to(path)
        return target
    return shutil.copy2(source, target)


@dataclass(frozen=True)
class Service:
    """A running service and how its callers reach it."""

    city: City
    address: str
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The service's own process."""
        return self.process.pid

    def connect(self, institution: str = "bank_a", purpose: str | None = None) -> louver.Client:
        """A client of the institution, with the log's key."""
        return self.city.connect(self.address, institution, purpose, timeout=120.0)

    def processes(self) -> list[int]:
        """Every living process the service has started, and theirs."""
        return below(self.pid)

    def files(self, institution: str) -> tuple[Path, Path, Path]:
        """Authority, key and certificate of an institution."""
        clients = self.city.settings.home / "clients"
        return (
            self.city.settings.pki / "authority.pem",
            clients / f"{institution}.key",
            clients / f"{institution}.pem",
        )


@contextmanager
def service(city: City) -> Iterator[Service]:
    """The installation's service, for the length of a `with` block."""
    with running(city.settings.home) as (address, process):
        yield Service(city, address, process)


def below(pid: int) -> list[int]:
    """Every living process below this one."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *below(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        return found
    return [child for child in found if is_living(child)]


def is_living(pid: int) -> bool:
    """Whether the process runs; one that is dead and waits to be collected by its parent does not."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def parent(pid: int) -> int:
    """The process that started it; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor so far; 0 when it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _stat(pid: int) -> list[str]:
    """proc_pid_stat(5) from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


Told = TypeVar("Told")


def files_below(folder: Path, searched: Callable[[Path], bool]) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder that is to be searched, with what is in it. One that is taken away meanwhile, as the
    service replaces its newest anchor by another every few seconds, holds nothing."""
    for path in filter(searched, folder.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file():
                yield path, path.read_bytes()


def patiently(ask: Callable[[], Told], seconds: float = 60.0) -> Told:
    """What is told, asked for again while the service says that it is busy: a machine may be, and nothing was charged."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Refused as refused:
            if refused.code != "LVR-3101" or time.monotonic() > deadline:
                raise
            time.sleep(refused.retry_after or 0.1)


def with_limits(city: City, **limits: int) -> Settings:
    """Writes limits into the installation's configuration. What a check may take by the clock is more than by default:
    a machine that is busy with something else may need it for any question."""
    path = city.settings.home / "louver.toml"
    head = path.read_text(encoding="utf-8").split("[limits]")[0]
    lines = "".join(f"{name} = {value}\n" for name, value in {"check_seconds": 30, **limits}.items())
    path.write_text(f"{head}[limits]\n{lines}", encoding="utf-8")
    return load(city.settings.home)
