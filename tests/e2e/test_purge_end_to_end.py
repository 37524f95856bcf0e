"""The sunset of a special-purpose dataset: asked until its day, refused after, purged, and certified by the log."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import cast

import duckdb
import pytest
from tests.support.installation import copy_of

from louver.receipt import Receipt
from louver.transparency.retention import Hold
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.demo.city import City
from louver_sandbox.operator import purging
from louver_sandbox.operator.installation import Tools
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.operator.purging import Kept, purge_ended
from louver_sandbox.premises import load_judgement, open_books, utc_now
from louver_sandbox.retention import holds
from louver_sandbox.store import State

TABLE = "gov.utl_month"


def ended(city: City) -> None:
    """Declares that the dataset's last day was yesterday."""
    declared = city.settings.catalog / f"{TABLE}.yaml"
    text = declared.read_text(encoding="utf-8")
    yesterday = (date.today() - timedelta(days=2)).isoformat()
    declared.write_text(text.replace("refresh:", f"sunset: {yesterday}\nrefresh:", 1), encoding="utf-8")


def test_what_was_made_of_an_ended_dataset_is_removed_and_certified(city: City, tmp_path: Path) -> None:
    mine = copy_of(city, tmp_path)
    tools = Tools(utc_now, lambda size: b"\x07" * size)
    before = set(mine.settings.snapshots.iterdir())
    assert purge_ended(mine.settings, tools) == [], "nothing has ended"
    ended(mine)
    with State.open(mine.settings.state) as state:
        holds.place(open_books(mine.settings, state, utc_now), Hold("case-17", "a court", kinds=("snapshot",)))
        size = open_books(mine.settings, state, utc_now).log.size()
    with pytest.raises(Kept, match=rf"^{TABLE}: the hold 'case-17' covers entry \d+, and nothing of it is removed$"):
        purge_ended(mine.settings, tools)
    assert set(mine.settings.snapshots.iterdir()) == before
    with State.open(mine.settings.state) as state:
        books = open_books(mine.settings, state, utc_now)
        assert books.log.size() == size, "and no purge has begun"
        holds.release(books, "case-17", "closed")
    ((table, certificate),) = purge_ended(mine.settings, tools)
    assert table == TABLE
    gone = before - set(mine.settings.snapshots.iterdir())
    assert gone
    proved = Receipt.from_bytes(certificate).verify(mine.log_key)
    assert proved.kind == "purge"
    certified = cast("list[dict[str, str]]", proved.entry["files"])
    listed = {one["file"] for one in certified}
    assert listed == {str(path.relative_to(mine.settings.home)) for path in gone}
    assert all(len(one["sha256"]) == 64 for one in certified)
    assert purge_ended(mine.settings, tools) == [], "it is gone, and no second certificate says so"
    # Publishing again makes nothing of it.
    assert TABLE not in {str(item.table) for item in publish_all(mine.settings, tools) if item.seconds}
    assert not gone & set(mine.settings.snapshots.iterdir())


def test_a_hold_that_comes_while_a_purge_is_under_way_keeps_the_answers(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = copy_of(city, tmp_path)
    ended(mine)

    def held(folder: Path) -> None:
        with State.open(mine.settings.state) as state:
            books = open_books(mine.settings, state, utc_now)
            if books.log.entries(0, 1, kind="hold") == ():
                holds.place(books, Hold("case-18", "a court"))

    monkeypatch.setattr(purging, "_sync", held)
    with pytest.raises(Kept, match=r"'case-18' covers entry .* were gone before it; the answers and reports stay"):
        purge_ended(mine.settings, Tools(utc_now, lambda size: b"\x07" * size))
    with State.open(mine.settings.state) as state:
        assert open_books(mine.settings, state, utc_now).log.entries(0, 1, kind="purge") == ()


def test_a_person_leaves_the_negative_tables_after_five_years(city: City) -> None:
    judgement = load_judgement(city.settings, utc_now())
    checked = 0
    for name in ("gov.court_dishonest", "gov.pen_penalty"):
        table = next(one for one in judgement.catalog.tables.values() if str(one.name) == name)
        began = {"gov.court_dishonest": "filed_on", "gov.pen_penalty": "decided_on"}[name]
        for grant in judgement.bundle.grant_sets(judgement.catalog):
            if grant.table != table.name or not {began, "subject_class"} <= set(grant.columns):
                continue
            name_of = snapshot_id(table, grant.columns, grant.row_filter, grant.atoms)
            too_old = f"subject_class = 'P' AND {began} < DATE '{table.as_of}' - INTERVAL 5 YEAR"
            with duckdb.connect(str(city.settings.snapshots / f"{name_of}.duckdb"), read_only=True) as engine:
                old = engine.execute(f"SELECT count(*) FROM data WHERE {too_old}").fetchone()
            assert old == (0,)
            checked += 1
    assert checked
