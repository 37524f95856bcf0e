"""Which hashes a Merkle tree of n leaves is made of (RFC 6962, 2.1), as arithmetic on positions.

The store keeps only *perfect* subtrees: node (level, position) covers the leaves ``position * 2**level`` up to
``(position + 1) * 2**level``. Such a node never changes once its last leaf is there, so appending only adds.
Every range of leaves that RFC 6962 speaks of is a row of at most log2(n) perfect subtrees, and its hash is their
fold from the right. Therefore appending, roots and proofs all take O(log n) stored hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from louver.transparency.merkle import EMPTY_ROOT, node_hash

_POSITION_BITS = 56  # leaves 63 - 56 bits, 127 levels, to the level


class NodeId(NamedTuple):
    """A perfect subtree; level 0 is the leaves."""

    level: int
    position: int

    @classmethod
    def of(cls, key: int) -> NodeId:
        """The subtree with this key."""
        return cls(key >> _POSITION_BITS, key & ((1 << _POSITION_BITS) - 1))

    @property
    def key(self) -> int:
        """One number for it, for use as a key; ordered by level, then position."""
        return self.level << _POSITION_BITS | self.position

    @property
    def leaves(self) -> range:
        """The entries it covers."""
        return range(self.position << self.level, (self.position + 1) << self.level)


class Span(NamedTuple):
    """The leaves ``start`` up to, not including, ``end``; ``start`` is aligned to the size's power of two."""

    start: int
    end: int


def perfect_subtrees(span: Span) -> list[NodeId]:
    """The perfect subtrees that make up the span, from left to right, each smaller than the one before."""
    found, start = [], span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        found.append(NodeId(level, start >> level))
        start += 1 << level
    return found


def span_hash(span: Span, hashes: Mapping[NodeId, bytes]) -> bytes:
    """MTH of the span from the hashes of its perfect subtrees; ``KeyError`` if one is missing."""
    return fold([hashes[node] for node in perfect_subtrees(span)])


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees given from left to right."""
    if not hashes:
        return EMPTY_ROOT
    *rest, root = hashes
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def inclusion_path(index: int, size: int) -> list[Span]:
    """The siblings on the way from leaf ``index`` up to the root: PATH(m, D[n]) of RFC 6962, 2.1.1."""
    if not 0 <= index < size:
        raise ValueError("no such entry in a tree of this size")
    siblings, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append(Span(middle, end))
            end = middle
        else:
            siblings.append(Span(start, middle))
            start = middle
    return siblings[::-1]


def consistency_path(old: int, new: int) -> list[Span]:
    """The hashes that prove one tree to begin with the other: PROOF(m, D[n]) of RFC 6962, 2.1.2."""
    if not 0 <= old <= new:
        raise ValueError("a log never shrinks")
    if old in (0, new):
        return []
    siblings, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            siblings.append(Span(middle, end))
            end = middle
        else:
            siblings.append(Span(start, middle))
            start, whole = middle, False
    return ([] if whole else [Span(start, end)]) + siblings[::-1]


def required(spans: Iterable[Span]) -> set[NodeId]:
    """The perfect subtrees whose hashes the spans need."""
    return {node for span in spans for node in perfect_subtrees(span)}


def left_siblings(index: int) -> list[NodeId]:
    """The subtrees that leaf ``index`` completes with its own: one for each trailing 1 of the index."""
    found, level = [], 0
    while index >> level & 1:
        found.append(NodeId(level, (index >> level) - 1))
        level += 1
    return found


def completed(index: int, leaf: bytes, siblings: Mapping[NodeId, bytes]) -> dict[NodeId, bytes]:
    """The leaf, and the interior nodes that become perfect with it; ``KeyError`` if a sibling is missing."""
    found, running = {NodeId(0, index): leaf}, leaf
    for sibling in left_siblings(index):
        running = node_hash(siblings[sibling], running)
        found[NodeId(sibling.level + 1, sibling.position >> 1)] = running
    return found


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
