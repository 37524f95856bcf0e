"""The worker: a forked child that opens one job's snapshots, runs its statements, answers and dies.

What does not depend on the job is done in the zygote (`prepare`) or before the child says it is ready; see
SECURITY section 3.2 for the order.
"""

import math
import os

import duckdb
import pyarrow.ipc  # noqa: F401 -- imported in the zygote so that no child pays for it

from louver_sandbox.engines.duckdb import DuckDbEngine, NotLocked, open_hardened, prove_lock
from louver_sandbox.engines.engine import EngineFailed, Job, MalformedJob, decode_job
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import Code, RequestFailed, serve_one
from louver_sandbox.processes.isolation.confinement import open_only, rehearse, seal
from louver_sandbox.processes.limits import tighten

_OVERHEAD_MIB = 256
"""Address space for stacks, allocator reserve and Arrow, beside the engine's own memory."""
_CODES = {
    "error": Code.ERROR,
    "memory": Code.MEMORY,
    "too_large": Code.TOO_LARGE,
    "timeout": Code.TIMEOUT,
}


def prepare() -> duckdb.DuckDBPyConnection:
    """Run once in the zygote: prove that the lock holds, then make the connection every child inherits.

    Raises:
        NotLocked: it does not hold; the zygote does not start.
    """
    _prove_lock_aside()
    return open_hardened()


def _prove_lock_aside() -> None:
    """The proof in a copy of this process, where there are no threads that a copy would miss: it leaves thirty
    megabytes behind, and each child would pay for a copy of their page tables."""
    if len(os.listdir("/proc/self/task")) > 1:
        prove_lock()
        return
    pid = os.fork()
    if pid == 0:
        proved = False
        try:
            prove_lock()
            proved = True
        finally:
            os._exit(0 if proved else 1)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise NotLocked("the lock does not hold")


def main(channel: Channel, connection: duckdb.DuckDBPyConnection) -> None:
    """A worker's whole life."""
    engine = DuckDbEngine(connection, seal=seal)
    engine.warm()
    rehearse()
    serve_one(channel, lambda request: run_job(engine, request))


def run_job(engine: DuckDbEngine, request: bytes) -> bytes:
    """The answer to an encoded job.

    Raises:
        RequestFailed: there is none.
    """
    try:
        job = decode_job(request)
        _tighten_to(job)
        # Before the engine opens anything: what threads it starts then are shut in as well.
        open_only([path for source in job.sources for path in source.files])
        return engine.execute(job)
    except MalformedJob:
        raise RequestFailed(Code.ERROR) from None
    except EngineFailed as failure:
        raise RequestFailed(_CODES[failure.kind]) from None


def _tighten_to(job: Job) -> None:
    # The engine's memory limit does not see what string and list functions allocate; the kernel's does.
    # Twice the engine's own leaves it room for the copy an answer is while it is written out.
    tighten(
        memory_mib=2 * job.memory_mib + _OVERHEAD_MIB,
        cpu_seconds=math.ceil(job.timeout_ms / 1000 * job.threads) + 1,
    )
