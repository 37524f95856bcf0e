"""Following the log: every entry in order, proved to be all that the log has signed, into the engine.

The follower keeps the tree of what it has read. When it comes to the size of a signed head, its own root must be the
one that was signed: so no entry was left out for it, none was put in, and none differs from what others are shown. A
store that was put back to an earlier day, or a log that shows this follower another history, is caught here even
where nobody runs a witness.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol

from louver.alerts.engine import Engine
from louver.alerts.events import event_of
from louver.alerts.memory import Alert, Memory, Position
from louver.alerts.rules import Rule
from louver.audit.results import Given
from louver.audit.witness import Contradiction
from louver.errors import Unproven
from louver.failures import Misused
from louver.receipt import commitment
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.merkle import EMPTY_ROOT, leaf_hash, node_hash
from louver.transparency.retention import PRUNING, REDACTABLE, Residue, read_residue
from louver.transparency.succession import KeyContradiction, LogKey
from louver.transparency.whole_log import read_entry

BATCH: Final = 500
"""Entries of one transaction of the follower's file."""
BROKEN: Final = "log_contradiction"
"""The rule that no file has to name: the log contradicts itself."""
BROKEN_ZH: Final = "日志自相矛盾：已被回退、改写，或向不同对象出示不同内容"


class Log(Protocol):
    """What a follower asks of a log; ``AuditClient`` is one."""

    def checkpoint(self) -> Checkpoint: ...

    def read_entries(self, start: int) -> tuple[Checkpoint, Iterable[Given]]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What a look at the log has given: how far the follower was and is, and new alerts."""

    before: int
    size: int
    alerts: tuple[Alert, ...]


class Follower:
    """Rules over a log, from where the memory stands."""

    def __init__(self, rules: Sequence[Rule], memory: Memory, log_key: str) -> None:
        self._rules = rules
        self._memory = memory
        self._key = LogKey.parse(log_key)
        self._gone: dict[int, list[int]] = {}
        """Entries of this look that were pruned, by the entry that has to say so."""

    def look(self, log: Log, now: Callable[[], datetime]) -> Step:
        """Reads what is new. Raises ``Contradiction``, which is an alert too, ``Unproven`` for a head that the log
        has not signed, and the client's errors."""
        position = self._memory.position() or self._begin()
        try:
            return self._look(log, position, now)
        except Contradiction as found:
            self._tell(found)
            raise

    def _begin(self) -> Position:
        with self._memory.transaction():
            return self._memory.begin(self._key.name)

    def _look(self, log: Log, position: Position, now: Callable[[], datetime]) -> Step:
        if position.origin != self._key.name:
            raise Unproven("the follower's file is of another log", b"")
        key = self._known(position)
        checkpoint = log.checkpoint()
        head = self._verified(position, key, checkpoint)
        self._check_same(position, head, checkpoint)
        alerts: list[Alert] = []
        at = position
        if head.size > position.size:
            checkpoint, entries = log.read_entries(position.size)
            head = self._verified(position, key, checkpoint)
            self._check_same(position, head, checkpoint)
            entries = iter(entries)
            self._gone.clear()
            while batch := list(islice(entries, BATCH)):
                at, made = self._take(at, batch, head, checkpoint)
                alerts += made
            if at.size != head.size:
                raise self._contradiction(
                    at, checkpoint, f"the log signed {head.size} entries and gives {at.size} of them"
                )
            for first, *_ in self._gone.values():
                raise self._contradiction(
                    at, checkpoint, f"entry {first} is gone, and no entry says that it was pruned"
                )
        with self._memory.transaction():
            said = checkpoint.to_bytes().decode()
            self._memory.keep(replace(at, checkpoint=said, proven=at.size, looked=now().isoformat()))
        return Step(position.size, at.size, tuple(alerts))

    def _known(self, position: Position) -> LogKey:
        """The log's key with the successions that the newest head carries that was seen."""
        if not position.checkpoint:
            return self._key
        return self._key.learnt_from(Checkpoint.parse(position.checkpoint.encode()).note)

    def _verified(self, position: Position, key: LogKey, checkpoint: Checkpoint) -> TreeHead:
        try:
            return checkpoint.verify(key)
        except KeyContradiction as found:
            raise self._contradiction(position, checkpoint, f"split view: {found.message}") from None

    def _check_same(self, position: Position, head: TreeHead, checkpoint: Checkpoint) -> None:
        if head.size < position.size:
            what = f"rewind: {position.size} entries were read and the log has {head.size} now"
            raise self._contradiction(position, checkpoint, what)
        if head.size == position.size and not hmac.compare_digest(head.root, root_of(position.frontier)):
            what = f"split view: the log signed other entries than the {position.size} that it has given"
            raise self._contradiction(position, checkpoint, what)

    def _take(
        self, at: Position, batch: Sequence[Given], head: TreeHead, checkpoint: Checkpoint
    ) -> tuple[Position, list[Alert]]:
        """A batch into the file, or nothing of it where it proves wrong."""
        made: list[Alert] = []
        frontier, size, earliest = list(at.frontier), at.size, math.inf
        with self._memory.transaction():
            if self._memory.position() != at:
                raise Misused("another follower writes this file", "each follower has a file of its own")
            engine = Engine(self._rules, self._memory, at.origin, at.key)
            for given in batch:
                if given.residue:
                    grow(frontier, _left(given, size).leaf)
                    self._gone.setdefault(given.pruned_by, []).append(size)
                    size += 1
                    continue
                fields = _fields(given, size)
                gone = self._gone.pop(size, [])
                if gone and (fields.get("kind") != PRUNING or int(fields.get("entries", 0)) < len(gone)):
                    raise self._contradiction(
                        at, checkpoint, f"entry {gone[0]} is gone, and entry {size} does not say why"
                    )
                grow(frontier, leaf_hash(given.body))
                size += 1
                event = event_of(fields, given.sql, given.datasets)
                earliest = min(earliest, event.time)
                made += engine.take(event)
            if size > head.size or (size == head.size and not hmac.compare_digest(root_of(frontier), head.root)):
                what = f"split view: the log signed other entries than the {size} that it has given"
                raise self._contradiction(at, checkpoint, what)
            for alert in made:
                self._memory.add(alert)
            # By the earliest: one entry of a clock that ran ahead must not make the follower forget every window.
            self._memory.forget(earliest)
            kept = replace(at, size=size, frontier=tuple(frontier))
            self._memory.keep(kept)
        return kept, made

    def _contradiction(self, at: Position, checkpoint: Checkpoint, what: str) -> Contradiction:
        return Contradiction(what, at.checkpoint.encode() + b"\n" + checkpoint.to_bytes())

    def _tell(self, found: Contradiction) -> None:
        """What cannot be true together is an alert of its own, once for each such evidence, for every output."""
        digest = hashlib.sha256(found.evidence).hexdigest()[:32]
        told = Alert(
            id=digest, rule=BROKEN, wording="", severity="critical", title=found.message, title_zh=BROKEN_ZH,
            origin=self._key.name, about={}, first="", last="", count=0, entries=(),
        )  # fmt: skip
        with self._memory.transaction():
            self._memory.add(told)


def _left(given: Given, size: int) -> Residue:
    """What is left of a pruned entry, which a later one has to say. Raises ``Unproven``."""
    try:
        found = read_residue(given.residue)
    except ValueError as invalid:
        raise Unproven(f"entry {size}: {invalid}", given.residue.encode()) from None
    if found.index != size or given.pruned_by <= size or found.fields["kind"] not in REDACTABLE:
        raise Unproven(
            f"entry {size}: what is left of it is of another, or it is never pruned", given.residue.encode()
        )
    return found


def _fields(given: Given, size: int) -> Mapping[str, Any]:
    """The entry's fields. Raises ``Unproven`` for one that is none, out of its place, or told with another SQL."""
    try:
        fields = read_entry(given.body)
    except ValueError as invalid:
        raise Unproven(f"entry {size}: {invalid}", given.body) from None
    if fields["index"] != size:
        raise Unproven(f"entry {size}: its bytes say that it is entry {fields['index']}", given.body)
    if given.salt:
        known = fields.get("commitments")
        try:
            opened = commitment("sql", given.salt, given.sql)
        except (ValueError, UnicodeEncodeError):
            opened = ""
        if not isinstance(known, dict) or known.get("sql") != opened:
            raise Unproven(f"entry {size}: the service tells other SQL than it commits to", given.body)
    return fields


def grow(frontier: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Adds a leaf to the perfect subtrees of a tree, from left to right."""
    level, value = 0, leaf
    while frontier and frontier[-1][0] == level:
        value, level = node_hash(frontier.pop()[1], value), level + 1
    frontier.append((level, value))


def root_of(frontier: Sequence[tuple[int, bytes]]) -> bytes:
    """The root over perfect subtrees."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1][1]
    for _, left in reversed(frontier[:-1]):
        root = node_hash(left, root)
    return root


def over_export(rules: Sequence[Rule], memory: Memory, lines: BinaryIO) -> Iterator[Alert]:
    """The alerts that rules would have given over an exported log, which holds no SQL: to count them before a rule is
    used. The log is not verified here; ``verify_export`` does."""
    datasets: dict[int, tuple[str, ...]] = {}
    engine = Engine(rules, memory, "export", b"an export")
    for line in lines:
        item = json.loads(line)
        if not isinstance(item, dict) or "entry" not in item:
            continue
        fields = json.loads(item["entry"])
        about = fields.get("admission")
        event = event_of(fields, "", datasets.get(about, ()) if isinstance(about, int) else ())
        if event.one("kind") == "admission":
            datasets[event.index] = event.said["dataset"]
        if len(datasets) > 10_000:
            datasets = dict(list(datasets.items())[5_000:])
        yield from engine.take(event)
