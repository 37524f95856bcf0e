"""What the benchmarks that compare answers compute of them: losses, environments of peers, questions of their own."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from bench import dp_queries, peers, utility
from bench.support import peers as environments
from bench.utility import Asked, Loss, cells, loss, summary

from louver import Client
from louver.errors import Fault, Refused
from louver_sandbox.policy.testing import NamedQuery

EXACT = cells([("a", 60, Decimal("10.0")), ("b", 30, None), ("c", 10, Decimal("-10.0"))], keys=1)


def test_what_is_missing_or_empty_is_withheld_with_its_share_of_the_mass() -> None:
    asked = Asked("threshold", cells([("a", 66, None), ("b", 30, None)], keys=1), (10, Decimal("5.0")))
    counts = loss(EXACT, asked, 0, adds_up=True)
    assert (counts.values, counts.withheld, counts.mass_withheld, counts.mass_in_remainder) == (3, 1, 0.1, 0.1)
    assert counts.errors == (0.1, 0.0)
    sums = loss(EXACT, asked, 1, adds_up=True)
    assert (sums.values, sums.withheld, sums.mass_withheld, sums.mass_in_remainder) == (2, 2, 1.0, 0.25)
    assert sums.errors == ()


def test_a_rate_has_errors_and_no_mass() -> None:
    rate = loss(EXACT, Asked("exact", EXACT), 1, adds_up=False)
    assert (rate.withheld, rate.mass_withheld, rate.mass_in_remainder, rate.errors) == (0, None, None, (0.0, 0.0))


def test_a_refused_question_withholds_everything() -> None:
    lost = loss(EXACT, Asked("refused LVR-2322", {}), 0, adds_up=True)
    assert summary("demo", [lost]) == {
        "error_demo": None,
        "cells_withheld_demo": 1.0,
        "mass_withheld_demo": 1.0,
    }


def test_errors_with_noise_are_those_of_the_cells_that_are_shown() -> None:
    exact = cells([("a", 100, 4), ("b", 50, 8), ("c", 0, 2)], keys=1)
    once = cells([("a", 110, 4), ("b", 45, 2), ("c", -3, 2), ("made up", 1, 1)], keys=1)
    again = cells([("a", 130, None)], keys=1)
    assert dp_queries.error(exact, [once, again], 0) == dp_queries.Error(0.1, 2 / 6)
    assert dp_queries.error(exact, [once, again], 1) == dp_queries.Error(0.0, 3 / 6)
    assert dp_queries.error(exact, [cells([], keys=1)], 0) == dp_queries.Error(None, 1.0)


class Busy:
    """A bank whose question is turned away so often before it is answered."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error = times, error

    def analyse(self, sql: str, purpose: str) -> SimpleNamespace:
        if self.left:
            self.left -= 1
            raise self.error
        return SimpleNamespace(treatment="exact", rows=[("G", 7, 1)], remainder=None)


NO_WORKER = Refused("LVR-3101", "no worker is free", "ask again", retry_after=1.0)


@pytest.mark.parametrize("error", [NO_WORKER, Fault("memory")], ids=["no worker", "a fault"])
def test_a_question_that_a_busy_machine_turns_away_is_asked_again(error: Exception) -> None:
    """And is no utility, for better or worse, if it still is."""
    query, waited = NamedQuery(sql="SELECT 1", purpose="RESEARCH", title="one"), list[float]()
    asked = utility.ask(cast("Client", Busy(3, error)), "A01", query, waited.append)
    assert (asked.treatment, asked.cells) == ("exact", {("G", "7"): (1,)})
    assert waited == [2, 5, 15]
    lost = utility.ask(cast("Client", Busy(99, error)), "A01", query, waited.append)
    assert not lost.is_measured
    nothing = Loss(1, 1, 1.0, None, ())
    line = utility.row("A01", "n", dict.fromkeys(utility.SETTINGS, lost), dict.fromkeys(utility.SETTINGS, nothing))
    assert line["lost"] is line["+ lost"] is line["mass lost"] is None


def test_each_repetition_asks_with_a_constant_of_its_own() -> None:
    select = peers.QUESTIONS["COUNT and SUM"]
    assert len({peers.asked(select, number) for number in range(1, 1000)}) == 999


def test_an_environment_of_other_versions_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "PINS", tmp_path)
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    environments.pins("peer").write_text("", encoding="ascii")
    assert not environments.installed("peer")
    environments.install("peer")
    assert environments.installed("peer")
    environments.pins("peer").write_text("# newer\n", encoding="ascii")
    assert not environments.installed("peer")
