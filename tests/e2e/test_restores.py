"""An older copy of the books put back: nothing is served on it until it knows again what was spent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.e2e.conftest import PROTECTED
from tests.e2e.soundness import wrongs
from tests.support.installation import service
from typer.testing import CliRunner, Result

from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app


def command(city: City, *words: object) -> Result:
    """An operator's command on the installation."""
    return CliRunner().invoke(app, [*map(str, words), "--home", str(city.settings.home)])


def put_back(city: City, backup: Path) -> None:
    """The state store of a backup in the place of the present one."""
    for path in city.settings.home.glob("state.db*"):
        path.unlink()
    shutil.copy2(backup / "state.db", city.settings.state_file)


def test_a_restore_gives_no_budget_back(own_city: City, tmp_path: Path) -> None:
    with service(own_city) as running, running.connect(purpose="RESEARCH") as bank:
        bank.analyse(PROTECTED.format(1))
        assert command(own_city, "backup", tmp_path / "backup").exit_code == 0
        bank.analyse(PROTECTED.format(2))
    assert command(own_city, "log", "export", tmp_path / "audit.jsonl").exit_code == 0
    assert command(own_city, "ledger", "verify").exit_code == 0
    before = command(own_city, "ledger", "show", "--json").stdout

    put_back(own_city, tmp_path / "backup")
    refused = command(own_city, "serve")
    assert refused.exit_code == 1
    assert "LVR-3105" in refused.stderr
    assert "ledger rebuild" in refused.stderr
    assert "LVR-3105" in command(own_city, "config", "check").stderr
    alone = command(own_city, "ledger", "rebuild")
    assert alone.exit_code == 1, "the log in the backup has forgotten the question too"
    assert "0 log entries and 0 charges added" in alone.stdout

    rebuilt = command(own_city, "ledger", "rebuild", "--log", tmp_path / "audit.jsonl")
    assert rebuilt.exit_code == 0, rebuilt.stderr
    assert command(own_city, "ledger", "verify").stdout.endswith("every balance follows from them\n")
    assert command(own_city, "ledger", "show", "--json").stdout == before
    assert {json.loads(line)["dataset"] for line in before.splitlines()} == {"gov.tax_credit"}
    assert command(own_city, "config", "check").exit_code == 0, "it may serve again"
    assert wrongs(own_city) == []
