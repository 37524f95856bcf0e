"""An institution's own tables: taken in by a confined child, kept as immutable files named by their content.

The service process never imports `ingest`'s libraries for the data: it names the child to a zygote with these.
"""

from typing import Final

INGEST_ENTRY: Final = "louver_sandbox.uploads.ingest:main"
INGEST_PRELOAD: Final = ("duckdb", "pyarrow", "pyarrow.compute", "pyarrow.ipc", "gmpy2")

INGEST_ENVIRONMENT: Final = {
    # Without these the libraries start threads when they are imported, and a zygote must have none.
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # An arena reserves 64 MiB of address space per thread, which RLIMIT_AS would count as used.
    "MALLOC_ARENA_MAX": "2",
}
"""What the zygote of ingesting children needs in its environment."""
