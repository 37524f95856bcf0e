"""The real service as a process of its own, started and stopped the way an operator does it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_S = 30.0


class NotServing(Exception):
    """The service ended before it listened; the text is where its messages went."""


@contextmanager
def running(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The service of an installation: its address and process. It gets SIGTERM at the end."""
    messages = home / "service.log"
    with messages.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "louver_sandbox", "serve", "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening on "):
            process.wait(STOP_S)
            raise NotServing(f"the service did not start; see {messages}")
        yield line.removeprefix("listening on ").strip(), process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
