"""The solver: finds and proves which further parts are withheld, in a process that lives for one problem.

Integer programs may take any time and any memory, so the service asks this process and kills it at a limit. It gets
the numbers of one core's cells, without any key or name, and no data, file or secret; it answers in our own schema.
"""

from __future__ import annotations

from typing import Final

from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import seal
from louver_sandbox.suppression.pattern import choose
from louver_sandbox.suppression.wire import pattern_to_bytes, problem_from_bytes

ENTRY: Final = "louver_sandbox.solver:main"
PRELOAD: Final = ("highspy", "numpy", "numpy.ma", "louver_sandbox.suppression.proved")
"""`numpy.ma` would be imported at the first use of `numpy.unique`, when no file can be opened any more."""
REPLY_CAP: Final = 1 << 20
"""Bytes of the largest pattern."""


def main(channel: Channel) -> None:
    """A solver's life: one problem, one pattern."""
    seal()
    serve_one(channel, lambda request: pattern_to_bytes(choose(problem_from_bytes(request))))
