"""The secret of record keys is replaced beside what is in use: the same rows, other keys, and no noise unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from louver_sandbox import journal
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.demo.city import City
from louver_sandbox.operator import keys
from louver_sandbox.operator.installation import TOOLS, InstallationRefused
from louver_sandbox.operator.publishing import RECORD_KEY, publish_all
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.premises import load_judgement, open_books, record_epoch
from louver_sandbox.publishing.record_keys import create_key, fingerprint
from louver_sandbox.publishing.refused import PublishRefused
from louver_sandbox.settings import Settings
from louver_sandbox.store import State


def granted(settings: Settings) -> tuple[Catalog, list[GrantSet]]:
    """The catalogue, and a few grant sets: one of the smallest tables with units, as they are published now."""
    now = TOOLS.clock()
    judgement = load_judgement(settings, now)
    return judgement.catalog, list(judgement.bundle.grant_sets(judgement.catalog, now.date()))


def place(settings: Settings, catalog: Catalog, grant: GrantSet) -> Path:
    name = snapshot_id(catalog.tables[grant.table], grant.columns, grant.row_filter, grant.atoms)
    return settings.snapshots / f"{name}.duckdb"


def read(path: Path) -> tuple[list[str], list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The columns of record keys, those, and the other columns' rows; each in an order of its own."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [str(name) for (name, *_) in connection.execute("DESCRIBE data").fetchall()]
        hidden = [name for name in names if name.startswith("record_key_")]
        shown = ", ".join(f'"{name}"' for name in names if name not in hidden) or "1"
        others = connection.execute(f"SELECT {shown} FROM data ORDER BY ALL").fetchall()
        found = connection.execute(f"SELECT {', '.join(hidden)} FROM data ORDER BY ALL").fetchall() if hidden else []
    return hidden, found, others


@pytest.fixture
def small(own_city: City, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that publishes a few small snapshots only: how they are made is no matter here."""
    catalog, grants = granted(own_city.settings)
    with_units = [one for one in grants if catalog.tables[one.table].units]
    few = sorted(with_units, key=lambda one: place(own_city.settings, catalog, one).stat().st_size)[:2]
    without = [one for one in grants if not catalog.tables[one.table].units][:1]
    monkeypatch.setattr("louver_sandbox.policy.bundle.Bundle.grant_sets", lambda *_: [*few, *without])
    return own_city.settings


def rotated(settings: Settings, *, redraw: bool = True) -> list[str]:
    return list(keys.rotate_record(settings, "the key was on a lost disk", redraw, TOOLS))


def test_snapshots_have_the_same_rows_under_other_keys_beside_the_former(small: Settings) -> None:
    catalog, grants = granted(small)
    before = [(place(small, catalog, one), read(place(small, catalog, one))) for one in grants]
    secret = (small.secrets / RECORD_KEY).read_bytes()
    said = rotated(small)
    assert "is in use" in said[-1]
    assert (small.secrets / RECORD_KEY).read_bytes() != secret
    assert not (small.secrets / keys.RECORD_NEXT).exists()
    after, same = granted(small)
    assert after.digest != catalog.digest
    for grant, (path, (hidden, record_keys, rows)) in zip(same, before, strict=True):
        now = place(small, after, grant)
        assert (now == path) is (not hidden), "but for what has no record keys"
        assert path.exists(), "who still asks the former finds it"
        assert read(now)[0] == hidden
        assert read(now)[2] == rows
        assert (read(now)[1] == record_keys) is (not hidden)
    assert not any(one.seconds for one in publish_all(small, TOOLS)), "publishing finds them"
    with State.open(small.state) as state:
        (entry,) = open_books(small, state, TOOLS.clock).log.latest(kinds=("record-rotation",))
    assert entry.fields["key"] == record_epoch(small)
    assert entry.fields["redraws_noise"] is True, "returns leave with noise, whose sets record keys name"
    beside = (small.secrets / RECORD_KEY).rename(small.secrets / "elsewhere")
    create_key(small.secrets / RECORD_KEY)
    with pytest.raises(PublishRefused, match="was cut off, run it"):
        list(publish_all(small, TOOLS))
    beside.replace(small.secrets / RECORD_KEY)


def test_noise_is_not_drawn_again_unasked(own_city: City) -> None:
    """Where a policy asks for noise by cell keys, as the demo's for returns, its sets are known by record keys."""
    with pytest.raises(InstallationRefused, match="--redraw-noise"):
        rotated(own_city.settings, redraw=False)
    assert record_epoch(own_city.settings) is None
    with pytest.raises(InstallationRefused, match="--reason"):
        next(keys.rotate_record(own_city.settings, " ", True, TOOLS))


CUTS = ("published_with", "note", "replace_registry", "settle_record")


def test_cut_off_anywhere_the_key_is_that_of_the_snapshots_in_use(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built is no matter here, only which secret lies where when a step is the last that is done."""
    settings = own_city.settings
    monkeypatch.setattr(keys, "published_with", lambda *words: iter(()))
    for cut in CUTS:
        owner, turn = (journal, 1) if cut == "note" else (keys, 2 if cut == "settle_record" else 1)
        before = (settings.secrets / RECORD_KEY).read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(owner, cut, Cut(getattr(owner, cut), turn))
            with pytest.raises(KeyboardInterrupt):
                rotated(settings)
        taken = cut == "settle_record"
        beside = (settings.secrets / keys.RECORD_NEXT).read_bytes()
        assert (settings.secrets / RECORD_KEY).read_bytes() == before
        assert (record_epoch(settings) == fingerprint(beside)) is taken
        keys.settle_record(settings)
        assert (settings.secrets / RECORD_KEY).read_bytes() == (beside if taken else before)
        assert not (settings.secrets / keys.RECORD_NEXT).exists()
    rotated(settings)
    assert record_epoch(settings) == fingerprint((settings.secrets / RECORD_KEY).read_bytes())


class Cut:
    """A step that is not done, the so manieth time that it is due, nor anything after it."""

    def __init__(self, whole: Callable[..., object], turn: int) -> None:
        self._whole, self._left = whole, turn

    def __call__(self, *words: object, **named: object) -> object:
        self._left -= 1
        if self._left:
            return self._whole(*words, **named)
        raise KeyboardInterrupt


def test_the_first_keys_snapshots_and_catalogues_keep_their_names(own_city: City) -> None:
    """An installation from before there were epochs is served on without publishing anything."""
    catalog, grants = granted(own_city.settings)
    assert all(table.record_key is None for table in catalog.tables.values())
    table = catalog.tables[grants[0].table]
    assert snapshot_id(table, grants[0].columns, None) != snapshot_id(
        replace(table, record_key="0" * 32), grants[0].columns, None
    )
