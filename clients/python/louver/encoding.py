"""From whatever holds a table to one Arrow IPC stream in a temporary file, ready to be sent, and sent again.

Writing it out first costs disk, and buys that a table is checked whole before a byte leaves, that progress has a
total, and that an upload cut off half-way can be repeated even when its source could be read only once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from louver.failures import Misused, missing_extra

_IN_MEMORY = 32 << 20
"""Bytes kept in memory before a temporary file is used."""

_EPOCH = date(1970, 1, 1)
_MOMENT = datetime(1970, 1, 1)
_DECIMAL_BYTES = 16
_DECIMAL_DIGITS = 38
_INT64 = range(-(2**63), 2**63)
_COPY = 1 << 20


def encode(data: object) -> IO[bytes]:
    """The table as an Arrow IPC stream in a temporary file that vanishes when closed.

    ``data`` is a path to ``.parquet``, ``.csv`` or ``.arrow``, anything with ``__arrow_c_stream__`` (pyarrow,
    pandas, polars, DuckDB), or rows as mappings. Raises ``Misused`` when it cannot be read as a table and
    ``MissingExtra`` when only pyarrow could read it.
    """
    content = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        _write(data, content)
    except BaseException:
        content.close()
        raise
    return content


def _write(data: object, content: IO[bytes]) -> None:
    if isinstance(data, str | Path):
        _write_file(Path(data), content)
    elif hasattr(data, "__arrow_c_stream__"):
        _write_stream(data, content)
    elif isinstance(data, Iterable) and not isinstance(data, Mapping | bytes):
        _write_rows(list(data), content)
    else:
        raise Misused(
            f"a {type(data).__name__} is not a table",
            "pass a path, an Arrow table, a pandas or polars frame, or a list of dicts",
        )


def _write_file(path: Path, content: IO[bytes]) -> None:
    if path.is_dir():
        raise Misused(f"{path} is a folder", "give one .parquet, .csv or .arrow file")
    if not path.is_file():
        raise Misused(f"there is no such file: {path}")
    readers: Mapping[str, Callable[[Path, IO[bytes]], None]] = {
        ".parquet": _write_parquet,
        ".csv": _write_csv,
        ".arrow": _write_arrow,
        ".arrows": _write_arrow,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Misused(f"files ending in {path.suffix or 'nothing'} are not read", "use .parquet, .csv or .arrow")
    reader(path, content)


def _pyarrow(purpose: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise missing_extra(f"pyarrow, which reads {purpose},", "arrow") from None
    return pyarrow


def _write_parquet(path: Path, content: IO[bytes]) -> None:
    pyarrow = _pyarrow("Parquet files")
    import pyarrow.parquet as parquet

    with _Reading(path, pyarrow), parquet.ParquetFile(path) as file:
        _write_batches(pyarrow, file.schema_arrow, file.iter_batches(), content)


def _write_csv(path: Path, content: IO[bytes]) -> None:
    pyarrow = _pyarrow("CSV files")
    import pyarrow.csv as csv

    with _Reading(path, pyarrow), csv.open_csv(path) as reader:
        _write_batches(pyarrow, reader.schema, reader, content)


def _write_arrow(path: Path, content: IO[bytes]) -> None:
    with path.open("rb") as file:
        if file.read(6) != b"ARROW1":  # the file format; a stream needs no pyarrow
            file.seek(0)
            while piece := file.read(_COPY):
                content.write(piece)
            return
    pyarrow = _pyarrow("Arrow files (not streams)")
    with _Reading(path, pyarrow), pyarrow.ipc.open_file(path) as reader:
        batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
        _write_batches(pyarrow, reader.schema, batches, content)


class _Reading:
    """Turns what pyarrow says about a broken file into our own words: its text may quote the file."""

    def __init__(self, path: Path, pyarrow: Any) -> None:
        self.path = path
        self.errors = (pyarrow.ArrowException, OSError)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self.errors):
            raise Misused(f"the file cannot be read as a table: {self.path}") from None


def _write_stream(data: Any, content: IO[bytes]) -> None:
    try:
        import pyarrow
    except ImportError:
        _write_stream_lightly(data, content)
        return
    try:
        reader = pyarrow.RecordBatchReader.from_stream(data)
        _write_batches(pyarrow, reader.schema, reader, content)
    except pyarrow.ArrowException:
        raise Misused(f"the {type(data).__name__} cannot be read as an Arrow table") from None


def _write_stream_lightly(data: Any, content: IO[bytes]) -> None:
    """Without pyarrow: nanoarrow writes plain types, and polars its own plain form."""
    if type(data).__module__.partition(".")[0] == "polars":
        import polars

        data.write_ipc_stream(content, compat_level=polars.CompatLevel.oldest())
        return
    import nanoarrow
    from nanoarrow.ipc import StreamWriter

    try:
        with StreamWriter.from_writable(content) as writer:
            writer.write_stream(nanoarrow.c_array_stream(data))
    except RuntimeError:
        raise missing_extra("pyarrow, which some columns of this table need,", "arrow") from None


def _write_batches(pyarrow: Any, schema: Any, batches: Iterable[Any], content: IO[bytes]) -> None:
    plain = pyarrow.schema([pyarrow.field(f.name, _plain(pyarrow, f.type), f.nullable) for f in schema])
    with pyarrow.ipc.new_stream(content, plain) as writer:
        for batch in batches:
            writer.write_batch(
                pyarrow.RecordBatch.from_arrays(
                    [c.cast(t.type) for c, t in zip(batch, plain, strict=True)], schema=plain
                )
            )


def _plain(pyarrow: Any, kind: Any) -> Any:
    """The same values without dictionaries and views, which are ways to store and not types."""
    types = pyarrow.types
    if types.is_dictionary(kind):
        return _plain(pyarrow, kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pyarrow.string()
    return kind


def _write_rows(rows: Sequence[object], content: IO[bytes]) -> None:
    import nanoarrow
    from nanoarrow.ipc import StreamWriter

    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise Misused(
            "rows must be a list of dicts, at least one", 'such as [{"loan_id": 1, "amount": Decimal("9.50")}]'
        )
    mappings: list[Mapping[str, object]] = [row for row in rows if isinstance(row, Mapping)]
    names = list(mappings[0])
    if any(row.keys() != mappings[0].keys() for row in mappings) or not all(isinstance(name, str) for name in names):
        raise Misused("every row must have the same columns")
    columns = [_column(nanoarrow, name, [row[name] for row in mappings]) for name in names]
    schema = nanoarrow.struct(dict(zip(names, (column.schema for column in columns), strict=True)))
    struct = nanoarrow.c_array_from_buffers(schema, len(mappings), [None], children=columns)
    with StreamWriter.from_writable(content) as writer:
        writer.write_stream(nanoarrow.c_array_stream(struct))


def _column(nanoarrow: Any, name: str, values: Sequence[object]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) != 1:
        detail = "only NULLs" if not kinds else "several types"
        raise Misused(f"column {name} holds {detail}, so it has no type", "give every value of a column one type")
    kind = kinds.pop()
    if kind is Decimal:
        return _decimals(nanoarrow, name, [value for value in values if value is None or isinstance(value, Decimal)])
    if kind is int and not all(value is None or value in _INT64 for value in values):
        raise Misused(f"column {name} holds an integer beyond 64 bits", "use decimal.Decimal")
    types = {
        bool: nanoarrow.bool_,
        int: nanoarrow.int64,
        float: nanoarrow.float64,
        str: nanoarrow.string,
        date: nanoarrow.date32,
    }
    if kind is datetime:
        return nanoarrow.c_array([_microseconds(name, value) for value in values], nanoarrow.timestamp("us"))
    if kind not in types:
        raise Misused(f"column {name} holds a {kind.__name__}, which is not a type of the platform")
    plain = [(value - _EPOCH).days if isinstance(value, date) else value for value in values]
    return nanoarrow.c_array(plain, types[kind]())


def _microseconds(name: str, value: object) -> int | None:
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is not None:
        raise Misused(f"column {name} holds times with a zone", "convert them to one zone and drop it")
    elapsed = value - _MOMENT
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def _decimals(nanoarrow: Any, name: str, values: Sequence[Decimal | None]) -> Any:
    if not all(value is None or value.is_finite() for value in values):
        raise Misused(f"column {name} holds a decimal that is not a number")
    scale = max(_scale(value) for value in values if value is not None)
    unscaled = [0 if value is None else _unscaled(value, scale) for value in values]
    if scale > _DECIMAL_DIGITS or any(abs(number) >= 10**_DECIMAL_DIGITS for number in unscaled):
        raise Misused(f"column {name} needs more than {_DECIMAL_DIGITS} digits")
    data = b"".join(number.to_bytes(_DECIMAL_BYTES, "little", signed=True) for number in unscaled)
    kind = nanoarrow.decimal128(_DECIMAL_DIGITS, scale)
    return nanoarrow.c_array_from_buffers(kind, len(values), [validity(values), data])


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _unscaled(value: Decimal, scale: int) -> int:
    sign, digits, exponent = value.as_tuple()
    shift = scale + exponent if isinstance(exponent, int) else 0
    number: int = int("".join(map(str, digits))) * 10 ** min(shift, _DECIMAL_DIGITS + 1)
    return -number if sign else number


def validity(values: Sequence[object]) -> bytes:
    """The validity bitmap: bit i of byte i // 8, least significant first (Arrow columnar format)."""
    bits = sum(1 << index for index, value in enumerate(values) if value is not None)
    return bits.to_bytes((len(values) + 7) // 8, "little")
