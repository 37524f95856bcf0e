"""Parquet parts: one folder per table, `part-00000.parquet` and on; the bytes depend on the rows only.

Money is stored as a scaled integer and repetitive text as dictionaries; no Arrow schema, no times and no host names
are written, so the types a reader sees are those of the DDL and equal worlds are equal files.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from louver_sandbox.demo.world.schema import SCHEMAS

ROW_GROUP = 1_000_000


def part_path(root: Path, table: str, part: int) -> Path:
    return root / table / f"part-{part:05d}.parquet"


def write_part(root: Path, table: str, part: int, rows: pa.Table) -> int:
    """Writes one part and returns its number of rows. Raises OSError as the file system does."""
    path = part_path(root, table, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, rows, SCHEMAS[table])
    return int(rows.num_rows)


def write_table(path: Path, rows: pa.Table, schema: pa.Schema) -> None:
    # A dictionary over decimals costs more time than it saves bytes.
    repetitive = [f.name for f in schema if not (pa.types.is_decimal(f.type) or pa.types.is_nested(f.type))]
    pq.write_table(
        rows,
        path,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=repetitive,
        dictionary_pagesize_limit=1 << 23,
        store_decimal_as_integer=True,
        store_schema=False,
    )
