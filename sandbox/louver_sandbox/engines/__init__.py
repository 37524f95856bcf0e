"""Engines: what runs a plan over snapshots, in a worker process that lives for one job.

`engine` has the contract and the job, `shape` what an engine's own parser says of a statement, `duckdb` the
one engine of this release with its lock-down, `worker` the process around it. Only `engines.duckdb` and
`engines.worker` import the driver, and the service process imports neither: it names them to a zygote with
the constants below.
"""

from typing import Final

WORKER_ENTRY: Final = "louver_sandbox.engines.worker:main"
WORKER_PREPARE: Final = "louver_sandbox.engines.worker:prepare"
WORKER_PRELOAD: Final = ("duckdb", "pyarrow")

WORKER_ENVIRONMENT: Final = {
    # Without these the libraries start threads when they are imported, and a zygote must have none.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # An arena reserves 64 MiB of address space per thread, which RLIMIT_AS would count as used.
    "MALLOC_ARENA_MAX": "2",
}
"""What a zygote that loads DuckDB and Arrow needs in its environment."""
