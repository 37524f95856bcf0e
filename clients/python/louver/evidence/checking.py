"""Verifying an evidence pack offline, with nothing but this package and the log's public key.

Every file must be the one that the manifest lists, every record proved under the one head, in what the pack is about,
and told with the SQL that it commits to; bundles must have the digests that entries name; the report must follow from
the records again, byte for byte. Where the whole log is in it, no entry of the scope may be missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from louver.errors import Unproven
from louver.evidence.pack import FORMAT, Record, report_files
from louver.evidence.scope import Scope
from louver.failures import Misused
from louver.receipt import Receipt
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.cosignature import Cosigned, WitnessKey, cosignatures
from louver.transparency.proofs import ConsistencyProof, TlogProof
from louver.transparency.retention import read_residue
from louver.transparency.succession import LogKey
from louver.transparency.whole_log import read_entry, verify_export

LARGEST_FILE: Final = 4 << 30
LARGEST_PACK: Final = 16 << 30
MOST_FILES: Final = 2_000_000
MANIFEST: Final = "manifest.json"
MOST_FINDINGS: Final = 100


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

    files: zipfile.ZipFile
    key: LogKey
    findings: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def find(self, what: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(what)


def verify_pack(source: IO[bytes], log_key: str, witnesses: Sequence[WitnessKey] = ()) -> Checked:
    """Verifies a pack. Raises ``Misused`` for a file that is none, ``Unproven`` where its head is not the log's."""
    key = LogKey.parse(log_key)
    try:
        with zipfile.ZipFile(source) as files:
            return _checked(_Check(files, key), tuple(witnesses))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError):
        raise Misused("not an evidence pack, or one with files missing") from None


def _checked(check: _Check, witnesses: tuple[WitnessKey, ...]) -> Checked:
    manifest = _manifest(check)
    scope = Scope(str(manifest["since"]), str(manifest["until"]), tuple(map(str, manifest["institutions"])))
    _check_files(check, manifest["files"])
    checkpoint = Checkpoint.parse(check.files.read("checkpoint"))
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
    infos = check.files.infolist()
    sizes = [one.file_size for one in infos]
    if len(infos) > MOST_FILES or max(sizes, default=0) > LARGEST_FILE or sum(sizes) > LARGEST_PACK:
        raise Misused("a pack is not as large as that")
    if len({one.filename for one in infos}) != len(infos):
        raise Misused("two files of the pack have one name")
    try:
        found: Any = json.loads(check.files.read(MANIFEST))
        named = {"format", "origin", "head", "entries", "since", "until", "institutions", "files"}
        if not isinstance(found, dict) or found.keys() != named or found["format"] != FORMAT:
            raise ValueError
        if not isinstance(found["files"], dict) or not isinstance(found["institutions"], list):
            raise ValueError
    except (ValueError, RecursionError):
        raise Misused("the pack's manifest is not in its form") from None
    return found


def _check_files(check: _Check, listed: Mapping[str, Any]) -> None:
    there = set(check.files.namelist()) - {MANIFEST}
    for name in sorted(there ^ set(listed)):
        check.find(f"{name}: {'not in the manifest' if name in there else 'missing'}")
    for name in sorted(there & set(listed)):
        said = listed[name]
        digest = hashlib.sha256()
        with check.files.open(name) as opened:
            while part := opened.read(1 << 20):
                digest.update(part)
        if not isinstance(said, dict) or said.get("sha256") != digest.hexdigest():
            check.find(f"{name}: not the file that the manifest lists")


def _cosigned(
    check: _Check, checkpoint: Checkpoint, head: TreeHead, witnesses: tuple[WitnessKey, ...]
) -> tuple[Cosigned, ...]:
    found = list(cosignatures(checkpoint, witnesses))
    if "cosigned" in check.files.namelist():
        earlier = Checkpoint.parse(check.files.read("cosigned"))
        proof = ConsistencyProof.parse(check.files.read("consistency"))
        if proof.verify(earlier.verify(check.key), check.key) != head:
            check.find("consistency: it leads to another head")
        found += cosignatures(earlier, witnesses)
    missing = {one.name for one in witnesses} - {one.witness for one in found}
    for name in sorted(missing):
        check.find(f"no head in the pack is cosigned by {name}")
    return tuple(found)


def _check_records(check: _Check, scope: Scope, head: TreeHead) -> None:
    texts = _texts(check)
    for name in check.files.namelist():
        if not name.startswith("records/"):
            continue
        content = check.files.read(name)
        try:
            record = _record(check, content, head, texts)
        except Unproven as unproven:
            check.find(f"{name}: {unproven.message}")
            continue
        if name != f"records/{record.index}.tlog-proof":
            check.find(f"{name}: it is entry {record.index}")
        if not scope.covers(record.fields):
            check.find(f"{name}: it is not in what the pack is about")
        check.records.append(record)
    check.records.sort(key=lambda one: one.index)
    for index in sorted(texts.keys() - {one.index for one in check.records}):
        check.find(f"texts.jsonl: the SQL of entry {index}, which is not here")


def _record(check: _Check, content: bytes, head: TreeHead, texts: Mapping[int, str]) -> Record:
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
    sql = texts.get(receipt.index)
    if ("sql" in receipt.openings) != (sql is not None):
        raise Unproven("its SQL is told without what proves it, or the other way round", content)
    _same(receipt.verify(str(check.key), sql=sql).head, head, content)
    try:
        fields = read_entry(receipt.entry)
    except ValueError as invalid:
        raise Unproven(str(invalid), content) from None
    return Record(receipt.index, fields, receipt.entry, sql=sql or "")


def _same(found: TreeHead, head: TreeHead, content: bytes) -> None:
    if found != head:
        raise Unproven("it is proved under another head than the pack's", content)


def _texts(check: _Check) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in check.files.read("texts.jsonl").decode(errors="replace").splitlines():
        try:
            said = json.loads(line)
            found[int(said["index"])] = str(said["sql"])
        except (ValueError, KeyError, TypeError, RecursionError):
            check.find("texts.jsonl: a line of it is damaged")
    return found


def _check_deciders(check: _Check) -> None:
    """A bundle's digest is that of its bytes. A catalogue's covers what tables declare, not how it was written down,
    so only the name of its file can be held against entries."""
    named = {str(one.fields.get(name)) for one in check.records for name in ("bundle", "catalog")}
    for name in check.files.namelist():
        folder, _, file = name.partition("/")
        if folder not in ("bundles", "catalogs"):
            continue
        digest = file.removesuffix(".json")
        if digest not in named:
            check.find(f"{name}: no entry names it")
        elif folder == "bundles" and hashlib.sha256(check.files.read(name)).hexdigest() != digest:
            check.find(f"{name}: its bytes have another digest")


def _check_report(check: _Check, scope: Scope, origin: str) -> None:
    alerts: Any = None
    try:
        if "alerts.json" in check.files.namelist():
            alerts = {str(rule): int(n) for rule, n in json.loads(check.files.read("alerts.json")).items()}
        made = report_files(check.records, scope, origin, alerts)
    except (ValueError, AttributeError, TypeError, RecursionError):
        check.find("the report cannot be made from the records")
        return
    for name, content in made.items():
        if check.files.read(name) != content:
            check.find(f"{name}: the records give another report")


def _check_whole(check: _Check, scope: Scope, checkpoint: Checkpoint) -> bool:
    """Whether the whole log is here, and gives exactly these records."""
    if "log.jsonl" not in check.files.namelist():
        return False
    content = check.files.read("log.jsonl")
    found = verify_export(io.BytesIO(content), str(check.key), [checkpoint])
    for finding in found.findings:
        check.find(f"log.jsonl: {finding}")
    wanted = {
        index for index, fields in _entries(content) if index < checkpoint.claimed.size and scope.covers(fields)
    }
    here = {one.index for one in check.records}
    for index in sorted(wanted ^ here)[:MOST_FINDINGS]:
        check.find(
            f"entry {index}: {'left out of the pack' if index in wanted else 'not in the log as the pack has it'}"
        )
    return wanted == here and found.ok


def _entries(content: bytes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    index = 0
    for line in content.splitlines():
        try:
            item = json.loads(line)
            text = item.get("entry", item.get("pruned"))
            if text is None:
                continue
            fields = json.loads(text)
        except (ValueError, AttributeError, RecursionError):
            return
        yield index, fields if isinstance(fields, dict) else {}
        index += 1
