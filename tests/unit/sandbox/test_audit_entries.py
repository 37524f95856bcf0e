"""Log entries have one spelling, name their place, and hold nothing that two readers would read differently."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit.entries import JSON, InvalidEntry, encode, parse

NAMES = st.text(max_size=8)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def made(**body: JSON) -> bytes:
    return encode({"kind": "test", **body}, index=3, time="2026-07-01T00:00:00.000000Z", commitments={}).body


@given(VALUES)
def test_an_entry_is_canonical_json_and_is_read_back(value: JSON) -> None:
    data = made(value=value)
    assert data == rfc8785.dumps(json.loads(data))
    fields = parse(data)
    assert (fields["value"], fields["index"], fields["v"]) == (value, 3, 1)


@given(VALUES)
def test_an_entry_just_made_says_what_its_bytes_say(value: JSON) -> None:
    entry = encode({"kind": "test", "value": value}, index=3, time="t", commitments={"sql": "ab"})
    assert entry.fields == parse(entry.body)


def test_an_entry_is_its_bytes() -> None:
    entry = encode({"kind": "test"}, index=0, time="t", commitments={"sql": "ab"})
    assert entry.body == b'{"commitments":{"sql":"ab"},"index":0,"kind":"test","time":"t","v":1}'
    assert entry.leaf_hash == leaf_hash(entry.body)
    assert entry.commitments == {"sql": "ab"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": ""},
        {"kind": 1},
        {"kind": "test", "v": 2},
        {"kind": "test", "index": 0},
        {"kind": "test", "time": "now"},
        {"kind": "test", "commitments": {}},
        {"kind": "test", "request_id": 7},
        {"kind": "test", "institution": ["bank"]},
        {"kind": "test", "value": 0.5},
        {"kind": "test", "value": b"bytes"},
        {"kind": "test", "value": 2**53},
        {"kind": "test", "value": "\ud800"},
        {"kind": "test", "value": "x" * 70_000},
    ],
)
def test_what_is_no_entry_is_refused(body: dict[str, JSON]) -> None:
    with pytest.raises(InvalidEntry):
        encode(body, index=0, time="t", commitments={})


def test_nesting_without_end_is_refused() -> None:
    value: JSON = "deep"
    for _ in range(5000):
        value = [value]
    with pytest.raises(InvalidEntry):
        made(value=value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"index":0,"kind":"a","time":"t","v":1}\n',
        b'{"index":0, "kind":"a","time":"t","v":1}',
        b'{"kind":"a","index":0,"time":"t","v":1}',
        b'{"index":0,"kind":"a","kind":"b","time":"t","v":1}',
        b'{"index":0,"kind":"a","time":"t","v":2}',
        b'{"index":0,"kind":"a","time":"t","v":true}',
        b'{"index":0.0,"kind":"a","time":"t","v":1}',
        b'{"index":"0","kind":"a","time":"t","v":1}',
        b'{"index":0,"kind":1,"time":"t","v":1}',
        b'{"index":0,"kind":"a","time":"t","v":1,"x":NaN}',
        b'{"index":0,"kind":"\\u0061","time":"t","v":1}',
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_entry_are_not_read(data: bytes) -> None:
    with pytest.raises(InvalidEntry):
        parse(data)
