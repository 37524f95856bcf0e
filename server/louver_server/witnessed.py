"""Whether witnesses have seen the log: cosignatures, verified here with the keys that this console was given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from louver.audit import AuditClient
from louver.errors import Refused
from louver.failures import Misused
from louver.transparency.cosignature import WitnessKey, cosignatures


@dataclass(frozen=True, slots=True)
class Witness:
    """How far and when a witness has cosigned; nothing where its line is not under the newest cosigned head."""

    name: str
    size: int
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Witnessed:
    """How many entries are cosigned by a witness whose key is known here; 0 where none is. ``asked`` is whether any
    key is known."""

    asked: bool
    size: int
    witnesses: tuple[Witness, ...]


def witnessed(log: AuditClient, keys: tuple[WitnessKey, ...]) -> Witnessed:
    """The newest head that is cosigned. Raises ``Unproven`` for a cosignature that does not hold."""
    if not keys:
        return Witnessed(False, 0, ())
    try:
        checkpoint = log.checkpoint(cosigned=True)
    except Refused:
        return Witnessed(True, 0, tuple(Witness(key.name, 0, None) for key in keys))
    found = {one.witness: one for one in cosignatures(checkpoint, keys)}
    told = tuple(
        Witness(name, found[name].head.size, datetime.fromtimestamp(found[name].time, UTC))
        if name in found
        else Witness(name, 0, None)
        for name in dict.fromkeys(key.name for key in keys)
    )
    return Witnessed(True, max((one.size for one in told), default=0), told)


def read_keys(path: Path | None) -> tuple[WitnessKey, ...]:
    """The public keys in a file, one a line; `#` begins a remark. Raises `Misused` where it cannot be read."""
    if path is None:
        return ()
    try:
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        raise Misused(f"{path.name} cannot be read", "it holds witnesses' public keys, one a line") from None
    return tuple(WitnessKey.parse(line) for line in lines if line and not line.startswith("#"))
