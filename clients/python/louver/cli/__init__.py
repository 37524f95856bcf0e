"""The command ``louver``: ask, upload, look around and verify, from a shell.

Exit codes: 0 done, 1 refused, 2 used wrongly, 3 fault or not reachable, 4 a proof does not hold. Data goes to
standard output, everything said about it to standard error.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line and leave with its exit code."""
    # gRPC writes its own log to standard error, which here belongs to what we say.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from louver.cli.app import app

    app()
