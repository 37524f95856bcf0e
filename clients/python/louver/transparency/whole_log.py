"""Verifying a whole exported log offline, with nothing but this package and the log's public key.

Every entry is hashed anew and read strictly, the tree is built from them, and every signed head must be the tree's
at its size: so each head extends every smaller one. Cosignatures of given witnesses and checkpoints kept elsewhere
are held against the same tree, and what was spent is added up (``ledger_totals``). Findings name the first entry that
they concern. The file's format is told in docs/reference/auditing.md.

Two things no file can show about itself: entries after its last signed head, and that it is an older copy. Against
both hand in checkpoints kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from louver.errors import Unproven
from louver.receipt import ENTRY_VERSION
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.cosignature import Cosigned, WitnessKey, cosignatures
from louver.transparency.handovers import Handovers
from louver.transparency.ledger_totals import Totals
from louver.transparency.merkle import EMPTY_ROOT, leaf_hash, node_hash
from louver.transparency.retention import Prunings
from louver.transparency.succession import KeyContradiction, LogKey

FORMAT = "louver-log/1"
PRUNED_FORMAT = "louver-log/2"
"""Of a log some of whose entries were pruned."""
MAX_LINE = 1 << 20
MAX_FINDINGS = 100
MAX_WAITING = 100_000
"""Heads that are held until a later one has led to their key."""
MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction. ``index`` is the first entry it concerns."""

    index: int
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class WholeLog:
    """What a file holds: ``size`` entries, of which the first ``covered`` lie under one of ``heads`` signed heads.

    ``cosigned`` is the newest cosignature of each witness that was asked for, ``pruned`` how many of the entries were
    pruned, under ``holds`` that stand.
    """

    origin: str
    size: int
    covered: int
    heads: int
    root: bytes
    totals: Totals
    cosigned: Mapping[str, Cosigned]
    findings: tuple[Finding, ...]
    pruned: int = 0
    holds: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts anything."""
        return not self.findings


class _Enough(Exception):
    """So many findings that no more are needed, or a file that cannot be read on."""


@dataclass
class _Pass:
    """One pass over a file."""

    keys: Handovers
    witnesses: tuple[WitnessKey, ...]
    heads: dict[int, list[TreeHead]] = field(default_factory=dict)
    cosigned: dict[str, Cosigned] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    prunings: Prunings = field(default_factory=Prunings)
    frontier: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0
    covered: int = 0
    signed: int = 0
    waiting: list[Checkpoint] | None = field(default_factory=list)
    """Heads by a key that a later head may lead to, None once all heads were read."""

    def find(self, index: int, what: str) -> None:
        self.findings.append(Finding(index, what))
        if len(self.findings) >= MAX_FINDINGS:
            raise _Enough

    def stop(self, number: int) -> None:
        self.findings.append(Finding(self.size, f"line {number} of the file is damaged; nothing after it was read"))
        raise _Enough

    def head(self, note: bytes) -> None:
        try:
            checkpoint = Checkpoint.parse(note)
        except Unproven as unproven:
            self.find(0, f"a head in the file is not one that the log signed: {unproven.message}")
            return
        self.checkpoint(checkpoint)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        try:
            head = self.keys.verify(checkpoint)
        except KeyContradiction as found:
            self.find(checkpoint.claimed.size, f"stolen key: {found.message}")
            return
        except Unproven as unproven:
            if self.waiting is not None and len(self.waiting) < MAX_WAITING:
                self.waiting.append(checkpoint)
            else:
                self.find(0, f"a head in the file is not one that the log signed: {unproven.message}")
            return
        self.signed += 1
        self.expect(head)
        self.cosignatures(checkpoint, head)

    def begin(self, anchors: Sequence[Checkpoint]) -> None:
        """Once all heads were read: those whose key is known by now, checkpoints from elsewhere, and the empty tree.
        Raises ``Unproven`` for an anchor that the log has not signed."""
        waiting, self.waiting = self.waiting, None
        for checkpoint in waiting or ():
            self.checkpoint(checkpoint)
        for anchor in anchors:
            self.expect(self.keys.verify(anchor))
        self.check()

    def cosignatures(self, checkpoint: Checkpoint, head: TreeHead) -> None:
        try:
            for one in cosignatures(checkpoint, self.witnesses):
                known = self.cosigned.get(one.witness)
                if known is None or known.head.size <= one.head.size:
                    self.cosigned[one.witness] = one
        except Unproven as unproven:
            self.find(head.size, f"under the head of {head.size} entries: {unproven.message}")

    def expect(self, head: TreeHead) -> None:
        known = self.heads.setdefault(head.size, [])
        if any(other.root != head.root for other in known):
            self.find(head.size, f"split view: the log signed two different heads over {head.size} entries")
        known.append(head)

    def entry(self, body: bytes, leaf: bytes) -> None:
        index, hashed = self.size, leaf_hash(body)
        if hashed != leaf:
            self.find(index, f"entry {index}: its bytes hash to {hashed.hex()}, the tree holds {leaf.hex()}")
        fields = self._fields(index, body)
        self._charge(index, fields)
        for where, what in self.prunings.entry(index, fields):
            self.find(where, what)
        for what in self.keys.entry(index, fields, self.root):
            self.find(index, what)
        # On from the leaf in the file, so that one changed entry is one finding and not one for each later head.
        self.grow(leaf)

    def left(self, line: bytes, by: int) -> None:
        """What is left of an entry that was pruned: its leaf, and what it was charged."""
        index, leaf = self.size, b""
        try:
            found = self.prunings.take(index, by, line.decode())
            leaf = found.leaf
            self._charge(index, found.fields)
        except ValueError as invalid:
            self.find(index, f"entry {index}: {invalid}")
        self.grow(leaf)

    def _charge(self, index: int, fields: Mapping[str, Any]) -> None:
        if fields.get("kind") == "admission" and (wrong := self.totals.take(fields)):
            self.find(index, f"entry {index}: {wrong}")

    def _fields(self, index: int, body: bytes) -> Mapping[str, Any]:
        try:
            fields = read_entry(body)
        except ValueError as invalid:
            self.find(index, f"entry {index}: {invalid}")
            return {}
        if fields["index"] != index:
            self.find(index, f"entry {index}: its bytes say that it is entry {fields['index']}")
        return fields

    def grow(self, leaf: bytes) -> None:
        level, value = 0, leaf
        while self.frontier and self.frontier[-1][0] == level:
            value, level = node_hash(self.frontier.pop()[1], value), level + 1
        self.frontier.append((level, value))
        self.size += 1
        self.check()

    def root(self) -> bytes:
        if not self.frontier:
            return EMPTY_ROOT
        *rest, (_, root) = self.frontier
        for _, left in reversed(rest):
            root = node_hash(left, root)
        return root

    def check(self) -> None:
        if self.size not in self.heads:
            return
        root = self.root()
        for head in self.heads[self.size]:
            if head.root != root:
                self.find(
                    self.covered,
                    f"entries {self.covered} to {self.size - 1}: one of them was changed; the first {self.size} "
                    f"entries hash to {root.hex()}, the log signed {head.root.hex()}",
                )
        self.covered = self.size


def verify_export(
    lines: BinaryIO, log_key: str, anchors: Sequence[Checkpoint] = (), witnesses: Sequence[WitnessKey] = ()
) -> WholeLog:
    """What an exported log holds and whether all of it holds together, in bounded memory but for its balances.

    ``anchors`` are checkpoints kept elsewhere, which it must extend. Raises ``Unproven`` when the key cannot be read
    or an anchor is not signed by it.
    """
    done = _Pass(Handovers(LogKey.parse(log_key)), tuple(witnesses))
    try:
        for kind, content, leaf in _lines(lines, done):
            if kind == "head":
                done.head(content)
                continue
            if done.waiting is not None:
                done.begin(anchors)
            if kind == "pruned":
                done.left(content, int.from_bytes(leaf))
                continue
            done.entry(content, leaf)
        if done.waiting is not None:
            done.begin(anchors)
        _check_end(done)
    except _Enough:
        pass
    found = tuple(sorted(done.findings, key=lambda finding: finding.index))
    return WholeLog(
        done.keys.key.name,
        done.size,
        done.covered,
        done.signed,
        done.root(),
        done.totals,
        done.cosigned,
        found,
        done.prunings.count,
        tuple(done.prunings.holds.standing),
    )


def _check_end(done: _Pass) -> None:
    for index, what in (*done.prunings.unsaid(), *done.keys.unsaid(done.size)):
        done.find(index, what)
    largest = max(done.heads, default=0)
    if largest > done.size:
        done.find(done.size, f"entries from {done.size} on are missing: the log signed a head over {largest} entries")


def _lines(lines: BinaryIO, done: _Pass) -> Iterator[tuple[str, bytes, bytes]]:
    """`head` with a note, `entry` with its bytes and leaf, or `pruned` with what is left of one and the number of the
    entry that pruned it; heads come first."""
    number = 1
    first = _object(lines.readline(MAX_LINE))
    if first is None or first.get("format") not in (FORMAT, PRUNED_FORMAT):
        done.findings.append(Finding(0, "the file is not the export of a log"))
        return
    while line := lines.readline(MAX_LINE):
        number += 1
        item = _object(line)
        try:
            if item is not None and item.keys() == {"head"} and not done.size:
                yield "head", item["head"].encode(), b""
                continue
            if item is not None and item.keys() == {"entry", "leaf"}:
                yield "entry", item["entry"].encode(), bytes.fromhex(item["leaf"])
                continue
            if item is not None and item.keys() == {"pruned", "by"} and first["format"] == PRUNED_FORMAT:
                yield "pruned", item["pruned"].encode(), _index(item["by"]).to_bytes(8)
                continue
        except (AttributeError, TypeError, ValueError):
            pass
        done.stop(number)


def _index(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise ValueError("no index")
    return value


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) and line.endswith(b"\n") else None


def read_entry(body: bytes) -> dict[str, Any]:
    """An entry read strictly: canonical JSON (RFC 8785) of a known version. Raises ``ValueError`` that says what is
    wrong, never with which value."""
    try:
        text = body.decode("utf-8")
        parsed = _READER.decode(text)
        # Names of ASCII have one order, in which the standard library's fast writer puts them.
        written = _WRITER.encode(parsed) if text.isascii() else canonical(parsed).decode()
        if not isinstance(parsed, dict) or written != text:
            raise ValueError("not a canonical object")
    except (ValueError, RecursionError):
        raise ValueError("its bytes are not canonical JSON") from None
    if type(parsed.get("v")) is not int or parsed["v"] != ENTRY_VERSION:
        raise ValueError("its version is unknown")
    if type(parsed.get("index")) is not int or not all(
        isinstance(parsed.get(name), str) for name in ("kind", "time")
    ):
        raise ValueError("it does not say its index, kind and time")
    return parsed


def canonical(value: Any) -> bytes:
    """RFC 8785 for JSON without fractions. Raises ``ValueError`` for text that is not Unicode."""
    text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _ordered(value: Any) -> Any:
    """Names in the order of their UTF-16 code units, as the format demands."""
    if isinstance(value, dict):
        names = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf16)
        return {name: _ordered(value[name]) for name in names}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _refuse(text: str) -> object:
    raise ValueError("not in an entry")


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > MAX_INTEGER:
        raise ValueError("not in an entry")
    return number


_READER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_integer)
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
