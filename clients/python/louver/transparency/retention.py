"""What is left of entries that were pruned, and that nothing was pruned unsaid, too early, or while it was held.

A pruned entry has lost its bytes and kept its leaf, so the tree and every proof stand. What is left of it is one line
of canonical JSON (`residue`): whose it was, when, what became of it and what it was charged, so that counts and
balances still follow from the log. A later entry of kind `pruning` binds the lines of all that was pruned with it by
one digest. Holds are entries too, so whoever has the log can tell what must not have been pruned by then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

QUESTIONS: Final = ("admission", "outcome", "aborted", "refusal", "explain")
PRUNABLE: Final = (*QUESTIONS, "audit_look")
"""Kinds of entries that may be pruned by age. All others say by what was decided and by whom, and stay."""
REDACTABLE: Final = (*PRUNABLE, "report")
"""Kinds that a redaction takes: those about one request, whose digests and signatures would confirm a guess at it."""

LEAST_DAYS: Final = 183
"""How young no entry is pruned by its age (网络安全法: logs are kept for six months)."""

SAID: Final = ("kind", "institution", "purpose", "time", "code", "treatment", "admission")
"""What stays of any pruned entry, where it said so."""
CHARGED: Final = ("request_id", "charged", "charges", "unit_sets", "privacy", "ledger")
"""What stays of a pruned admission besides, as the ledgers hold it too."""

PRUNING, HOLD, RELEASE = "pruning", "hold", "hold_released"
BY_AGE, REDACTION = "retention", "redaction"


@dataclass(frozen=True, slots=True)
class Residue:
    """What is left of a pruned entry: its place, its leaf, and what it still says."""

    index: int
    leaf: bytes
    fields: Mapping[str, Any]

    @property
    def time(self) -> str:
        """When the log took it."""
        return str(self.fields["time"])


def residue(fields: Mapping[str, Any], leaf: bytes) -> str:
    """The line that stays of an entry with these fields and this leaf."""
    names = (*SAID, *CHARGED) if fields.get("kind") == "admission" else SAID
    kept = {name: fields[name] for name in names if name in fields}
    return _canonical({**kept, "index": fields["index"], "leaf": leaf.hex()})


def read_residue(line: str) -> Residue:
    """Reads such a line strictly. Raises ``ValueError``."""
    try:
        found = json.loads(line, parse_float=_refuse, parse_constant=_refuse)
        if not isinstance(found, dict) or _canonical(found) != line:
            raise ValueError
        leaf = bytes.fromhex(found["leaf"])
        texts = all(isinstance(found.get(name), str) for name in ("kind", "time"))
        if type(found["index"]) is not int or len(leaf) != 32 or not texts:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("what is left of it is not in its form") from None
    return Residue(found["index"], leaf, {name: found[name] for name in found if name not in ("leaf",)})


def digest_of(lines: Iterator[str]) -> str:
    """What a pruning binds its lines by: SHA-256 in hex over each and a newline, by index."""
    running = hashlib.sha256()
    for line in lines:
        running.update(line.encode() + b"\n")
    return running.hexdigest()


@dataclass(frozen=True, slots=True)
class Hold:
    """What may not be pruned: entries that fit everything it names; what it does not name fits.

    ``since`` (from) and ``until`` (before) are times, or their beginnings; ``entries`` are ranges, both ends in it.
    """

    name: str
    reason: str = ""
    institutions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    entries: tuple[tuple[int, int], ...] = ()

    def covers(self, index: int, kind: str, institution: str, time: str) -> bool:
        """Whether an entry is held by it."""
        return (
            (not self.institutions or institution in self.institutions)
            and (not self.kinds or kind in self.kinds)
            and (not self.since or time >= self.since)
            and (not self.until or time < self.until)
            and (not self.entries or any(first <= index <= last for first, last in self.entries))
        )

    def body(self) -> dict[str, Any]:
        """As its entry says it."""
        return {
            "kind": HOLD, "hold": self.name, "reason": self.reason, "institutions": list(self.institutions),
            "kinds": list(self.kinds), "since": self.since, "until": self.until,
            "entries": [list(one) for one in self.entries],
        }  # fmt: skip


def hold_of(fields: Mapping[str, Any]) -> Hold:
    """The hold that an entry places. Raises ``ValueError``."""
    try:
        ranges = tuple((int(first), int(last)) for first, last in fields["entries"])
        several = (tuple(map(str, fields["institutions"])), tuple(map(str, fields["kinds"])))
        times = (str(fields["since"]), str(fields["until"]))
        return Hold(str(fields["hold"]), str(fields["reason"]), *several, *times, ranges)
    except (KeyError, TypeError, ValueError):
        raise ValueError("it does not say in a known form what it holds") from None


@dataclass
class Holds:
    """The holds that stand at a place of the log."""

    standing: dict[str, Hold] = field(default_factory=dict)

    def take(self, fields: Mapping[str, Any]) -> str:
        """What an entry changes of them; what is wrong with it, or nothing."""
        if fields.get("kind") == RELEASE:
            return "" if self.standing.pop(str(fields.get("hold")), None) else "it releases a hold that is none"
        try:
            hold = hold_of(fields)
        except ValueError as invalid:
            return str(invalid)
        if hold.name in self.standing:
            return f"it places the hold {hold.name!r} a second time"
        self.standing[hold.name] = hold
        return ""

    def over(self, index: int, kind: str, institution: str, time: str) -> Hold | None:
        """A hold that covers such an entry."""
        return next((one for one in self.standing.values() if one.covers(index, kind, institution, time)), None)


@dataclass
class _Batch:
    """What was pruned by one entry, as met so far."""

    running: Any = field(default_factory=hashlib.sha256)
    lines: list[tuple[int, str, str, str]] = field(default_factory=list)


@dataclass
class Prunings:
    """What of a log was pruned, taken entry by entry in order; ``count`` is how much. Memory grows with it."""

    count: int = 0
    holds: Holds = field(default_factory=Holds)
    _open: dict[int, _Batch] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def take(self, index: int, by: int, line: str) -> Residue:
        """What is left of the entry at this index, pruned by the one at ``by``. Raises ``ValueError``."""
        found = read_residue(line)
        if found.index != index:
            raise ValueError(f"what is left of it says that it is entry {found.index}")
        kind = str(found.fields["kind"])
        if kind not in REDACTABLE:
            raise ValueError(f"an entry of kind {kind} is never pruned")
        batch = self._open.setdefault(by, _Batch())
        batch.running.update(line.encode() + b"\n")
        institution = str(found.fields.get("institution", ""))
        kind, institution = (self._names.setdefault(one, one) for one in (kind, institution))
        batch.lines.append((index, kind, institution, found.time))
        self.count += 1
        return found

    def entry(self, index: int, fields: Mapping[str, Any]) -> list[tuple[int, str]]:
        """What an entry with a body says of holds and prunings, and what contradicts it."""
        kind = fields.get("kind")
        if kind in (HOLD, RELEASE):
            wrong = self.holds.take(fields)
            return [(index, f"entry {index}: {wrong}")] if wrong else []
        if kind == PRUNING:
            return list(self._pruning(index, fields))
        return []

    def _pruning(self, index: int, fields: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        batch = self._open.pop(index, _Batch())
        if (fields.get("entries"), fields.get("digest")) != (len(batch.lines), batch.running.hexdigest()):
            said = f"it says that it pruned {fields.get('entries')} entries, and those that are left of it are others"
            yield (batch.lines[0][0] if batch.lines else index), f"entry {index}: {said}"
        before = fields.get("before")
        limits = before if isinstance(before, dict) else {}
        latest = _days_before(str(fields.get("time")), LEAST_DAYS)
        for number, kind, institution, time in batch.lines:
            hold = self.holds.over(number, kind, institution, time)
            if hold is not None:
                yield number, f"entry {number}: it was pruned by entry {index} while {hold.name!r} held it"
            if fields.get("rule") != REDACTION and kind not in PRUNABLE:
                yield number, f"entry {number}: an entry of kind {kind} is pruned by a redaction only"
            young = time >= str(limits.get(kind, "")) or time >= latest
            if fields.get("rule") != REDACTION and young:
                yield number, f"entry {number}: it was pruned by entry {index} before its time"

    def unsaid(self) -> list[tuple[int, str]]:
        """At the end of the log: what is gone, and no entry says why."""
        return [
            (
                batch.lines[0][0],
                f"entry {batch.lines[0][0]}: its bytes are gone, and no entry says that it was pruned",
            )
            for batch in self._open.values()
        ]


def ranges_of(indices: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Indices as ranges, both ends in them."""
    found: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return tuple(found)


def _days_before(time: str, days: int) -> str:
    """So many days before a time of the log, in its form; nothing where it is none, so that all is too young."""
    try:
        moment = datetime.fromisoformat(time).astimezone(UTC) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _canonical(value: Any) -> str:
    """RFC 8785; the names of entries' fields are ASCII, those of tables in them need not be."""
    from louver.transparency.whole_log import canonical

    return canonical(value).decode()


def _refuse(text: str) -> object:
    raise ValueError("not in an entry")
