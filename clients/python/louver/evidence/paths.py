"""Inclusion proofs of many entries under one head, from all leaves at once (RFC 6962, 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

from louver.transparency.merkle import EMPTY_ROOT, node_hash


class Leaves:
    """The perfect subtrees over some leaves, by level; 64 bytes and some for each leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def root(self) -> bytes:
        """The tree's root."""
        return self._span(0, self.size)

    def path(self, index: int) -> tuple[bytes, ...]:
        """From the leaf's sibling up to the child of the root: PATH(m, D[n])."""
        siblings, start, end = [], 0, self.size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                siblings.append(self._span(middle, end))
                end = middle
            else:
                siblings.append(self._span(start, middle))
                start = middle
        return tuple(reversed(siblings))

    def _span(self, start: int, end: int) -> bytes:
        """The hash of the leaves from ``start``, aligned to the span's power of two, up to ``end``."""
        hashes: list[bytes] = []
        while start < end:
            level = (end - start).bit_length() - 1
            hashes.append(self._levels[level][start >> level])
            start += 1 << level
        if not hashes:
            return EMPTY_ROOT
        *rest, root = hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
