"""A dropped table's content goes, also when the service was killed before it could remove it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from louver_sandbox.settings import Limits, Settings
from louver_sandbox.store import State
from louver_sandbox.uploads import registry
from louver_sandbox.uploads.ingest import Taken, TakenColumn
from louver_sandbox.uploads.own_tables import OwnTables

NOW, DAY = datetime(2026, 7, 1, tzinfo=UTC), timedelta(days=1)
COLUMNS = (TakenColumn("n", "integer", False),)
ENCRYPTED = (TakenColumn("n", "encrypted(0)", False, key="k"),)
KEPT, DROPPED, UNREGISTERED, NEEDLE = "a" * 64, "b" * 64, "c" * 64, "d" * 64


def contents(settings: Settings) -> dict[str, set[str]]:
    """What lies in each institution's folder."""
    return {folder.name: {file.name for file in folder.iterdir()} for folder in settings.uploads.iterdir()}


def test_a_new_start_removes_what_no_live_table_names(tmp_path: Path) -> None:
    settings, now = Settings(tmp_path, limits=Limits(audit_days=1)), [NOW]
    settings.spool.mkdir()
    for institution in ("bank_a", "bank_b"):
        (settings.uploads / institution).mkdir(parents=True)
        for digest in (KEPT, DROPPED, UNREGISTERED, NEEDLE):
            (settings.uploads / institution / f"{digest}.duckdb").touch()
        (settings.uploads / institution / f"{NEEDLE}.sealed").touch()
        half_made = settings.uploads / institution / ".taking-0123456789abcdef"
        half_made.mkdir(mode=0o700)
        (half_made / "table.duckdb").touch()
    with State.open(settings.state) as state:
        with state.transaction() as tx:
            registry.register(tx, "bank_a", "book", Taken(KEPT, 1, 1, COLUMNS), NOW)
            registry.register(tx, "bank_a", "old", Taken(DROPPED, 1, 1, COLUMNS), NOW)
            registry.drop(tx, "bank_a", "old", NOW)
            for institution, dropped in (("bank_a", NOW), ("bank_b", NOW - 2 * DAY)):
                registry.register(tx, institution, "needle", Taken(NEEDLE, 1, 1, ENCRYPTED), dropped)
                registry.drop(tx, institution, "needle", dropped)
        with OwnTables(settings, state, lambda: now[0], lambda *entry, **fields: None) as own:
            assert [table.digest for table in own.stored("bank_a")] == [KEPT]
            assert contents(settings) == {"bank_a": {f"{KEPT}.duckdb", f"{NEEDLE}.sealed"}, "bank_b": set()}
            # What an auditor might look into goes when its time has come.
            now[0] += DAY
            own.tidy()
            assert contents(settings) == {"bank_a": {f"{KEPT}.duckdb"}, "bank_b": set()}
