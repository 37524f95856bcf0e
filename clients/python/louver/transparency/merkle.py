"""Merkle tree hashes and the verification of proofs, RFC 6962 section 2.1.

The verification algorithms are those of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which describe for the same
tree how a verifier, who has no tree, walks a proof. All hashes are 32 bytes of SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from louver.errors import Unproven

HASH_SIZE = 32
"""Bytes in a SHA-256 hash."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962, 2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf; its prefix 0x00 keeps a leaf from passing for a node (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an interior node, prefix 0x01 (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash is at ``index`` of the tree with ``size`` leaves and this root.

    Raises ``Unproven``; its evidence is the proof, hash after hash.
    """
    _check_hashes([leaf, *path, root])
    if not 0 <= index < size:
        raise Unproven(f"entry {index} cannot be in a tree of {size} entries", b"".join(path))
    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Unproven("the inclusion proof is longer than the tree is high", b"".join(path))
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise Unproven("the inclusion proof is shorter than the tree is high", b"".join(path))
    if not hmac.compare_digest(computed, root):
        raise Unproven(
            f"the inclusion proof of entry {index} leads to root {computed.hex()}, the log signed {root.hex()}",
            b"".join(path),
        )


def verify_consistency(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of ``new_size`` leaves begins with the whole tree of ``old_size`` leaves.

    Every tree extends the empty one, and the proof of that is empty; RFC 6962 leaves this case open.
    Raises ``Unproven``; its evidence is the proof, hash after hash.
    """
    _check_hashes([*path, old_root, new_root])
    evidence = b"".join(path)
    if not 0 <= old_size <= new_size:
        raise Unproven(f"a log of {new_size} entries cannot extend one of {old_size}", evidence)
    if old_size in (0, new_size):
        if path:
            raise Unproven("a consistency proof between these sizes must be empty", evidence)
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if not hmac.compare_digest(old_root, expected):
            raise Unproven(f"two roots for the same log of {old_size} entries", evidence)
        return
    computed_old, computed_new = _walk_consistency(old_size, new_size, path, old_root)
    if not hmac.compare_digest(computed_old, old_root):
        raise Unproven(f"the log of {new_size} entries does not begin with the {old_size} seen before", evidence)
    if not hmac.compare_digest(computed_new, new_root):
        raise Unproven(f"the consistency proof does not lead to the root of {new_size} entries", evidence)


def _walk_consistency(old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Both roots as the proof has them (RFC 9162, 2.1.4.2, steps 1 to 6)."""
    evidence = b"".join(path)
    # A whole perfect tree is its own first node, and the prover leaves it out.
    hashes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not hashes:
        raise Unproven("the consistency proof is empty", evidence)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Unproven("the consistency proof is longer than the tree is high", evidence)
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise Unproven("the consistency proof is shorter than the tree is high", evidence)
    return old, new


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise Unproven(f"a hash of {len(value)} bytes where SHA-256 has {HASH_SIZE}", value)
