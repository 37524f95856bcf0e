"""The contract of an engine, and the job a worker is given."""

import json
import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from louver_sandbox.engines.shape import Shape

EngineFailure = Literal["error", "memory", "too_large", "timeout"]

_ALIAS: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
_RESERVED_ALIASES: Final = frozenset({"main", "memory", "system", "temp"})
_COLUMN: Final = re.compile(r"[^\W\d]\w{0,62}")
_SOURCE_KEYS: Final = {"alias", "path", "tokens"}
_TRANSLATION_KEYS: Final = {"column", "tables"}
_JOB_KEYS: Final = {"sources", "statements", "row_cap", "byte_cap", "memory_mib", "threads", "timeout_ms", "few"}
_MAX_THREADS: Final = 64


class MalformedJob(Exception):
    """The bytes or the fields are not a job. Says nothing of what they are."""


class EngineFailed(Exception):
    """A job gave no answer; `kind` is all that may be known of it, since an engine's text can quote data."""

    def __init__(self, kind: EngineFailure) -> None:
        super().__init__(f"engine failed: {kind}")
        self.kind: EngineFailure = kind


@dataclass(frozen=True)
class Translation:
    """A column of tokens: the job's SQL reads the id that one of these files (tables `data` of `token` and `id`) has
    for a token, and a text of the token where none has.

    Raises:
        MalformedJob: the name is no identifier, or a path not absolute.
    """

    column: str
    tables: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _COLUMN.fullmatch(self.column) or not all(_is_absolute(path) for path in self.tables):
            raise MalformedJob("translation")


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and "\0" not in path


@dataclass(frozen=True)
class Source:
    """A snapshot: a database file with exactly one table `data`, known to the job's SQL by its alias; `tokens` are
    the columns of it that are read translated.

    Raises:
        MalformedJob: the alias is no plain lower-case identifier, or the path not absolute.
    """

    alias: str
    path: str
    tokens: tuple[Translation, ...] = ()

    def __post_init__(self) -> None:
        if not _ALIAS.fullmatch(self.alias) or self.alias in _RESERVED_ALIASES:
            raise MalformedJob("alias")
        if not _is_absolute(self.path):
            raise MalformedJob("path")

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that reading the source opens."""
        return (self.path, *dict.fromkeys(path for one in self.tokens for path in one.tables))


@dataclass(frozen=True)
class Job:
    """Statements over their sources, run one after the other, with everything they may use.

    `row_cap` and `byte_cap` bound the answer (rows and bytes of all its Arrow IPC streams together); `memory_mib` is
    the engine's own memory in MiB; `timeout_ms` the engine's own time limit in milliseconds, advice only. `few` says
    that rows are found by an index and the answer is a few: more threads would cost more than they save.

    Raises:
        MalformedJob: there is no statement, a bound is below one, or two sources have one alias.
    """

    sources: tuple[Source, ...]
    statements: tuple[str, ...]
    row_cap: int
    byte_cap: int
    memory_mib: int
    threads: int
    timeout_ms: int
    few: bool = False

    def __post_init__(self) -> None:
        if not self.statements:
            raise MalformedJob("statements")
        if min(self.row_cap, self.byte_cap, self.memory_mib, self.threads, self.timeout_ms) < 1:
            raise MalformedJob("bound")
        if self.threads > _MAX_THREADS:
            raise MalformedJob("threads")
        if len({source.alias for source in self.sources}) != len(self.sources):
            raise MalformedJob("alias")


class Engine(Protocol):
    """Something that can read a statement and run a job."""

    @property
    def dialect(self) -> str:
        """sqlglot's name of the SQL it takes."""

    def parse(self, sql: str) -> Shape:
        """What its own parser sees.

        Raises:
            ShapeRefused: not one SELECT of known parts.
        """

    def execute(self, job: Job) -> bytes:
        """The answer: one Arrow IPC stream per statement, one after the other.

        Raises:
            EngineFailed: there is none.
        """


def encode_job(job: Job) -> bytes:
    fields = {
        "sources": [
            {
                "alias": source.alias,
                "path": source.path,
                "tokens": [{"column": one.column, "tables": list(one.tables)} for one in source.tokens],
            }
            for source in job.sources
        ],
        "statements": list(job.statements),
        "row_cap": job.row_cap,
        "byte_cap": job.byte_cap,
        "memory_mib": job.memory_mib,
        "threads": job.threads,
        "timeout_ms": job.timeout_ms,
        "few": job.few,
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def decode_job(data: bytes) -> Job:
    """The job these bytes say; every key must be there once, and no other.

    Raises:
        MalformedJob: they are not a job.
    """
    try:
        fields = json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise MalformedJob("not JSON") from None
    fields = _object(fields, _JOB_KEYS)
    sources, statements = fields["sources"], fields["statements"]
    if not isinstance(sources, list):
        raise MalformedJob("sources")
    if not isinstance(statements, list):
        raise MalformedJob("statements")
    return Job(
        sources=tuple(_source(source) for source in sources),
        statements=tuple(_text(statement) for statement in statements),
        row_cap=_integer(fields["row_cap"]),
        byte_cap=_integer(fields["byte_cap"]),
        memory_mib=_integer(fields["memory_mib"]),
        threads=_integer(fields["threads"]),
        timeout_ms=_integer(fields["timeout_ms"]),
        few=_truth(fields["few"]),
    )


def _source(value: object) -> Source:
    fields = _object(value, _SOURCE_KEYS)
    tokens = fields["tokens"]
    if not isinstance(tokens, list):
        raise MalformedJob("tokens")
    return Source(_text(fields["alias"]), _text(fields["path"]), tuple(map(_translation, tokens)))


def _translation(value: object) -> Translation:
    fields = _object(value, _TRANSLATION_KEYS)
    tables = fields["tables"]
    if not isinstance(tables, list):
        raise MalformedJob("tables")
    return Translation(_text(fields["column"]), tuple(map(_text, tables)))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedJob("a key twice")
    return fields


def _object(value: object, keys: set[str]) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise MalformedJob("keys")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedJob("text")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise MalformedJob("truth value")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedJob("integer")
    return value
