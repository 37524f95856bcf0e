"""What auditors find is what the log says: by definition, page by page, and in bounded work."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.support.audited import BANKS, CODES, TABLES, fill, year_log

from louver_sandbox.audit import AuditLog, Entry
from louver_sandbox.auditing import index, search, tables
from louver_sandbox.auditing.described import Described, describe, order_of
from louver_sandbox.auditing.search import Filter
from louver_sandbox.auditing.texts import shown, words
from louver_sandbox.store import State

ENTRIES = 600
FILTERS = {
    "all": Filter(),
    "kind": Filter({"kind": ("refusal",)}),
    "either": Filter({"verdict": ("refused", "explained")}),
    "both": Filter({"verdict": ("answered",), "institution": (BANKS[0],)}),
    "dataset": Filter(datasets=(TABLES[0],)),
    "datasets of outcomes": Filter({"kind": ("outcome",)}, datasets=TABLES[:2]),
    "code": Filter({"code": CODES[:1]}),
    "nothing": Filter({"institution": ("nobody",)}),
    "days": Filter(since="2026-02-03", until="2026-05-01"),
    "months": Filter(since="2026-02", until="2026-04"),
    "moment": Filter(since="2026-03-01T10:30:00.000000Z"),
    "until a moment": Filter({"kind": ("admission",)}, until="2026-03-01T10:30:00.000000Z"),
    "costly": Filter(least_cost=3),
    "cheap": Filter({"kind": ("admission",)}, most_cost=2),
    "one word": Filter(text="rating_year"),
    "words": Filter({"verdict": ("answered",)}, text="Rating_Year gov.tax_credit"),
    "chinese": Filter(text="朝阳区"),
    "beginning": Filter({"institution": BANKS[:2]}, text="rati* tax*"),
    "unknown word": Filter(text="nonsense"),
    "no word": Filter(text="'';--"),
    "request": Filter(request_id="request-17"),
    "request and word": Filter(request_id="request-17", text="count"),
}

Said = tuple[Described, frozenset[str], str]
Logged = tuple[AuditLog, list[Said]]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """A log of a year, in the index, and what each entry says."""
    tables.BLOCK, usual = 64, tables.BLOCK
    with State.open(tmp_path_factory.mktemp("log") / "state.db") as state:
        log = year_log(state, ENTRIES)
        entries = fill(log, ENTRIES)
        while index.catch_up(state, 100):
            pass
        yield log, said(log, entries)
    tables.BLOCK = usual


def said(log: AuditLog, entries: list[Entry]) -> list[Said]:
    """By definition: what each entry says, the words of its SQL, and its request."""
    found = []
    for entry in entries:
        fields: Any = entry.fields
        own = describe(fields)
        if not own.datasets and own.about is not None:
            own = describe(fields, describe(dict(entries[own.about].fields)).datasets)
        sql = log.open(entry.index).get("sql")
        found.append((own, frozenset(words(sql.text) if sql else ()), str(fields.get("request_id", ""))))
    return found


def fits(wanted: Filter, item: Said) -> bool:
    """The filter's meaning, word for word."""
    own, there, request = item
    asked = [piece for part in wanted.text.split() for piece in pieces(part)]
    return (
        all(getattr(own, name) in values for name, values in wanted.facets.items())
        and (not wanted.datasets or bool(set(wanted.datasets) & set(own.datasets)))
        and own.time >= wanted.since
        and (not wanted.until or own.time < wanted.until)
        and (wanted.least_cost is None or own.cost >= wanted.least_cost)
        and (wanted.most_cost is None or own.cost <= wanted.most_cost)
        and (not wanted.text or (bool(asked) and all(any(map(test, there)) for test in asked)))
        and wanted.request_id in ("", request)
    )


def pieces(part: str) -> list[Any]:
    if part.endswith("*"):
        return [lambda word: word.startswith(part.removesuffix("*").lower())]
    return [lambda word, one=one: word == one for one in words(part)]


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("ascending", [False, True])
def test_pages_hold_what_fits_and_nothing_else(logged: Logged, name: str, ascending: bool) -> None:
    log, entries = logged
    wanted = FILTERS[name]
    expected = [i for i, item in enumerate(entries) if fits(wanted, item)]
    assert bool(expected) == (name not in ("nothing", "unknown word", "no word")), "else the comparison says nothing"
    found: list[int] = []
    start: int | None = None
    with log.state.reading() as tx:
        while True:
            page = search.page(tx, wanted, start, 37, ascending=ascending)
            found += page.entries
            if page.following is None:
                break
            assert page.following != start
            start = page.following
    assert found == (expected if ascending else expected[::-1])


@pytest.mark.parametrize("name", FILTERS)
def test_counts_are_those_of_the_entries(logged: Logged, name: str) -> None:
    log, entries = logged
    wanted = FILTERS[name]
    found = [item[0] for item in entries if fits(wanted, item)]
    with log.state.reading() as tx:
        counts = search.counts(tx, wanted)
    assert (counts.matched, counts.exact) == (len(found), True)
    for facet in tables.FACETS:
        by_definition = Counter(getattr(item, facet) for item in found)
        assert dict(counts.facets[facet]) == {value: n for value, n in by_definition.items() if value}
    datasets = Counter(dataset for item in found for dataset in item.datasets)
    assert dict(counts.facets["dataset"]) == dict(datasets)


def test_bounded_work_says_so_and_loses_nothing(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page does not reach is on the next; what is not counted is told."""
    log, entries = logged
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 40)
    monkeypatch.setattr(search, "MOST_BLOCKS", 2)
    for name in ("words", "chinese", "costly", "both", "moment", "beginning"):
        wanted = FILTERS[name]
        expected = [i for i, item in enumerate(entries) if fits(wanted, item)][::-1]
        found: list[int] = []
        start, turns = None, 0
        with log.state.reading() as tx:
            while True:
                page = search.page(tx, wanted, start, 500)
                found += page.entries
                turns += 1
                if page.following is None:
                    break
                start = page.following
            counts = search.counts(tx, wanted)
        assert found == expected
        assert turns > 1, name
        assert counts.matched <= len(expected)
        assert counts.exact == (counts.matched == len(expected))


def test_pages_stay_where_they_are_when_entries_come(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        log = year_log(state, 300)
        fill(log, 200)
        index.catch_up(state, 1000)
        with state.reading() as tx:
            first = search.page(tx, Filter(), None, 50)
        fill(log, 100, seed=8)
        index.catch_up(state, 1000)
        with state.reading() as tx:
            second = search.page(tx, Filter(), first.following, 50)
    assert first.entries == tuple(range(199, 149, -1))
    assert second.entries == tuple(range(149, 99, -1))


@pytest.mark.parametrize("start", [-1, 10**15, 2**61])
@pytest.mark.parametrize("ascending", [False, True])
def test_a_page_from_nowhere_is_empty_or_the_last(logged: Logged, start: int, ascending: bool) -> None:
    with logged[0].state.reading() as tx:
        page = search.page(tx, Filter(), start, 10, ascending=ascending)
    assert page.entries == (() if ascending or start < 0 else tuple(range(ENTRIES - 1, ENTRIES - 11, -1)))


def test_an_index_made_in_steps_is_the_one_made_at_once(tmp_path: Path) -> None:
    dumps = []
    for step in (7, 10_000):
        with State.open(tmp_path / f"{step}.db") as state:
            fill(year_log(state, 150), 150)
            while index.catch_up(state, step):
                pass
            with state.reading() as tx:
                blocks = sorted(map(tuple, tx.execute(select(tables.blocks))))
                named = tx.execute(select(tables.terms.c.word, tables.terms.c.entries).order_by(tables.terms.c.word))
                dumps.append((blocks, list(map(tuple, named))))
    assert dumps[0] == dumps[1]


def test_a_cleared_index_is_made_anew(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        fill(year_log(state, 100), 100)
        index.catch_up(state, 1000)
        index.clear(state)
        with state.reading() as tx:
            assert search.page(tx, Filter(), None, 10).entries == ()
        assert index.catch_up(state, 1000) == 100


def test_an_erased_text_leaves_no_word_behind(tmp_path: Path) -> None:
    """Neither in the index nor in the file."""
    path = tmp_path / "state.db"
    with State.open(path) as state:
        log = year_log(state, 60)
        with state.transaction() as tx:
            asked = log.append(
                tx,
                {"kind": "refusal", "institution": "bank_a", "request_id": "r"},
                {"sql": "SELECT peculiarword FROM gov.t WHERE x = '单独词'"},
            )
        fill(log, 50)
        index.catch_up(state, 1000)
        with state.reading() as tx:
            assert search.page(tx, Filter(text="peculiarword"), None, 5).entries == (0,)
        opening = log.open(0)["sql"]
        with state.transaction() as tx:
            log.erased(tx, 0, "sql")
            index.forget(tx, index.entries_with(tx, "bank_a", "r", asked.commitments["sql"]), opening.text)
        index.catch_up(state, 1000)
        with state.reading() as tx:
            for word in ("peculiarword", "pecu*", "单独"):
                assert search.page(tx, Filter(text=word), None, 5).entries == ()
            assert search.page(tx, Filter(text="select"), None, 5).entries != ()
        state.scrub()
    assert b"peculiarword" not in path.read_bytes()


def test_entries_that_somebody_made_unreadable_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with State.open(path) as state:
        fill(year_log(state, 30), 30)
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("DROP TRIGGER entries_no_update")
            raw.execute('UPDATE entries SET body = ? WHERE "index" = 5', (b"\xff not json",))
            raw.execute('UPDATE entries SET body = ? WHERE "index" = 6', (b'{"kind":7,"charges":[{"count":-4},9]}',))
            raw.commit()
        assert index.catch_up(state, 1000) == 30
        with state.reading() as tx:
            assert len(search.page(tx, Filter(), None, 50).entries) == 30


def test_an_entry_s_own_words_about_cost_and_subject() -> None:
    charges = [
        {"dataset": "gov.b", "count": 1, "keys": ["k", "l"]},
        {"dataset": "gov.a", "count": 2, "keys": [], "amount": 5},
    ]
    found = describe({"kind": "admission", "time": "t", "charges": charges, "privacy": [{"dataset": "gov.c"}]})
    assert (found.cost, found.datasets, found.verdict) == (13, ("gov.a", "gov.b", "gov.c"), "admitted")
    assert describe({"kind": "explain", "code": "LVR-2001"}).verdict == "refused"
    assert describe({"kind": "outcome", "same_as": 4}).about == 4
    for cost in range(70):
        least, most = order_of(cost)
        assert least <= cost <= most
    assert replace(found, cost=0).cost == 0


@pytest.mark.parametrize(
    ("sql", "seen"),
    [
        ("WHERE id = '110101199001011234'", "WHERE id = '‹18›'"),
        ("WHERE uscc = '91350100M000100Y43'", "WHERE uscc = '‹18›'"),
        ("WHERE tel = 13800138000", "WHERE tel = ‹11›"),
        ("WHERE id = '１１０１０１１９９００１０１１２３４'", "WHERE id = '‹18›'"),
        ("WHERE y = '2026-07-01' AND amount > 1000000", "WHERE y = '2026-07-01' AND amount > 1000000"),
    ],
)
def test_what_may_name_somebody_is_not_shown_and_not_searched(sql: str, seen: str) -> None:
    assert shown(sql) == seen
    assert not any(sum(map(str.isdigit, word)) >= 8 for word in words(sql))


def test_hostile_words_are_words(logged: Logged) -> None:
    """Nothing in a filter is SQL or a pattern."""
    log, _ = logged
    for wanted in ("' OR 1=1 --", "%", "_", '"; DROP TABLE entries; --', "a" * 500, "\x00", "*", "‮"):
        with log.state.reading() as tx:
            assert search.page(tx, Filter(text=wanted), None, 10).entries == ()
            assert search.page(tx, Filter({"institution": (wanted,)}), None, 10).entries == ()
    with log.state.reading() as tx:
        assert tx.execute(text("SELECT count(*) FROM entries")).scalar_one() == ENTRIES
