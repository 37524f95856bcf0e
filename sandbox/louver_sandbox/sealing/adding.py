"""Adding up ciphertexts: the products, modulo the square of a key, of rows of an upload.

It takes microseconds a row and the interpreter's lock all the while, so it is done in processes of its own, each of
which opens one file of ciphertexts, is shut in with it, multiplies and ends. It is told rows by number and learns
neither what they are nor who asks.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from gmpy2 import mpz

from louver.sealing import bulk
from louver.sealing.keys import PublicKey
from louver_sandbox.processes.channel import Channel
from louver_sandbox.processes.child import serve_one
from louver_sandbox.processes.isolation.confinement import open_only, seal

ENTRY: Final = "louver_sandbox.sealing.adding:main"
PRELOAD: Final = ("gmpy2", "numpy", "mmap", "louver.sealing.bulk")

MOST_ROWS: Final = 200_000
"""Rows in one request, four bytes each."""
MOST_SETS: Final = 4_000
"""Products in one reply."""
LEAST_ROWS: Final = 2_000
"""Rows for which a process is worth its start."""

Add = Callable[[Path, PublicKey, int, int, Sequence[bytes]], list[mpz]]
"""The products of sets of rows (32-bit numbers, little-endian): of the file, under the key, with so many columns in
all, of the column at this place. A set without rows has the product 1."""


class Unfit(Exception):
    """A file of ciphertexts that is not of the key, columns and rows that are asked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is asked."""

    path: Path
    key: PublicKey
    columns: int
    column: int
    sets: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The job as the process reads it."""
        told = {
            "path": str(self.path),
            "modulus": self.key.to_bytes().hex(),
            "columns": self.columns,
            "column": self.column,
            "rows": [len(rows) // 4 for rows in self.sets],
        }
        head = json.dumps(told).encode()
        return len(head).to_bytes(4, "big") + head + b"".join(self.sets)

    @classmethod
    def decode(cls, content: bytes) -> Job:
        """The job in these bytes."""
        start = 4 + int.from_bytes(content[:4], "big")
        told = json.loads(content[4:start])
        sets: list[bytes] = []
        for rows in told["rows"]:
            sets.append(content[start : start + 4 * rows])
            start += 4 * rows
        key = PublicKey(mpz(told["modulus"], 16))
        return cls(Path(told["path"]), key, told["columns"], told["column"], tuple(sets))


def main(channel: Channel) -> None:
    """A process's life: one job, its products."""
    serve_one(channel, answer)


def answer(request: bytes) -> bytes:
    """The products of a job, one after the other, each as wide as a ciphertext."""
    job = Job.decode(request)
    open_only([str(job.path)], [])
    with job.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        seal()
        return b"".join(int(one).to_bytes(job.key.width, "big") for one in _products(content, job))


def products(path: Path, key: PublicKey, columns: int, column: int, sets: Sequence[bytes]) -> list[mpz]:
    """The products, in this process. Raises `Unfit`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return list(_products(content, Job(path, key, columns, column, tuple(sets))))


def _products(content: mmap.mmap, job: Job) -> Iterator[mpz]:
    try:
        header, start = bulk.begin(content[: bulk.LONGEST_HEADER + 12])
    except bulk.Malformed:
        raise Unfit("not a file of ciphertexts") from None
    width, columns = job.key.width, len(header.scales)
    whole = len(content) == start + header.rows * columns * width
    if header.kid != job.key.kid or columns != job.columns or not 0 <= job.column < columns or not whole:
        raise Unfit("not the ciphertexts that are asked for")
    square, step, first = job.key.square, columns * width, start + job.column * width
    read = int.from_bytes
    for rows in job.sets:
        numbers = np.frombuffer(rows, "<u4")
        if len(numbers) and int(numbers.max()) >= header.rows:
            raise Unfit("rows that are not there")
        product = mpz(1)
        for at in (numbers.astype("<i8") * step + first).tolist():
            product = product * read(content[at : at + width], "big") % square
        yield product


def divided(sets: Sequence[bytes], processes: int) -> Iterator[list[tuple[int, bytes]]]:
    """Parts of the work for so many processes: each a list of sets, by their place, and rows of theirs."""
    total = sum(map(len, sets)) // 4
    most = max(LEAST_ROWS, min(MOST_ROWS, -(-total // max(1, processes))))
    part: list[tuple[int, bytes]] = []
    room = most
    for place, rows in enumerate(sets):
        start = 0
        while start < len(rows) or (start == 0 and not rows):
            taken = rows[start : start + 4 * room]
            part.append((place, taken))
            start += max(len(taken), 1)
            room -= len(taken) // 4
            if room <= 0 or len(part) == MOST_SETS:
                yield part
                part, room = [], most
    if part:
        yield part


def combined(sets: int, key: PublicKey, parts: Sequence[tuple[Sequence[int], bytes]]) -> list[mpz]:
    """The products of all sets from those of their parts. Raises `Unfit` for a reply that is none."""
    made = [mpz(1)] * sets
    for places, reply in parts:
        if len(reply) != len(places) * key.width:
            raise Unfit("not a product for each set")
        for place, one in zip(places, bulk.numbers(memoryview(reply), key.width), strict=True):
            made[place] = made[place] * one % key.square
    return made
