"""The confined child that takes an upload in: one Arrow IPC stream (a spool file) becomes one immutable table file.

The stream is hostile: it is read batch by batch within a memory limit, every batch is validated whole before it is
used, types and names come from closed lists, and what is answered is a code with a few facts, never a library's text.
`main` is the entry of the child (see `processes.zygote`): JSON job in, JSON answer out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from gmpy2 import mpz

from louver.sealing.keys import PublicKey
from louver.sealing.uploading import EncryptedColumn
from louver.tokens.columns import TokenColumn
from louver_sandbox.catalog.rules import RESERVED_PREFIX
from louver_sandbox.catalog.sources import quote
from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import open_only, seal
from louver_sandbox.uploads.arrow_types import algebra_type, stored_type
from louver_sandbox.uploads.digest import ColumnDigest, table_digest
from louver_sandbox.uploads.encrypted import Ciphertexts, EncryptedRefused, ciphertext_path, encrypted_columns
from louver_sandbox.uploads.held import Held, held
from louver_sandbox.uploads.tokens import STORED, TokensRefused, token_columns, type_of

NAME = re.compile(r"[^\W\d]\w{0,62}\Z")
"""Names of own tables and their columns."""
TEMPORARY = ".taking-"
READ_BY_THE_ENGINE = tuple(filter(os.path.isdir, ("/proc/self", "/sys/fs/cgroup")))
"""DuckDB 2.0 aborts where it connects and cannot read how much memory it may have."""
CONTINUATION = b"\xff\xff\xff\xff"
"""Begins every message of the Arrow IPC streaming format."""
END_OF_STREAM = CONTINUATION + bytes(4)
"""A message of length zero, the last one."""
NO_ROOM = "LVR-3103"
"""Answered when the disk takes no more: the upload may be right and is not to blame."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Most columns, rows, and bytes after decompression. Memory is the zygote's to limit."""

    columns: int = 256
    rows: int = 20_000_000
    bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """The spool file to read and the institution's folder to write into; encrypted columns are under its `key`."""

    spool: Path
    folder: Path
    caps: Caps = field(default_factory=Caps)
    key: PublicKey | None = None

    def encode(self) -> bytes:
        """The job as the child reads it."""
        caps = {name: getattr(self.caps, name) for name in Caps.__slots__}
        modulus = "" if self.key is None else self.key.to_bytes().hex()
        job = {"spool": str(self.spool), "folder": str(self.folder), "caps": caps, "modulus": modulus}
        return json.dumps(job).encode()


@dataclass(frozen=True, slots=True)
class TakenColumn:
    """A stored column: its name and catalogue type, whether a null is there, whether values never repeat, and how
    many different ones there are (None: not counted, as of lists and doubles). An encrypted one names its `key`,
    and one of tokens the public part of theirs."""

    name: str
    type: str
    nullable: bool
    unique: bool = False
    distinct: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was stored: the content digest (also the file's name), rows, bytes of the file, the columns, and the
    identifiers that stand in its texts."""

    digest: str
    rows: int
    bytes: int
    columns: tuple[TakenColumn, ...]
    held: tuple[Held, ...] = ()


class UploadRefused(Exception):
    """The upload is refused: a code of `refusals.catalog` and its facts."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


def table_path(folder: Path, digest: str) -> Path:
    """Where the own table of that content lies in its institution's folder."""
    return folder / f"{digest}.duckdb"


def main(channel: Channel, _prepared: object = None) -> None:
    """Serve one job on the channel and end."""
    serve_one(channel, answer)


def answer(request: bytes) -> bytes:
    """One job in JSON, and what came of it in JSON."""
    fields = json.loads(request)
    key = PublicKey(mpz(fields["modulus"], 16)) if fields["modulus"] else None
    job = Job(Path(fields["spool"]), Path(fields["folder"]), Caps(**fields["caps"]), key)
    job.folder.mkdir(parents=True, exist_ok=True)
    open_only([str(job.spool), *READ_BY_THE_ENGINE], [str(job.folder)])
    seal()
    try:
        taken = ingest(job)
    except UploadRefused as refused:
        return json.dumps({"refused": refused.code, "facts": refused.facts}).encode()
    columns = [list(astuple(column)) for column in taken.columns]
    told = {"digest": taken.digest, "rows": taken.rows, "bytes": taken.bytes, "columns": columns}
    return json.dumps(told | {"held": [astuple(one) for one in taken.held]}).encode()


def decode_answer(reply: bytes) -> Taken | UploadRefused:
    """What the child answered, checked field by field.

    Raises:
        ValueError: the child did not answer in its form and cannot be trusted.
    """
    fields: Any = json.loads(reply)
    try:
        if "refused" in fields:
            return UploadRefused(str(fields["refused"]), **{str(k): str(v)[:100] for k, v in fields["facts"].items()})
        columns = tuple(
            TakenColumn(str(name), str(type_), nullable is True, unique is True, _counted(distinct), str(key))
            for name, type_, nullable, unique, distinct, key in fields["columns"]
        )
        known = {column.name for column in columns}
        held = tuple(Held(str(name), str(element), int(texts)) for name, element, texts in fields["held"])
        if not all(one.column in known and one.element in ELEMENTS and one.texts >= 0 for one in held):
            raise ValueError("not an answer of the ingesting child")
        taken = Taken(str(fields["digest"]), int(fields["rows"]), int(fields["bytes"]), columns, held)
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not an answer of the ingesting child") from None
    if not re.fullmatch(r"[0-9a-f]{64}", taken.digest) or not all(NAME.match(column.name) for column in columns):
        raise ValueError("not an answer of the ingesting child")
    return taken


def _counted(distinct: object) -> int | None:
    return distinct if isinstance(distinct, int) and not isinstance(distinct, bool) and distinct >= 0 else None


def ingest(job: Job) -> Taken:
    """Read, validate and store one upload. The same content again finds its file and changes nothing.

    Raises:
        UploadRefused: LVR-4001 to LVR-4007, LVR-5012 to LVR-5014, LVR-5301, LVR-5324, or LVR-3103 when the disk takes
            no more; nothing is left behind.
    """
    private = job.folder / f"{TEMPORARY}{os.urandom(8).hex()}"
    try:
        job.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(job.folder)
        private.mkdir(mode=0o700)
        with pa.OSFile(str(job.spool), "rb") as spool:
            return _store(job, private, spool)
    except EncryptedRefused as refused:
        raise UploadRefused(refused.code, **refused.facts) from None
    except TokensRefused as refused:
        raise UploadRefused(refused.code) from None
    except (MemoryError, duckdb.OutOfMemoryException):
        raise UploadRefused("LVR-4004", what="bytes", limit="memory") from None
    except (OSError, duckdb.IOException):
        raise UploadRefused(NO_ROOM) from None
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what children left that were killed at work. One child works at a time (`OwnTables`)."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _reading() -> Iterator[None]:
    """While Arrow reads the stream: whatever it says but running out of memory means that the stream is not one."""
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, OverflowError):
        raise UploadRefused("LVR-4001") from None


def _batches(stream: pa.RecordBatchReader, caps: Caps) -> Iterator[pa.RecordBatch]:
    """Valid batches, as long as all of them together stay within the caps."""
    rows = size = 0
    while True:
        with _reading():
            try:
                batch = stream.read_next_batch()
            except StopIteration:
                return
            batch.validate(full=True)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        _cap("rows", rows, caps.rows)
        _cap("bytes", size, caps.bytes)
        yield batch


def _check_prefix(spool: Path) -> None:
    """The first message's length fits the file: Arrow would take any four bytes for a length and ask for memory."""
    with spool.open("rb") as file:
        prefix = file.read(8)
    length = int.from_bytes(prefix[4:], "little")
    if prefix[:4] != CONTINUATION or not 0 < length <= spool.stat().st_size:
        raise UploadRefused("LVR-4001")


def _store(job: Job, private: Path, spool: pa.OSFile) -> Taken:
    _check_prefix(job.spool)
    with _reading():
        stream: pa.RecordBatchReader = pa.ipc.open_stream(spool)
    encrypted, tokens = encrypted_columns(stream.schema, job.key), token_columns(stream.schema)
    target = _stored_schema(
        stream.schema, job.caps, {**dict.fromkeys(encrypted, pa.int64()), **dict.fromkeys(tokens, STORED)}
    )
    made = private / "table.duckdb"
    digests = [_digest_of(place, target, stream.schema, {**encrypted, **tokens}) for place in range(len(target))]
    nulls = [0] * len(target)
    rows = 0
    config: dict[str, str | bool | int | float | list[str]] = {
        # No thread of the engine's own: a sealed process may start none.
        "threads": 1,
        "async_threads": 0,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    with _ciphertexts(private, job.key, encrypted) as sealed, duckdb.connect(str(made), config=config) as connection:
        _insert(connection, pa.Table.from_batches([], target), create=True)
        for batch in _batches(stream, job.caps):
            stored = _stored_batch(batch, target, encrypted, rows)
            rows += batch.num_rows
            if sealed is not None:
                sealed.add([batch.column(place) for place in encrypted])
            for index, (array, digest) in enumerate(zip(stored.columns, digests, strict=True)):
                digest.update(batch.column(index) if index in encrypted else array)
                nulls[index] += array.null_count
            _insert(connection, pa.Table.from_batches([stored]), create=False)
        _whole(job.spool, spool.tell())
        counted = _counts(connection, target)
        found = held(
            connection,
            {
                item.name: kinds.is_integer(item.type)
                for place, item in enumerate(target)
                if (kinds.is_large_string(item.type) or kinds.is_integer(item.type))
                and place not in tokens
                and place not in encrypted
            },
        )
        connection.execute("CHECKPOINT")
        beside = None if sealed is None else sealed.finish()
    content = table_digest(digests)
    kept = [] if beside is None else [_install(beside, ciphertext_path(table_path(job.folder, content)))]
    kept.append(_install(made, table_path(job.folder, content)))
    columns = tuple(
        _encrypted_column(item.name, encrypted[place], rows)
        if place in encrypted
        else TakenColumn(
            item.name,
            type_of(tokens[place]) if place in tokens else str(algebra_type(item.type)),
            count > 0,
            distinct == rows - count,
            distinct,
            tokens[place].key if place in tokens else "",
        )
        for place, (item, count, distinct) in enumerate(zip(target, nulls, counted, strict=True))
    )
    return Taken(content, rows, sum(path.stat().st_size for path in kept), columns, found)


@contextmanager
def _ciphertexts(
    folder: Path, key: PublicKey | None, encrypted: Mapping[int, EncryptedColumn]
) -> Iterator[Ciphertexts | None]:
    """Where the values of encrypted columns go; None where there are none."""
    if key is None or not encrypted:
        yield None
        return
    with closing(Ciphertexts(folder, key, tuple(encrypted.values()))) as made:
        yield made


def _digest_of(
    place: int, target: pa.Schema, given: pa.Schema, declared: Mapping[int, EncryptedColumn | TokenColumn]
) -> ColumnDigest:
    """An encrypted column's is about its ciphertexts, key and scale, one of tokens about its element and key too."""
    if place not in declared:
        return ColumnDigest(target[place].name, target[place].type)
    return ColumnDigest(f"{target[place].name}\0{declared[place].to_bytes().decode()}", given[place].type)


def _encrypted_column(name: str, column: EncryptedColumn, rows: int) -> TakenColumn:
    """Of which nothing is known but how many ciphertexts there are, none of them twice."""
    return TakenColumn(name, f"encrypted({column.scale})", nullable=False, distinct=rows, key=column.kid)


def _counts(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> list[int | None]:
    """How many different values each column has that can be a key (text, integers, dates)."""
    found: list[int | None] = []
    for item in schema:
        if kinds.is_floating(item.type) or kinds.is_list(item.type):
            found.append(None)
            continue
        counts = f"SELECT count(DISTINCT {quote(item.name)}) FROM main.data"  # noqa: S608 - quoted
        found.append(int(connection.execute(counts).fetchall()[0][0]))
    return found


def _whole(spool: Path, consumed: int) -> None:
    """The stream ends with its marker and nothing follows: a cut at a batch's edge would otherwise pass unseen."""
    with spool.open("rb") as file:
        file.seek(max(0, consumed - len(END_OF_STREAM)))
        if file.read() != END_OF_STREAM:
            raise UploadRefused("LVR-4001")


def _cap(what: str, amount: int, limit: int) -> None:
    if amount > limit:
        raise UploadRefused("LVR-4004", what=what, limit=str(limit))


def _stored_schema(schema: pa.Schema, caps: Caps, declared: Mapping[int, pa.DataType]) -> pa.Schema:
    """As the table is stored; `declared` are the types of columns that are encrypted or hold tokens."""
    _cap("columns", len(schema), caps.columns)
    if len(schema) == 0:
        raise UploadRefused("LVR-4001")
    seen: Counter[str] = Counter()
    fields = []
    for number, item in enumerate(schema, start=1):
        seen[item.name.casefold()] += 1
        reserved = item.name.casefold().startswith(RESERVED_PREFIX)
        if not NAME.match(item.name) or reserved or seen[item.name.casefold()] > 1:
            raise UploadRefused("LVR-4003", number=str(number))
        stored = declared.get(number - 1) or stored_type(item.type)
        if stored is None:
            raise UploadRefused("LVR-4002", column=item.name, type=_type_word(item.type))
        fields.append(pa.field(item.name, stored))
    return pa.schema(fields)


def _type_word(type_: pa.DataType) -> str:
    """The outer type's word alone: field names inside a struct are the uploader's text."""
    return re.split(r"[<(\[]", str(type_), maxsplit=1)[0][:30]


def _stored_batch(
    batch: pa.RecordBatch, target: pa.Schema, encrypted: Mapping[int, EncryptedColumn], before: int
) -> pa.RecordBatch:
    """The rows as they are stored: in an encrypted column the number of each, `before` being those already there."""
    arrays = []
    for place, (item, array) in enumerate(zip(target, batch.columns, strict=True)):
        if place in encrypted:
            arrays.append(pa.array(range(before, before + batch.num_rows), item.type))
            continue
        plain = array.dictionary_decode() if kinds.is_dictionary(array.type) else array
        try:
            stored = pc.cast(plain, item.type, safe=True)
        except pa.ArrowInvalid:
            raise UploadRefused("LVR-4007", column=item.name) from None
        if kinds.is_float64(item.type) and not pc.all(pc.is_finite(stored), min_count=0).as_py():
            raise UploadRefused("LVR-4005", column=item.name)
        arrays.append(stored)
    return pa.RecordBatch.from_arrays(arrays, schema=target)


def _insert(connection: duckdb.DuckDBPyConnection, rows: pa.Table, *, create: bool) -> None:
    connection.register("rows", rows)
    connection.execute("CREATE TABLE main.data AS FROM rows" if create else "INSERT INTO main.data FROM rows")
    connection.unregister("rows")


def _install(made: Path, path: Path) -> Path:
    """The file under its content's name, read-only and on the disk; one that is there already is kept."""
    if path.exists():
        return path
    os.chmod(made, 0o444)
    for place in (made, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if place is made:
            os.replace(made, path)
    return path
