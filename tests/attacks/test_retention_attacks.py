"""Somebody uses retention to hide what was done: prunes too much, too early, under a hold, or puts other entries in.

Mallory has the state store's file and may drop its triggers; she may even run the operator's own commands, but has no
way to sign an older head anew. Whatever she prunes otherwise than the log says is named, offline and in the store.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.audit_logs import KEY, ORIGIN, behind_the_back
from tests.support.audited import BEGIN, Calendar, fill, year_log

from louver.transparency import Checkpoint, TlogProof, VerifierKey
from louver.transparency.merkle import leaf_hash
from louver.transparency.retention import Hold, residue
from louver.transparency.whole_log import WholeLog, verify_export
from louver_sandbox import journal
from louver_sandbox.audit import JSON, AuditLog, UnknownEntry, export_log, stored, verify_log
from louver_sandbox.audit.restore import restore_log
from louver_sandbox.auditing import index, search, tables
from louver_sandbox.journal import Books
from louver_sandbox.operator.forgetting import Forgotten
from louver_sandbox.recount.verify import differences, rebuild
from louver_sandbox.retention import holds, pruning
from louver_sandbox.store import State, StoreConflict

ENTRIES = 160
SECRET = "朱八戒十七"
"""What stands in one old question and must be found nowhere once that is pruned."""
END = BEGIN + timedelta(days=366)
DAYS = dict.fromkeys(("admission", "outcome", "refusal", "explain", "audit_look"), 200)


def books_of(state: State) -> Books:
    return Books(state, year_log(state, ENTRIES))


def told(state: State, anchors: tuple[Checkpoint, ...] = ()) -> tuple[WholeLog, list[str]]:
    """What the offline verifier and the store's own say; they must agree on whether all is well."""
    found = verify_export(io.BytesIO(b"".join(export_log(state, ORIGIN))), KEY, anchors)
    here = verify_log(state, KEY, anchors)
    return found, [str(one) for one in (*found.findings, *here.findings)]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year's log with its ledgers, searched once; entry 0 names somebody."""
    path: Path = tmp_path_factory.mktemp("year") / "state.db"
    with State.open(path) as state:
        log = year_log(state, ENTRIES)
        with state.transaction() as tx:
            request = {"request_id": "named", "institution": "bank_a", "purpose": "RESEARCH"}
            log.append(tx, {"kind": "refusal", "code": "LVR-2001", **request}, {"sql": f"SELECT '{SECRET}'"})
        fill(log, ENTRIES - 2)
        rebuild(Books(state, log))  # an entry too
        log.head()
        while index.catch_up(state, 1000):
            pass
    return path


@pytest.fixture
def stolen(year: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(year, tmp_path / "state.db"))


@contextmanager
def pruned(path: Path, days: dict[str, int] | None = None) -> Iterator[tuple[State, Books]]:
    """The log after an honest pruning at the end of its year."""
    with State.open(path) as state:
        books = at_the_end(state)
        pruning.by_age(books, pruning.limits(days or DAYS, END), execute=True)
        yield state, books


@pytest.fixture(scope="module")
def emptied(year: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store after an honest pruning."""
    path = Path(shutil.copy(year, tmp_path_factory.mktemp("emptied") / "state.db"))
    with pruned(path) as (state, _):
        assert told(state)[1] == []
    return path


def at_the_end(state: State) -> Books:
    """Books whose clock stands after the year."""
    log = year_log(state, ENTRIES)
    log._clock = Calendar(timedelta(seconds=1), END)
    return Books(state, log)


def test_a_pruned_log_verifies_and_says_what_was_pruned(stolen: Path) -> None:
    with State.open(stolen) as state:
        before = at_the_end(state).log.head()
        counts = search_counts(state)
    with pruned(stolen) as (state, _):
        found, findings = told(state, (before,))
        assert findings == []
        assert found.pruned > 40
        assert (found.size, found.covered) == (ENTRIES + 1, ENTRIES + 1)  # one pruning and its head
        assert list(differences(state)) == []
        after = search_counts(state)
        assert {name: after[name] for name in ("institution", "verdict", "code", "dataset")} == {
            name: counts[name] for name in ("institution", "verdict", "code", "dataset")
        }
        again, whole = search.counts, index.indexed
        index.clear(state)
        while index.catch_up(state, 1000):
            pass
        with state.reading() as tx:
            assert whole(tx) == found.size
            assert dict(again(tx, search.Filter()).facets["institution"]) == after["institution"]


def search_counts(state: State) -> dict[str, dict[str, int]]:
    with state.reading() as tx:
        return {name: dict(values) for name, values in search.counts(tx, search.Filter()).facets.items()}


def test_proofs_hold_over_entries_that_are_gone(stolen: Path) -> None:
    with State.open(stolen) as state:
        leaf, old = at_the_end(state).log.entry(0).leaf_hash, at_the_end(state).log.head()
    with pruned(stolen) as (_, books):
        with pytest.raises(UnknownEntry, match="was pruned, as entry 160 says"):
            books.log.entry(0)
        proof: TlogProof = books.log.leaf_proof(0)
        head = proof.verify(leaf, VerifierKey.parse(KEY))
        assert head.size == ENTRIES + 1
        consistency = books.log.consistency(old.claimed.size)
        consistency.verify(old.verify(VerifierKey.parse(KEY)), VerifierKey.parse(KEY))


def test_nothing_is_left_of_the_text_in_any_file(stolen: Path) -> None:
    traces = [SECRET.encode(), SECRET[:2].encode(), SECRET.encode("utf-16-le")]
    assert any(traces[0] in file.read_bytes() for file in stolen.parent.iterdir())
    with pruned(stolen) as (state, _):
        state.scrub()
        for file in stolen.parent.iterdir():
            assert not any(trace in file.read_bytes() for trace in traces), file.name


def test_what_is_pruned_is_old_and_of_the_kinds_that_may_be(stolen: Path) -> None:
    with State.open(stolen) as state:
        kinds = {entry.index: dict(entry.fields) for entry in at_the_end(state).log.entries(0, 1000)}
    with pruned(stolen, {"refusal": 300}) as (state, books):
        gone = [number for number in kinds if number not in {one.index for one in books.log.entries(0, 1000)}]
        assert gone
        assert {kinds[number]["kind"] for number in gone} == {"refusal"}
        assert max(str(kinds[number]["time"]) for number in gone) < "2026-03-08"
    with pytest.raises(ValueError, match="never pruned"):
        pruning.limits({"activation": 400}, END)
    with pytest.raises(ValueError, match="183 days at least"):
        pruning.limits({"refusal": 30}, END)


def test_a_hold_keeps_what_it_covers_and_is_read_from_the_log_alone(stolen: Path) -> None:
    with State.open(stolen) as state:
        books = at_the_end(state)
        holds.place(books, Hold("case-1", "a court", institutions=("bank_a",), until="2026-03-01"))
        with pytest.raises(holds.Held, match="stands already"):
            holds.place(books, Hold("case-1", "again"))
        mine = [
            one.index
            for one in books.log.entries(0, 1000, institution="bank_a")
            if str(one.fields["time"]) < "2026-03"
        ]
    with pruned(stolen) as (state, books):
        found = pruning.by_age(books, pruning.limits(DAYS, END), execute=False)
        assert sum(found.held.values()) == len(mine) > 5
        assert not found.pruned
        assert {one.index for one in books.log.entries(0, 1000, institution="bank_a")} >= set(mine)
        with state.reading() as tx, pytest.raises(holds.Held, match="under the hold 'case-1'"):
            holds.demand_free(tx, 0)
        with pytest.raises(holds.Held):
            pruning.redact(books, "bank_a", "named", {"reason": "r"})
        assert told(state)[1] == []
        holds.release(books, "case-1", "closed")
        assert pruning.redact(books, "bank_a", "named", {"reason": "r"}) == [0]
        assert told(state)[1] == []


# What Mallory does, and what is said of it

Edit = Callable[[sqlite3.Connection], object]


def line_of(db: sqlite3.Connection, number: int, **changed: object) -> str:
    fields = json.loads(db.execute('SELECT body FROM entries WHERE "index" = ?', (number,)).fetchone()[0])
    leaf = leaf_hash(db.execute('SELECT body FROM entries WHERE "index" = ?', (number,)).fetchone()[0])
    return residue({**fields, **changed}, leaf)


def empty(db: sqlite3.Connection, number: int, by: int, **changed: object) -> None:
    db.execute("INSERT INTO pruned VALUES (?, ?, ?)", (number, by, line_of(db, number, **changed)))
    db.execute("UPDATE entries SET body = x'', request_id = NULL WHERE \"index\" = ?", (number,))


def one_more(db: sqlite3.Connection) -> None:
    """An entry that was not pruned, hidden behind a pruning that was."""
    empty(db, young(db), ENTRIES)


def young(db: sqlite3.Connection) -> int:
    query = "SELECT max(\"index\") FROM entries WHERE kind = 'refusal' AND length(body) > 0"
    return int(db.execute(query).fetchone()[0])


def unsaid(db: sqlite3.Connection) -> None:
    empty(db, young(db), 10_000)


def bare(db: sqlite3.Connection) -> None:
    db.execute("UPDATE entries SET body = x'' WHERE \"index\" = ?", (young(db),))


def other_charges(db: sqlite3.Connection) -> None:
    """What a pruned admission was charged, made less."""
    number, line = db.execute(
        "SELECT entry, residue FROM pruned WHERE residue LIKE '%\"charges\"%' LIMIT 1"
    ).fetchone()
    db.execute("UPDATE pruned SET residue = ? WHERE entry = ?", (line.replace('"count":', '"count":1'), number))


def another_institution(db: sqlite3.Connection) -> None:
    line = db.execute("SELECT residue FROM pruned WHERE entry = 0").fetchone()[0].replace("bank_a", "bank_b")
    db.execute("UPDATE pruned SET residue = ? WHERE entry = 0", (line,))
    db.execute("UPDATE entries SET institution = 'bank_b' WHERE \"index\" = 0")


def put_back_changed(db: sqlite3.Connection) -> None:
    db.execute('UPDATE entries SET body = ? WHERE "index" = 0', (b'{"index":0,"kind":"refusal","time":"t","v":1}',))
    db.execute("DELETE FROM pruned WHERE entry = 0")


def other_leaf(db: sqlite3.Connection) -> None:
    line = json.loads(db.execute("SELECT residue FROM pruned WHERE entry = 0").fetchone()[0])
    line["leaf"] = "ab" * 32
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    db.execute("UPDATE pruned SET residue = ? WHERE entry = 0", (text,))
    db.execute("UPDATE nodes SET hash = ? WHERE id = 0", (bytes.fromhex("ab" * 32),))


def forgotten(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM pruned WHERE entry = 0")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (one_more, "entries, and those that are left of it are others"),
        (unsaid, "its bytes are gone, and no entry says that it was pruned"),
        (bare, "its bytes hash to"),
        (other_charges, "those that are left of it are others"),
        (another_institution, "those that are left of it are others"),
        (put_back_changed, "its bytes hash to"),
        (other_leaf, "those that are left of it are others"),
        (forgotten, "its bytes hash to"),
    ],
)
def test_nothing_hides_behind_a_pruning(emptied: Path, tmp_path: Path, edit: Edit, said: str) -> None:
    path = Path(shutil.copy(emptied, tmp_path / "state.db"))
    with behind_the_back(path) as db:
        edit(db)
    with State.open(path) as state:
        offline = verify_export(io.BytesIO(b"".join(export_log(state, ORIGIN))), KEY)
        here = verify_log(state, KEY)
    assert not offline.ok
    assert any(said in str(one) for one in here.findings), here.findings


def sign_on(state: State, batch: list[int], **said: JSON) -> None:
    """Mallory runs the service: she empties entries her own way, says so in the log, and the log signs it."""
    books = at_the_end(state)
    with state.transaction() as tx:
        found = [stored.find(tx, number) for number in batch]
        pruning._empty(books, tx, found, {"rule": "retention", **said})
    books.log.head()


def test_an_operator_that_prunes_under_a_hold_is_named(stolen: Path) -> None:
    with State.open(stolen) as state:
        holds.place(at_the_end(state), Hold("case-2", "a court", entries=((0, 0),)))
        sign_on(state, [0], before={"refusal": "2026-06-01"})
        offline, findings = told(state)
        assert "entry 0: it was pruned by entry 161 while 'case-2' held it" in findings
        assert offline.holds == ("case-2",)


def test_an_operator_that_prunes_too_early_is_named(stolen: Path) -> None:
    with State.open(stolen) as state:
        with behind_the_back(stolen) as db:
            number = young(db)
        sign_on(state, [number], before={"refusal": "2027-06-01"})
        assert f"entry {number}: it was pruned by entry {ENTRIES} before its time" in told(state)[1]


def test_an_operator_that_prunes_what_decides_is_named(stolen: Path) -> None:
    with State.open(stolen) as state:
        number = at_the_end(state).log.entries(0, 1, kind="snapshot")[0].index
        sign_on(state, [number], before={"snapshot": "2026-06-01"})
        assert f"entry {number}: an entry of kind snapshot is never pruned" in told(state)[1]


def test_a_hold_that_is_struck_out_of_the_store_is_missed(stolen: Path) -> None:
    """There is no table of holds: to lift one without saying so, an entry would have to go."""
    with State.open(stolen) as state:
        number = holds.place(at_the_end(state), Hold("case-3", "a court"))
        at_the_end(state).log.head()
    with behind_the_back(stolen) as db:
        db.execute('DELETE FROM entries WHERE "index" = ?', (number,))
    with State.open(stolen) as state:
        assert any(f"entry {number} is missing" in one for one in told(state)[1])


def test_the_store_itself_lets_nothing_go_that_leaves_no_line(stolen: Path) -> None:
    with State.open(stolen) as state, pytest.raises(StoreConflict), state.transaction() as tx:
        tx.exec_driver_sql("UPDATE entries SET body = x'', request_id = NULL WHERE \"index\" = 0")
    with pruned(stolen) as (state, _):
        for statement in (
            "UPDATE entries SET body = x'7b7d' WHERE \"index\" = 0",
            "UPDATE pruned SET residue = ''",
            "DELETE FROM pruned",
        ):
            with pytest.raises(StoreConflict), state.transaction() as tx:
                tx.exec_driver_sql(statement)


def test_a_pruned_log_is_put_back_from_its_export(stolen: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    with pruned(stolen) as (state, books):
        file.write_bytes(b"".join(export_log(state, ORIGIN)))
        head = books.log.head()
        kept = {entry.index: hashlib.sha256(entry.body).digest() for entry in books.log.entries(0, 1000)}
    with State.open(tmp_path / "new.db") as fresh:
        restore_log(fresh, KEY, file, (head,), Calendar(timedelta(days=1)), Forgotten())
        log: AuditLog = at_the_end(fresh).log
        assert {entry.index: hashlib.sha256(entry.body).digest() for entry in log.entries(0, 1000)} == kept
        assert told(fresh, (head,))[1] == []


def test_a_backup_from_before_a_pruning_is_pruned_when_it_is_taken_past_it(stolen: Path, tmp_path: Path) -> None:
    """Nothing comes back: the same entries are empty, their texts are in no file, and their words in no index."""
    file, backup = tmp_path / "log.jsonl", Path(shutil.copy(stolen, tmp_path / "backup.db"))
    with pruned(stolen) as (state, books):
        file.write_bytes(b"".join(export_log(state, ORIGIN)))
        while index.catch_up(state, 1000):
            pass
        head, kept, counts = books.log.head(), len(books.log.entries(0, 1000)), search_counts(state)
    with State.open(backup) as back:
        assert restore_log(back, KEY, file, (head,), Calendar(timedelta(days=1)), Forgotten()) == 1
        assert restore_log(back, KEY, file, (head,), Calendar(timedelta(days=1)), Forgotten()) == 0
        assert told(back, (head,))[1] == []
        assert len(at_the_end(back).log.entries(0, 1000)) == kept
        while index.catch_up(back, 1000):
            pass
        assert search_counts(back) == counts
        assert list(differences(back)) == []
        back.scrub()
    for path in tmp_path.glob("backup.db*"):
        assert SECRET.encode() not in path.read_bytes()


def test_a_text_that_was_erased_since_is_erased_in_what_is_restored(stolen: Path, tmp_path: Path) -> None:
    file, backup = tmp_path / "log.jsonl", Path(shutil.copy(stolen, tmp_path / "backup.db"))
    with State.open(stolen) as state:
        log = at_the_end(state).log
        number = log.latest(kinds=("refusal",), institution="bank_a", limit=1000)[-1].index
        named = next(one.index for one in log.entries(0, 1000) if one.fields.get("request_id") == "named")
        assert number <= named
        log.erase(named, "sql")
        file.write_bytes(b"".join(export_log(state, ORIGIN)))
        head = log.head()
    with State.open(backup) as back:
        assert SECRET in at_the_end(back).log.open(named)["sql"].text
        with back.reading() as tx:
            assert tx.execute(select(tables.words.c.term).where(tables.words.c.entry == named)).first() is not None
        restore_log(back, KEY, file, (head,), Calendar(timedelta(days=1)), Forgotten())
        assert at_the_end(back).log.open(named) == {}
        with back.reading() as tx:
            assert tx.execute(select(tables.words.c.term).where(tables.words.c.entry == named)).first() is None
        assert told(back, (head,))[1] == []
        back.scrub()
    for path in tmp_path.glob("backup.db*"):
        assert SECRET.encode() not in path.read_bytes()


def test_a_text_that_is_put_back_after_its_erasure_is_found(stolen: Path) -> None:
    with State.open(stolen) as state:
        log = at_the_end(state).log
        named = next(one for one in log.entries(0, 1000) if one.fields.get("request_id") == "named")
        opening, value = log.open(named.index)["sql"], named.commitments["sql"]
        erasure = log.erase(named.index, "sql")
        log.head()
        assert told(state)[1] == []
        with behind_the_back(stolen) as db:
            db.execute(
                "UPDATE openings SET salt = ?, text = ?, erased = NULL WHERE commitment = ?",
                (opening.salt, opening.text, value),
            )
        assert told(state)[1] == [
            f"entry {erasure.index}: the sql of entry {named.index} that it says was erased is still kept"
        ]


def test_the_newest_admission_stays_whatever_its_age(stolen: Path) -> None:
    with State.open(stolen) as state:
        books = at_the_end(state)
        far = BEGIN + timedelta(days=3000)
        pruning.by_age(books, pruning.limits(DAYS, far), execute=True)
        left = {str(one.fields["kind"]) for one in books.log.entries(0, 1000)}
        assert left == {"admission", "pruning", "snapshot", "ledger-rebuilt"}
        with state.transaction() as tx:
            journal.noted(books, tx, "snapshot", table="gov.t")
        assert list(differences(state)) == []


# A bank asks again when the outcome has been pruned, and hopes that its admission is taken for unfinished


def without_an_end(books: Books) -> set[int]:
    """Admissions that are there, and of which the log no longer says how they ended."""
    ended = {one.fields["admission"] for one in books.log.entries(0, 1000, kind="outcome")}
    return {one.index for one in books.log.entries(0, 1000, kind="admission")} - ended


def test_no_outcome_goes_before_its_admission(stolen: Path) -> None:
    with State.open(stolen) as state:
        whole = without_an_end(at_the_end(state))
    with pruned(stolen, {"outcome": 200}) as (state, books):
        assert without_an_end(books) == whole
        assert books.log.entries(0, 1000, kind="pruning") == ()
        holds.place(books, Hold("case-4", "a court", kinds=("admission",), until="2026-03-01"))
        before = pruning.limits({"admission": 200, "outcome": 200}, END)
        expected = pruning.by_age(books, before, execute=False)
        assert pruning.by_age(books, before, execute=True) == expected
        assert expected.pruned["admission"] >= expected.pruned["outcome"] > 10
        assert expected.held["admission"] > 5
        assert without_an_end(books) == whole
        assert told(state)[1] == []


def test_the_newest_admission_keeps_its_outcome_with_it(stolen: Path) -> None:
    with State.open(stolen) as state:
        books = at_the_end(state)
        said = {"institution": "bank_a", "request_id": "last", "purpose": "RESEARCH"}
        with state.transaction() as tx:
            newest = books.log.append(tx, {**said, "kind": "admission"}).index
            for kind in ("outcome", "aborted"):
                books.log.append(tx, {**said, "kind": kind, "admission": newest})
        days = {**DAYS, "aborted": 200}
        pruning.by_age(books, pruning.limits(days, BEGIN + timedelta(days=3000)), execute=True)
        kinds = [str(one.fields["kind"]) for one in books.log.entries(0, 1000, request_id="last")]
        assert kinds == ["admission", "outcome", "aborted"]
