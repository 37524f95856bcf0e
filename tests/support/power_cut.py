"""What a power cut may leave of files: all that was synced, and of the rest any sectors.

A process writes with `power_cut.c` preloaded, which notes every write and sync in order. `left` then makes the files as
they may lie on the disk after a cut at some point: of the writes since a file's last sync each sector of 512 bytes is
there or lost, in any combination, as by a disk that reorders and tears. Files are there from the beginning.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("<cIIq")


@dataclass(frozen=True)
class Act:
    """One call: `w` a write at `offset`, `t` a truncation to it, `s` a sync."""

    kind: str
    file: str
    offset: int
    data: bytes


def shim(folder: Path) -> Path:
    """The library to be preloaded."""
    made = folder / "power_cut.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def acts(trace: Path) -> Iterator[Act]:
    """What was noted."""
    content, at = trace.read_bytes(), 0
    while at + _HEAD.size <= len(content):
        kind, named, size, offset = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        file = content[at : at + named].decode()
        at += named
        data = content[at : at + size] if kind == b"w" else b""
        at += len(data)
        yield Act(kind.decode(), file, offset, data)


def left(before: dict[str, bytes], done: Sequence[Act], chance: random.Random) -> dict[str, bytes]:
    """The files after a cut behind these acts, of which what was not synced may be there in part."""
    kept = chance.choice((0.0, 0.3, 0.7, 1.0))
    files = {name: bytearray(content) for name, content in before.items()}
    synced = {act.file: number for number, act in enumerate(done) if act.kind == "s"}
    for number, act in enumerate(done):
        content = files.setdefault(act.file, bytearray())
        is_synced = number <= synced.get(act.file, -1)
        if act.kind == "t" and (is_synced or chance.random() < kept):
            del content[act.offset :]
        for start in range(0, len(act.data), SECTOR):
            part = act.data[start : start + SECTOR]
            if is_synced or chance.random() < kept:
                place = act.offset + start
                content.extend(b"\0" * (place + len(part) - len(content)))
                content[place : place + len(part)] = part
    return {name: bytes(content) for name, content in files.items()}
