"""A dropped table's content goes, also when the service was killed before it could remove it."""

from datetime import UTC, datetime
from pathlib import Path

from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.uploads import registry
from louver_sandbox.uploads.ingest import Taken, TakenColumn
from louver_sandbox.uploads.own_tables import OwnTables

NOW = datetime(2026, 7, 1, tzinfo=UTC)
COLUMNS = (TakenColumn("n", "integer", False),)
KEPT, DROPPED, UNREGISTERED = "a" * 64, "b" * 64, "c" * 64


def contents(settings: Settings) -> dict[str, set[str]]:
    """The contents that lie in each institution's folder."""
    return {folder.name: {file.stem for file in folder.iterdir()} for folder in settings.uploads.iterdir()}


def test_a_new_start_removes_what_no_live_table_names(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.spool.mkdir()
    for institution in ("bank_a", "bank_b"):
        (settings.uploads / institution).mkdir(parents=True)
        for digest in (KEPT, DROPPED, UNREGISTERED):
            (settings.uploads / institution / f"{digest}.duckdb").touch()
        half_made = settings.uploads / institution / ".taking-0123456789abcdef"
        half_made.mkdir(mode=0o700)
        (half_made / "table.duckdb").touch()
    with State.open(settings.state) as state:
        with state.transaction() as tx:
            registry.register(tx, "bank_a", "book", Taken(KEPT, 1, 1, COLUMNS), NOW)
            registry.register(tx, "bank_a", "old", Taken(DROPPED, 1, 1, COLUMNS), NOW)
            registry.drop(tx, "bank_a", "old", NOW)
        with OwnTables(settings, state, lambda: NOW, lambda *entry, **fields: None) as own:
            assert [table.digest for table in own.stored("bank_a")] == [KEPT]
            assert contents(settings) == {"bank_a": {KEPT}, "bank_b": set()}
