"""An exported log is verified with the client alone: what holds is proved, what was changed is named."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.support.audit_logs import KEY, MALLORY, ORIGIN
from tests.support.audited import bodies, fill, year_log

from louver.audit.witness import new_key
from louver.errors import Unproven
from louver.transparency import Checkpoint, TreeHead
from louver.transparency.cosignature import cosign, with_signatures
from louver.transparency.ledger_totals import Totals
from louver.transparency.whole_log import WholeLog, canonical, read_entry, verify_export
from louver_sandbox.audit import export_log, verify_log
from louver_sandbox.audit.head import sign_head
from louver_sandbox.recount import charged
from louver_sandbox.store import State, schema

ENTRIES = 60


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of a log with a head every ten entries."""
    with State.open(tmp_path_factory.mktemp("log") / "state.db") as state:
        log, source = year_log(state, ENTRIES), bodies(random.Random(3))
        for _ in range(ENTRIES // 10):
            fill(log, 10, source=source)
            log.head()
        return list(export_log(state, ORIGIN))


def verified(lines: list[bytes], *anchors: Checkpoint) -> WholeLog:
    return verify_export(io.BytesIO(b"".join(lines)), KEY, anchors)


def head_lines(lines: list[bytes]) -> list[int]:
    return [number for number, line in enumerate(lines) if line.startswith(b'{"head"')]


def entry_line(lines: list[bytes], index: int) -> int:
    return head_lines(lines)[-1] + 1 + index


def test_an_honest_log_holds_and_is_the_one_that_the_sandbox_verifies(exported: list[bytes], tmp_path: Path) -> None:
    found = verified(exported)
    assert found.ok
    assert (found.size, found.covered, found.heads) == (ENTRIES, ENTRIES, ENTRIES // 10)
    (tmp_path / "log.jsonl").write_bytes(b"".join(exported))
    report = verify_log(tmp_path / "log.jsonl", KEY)
    assert (report.root, report.size, report.ok) == (found.root, found.size, True)
    assert found.totals.charges > ENTRIES / 3


def changed(lines: list[bytes], index: int, edit: Callable[[dict[str, Any]], None]) -> list[bytes]:
    """The entry edited inside its line, its leaf left as it was."""
    number, made = entry_line(lines, index), list(lines)
    item = json.loads(lines[number])
    fields = json.loads(item["entry"])
    edit(fields)
    item["entry"] = canonical(fields).decode()
    made[number] = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return made


def swap(lines: list[bytes]) -> list[bytes]:
    a, b = entry_line(lines, 20), entry_line(lines, 21)
    return [*lines[:a], lines[b], lines[a], *lines[b + 1 :]]


def without(lines: list[bytes], index: int) -> list[bytes]:
    number = entry_line(lines, index)
    return lines[:number] + lines[number + 1 :]


def twice(lines: list[bytes]) -> list[bytes]:
    number = entry_line(lines, 20)
    return lines[: number + 1] + lines[number:]


def rehashed(lines: list[bytes]) -> list[bytes]:
    """An entry edited and its leaf made to fit."""
    from louver.transparency.merkle import leaf_hash

    made = changed(lines, 20, lambda fields: fields.update(rule="other"))
    number = entry_line(lines, 20)
    item = json.loads(made[number])
    item["leaf"] = leaf_hash(item["entry"].encode()).hex()
    made[number] = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return made


DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "an entry's words": (lambda lines: changed(lines, 20, lambda fields: fields.update(rule="other")), 20, "hash to"),
    "an entry and its leaf": (rehashed, 20, "one of them was changed"),
    "two entries' places": (swap, 20, "is entry 21"),
    "an entry taken out": (lambda lines: without(lines, 20), 20, "is entry 21"),
    "an entry put in twice": (twice, 20, "is entry 20"),
    "the end cut off": (lambda lines: lines[:-3], ENTRIES - 3, "missing"),
    "a damaged line": (lambda lines: [*lines[:-2], b"{\n", lines[-1]], ENTRIES - 2, "damaged"),
    "half a line": (lambda lines: [*lines[:-1], lines[-1][:-5]], ENTRIES - 1, "damaged"),
    "another format": (lambda lines: [b'{"format":"louver-log/9"}\n', *lines[1:]], 0, "not the export"),
    "an endless line": (lambda lines: [*lines[:-1], b'{"entry":"' + b"x" * (1 << 21)], ENTRIES - 1, "damaged"),
    "deep nesting": (lambda lines: [*lines[:-1], b"[" * 100_000 + b"\n"], ENTRIES - 1, "damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_was_changed_is_named(exported: list[bytes], name: str) -> None:
    damage, index, what = DAMAGES[name]
    found = verified(damage(exported))
    assert not found.ok
    assert any(what in str(finding) for finding in found.findings), list(map(str, found.findings))
    assert found.findings[0].index == index


def test_heads_are_held_against_the_entries(exported: list[bytes]) -> None:
    """A second head over as many entries is a split view, whoever kept it; another key's head proves nothing."""
    honest = [Checkpoint.parse(json.loads(exported[n])["head"].encode()) for n in head_lines(exported)]
    other = sign_head(TreeHead(ORIGIN, 20, bytes(32)), MALLORY)
    with pytest.raises(Unproven):
        verified(exported, other)
    line = json.dumps({"head": other.to_bytes().decode()}, ensure_ascii=False).encode() + b"\n"
    assert "not one that the log signed" in str(verified([exported[0], line, *exported[1:]]).findings[0])
    assert verified(exported, *honest).ok
    kept = [line for number, line in enumerate(exported) if number not in head_lines(exported)[1:]]
    assert verified(kept).covered == 10, "entries after the last head are vouched for by nobody, and that is said"
    assert verified(kept, honest[-1]).covered == ENTRIES
    shorter = exported[: entry_line(exported, 30)]
    without_late = [line for n, line in enumerate(shorter) if n not in head_lines(exported)[3:]]
    assert verified(without_late).ok, "an older copy is whole in itself"
    assert "missing" in str(verified(without_late, honest[-1]).findings[0])


def test_two_signed_heads_of_one_size_are_a_split_view(tmp_path: Path) -> None:
    lines = []
    for name, seed in (("one", 1), ("other", 2)):
        with State.open(tmp_path / name) as state:
            log = year_log(state, 20)
            fill(log, 20, seed=seed)
            log.head()
            lines.append(list(export_log(state, ORIGIN)))
    other = Checkpoint.parse(json.loads(lines[1][1])["head"].encode())
    found = verified(lines[0], other)
    assert any(str(finding).startswith("split view") for finding in found.findings)


def test_cosignatures_are_verified_under_their_heads(exported: list[bytes]) -> None:
    keys = [new_key("audit.example/one"), new_key("audit.example/two")]
    numbers = head_lines(exported)
    made = list(exported)
    for number, time in ((numbers[2], 100), (numbers[4], 200)):
        head = Checkpoint.parse(json.loads(exported[number])["head"].encode())
        signed = with_signatures(head, (cosign(head.claimed, keys[0], time),))
        made[number] = json.dumps({"head": signed.to_bytes().decode()}, ensure_ascii=False).encode() + b"\n"
    found = verify_export(io.BytesIO(b"".join(made)), KEY, (), [key.key for key in keys])
    assert found.ok
    assert {name: (one.head.size, one.time) for name, one in found.cosigned.items()} == {
        "audit.example/one": (50, 200)
    }
    moved = made[numbers[2]].replace(made[numbers[2]].split(b"audit.example/one ")[1], b"AAAA" * 24 + b'\\n"}\n')
    assert moved != made[numbers[2]]
    forged = [*made[: numbers[2]], moved, *made[numbers[2] + 1 :]]
    assert verify_export(io.BytesIO(b"".join(forged)), KEY, (), ()).ok, "a line that nobody asked for says nothing"
    real = Checkpoint.parse(json.loads(made[numbers[4]])["head"].encode()).note.signatures[1].line()
    at_other = json.loads(made[numbers[2]])["head"].rsplit("\u2014 ", 1)[0] + real
    forged[numbers[2]] = json.dumps({"head": at_other}, ensure_ascii=False).encode() + b"\n"
    found = verify_export(io.BytesIO(b"".join(forged)), KEY, (), [keys[0].key])
    assert "does not hold" in str(found.findings[0])


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
@settings(max_examples=150, deadline=None)
def test_the_canonical_form_is_the_one_of_the_standard_s_library(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    entry = {"index": 0, "kind": "x", "time": "t", "v": 1, "said": value}
    body = rfc8785.dumps(entry)
    assert read_entry(body) == entry
    with pytest.raises(ValueError, match="canonical"):
        read_entry(body + b" ")


def test_names_beyond_the_basic_plane_are_ordered_by_their_units() -> None:
    """By code points the other way round: what is canonical to one reader must not be two things to two."""
    rest: dict[str, Any] = {"index": 0, "kind": "x", "time": "t", "v": 1}
    body = rfc8785.dumps({**rest, "\ufb33": 1, "\U0001f600": 2})
    assert read_entry(body)["\ufb33"] == 1
    swapped = body.replace('"\U0001f600":2,'.encode(), b"")[:-1] + ',"\U0001f600":2}'.encode()
    assert sorted(swapped) == sorted(body)
    with pytest.raises(ValueError, match="canonical"):
        read_entry(swapped)


@pytest.mark.parametrize(
    "body",
    [
        b'{"index":0,"kind":"x","time":"t", "v":1}',
        b'{"kind":"x","index":0,"time":"t","v":1}',
        b'{"index":0,"index":0,"kind":"x","time":"t","v":1}',
        b'{"index":0.0,"kind":"x","time":"t","v":1}',
        b'{"index":9007199254740993,"kind":"x","time":"t","v":1}',
        b'{"index":0,"kind":"x","time":"t","v":2}',
        b'{"index":true,"kind":"x","time":"t","v":1}',
        b'{"index":0,"kind":"x","v":1}',
        b'{"index":NaN,"kind":"x","time":"t","v":1}',
        b"[]",
        b"\xff",
    ],
)
def test_entries_are_read_strictly(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"canonical|version|index"):
        read_entry(body)


def admissions(draw: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Admissions that charge in every way: windows, repeated keys, cells, privacy loss, a clock that goes back."""
    now = datetime(2026, 11, 29, 15, 30, tzinfo=UTC)
    for number in range(count):
        now += timedelta(hours=draw.choice((1, 5, 9, -7)))
        charges = [
            {
                "dataset": draw.choice(("gov.a", "gov.b")),
                "kind": kind,
                "limit": 9,
                "further": dict.fromkeys(draw.sample(("month", "year", "lifetime"), draw.randrange(3)), 9),
                "count": draw.randrange(3),
                "keys": [draw.choice("klm") for _ in range(draw.randrange(3))],
                **({"amount": 4} if draw.random() < 0.2 else {}),
            }
            for kind in draw.sample(("queries", "predicate"), draw.randrange(1, 3))
        ]
        fields: dict[str, Any] = {
            "kind": "admission",
            "institution": draw.choice(("bank_a", "bank_b")),
            "purpose": draw.choice(("RESEARCH", "CREDIT")),
            "request_id": f"r-{number}",
            "charged": now.isoformat(),
            "charges": charges,
        }
        if draw.random() < 0.4:
            family = {"dataset": "gov.a", "data_version": "v1", "family": draw.choice("xyz"), "cells": 3}
            fields["unit_sets"] = [{**family, "limit": 99, "share": 99}]
        if draw.random() < 0.5:
            cost = {"rho": draw.choice(("0", "0.125", "0.000000000000000000000000000001")), "delta": "0.0000001"}
            fields["privacy"] = [{"dataset": "gov.a", "unit": "person", "cost": cost}]
        yield fields


@pytest.mark.parametrize("seed", range(4))
def test_totals_are_those_of_the_ledger(tmp_path: Path, seed: int) -> None:
    """Two programs that share no line: the sandbox charges the admissions again, the client adds them up."""
    totals = Totals()
    with State.open(tmp_path / "state.db") as state:
        for fields in admissions(random.Random(seed), 60):
            with state.transaction() as tx:
                charged.again(tx, fields)
                counts = [
                    tx.execute(select(func.count()).select_from(table)).scalar_one()
                    for table in (schema.ledger, schema.privacy_ledger)
                ]
            mark = {"charges": counts[0], "privacy": counts[1]}
            assert totals.take({**fields, "ledger": mark}) == ""
        with state.reading() as tx:
            t = schema.ledger.c
            rows = tx.execute(
                select(t.institution, t.dataset, t.purpose, t.kind, t.period, func.max(t.window)).group_by(
                    t.institution, t.dataset, t.purpose, t.kind, t.period
                )
            ).all()
            for *account, window in rows:
                same = [column == value for column, value in zip(list(t)[:5], account, strict=True)]
                spent = tx.execute(select(func.max(t.spent)).where(*same, t.window == window)).scalar_one()
                assert totals.access[tuple(account)] == (window, spent)
            assert len(rows) == len(totals.access) > 10
    assert totals.losses > 10


def test_a_missing_admission_is_seen_by_what_the_next_one_says() -> None:
    every = list(admissions(random.Random(9), 10))
    counted, totals = Totals(), Totals()
    marked = []
    for fields in every:
        assert counted.take(fields) == ""
        marked.append({**fields, "ledger": {"charges": counted.charges, "privacy": counted.losses}})
    assert marked[4]["ledger"] != marked[5]["ledger"], "else its absence would change nothing"
    wrong = [totals.take(fields) for fields in marked[:5] + marked[6:]]
    assert [bool(one) for one in wrong] == [False] * 5 + [True] + [False] * 3
    assert "ledgers hold" in wrong[5]
    assert totals.take({"kind": "admission"}) == "it does not say in a known form what was charged"


@pytest.mark.parametrize("rho", ["1e99999999", "1/0", "-1", " 1", "nan", "9" * 5000])
def test_a_number_that_takes_hours_to_read_is_a_finding(rho: str) -> None:
    admission = {
        "charged": "2026-07-01T00:00:00Z", "institution": "a", "purpose": "p", "charges": [],
        "privacy": [{"dataset": "d", "unit": "person", "cost": {"rho": rho, "delta": "0"}}],
    }  # fmt: skip
    assert Totals().take(admission) == "it does not say in a known form what was charged"
