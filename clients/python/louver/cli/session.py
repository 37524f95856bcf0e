"""What every command shares: settings from the global options, the two output streams, and how errors end a run."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from louver.cli.drawing import draw, exit_code
from louver.cli.gauge import gauge
from louver.errors import Error
from louver.failures import Misused
from louver.privacy import PrivacyLoss, plain

if TYPE_CHECKING:
    from louver.client import Client
    from louver.decoding import Row
    from louver.quality import TableQuality

_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""

_BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader went away, which is its right."""


@dataclass(frozen=True, slots=True)
class Session:
    """The global options of one run."""

    profile: str | None
    target: str | None
    certificate: Path | None
    key: Path | None
    ca: Path | None
    log_key: str | None
    timeout: float | None
    language: str
    verify: bool | None

    def connect(self, purpose: str | None = None) -> Client:
        """A client with these options."""
        from louver.client import connect

        return connect(
            self.target,
            profile=self.profile,
            certificate=self.certificate,
            key=self.key,
            ca=self.ca,
            log_key=self.log_key,
            purpose=purpose,
            timeout=self.timeout,
            verify=self.verify,
            key_passphrase=ask_passphrase,
        )

    def connect_to_ask(self, purpose: str | None) -> Client:
        """A client that has a purpose to state. Raises ``Misused`` where neither the command, the environment nor
        the profile names one: the service would log the question and refuse it."""
        client = self.connect(purpose)
        if not client.settings.profile.purpose.strip():
            client.close()
            raise Misused("there is no purpose", "add --purpose, such as --purpose RESEARCH, or set LOUVER_PURPOSE")
        return client


def ask_passphrase() -> str:
    """The passphrase of the key ring: ``LOUVER_KEY_PASSPHRASE``, else asked of the person at the terminal.

    Raises ``Misused`` where there is neither.
    """
    given = os.environ.get("LOUVER_KEY_PASSPHRASE", "")
    if not given and not sys.stdin.isatty():
        raise Misused("a private key is needed and its passphrase is not given", "set LOUVER_KEY_PASSPHRASE")
    return given or str(typer.prompt("passphrase of your keys", hide_input=True, err=True))


@contextmanager
def ending(language: str, sql: str = "") -> Iterator[None]:
    """Turn what goes wrong in the block into a drawing on standard error and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except Error as error:
        typer.echo(draw(error, sql, language), err=True)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        # Python flushes standard output once more at exit; there is nobody left to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None


@contextmanager
def showing_progress(description: str) -> Iterator[Callable[[str], None]]:
    """A function that shows a stage on standard error, when a person watches it."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    from louver.display import visible

    with Console(stderr=True).status(description) as status:
        yield lambda stage: status.update(f"{description}: {visible(stage)}")


Done = Callable[[int, int], None]
"""Hears how much is done and how much there is."""


@contextmanager
def telling_warnings() -> Iterator[None]:
    """What the client warns of is told on standard error, in a line each."""
    from louver.display import visible

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for one in told:
                typer.echo(visible(str(one.message)), err=True)


@contextmanager
def showing_upload() -> Iterator[tuple[Done | None, Done | None, Done | None]]:
    """Functions that show on standard error how many ids have tokens, how many numbers are encrypted and how many
    bytes are sent, when a person watches it. What has not begun is not shown."""
    if not sys.stderr.isatty():
        yield None, None, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        tasks = [bar.add_task(name, visible=False) for name in ("blinding", "encrypting", "uploading")]

        def shown(place: int) -> Done:
            return lambda done, total: bar.update(tasks[place], completed=done, total=total, visible=True)

        yield shown(0), shown(1), shown(2)


def print_table(names: list[str], rows: list[Row]) -> None:
    """A table on standard output; values are text, never markup."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from louver.display import cell, visible

    drawn = Table(box=SIMPLE_HEAD)
    numeric = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(names))]
    for name, is_number in zip(names, numeric, strict=True):
        drawn.add_column(Text(visible(name)), justify="right" if is_number and rows else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell(value)) for value in row))
    console = Console()
    console.print(drawn) if console.is_terminal else Console(width=10_000).print(drawn)


def show_privacy(losses: Sequence[PrivacyLoss], language: str) -> None:
    """The privacy budget on standard error: bars where a person watches it, else one line of JSON."""
    if not losses:
        return
    if sys.stderr.isatty():
        for line in gauge(losses, language):
            typer.echo(line, err=True)
        return
    typer.echo(json.dumps({"privacy": [plain(loss) for loss in losses]}, ensure_ascii=False), err=True)


def show_quality(told: Sequence[TableQuality], language: str) -> None:
    """A line for each table that was read, on standard error and where a person watches it; never in a pipe, where
    an answer as JSON has it."""
    from louver.display import visible

    if sys.stderr.isatty():
        for one in told:
            typer.echo(visible(one.text(language)), err=True)


def write_bytes(content: bytes, output: Path | None) -> None:
    """To a file, or to standard output. Raises ``Misused`` when the file cannot be written."""
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError:
        raise Misused(f"cannot write {output}") from None


def write_private(content: bytes, output: Path) -> None:
    """To a new file that its owner alone reads. Raises ``Misused``."""
    try:
        with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError:
        raise Misused(f"cannot write {output}, or it is there already") from None


def read_text(path: Path) -> str:
    """A text file. Raises ``Misused``."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misused(f"cannot read {path} as UTF-8 text") from None


def read_bytes(path: Path, most: int = -1) -> bytes:
    """A file, or so many bytes of one that is longer. Raises ``Misused``."""
    try:
        with path.open("rb") as opened:
            return opened.read(most)
    except OSError:
        raise Misused(f"cannot read {path}") from None
