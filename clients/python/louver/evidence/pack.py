"""Making an evidence pack: read the log once, prove what is wanted under its newest head, and write it all down."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from louver.audit.results import Given
from louver.errors import Refused, Unproven
from louver.evidence import compliance
from louver.evidence.paths import Leaves
from louver.evidence.scope import Scope
from louver.evidence.words import READ_ME
from louver.receipt import Receipt
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.merkle import leaf_hash
from louver.transparency.proofs import ConsistencyProof, TlogProof
from louver.transparency.retention import read_residue
from louver.transparency.succession import LogKey
from louver.transparency.whole_log import read_entry

FORMAT: Final = "louver-evidence/1"
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the pack, so that equal content is equal bytes."""
LANGUAGES: Final = ("en", "zh")


class Log(Protocol):
    """What a pack is made from; ``AuditClient`` is one."""

    def read_entries(self, start: int) -> tuple[Checkpoint, Iterable[Given]]: ...

    def checkpoint(self, size: int = 0, *, cosigned: bool = False) -> Checkpoint: ...

    def consistency(self, old_size: int, new_size: int = 0) -> ConsistencyProof: ...

    def decider(self, digest: str) -> tuple[str, bytes]: ...

    def export(self, target: IO[bytes]) -> int: ...


@dataclass(frozen=True, slots=True)
class Record:
    """An entry of the pack: its bytes, or what is left of it; its SQL and salt where all of it may be shown."""

    index: int
    fields: Mapping[str, Any]
    body: bytes
    residue: str = ""
    sql: str = ""
    salt: bytes = b""


@dataclass(frozen=True)
class _Read:
    """The log as read once: its head, verified, the tree under it, and the entries that are wanted."""

    checkpoint: Checkpoint
    tree: Leaves
    records: Sequence[Record]


def make_pack(
    log: Log,
    log_key: str,
    scope: Scope,
    target: IO[bytes],
    name: str = "pack.zip",
    alerts: Mapping[str, int] | None = None,
    whole_log: IO[bytes] | None = None,
) -> int:
    """Writes the pack; returns how many entries it holds.

    ``alerts`` are how often rules have spoken in that time, for the report. ``whole_log`` is an empty file, to be
    read and written, through which the whole log goes into the pack as well. Raises ``Unproven`` where the log does
    not prove what it gives, and the client's errors.
    """
    read = _read(log, log_key, scope)
    head, checkpoint = read.checkpoint.claimed, read.checkpoint
    files = dict(_evidence(log, checkpoint, read.tree, read.records))
    files |= report_files(read.records, scope, head.origin, alerts)
    if whole_log is not None:
        log.export(whole_log)
        whole_log.seek(0)
        files["log.jsonl"] = whole_log.read()
    said = {
        "format": FORMAT, "origin": head.origin, "head": head.size, "entries": len(read.records), **scope.body(),
    }  # fmt: skip
    files |= _read_me(said, read.records, checkpoint, name)
    listed = {path: {"sha256": hashlib.sha256(files[path]).hexdigest(), "size": len(files[path])} for path in files}
    files["manifest.json"] = json.dumps(
        {**said, "files": listed}, ensure_ascii=False, indent=1, sort_keys=True
    ).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(files):
            packed.writestr(zipfile.ZipInfo(path, _WHEN), files[path], zipfile.ZIP_DEFLATED)
    return len(read.records)


def report_files(
    records: Sequence[Record], scope: Scope, origin: str, alerts: Mapping[str, int] | None
) -> dict[str, bytes]:
    """The report in both forms and languages, and the alerts it was given."""
    found = compliance.sections((one.fields for one in records), scope, alerts)
    files = {}
    for language in LANGUAGES:
        files[f"report.{language}.md"] = compliance.markdown(found, scope, origin, language).encode()
        files[f"report.{language}.html"] = compliance.html(found, scope, origin, language).encode()
    if alerts is not None:
        files["alerts.json"] = json.dumps(dict(alerts), ensure_ascii=False, sort_keys=True).encode()
    return files


def read_records(log: Log, log_key: str, scope: Scope) -> tuple[TreeHead, Sequence[Record]]:
    """The entries that are wanted, proved to be the log's, and the head. Raises ``Unproven``."""
    read = _read(log, log_key, scope)
    return read.checkpoint.claimed, read.records


def _read(log: Log, log_key: str, scope: Scope) -> _Read:
    checkpoint, given = log.read_entries(0)
    head = checkpoint.verify(LogKey.parse(log_key))
    leaves: list[bytes] = []
    records: list[Record] = []
    for one in given:
        record = record_of(len(leaves), one)
        leaves.append(read_residue(one.residue).leaf if one.residue else leaf_hash(one.body))
        if scope.covers(record.fields):
            records.append(record)
    tree = Leaves(leaves)
    if (tree.size, tree.root()) != (head.size, head.root):
        raise Unproven("the log gives other entries than it has signed", checkpoint.to_bytes())
    return _Read(checkpoint, tree, records)


def record_of(index: int, given: Given) -> Record:
    """An entry as a record. Raises ``Unproven`` for one that is none, or out of its place."""
    try:
        fields = json.loads(given.residue) if given.residue else read_entry(given.body)
        if given.residue:
            read_residue(given.residue)
    except ValueError as invalid:
        raise Unproven(f"entry {index}: {invalid}", given.body) from None
    if fields["index"] != index:
        raise Unproven(f"entry {index}: its bytes say that it is entry {fields['index']}", given.body)
    shown = (given.sql, given.salt) if given.salt else ("", b"")
    return Record(index, fields, given.body, given.residue, *shown)


def _evidence(
    log: Log, checkpoint: Checkpoint, tree: Leaves, records: Sequence[Record]
) -> Iterator[tuple[str, bytes]]:
    yield "checkpoint", checkpoint.to_bytes()
    try:
        cosigned = log.checkpoint(cosigned=True)
    except Refused:
        cosigned = None  # no witness has cosigned any
    if cosigned is not None and cosigned.claimed.size <= tree.size:
        yield "cosigned", cosigned.to_bytes()
        yield "consistency", log.consistency(cosigned.claimed.size, tree.size).to_bytes()
    texts = []
    for one in records:
        proof = TlogProof(one.index, tree.path(one.index), checkpoint)
        yield f"records/{one.index}.tlog-proof", _proof(one, proof)
        if one.salt:
            texts.append(json.dumps({"index": one.index, "sql": one.sql}, ensure_ascii=False) + "\n")
    yield "texts.jsonl", "".join(texts).encode()
    for digest in sorted({str(one.fields[name]) for one in records for name in DECIDERS if one.fields.get(name)}):
        try:
            kind, content = log.decider(digest)
        except Refused:
            continue  # no longer kept; the manifest shows that it is not here
        yield f"{kind}s/{digest}.json", content


DECIDERS: Final = ("bundle", "catalog")


def _proof(record: Record, proof: TlogProof) -> bytes:
    if record.residue:
        return TlogProof(proof.index, proof.path, proof.checkpoint, record.residue.encode()).to_bytes()
    return Receipt(record.body, proof, {"sql": record.salt} if record.salt else {}).to_bytes()


def _read_me(
    said: Mapping[str, Any], records: Sequence[Record], checkpoint: Checkpoint, name: str
) -> dict[str, bytes]:
    signed = [line.name for line in checkpoint.note.signatures if line.name != said["origin"]]
    files = {}
    for text, language in zip(READ_ME, LANGUAGES, strict=True):
        everybody = "全部机构" if language == "zh" else "all institutions"
        told = text.format(
            **{**said, "name": name, "who": ", ".join(said["institutions"]) or everybody},
            pruned=sum(bool(one.residue) for one in records),
            witnesses=", ".join(signed) or "-",
        )
        files["README.md" if language == "en" else "README.zh-CN.md"] = told.encode()
    return files
