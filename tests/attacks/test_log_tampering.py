"""Somebody with the operator's password edits the audit log: which edits are seen, and what is said about them.

Mallory has the database file and can drop its triggers, rewrite entries, leaves, nodes and stored heads. She does
not have the log's signing key. Laws 2, 8 and 9 of the architecture rest on her being found out.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_logs import KEY, MALLORY, ORIGIN, SQL, answer, behind_the_back, open_log

from louver.receipt import Receipt
from louver.transparency import Checkpoint, VerifierKey
from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit import LogDamaged, Report, export_log, tree, verify_log
from louver_sandbox.audit.head import sign_head
from louver_sandbox.store import State

ENTRIES = 20
TRUSTED = VerifierKey.parse(KEY)
Edit = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten answered questions, twenty entries, a signed head after each answer."""
    path: Path = tmp_path_factory.mktemp("honest") / "state.db"
    with State.open(path) as state:
        log = open_log(state)
        for number in range(ENTRIES // 2):
            answer(log, number)
            log.head()
    return path


@pytest.fixture(scope="module")
def kept(honest: Path) -> Receipt:
    """The receipt of the last answer, which its bank keeps at home."""
    with State.open(honest) as state:
        return open_log(state).receipt(ENTRIES - 1)


@pytest.fixture
def stolen(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(honest, tmp_path / "state.db"))


def after(path: Path, edit: Edit, anchors: tuple[Receipt, ...] = ()) -> Report:
    with behind_the_back(path) as connection:
        edit(connection)
    with State.open(path) as state:
        return verify_log(state, KEY, [receipt.checkpoint for receipt in anchors])


def body(connection: sqlite3.Connection, index: int) -> bytes:
    return bytes(connection.execute('SELECT body FROM entries WHERE "index" = ?', (index,)).fetchone()[0])


def rewrite(connection: sqlite3.Connection, index: int, data: bytes) -> None:
    connection.execute('UPDATE entries SET body = ? WHERE "index" = ?', (data, index))


def regrow(connection: sqlite3.Connection) -> None:
    """Make the whole stored tree fit the entries as they are now."""
    connection.execute("DELETE FROM nodes")
    nodes: dict[tree.NodeId, bytes] = {}
    for index, (data,) in enumerate(connection.execute('SELECT body FROM entries ORDER BY "index"').fetchall()):
        nodes |= tree.completed(index, leaf_hash(data), nodes)
    connection.executemany("INSERT INTO nodes VALUES (?, ?)", [(node.key, value) for node, value in nodes.items()])


def reworded(data: bytes) -> bytes:
    """Still a well-formed entry, at its own place, but it says something else."""
    changed = data.replace(b"bank-a", b"bank-x")
    assert changed != data
    return changed


def test_the_honest_log_has_nothing_to_hide(honest: Path, kept: Receipt) -> None:
    with State.open(honest) as state:
        report = verify_log(state, KEY, [kept.checkpoint])
    assert (report.ok, report.size, report.covered) == (True, ENTRIES, ENTRIES)


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, ENTRIES - 1), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_any_entry_is_seen_and_the_entry_named(
    honest: Path, tmp_path_factory: pytest.TempPathFactory, index: int, where: float, bit: int
) -> None:
    path = Path(shutil.copy(honest, tmp_path_factory.mktemp("flipped") / "state.db"))

    def flip(connection: sqlite3.Connection) -> None:
        data = bytearray(body(connection, index))
        data[int(where * len(data))] ^= 1 << bit
        rewrite(connection, index, bytes(data))

    report = after(path, flip)
    assert report.first is not None
    assert str(report.first).startswith(f"entry {index}: its bytes hash to ")
    assert ", the tree holds " in str(report.first)
    assert {finding.index for finding in report.findings} == {index}


def test_one_changed_entry_is_one_finding_and_not_a_cascade(stolen: Path) -> None:
    report = after(stolen, lambda db: rewrite(db, 7, body(db, 7) + b" "))
    assert [finding.index for finding in report.findings] == [7]


def test_a_changed_entry_with_its_leaf_put_right_is_found_one_level_up(stolen: Path) -> None:
    def edit(db: sqlite3.Connection) -> None:
        rewrite(db, 7, reworded(body(db, 7)))
        db.execute("UPDATE entries SET institution = 'bank-x' WHERE \"index\" = 7")
        db.execute("UPDATE nodes SET hash = ? WHERE id = 7", (leaf_hash(body(db, 7)),))

    report = after(stolen, edit)
    assert [finding.index for finding in report.findings] == [6]
    assert str(report.first).startswith("entries 6 to 7: they hash to ")


def test_a_changed_entry_with_the_whole_tree_put_right_is_found_by_the_next_signed_head(stolen: Path) -> None:
    def edit(db: sqlite3.Connection) -> None:
        rewrite(db, 7, reworded(body(db, 7)))
        db.execute("UPDATE entries SET institution = 'bank-x' WHERE \"index\" = 7")
        regrow(db)

    report = after(stolen, edit)
    assert str(report.first).startswith("entries 6 to 7: one of them was changed; the first 8 entries hash to ")


@pytest.mark.parametrize("leaf_too", [False, True])
def test_a_deleted_entry_is_missed(stolen: Path, leaf_too: bool) -> None:
    def edit(db: sqlite3.Connection) -> None:
        db.execute('DELETE FROM entries WHERE "index" = 7')
        if leaf_too:
            db.execute("DELETE FROM nodes WHERE id = 7")

    report = after(stolen, edit)
    assert str(report.first) == "entry 7 is missing"
    assert {finding.index for finding in report.findings} == {7}


def test_a_deleted_entry_with_the_rest_moved_up_is_seen(stolen: Path) -> None:
    def edit(db: sqlite3.Connection) -> None:
        db.execute('DELETE FROM entries WHERE "index" = 7')
        for index in range(8, ENTRIES):
            db.execute('UPDATE entries SET "index" = ? WHERE "index" = ?', (index - 1, index))
        regrow(db)

    report = after(stolen, edit)
    assert report.first is not None
    assert "one of them was changed" in str(report.first)
    assert "entry 7: its bytes say that it is entry 8" in map(str, report.findings)


@pytest.mark.parametrize("tree_too", [False, True])
def test_swapped_entries_are_seen(stolen: Path, tree_too: bool) -> None:
    def edit(db: sqlite3.Connection) -> None:
        first, second = body(db, 4), body(db, 6)
        rewrite(db, 4, second)
        rewrite(db, 6, first)
        if tree_too:
            regrow(db)

    report = after(stolen, edit)
    assert report.first is not None
    assert report.first.index == 4
    assert {"entry 4: its bytes say that it is entry 6", "entry 6: its bytes say that it is entry 4"} <= {
        *map(str, report.findings)
    }


def test_an_invented_entry_pushed_in_is_seen(stolen: Path) -> None:
    def edit(db: sqlite3.Connection) -> None:
        for index in reversed(range(7, ENTRIES)):
            db.execute('UPDATE entries SET "index" = ? WHERE "index" = ?', (index + 1, index))
        invented = reworded(body(db, 6))
        db.execute("INSERT INTO entries VALUES (7, ?, 'admission', 'request-3', 'bank-x', 'now')", (invented,))
        regrow(db)

    report = after(stolen, edit)
    assert report.first is not None
    assert report.first.index == 6
    assert "one of them was changed" in str(report.first)


def cut(size: int, *tables: str) -> Edit:
    """Drop every row that tells of entries beyond ``size``."""

    def edit(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute('DELETE FROM entries WHERE "index" >= ?', (size,))
        if "nodes" in tables:
            regrow(db)
        if "heads" in tables:
            db.execute("DELETE FROM heads WHERE size > ?", (size,))

    return edit


@pytest.mark.parametrize("tables", [(), ("nodes",)])
def test_a_log_cut_below_its_last_signed_head_is_seen(stolen: Path, tables: tuple[str, ...]) -> None:
    report = after(stolen, cut(15, *tables))
    expected = "entries 15 to 19 are missing: the log signed a head over 20 entries and holds 15"
    assert str(report.first) == expected


def test_a_cut_that_takes_the_heads_along_is_seen_by_whoever_kept_a_receipt(stolen: Path, kept: Receipt) -> None:
    everything = cut(15, "nodes", "heads")
    assert after(stolen, everything).ok, "no log can show this about itself, and the documentation says so"
    report = after(stolen, lambda db: None, anchors=(kept,))
    assert str(report.first).startswith("entries 15 to 19 are missing: the log signed a head over 20 entries")
    with State.open(stolen) as state:
        assert not open_log(state).extends(kept.checkpoint.verify(TRUSTED))


def test_a_history_rewritten_and_signed_anew_contradicts_a_kept_receipt(stolen: Path, kept: Receipt) -> None:
    """Even with the signing key, the operator cannot have two histories of the same length."""
    with behind_the_back(stolen) as db:
        rewrite(db, 7, reworded(body(db, 7)))
        db.execute("UPDATE entries SET institution = 'bank-x' WHERE \"index\" = 7")
        regrow(db)
        db.execute("DELETE FROM heads")
    with State.open(stolen) as state:
        open_log(state).head()
        assert verify_log(state, KEY).ok
        report = verify_log(state, KEY, [kept.checkpoint])
    assert "entries 0 to 19: one of them was changed" in str(report.first)


def test_a_log_cut_under_the_service_is_seen_before_the_next_signature(stolen: Path) -> None:
    with State.open(stolen) as state:
        log = open_log(state)
        with behind_the_back(stolen) as db:
            cut(15, "nodes", "heads")(db)
        with pytest.raises(LogDamaged, match="older copy"):
            log.head()


def test_a_log_cut_while_the_service_was_down_does_not_open(stolen: Path) -> None:
    with behind_the_back(stolen) as db:
        cut(15, "nodes")(db)
    with State.open(stolen) as state, pytest.raises(LogDamaged, match="signed a head over 20 entries and holds 15"):
        open_log(state)


def test_a_head_of_her_own_making_is_not_the_logs(stolen: Path) -> None:
    def edit(db: sqlite3.Connection) -> None:
        rewrite(db, ENTRIES - 1, reworded(body(db, ENTRIES - 1)))
        db.execute("UPDATE entries SET institution = 'bank-x' WHERE \"index\" = 19")
        regrow(db)
        for size, note in db.execute("SELECT size, note FROM heads WHERE size = 20").fetchall():
            forged = sign_head(Checkpoint.parse(note).claimed, MALLORY)
            db.execute("UPDATE heads SET note = ? WHERE size = ?", (forged.to_bytes(), size))

    report = after(stolen, edit)
    assert "the head stored for 20 entries is not one the log signed" in str(report.first)


def test_an_entry_filed_under_another_bank_is_seen(stolen: Path) -> None:
    report = after(stolen, lambda db: db.execute("UPDATE entries SET institution = 'bank-x' WHERE \"index\" = 3"))
    assert [str(finding) for finding in report.findings] == [
        "entry 3: it is filed under another institution than its bytes say"
    ]


def test_a_question_replaced_behind_its_commitment_is_seen(stolen: Path) -> None:
    report = after(stolen, lambda db: db.execute("UPDATE openings SET text = ? WHERE rowid = 1", (SQL + " LIMIT 1",)))
    assert [str(finding) for finding in report.findings] == [
        "the text kept for a commitment to sql is not the one committed to"
    ]


def test_a_question_removed_without_the_record_of_an_erasure_is_seen(stolen: Path) -> None:
    report = after(stolen, lambda db: db.execute("DELETE FROM openings WHERE rowid = 1"))
    assert str(report.first) == "entry 1: what its commitment to sql hides was removed unrecorded"


def test_a_wreck_is_reported_without_end_and_without_running_for_ever(stolen: Path) -> None:
    report = after(stolen, lambda db: db.execute("UPDATE nodes SET hash = x'00'"))
    assert not report.ok
    assert report.first is not None
    assert report.first.index == 0
    report = after(stolen, lambda db: db.execute("DELETE FROM nodes"))
    assert str(report.first).endswith("the tree holds nothing")


def lines_of(path: Path) -> list[bytes]:
    with State.open(path) as state:
        return list(export_log(state, ORIGIN))


def check(lines: list[bytes], tmp_path: Path) -> Report:
    export = tmp_path / "export.jsonl"
    export.write_bytes(b"".join(lines))
    return verify_log(export, KEY)


def test_no_flipped_byte_of_an_exported_entry_goes_unseen(honest: Path, tmp_path: Path) -> None:
    lines = lines_of(honest)
    target = 1 + ENTRIES // 2 + 7
    assert check(lines, tmp_path).ok
    for where in range(0, len(lines[target]) - 1, 3):
        line = bytearray(lines[target])
        line[where] ^= 2
        report = check([*lines[:target], bytes(line), *lines[target + 1 :]], tmp_path)
        assert report.first is not None
        assert report.first.index in (6, 7)


def test_exported_lines_cut_swapped_or_invented_are_seen(honest: Path, tmp_path: Path) -> None:
    lines = lines_of(honest)
    heads, entries = lines[: 1 + ENTRIES // 2], lines[1 + ENTRIES // 2 :]
    without = check([*heads, *entries[:7], *entries[8:]], tmp_path)
    assert "entry 7: its bytes say that it is entry 8" in map(str, without.findings)
    swapped = check([*heads, *entries[:4], entries[6], entries[5], entries[4], *entries[7:]], tmp_path)
    assert "entry 4: its bytes say that it is entry 6" in map(str, swapped.findings)
    assert "missing" in str(check([*heads, *entries[:15]], tmp_path).first)
    for wrong in ([], [b"{}\n"], [heads[0], b"[]\n"], [*heads, entries[0][:-9]], [*heads, b"not json\n"], lines[1:]):
        assert not check(wrong, tmp_path).ok
