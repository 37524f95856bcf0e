"""Verifying an evidence pack offline, with nothing but this package and the log's public key.

Every file must be the one that the manifest lists, every record proved under the one head, in what the pack is about,
and told with the SQL that it commits to; bundles must have the digests that entries name; the report must follow from
the records again, byte for byte. Where the whole log is in it, no entry of the scope may be missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Final, cast

from louver.errors import Unproven
from louver.evidence.pack import FORMAT, Record, report_files
from louver.evidence.scope import Scope
from louver.evidence.unpacking import Packed
from louver.failures import Misused
from louver.receipt import Receipt
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.cosignature import Cosigned, WitnessKey, cosignatures
from louver.transparency.note import MAX_NOTE_BYTES
from louver.transparency.proofs import MAX_PROOF_BYTES, ConsistencyProof, TlogProof
from louver.transparency.retention import read_residue
from louver.transparency.succession import LogKey
from louver.transparency.whole_log import MAX_LINE, read_entry, verify_export

MANIFEST: Final = "manifest.json"
MOST_FINDINGS: Final = 100
LARGEST_LIST: Final = 1 << 20
"""Bytes of the alerts, and of a manifest beside its files."""
LISTED: Final = 512
"""Bytes with which a manifest lists a file, at most."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a pack holds: ``entries`` records, of which ``pruned`` have lost their bytes; ``complete`` where the whole
    log shows that none is missing. ``findings`` are what contradicts it."""

    origin: str
    scope: Scope | None
    head: int
    entries: int
    pruned: int
    complete: bool
    cosigned: tuple[Cosigned, ...]
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts anything."""
        return not self.findings


@dataclass
class _Check:
    """One pass over a pack."""

    files: Packed
    key: LogKey
    findings: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def find(self, what: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(what)


def verify_pack(source: IO[bytes], log_key: str, witnesses: Sequence[WitnessKey] = ()) -> Checked:
    """Verifies a pack. Raises ``Misused`` for a file that is none, ``Unproven`` where its head is not the log's."""
    return _checked(_Check(Packed(source), LogKey.parse(log_key)), tuple(witnesses))


def _checked(check: _Check, witnesses: tuple[WitnessKey, ...]) -> Checked:
    manifest = _manifest(check)
    scope = Scope(str(manifest["since"]), str(manifest["until"]), tuple(map(str, manifest["institutions"])))
    _check_files(check, manifest["files"])
    checkpoint = Checkpoint.parse(check.files.read("checkpoint", MAX_NOTE_BYTES))
    head = checkpoint.verify(check.key)
    check.key = check.key.learnt_from(checkpoint.note)
    if (head.origin, head.size) != (manifest["origin"], manifest["head"]):
        check.find("the manifest names another head than the checkpoint is")
    cosigned = _cosigned(check, checkpoint, head, witnesses)
    _check_records(check, scope, head)
    if len(check.records) != manifest["entries"]:
        check.find(f"the manifest says {manifest['entries']} entries, and there are {len(check.records)}")
    _check_deciders(check)
    _check_report(check, scope, head.origin)
    complete = _check_whole(check, scope, checkpoint)
    pruned = sum(bool(one.residue) for one in check.records)
    return Checked(
        head.origin, scope, head.size, len(check.records), pruned, complete, cosigned, tuple(check.findings)
    )


def _manifest(check: _Check) -> Mapping[str, Any]:
    # What can be parsed into many times its size is no larger than the list of the files that there are.
    content = check.files.read(MANIFEST, LARGEST_LIST + LISTED * len(check.files.names))
    try:
        found: Any = json.loads(content)
        named = {"format", "origin", "head", "entries", "since", "until", "institutions", "files"}
        if not isinstance(found, dict) or found.keys() != named or found["format"] != FORMAT:
            raise ValueError
        if not isinstance(found["files"], dict) or not isinstance(found["institutions"], list):
            raise ValueError
    except (ValueError, RecursionError):
        raise Misused("the pack's manifest is not in its form") from None
    return found


def _check_files(check: _Check, listed: Mapping[str, Any]) -> None:
    there = check.files.names - {MANIFEST}
    for name in sorted(there ^ set(listed)):
        check.find(f"{name}: {'not in the manifest' if name in there else 'missing'}")
    for name in sorted(there & set(listed)):
        said = listed[name]
        if not isinstance(said, dict) or said.get("sha256") != check.files.digest(name):
            check.find(f"{name}: not the file that the manifest lists")


def _cosigned(
    check: _Check, checkpoint: Checkpoint, head: TreeHead, witnesses: tuple[WitnessKey, ...]
) -> tuple[Cosigned, ...]:
    found = list(cosignatures(checkpoint, witnesses))
    if "cosigned" in check.files.names:
        earlier = Checkpoint.parse(check.files.read("cosigned", MAX_NOTE_BYTES))
        proof = ConsistencyProof.parse(check.files.read("consistency", MAX_PROOF_BYTES))
        if proof.verify(earlier.verify(check.key), check.key) != head:
            check.find("consistency: it leads to another head")
        found += cosignatures(earlier, witnesses)
    missing = {one.name for one in witnesses} - {one.witness for one in found}
    for name in sorted(missing):
        check.find(f"no head in the pack is cosigned by {name}")
    return tuple(found)


def _check_records(check: _Check, scope: Scope, head: TreeHead) -> None:
    """First those whose SQL is told, each as it is told, so that only one text is held at a time."""
    told: set[str] = set()
    for index, sql in _texts(check):
        name = _named(index)
        if name not in check.files.names or name in told:
            said = "told twice" if name in told else "which is not here"
            check.find(f"texts.jsonl: the SQL of entry {index}, {said}")
            continue
        told.add(name)
        _check_record(check, name, scope, head, sql)
    for name in sorted(check.files.names - told):
        if name.startswith("records/"):
            _check_record(check, name, scope, head, None)
    check.records.sort(key=lambda one: one.index)


def _named(index: int) -> str:
    return f"records/{index}.tlog-proof"


def _check_record(check: _Check, name: str, scope: Scope, head: TreeHead, sql: str | None) -> None:
    """Keeps what the log has proved, once, so that nobody else's bytes are kept."""
    content = check.files.read(name, MAX_PROOF_BYTES)
    try:
        record = _record(check, content, head, sql)
    except Unproven as unproven:
        check.find(f"{name}: {unproven.message}")
        return
    if name != _named(record.index):
        check.find(f"{name}: it is entry {record.index}")
        return
    if not scope.covers(record.fields):
        check.find(f"{name}: it is not in what the pack is about")
    check.records.append(record)


def _record(check: _Check, content: bytes, head: TreeHead, sql: str | None) -> Record:
    proof = TlogProof.parse(content)
    if proof.extra is not None and b'"entry":' not in proof.extra:
        try:
            left = read_residue(proof.extra.decode())
        except ValueError as invalid:
            raise Unproven(str(invalid), content) from None
        _same(proof.verify(left.leaf, check.key), head, content)
        if left.index != proof.index:
            raise Unproven("what is left of it is of another entry", content)
        return Record(proof.index, json.loads(proof.extra), b"", proof.extra.decode())
    receipt = Receipt.from_bytes(content)
    if ("sql" in receipt.openings) != (sql is not None):
        raise Unproven("its SQL is told without what proves it, or the other way round", content)
    _same(receipt.verify(str(check.key), sql=sql).head, head, content)
    try:
        fields = read_entry(receipt.entry)
    except ValueError as invalid:
        raise Unproven(str(invalid), content) from None
    return Record(receipt.index, fields, receipt.entry)


def _same(found: TreeHead, head: TreeHead, content: bytes) -> None:
    if found != head:
        raise Unproven("it is proved under another head than the pack's", content)


def _texts(check: _Check) -> Iterator[tuple[int, str]]:
    for line in _lines(check, "texts.jsonl"):
        try:
            said = json.loads(line)
            index, sql = said["index"], said["sql"]
            if type(index) is not int or not 0 <= index < 1 << 63 or not isinstance(sql, str):
                raise ValueError
            sql.encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            check.find("texts.jsonl: a line of it is damaged")
            continue
        yield index, sql


def _lines(check: _Check, name: str) -> Iterator[bytes]:
    """What is longer than a line may be comes in pieces, which are none."""
    with check.files.open(name) as opened:
        while line := opened.readline(MAX_LINE):
            yield line


def _check_deciders(check: _Check) -> None:
    """A bundle's digest is that of its bytes. A catalogue's covers what tables declare, not how it was written down,
    so only the name of its file can be held against entries."""
    named = {str(one.fields.get(name)) for one in check.records for name in ("bundle", "catalog")}
    for name in sorted(check.files.names):
        folder, _, file = name.partition("/")
        if folder not in ("bundles", "catalogs"):
            continue
        digest = file.removesuffix(".json")
        if digest not in named:
            check.find(f"{name}: no entry names it")
        elif folder == "bundles" and check.files.digest(name) != digest:
            check.find(f"{name}: its bytes have another digest")


def _check_report(check: _Check, scope: Scope, origin: str) -> None:
    alerts: Any = None
    try:
        if "alerts.json" in check.files.names:
            read = json.loads(check.files.read("alerts.json", LARGEST_LIST))
            alerts = {str(rule): int(n) for rule, n in read.items()}
        made = report_files(check.records, scope, origin, alerts)
    except (ValueError, AttributeError, TypeError, RecursionError):
        check.find("the report cannot be made from the records")
        return
    for name, content in made.items():
        if name not in check.files.names or check.files.digest(name) != hashlib.sha256(content).hexdigest():
            check.find(f"{name}: the records give another report")


def _check_whole(check: _Check, scope: Scope, checkpoint: Checkpoint) -> bool:
    """Whether the whole log is here, and gives exactly these records."""
    if "log.jsonl" not in check.files.names:
        return False
    with check.files.open("log.jsonl") as lines:
        found = verify_export(cast("BinaryIO", lines), str(check.key), [checkpoint])
    for finding in found.findings:
        check.find(f"log.jsonl: {finding}")
    if not found.ok:
        return False
    here, size, complete = {one.index for one in check.records}, checkpoint.claimed.size, True
    for index, fields in _entries(check):
        if index >= size or not scope.covers(fields):
            continue
        if index not in here:
            complete = False
            check.find(f"entry {index}: left out of the pack")
        here.discard(index)
    for index in sorted(here):
        check.find(f"entry {index}: not in the log as the pack has it")
    return complete and not here


def _entries(check: _Check) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Of a log that was verified."""
    index = 0
    for line in _lines(check, "log.jsonl"):
        item = json.loads(line)
        text = item.get("entry", item.get("pruned"))
        if text is not None:
            yield index, json.loads(text)
            index += 1
