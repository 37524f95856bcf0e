"""Blinding and finishing many ids on several processors: the library holds the interpreter's lock, so that no thread
helps.

What an id was blinded with is an object of the library that no other process can be given. So the process that has
blinded a part waits, and finishes it when its evaluation has come. Close what ``blind`` gives: its processes end
then.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Protocol, Self

from louver.errors import Unproven
from louver.failures import Misused
from louver.matching import oprf

LEAST = 4_000
"""Ids for which a process is worth its start."""
AT_ONCE = 250 * oprf.BATCH
"""Ids between two tellings of how far it is; whole batches, since a proof is about one."""
END_S = 5.0

Progress = Callable[[int, int], None]
"""Hears ids done and ids in all: half of an id's work is blinding it."""


class Finishing(Protocol):
    """Blinded ids: what is sent of them, and what becomes of the answer."""

    @property
    def elements(self) -> bytes:
        """What may be sent to anybody."""

    def __len__(self) -> int: ...

    def finish(self, evaluated: bytes, public_key: bytes) -> list[bytes]:
        """As ``oprf.finalize``; may be called again, but not after ``Unproven``."""

    def close(self) -> None:
        """Ends what stands ready to finish."""


def blind(values: Sequence[bytes], progress: Progress | None = None, processes: int | None = None) -> Finishing:
    """Blinds the inputs on so many processes (None: one for each processor), few of them here.

    Raises ``Misused`` for an empty or too long input.
    """
    tell = progress or (lambda done, total: None)
    count = min(processes or os.cpu_count() or 1, len(values) // LEAST)
    return Several(values, count, tell) if count > 1 else Here(values, tell)


class Here:
    """Ids that are blinded and finished in this process."""

    def __init__(self, values: Sequence[bytes], tell: Progress) -> None:
        self._tell, self._total = tell, len(values)
        self._parts: list[oprf.Blinded] = []
        for start in range(0, self._total, AT_ONCE):
            self._parts.append(oprf.blind(values[start : start + AT_ONCE]))
            tell(min(start + AT_ONCE, self._total) // 2, self._total)
        self.elements = b"".join(part.elements for part in self._parts)

    def __len__(self) -> int:
        return self._total

    def finish(self, evaluated: bytes, public_key: bytes) -> list[bytes]:
        tokens: list[bytes] = []
        pieces = _pieces(evaluated, [len(part) for part in self._parts])
        for part, piece in zip(self._parts, pieces, strict=True):
            tokens += oprf.finalize(part, piece, public_key)
            self._tell((self._total + len(tokens)) // 2, self._total)
        return tokens

    def close(self) -> None:
        self._parts.clear()


class Several:
    """Ids that are blinded and finished in processes of their own."""

    def __init__(self, values: Sequence[bytes], count: int, tell: Progress) -> None:
        self._tell, self._total = tell, len(values)
        size = -(-len(values) // count // AT_ONCE) * AT_ONCE
        parts = [values[start : start + size] for start in range(0, len(values), size)]
        self._sizes = [len(part) for part in parts]
        # Not by fork: a child must not begin with locks that threads of ours hold.
        context = multiprocessing.get_context("spawn")
        self._children: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []
        try:
            for part in parts:
                ours, theirs = context.Pipe()
                child = context.Process(target=serve, args=(theirs,), daemon=True)
                child.start()
                theirs.close()
                self._children.append((child, ours))
                ours.send(list(part))
            self.elements = b"".join(self._gathered())
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._total

    def finish(self, evaluated: bytes, public_key: bytes) -> list[bytes]:
        for (_, ours), piece in zip(self._children, _pieces(evaluated, self._sizes), strict=True):
            ours.send((piece, public_key))
        told = self._gathered()
        size = oprf.TOKEN_BYTES
        return [part[start : start + size] for part in told for start in range(0, len(part), size)]

    def _gathered(self) -> list[bytes]:
        """What each child says in the end, in their order, and meanwhile how far they are.

        Raises ``Unproven`` and ``Misused`` as the work itself would, and ``RuntimeError`` where a child has died.
        """
        done = dict.fromkeys(range(len(self._children)), 0)
        said: dict[int, bytes] = {}
        while len(said) < len(self._children):
            ready = wait([ours for number, (_, ours) in enumerate(self._children) if number not in said])
            for number, (_, ours) in enumerate(self._children):
                if ours not in ready:
                    continue
                kind, told = _received(ours)
                if kind == "done":
                    done[number] = int.from_bytes(told, "big")
                    self._tell(sum(done.values()), self._total)
                elif kind == "said":
                    said[number] = told
                elif kind == "misused":
                    raise Misused("an input of the function has 1 to 65535 bytes")
                else:
                    raise Unproven("the platform did not evaluate the ids with the key that it names", b"")
        return [said[number] for number in sorted(said)]

    def close(self) -> None:
        for child, ours in self._children:
            ours.close()
            child.join(END_S)
            if child.is_alive():
                child.terminate()
                child.join()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _received(ours: Connection) -> tuple[str, bytes]:
    try:
        kind, told = ours.recv()
    except EOFError:
        raise RuntimeError("a process that blinds ids has died") from None
    return kind, told


def serve(theirs: Connection) -> None:
    """A child's life: blind what comes first, then finish what comes of it, until nobody listens any more."""
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        try:
            made = Here(theirs.recv(), lambda done, total: theirs.send(("done", done.to_bytes(8, "big"))))
        except Misused:
            theirs.send(("misused", b""))
            return
        theirs.send(("said", made.elements))
        while True:
            try:
                tokens = made.finish(*theirs.recv())
            except Unproven:
                theirs.send(("unproven", b""))
            else:
                theirs.send(("said", b"".join(tokens)))


def _pieces(evaluated: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """The evaluation cut as the ids were. Raises ``Unproven`` where it has another length."""
    lengths = [oprf.evaluated_bytes(size) for size in sizes]
    if sum(lengths) != len(evaluated):
        raise Unproven("the platform evaluated another number of ids", b"")
    start = 0
    for length in lengths:
        yield evaluated[start : start + length]
        start += length
