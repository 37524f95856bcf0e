"""The tree we store and the proofs clients verify are those of RFC 6962, at every size up to 70 and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import rfc6962

from louver.errors import Unproven
from louver.transparency import merkle
from louver_sandbox.audit import tree
from louver_sandbox.audit.tree import NodeId, Span

SIZES = range(1, 71)
DATA = [b"entry %d" % index for index in range(70)]
ROOTS = [rfc6962.mth(DATA[:size]) for size in range(71)]


def grown(data: list[bytes]) -> dict[NodeId, bytes]:
    """The stored nodes after appending one entry at a time."""
    nodes: dict[NodeId, bytes] = {}
    for index, entry in enumerate(data):
        nodes |= tree.completed(index, merkle.leaf_hash(entry), nodes)
    return nodes


NODES = grown(DATA)


def hashes(spans: list[Span]) -> list[bytes]:
    assert all(node in NODES for node in tree.required(spans))
    return [tree.span_hash(span, NODES) for span in spans]


@pytest.mark.parametrize("size", range(71))
def test_the_root_from_stored_subtrees_is_the_merkle_tree_hash(size: int) -> None:
    assert hashes([Span(0, size)]) == [rfc6962.mth(DATA[:size])]


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_paths_equal_the_standard_and_verify(size: int) -> None:
    for index in range(size):
        path = hashes(tree.inclusion_path(index, size))
        assert path == rfc6962.path(index, DATA[:size])
        merkle.verify_inclusion(merkle.leaf_hash(DATA[index]), index, size, path, ROOTS[size])


@pytest.mark.parametrize("new", SIZES)
def test_consistency_paths_equal_the_standard_and_verify(new: int) -> None:
    for old in range(1, new + 1):
        path = hashes(tree.consistency_path(old, new))
        assert path == rfc6962.proof(old, DATA[:new])
        merkle.verify_consistency(old, new, path, ROOTS[old], ROOTS[new])


def test_every_log_extends_the_empty_one() -> None:
    for new in range(71):
        merkle.verify_consistency(0, new, [], merkle.EMPTY_ROOT, ROOTS[new])


def test_an_empty_old_log_must_have_the_empty_root() -> None:
    with pytest.raises(Unproven):
        merkle.verify_consistency(0, 5, [], ROOTS[3], ROOTS[5])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 64, 70])
def test_a_proof_for_one_place_proves_no_other(size: int) -> None:
    for index in range(size):
        path = hashes(tree.inclusion_path(index, size))
        for other in range(-1, size + 2):
            if other != index:
                with pytest.raises(Unproven):
                    merkle.verify_inclusion(merkle.leaf_hash(DATA[index]), other, size, path, ROOTS[size])


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_a_proof_made_longer_or_shorter_is_refused(size: int) -> None:
    for index in range(size):
        leaf, path = merkle.leaf_hash(DATA[index]), hashes(tree.inclusion_path(index, size))
        for wrong in ([*path, ROOTS[size]], [ROOTS[1], *path], path[:-1] if path else [ROOTS[2]]):
            with pytest.raises(Unproven):
                merkle.verify_inclusion(leaf, index, size, wrong, ROOTS[size])


@pytest.mark.parametrize("new", [2, 3, 8, 13, 70])
def test_a_consistency_proof_made_longer_or_shorter_is_refused(new: int) -> None:
    for old in range(1, new + 1):
        path = hashes(tree.consistency_path(old, new))
        for wrong in ([*path, ROOTS[new]], [ROOTS[1], *path], path[:-1] if path else [ROOTS[2]]):
            with pytest.raises(Unproven):
                merkle.verify_consistency(old, new, wrong, ROOTS[old], ROOTS[new])


def test_a_log_that_shrank_is_refused() -> None:
    with pytest.raises(Unproven):
        merkle.verify_consistency(9, 8, [], ROOTS[9], ROOTS[8])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_of_an_inclusion_proof_survives(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    parts = [merkle.leaf_hash(DATA[index]), *hashes(tree.inclusion_path(index, size)), ROOTS[size]]
    parts = flip(data, parts)
    with pytest.raises(Unproven):
        merkle.verify_inclusion(parts[0], index, size, parts[1:-1], parts[-1])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_of_a_consistency_proof_survives(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 70))
    old = data.draw(st.integers(1, new))
    parts = [ROOTS[old], *hashes(tree.consistency_path(old, new)), ROOTS[new]]
    parts = flip(data, parts)
    with pytest.raises(Unproven):
        merkle.verify_consistency(old, new, parts[1:-1], parts[0], parts[-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=40))
def test_any_entries_hash_to_the_standards_root(data: list[bytes]) -> None:
    assert tree.span_hash(Span(0, len(data)), grown(data)) == rfc6962.mth(data)


@given(st.integers(0, 40), st.integers(0, 2**40))
def test_a_node_is_found_again_by_its_key(level: int, position: int) -> None:
    assert NodeId.of(NodeId(level, position).key) == NodeId(level, position)


@given(st.integers(1, 2**40), st.data())
def test_proofs_in_a_huge_log_take_a_few_hashes_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    height = size.bit_length()
    assert len(tree.inclusion_path(index, size)) <= height
    assert len(tree.required(tree.inclusion_path(index, size))) <= 2 * height
    assert len(tree.required(tree.consistency_path(index, size))) <= 3 * height


def flip(data: st.DataObject, parts: list[bytes]) -> list[bytes]:
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = bytearray(parts[which])
    changed[bit // 8] ^= 1 << bit % 8
    return [*parts[:which], bytes(changed), *parts[which + 1 :]]
