"""What looks at perturbed twins (`tests/support/twins.py`) would see what noise must not do."""

from __future__ import annotations

import pytest
from tests.support.relations import Row, firms, question, returns, run
from tests.support.twins import Twins

from louver.errors import Refused
from louver_sandbox.release.rules import reaches, withheld_by

ROWS: list[Row] = [*returns("A", 12), *returns("B", 3)]
BY_DISTRICT = "SELECT district, count(*), sum(revenue), avg(revenue) FROM gov.tax GROUP BY district"


def ask(sql: str) -> None:
    world = firms(ROWS)
    run(world, question(world, sql))


def test_a_story_is_told_twice(twins: Twins) -> None:
    ask(BY_DISTRICT)
    ask("SELECT var_pop(revenue) FROM gov.tax")
    assert (twins.compared, twins.refused) == (1, 1)


def test_a_cell_that_only_noise_lets_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "louver_sandbox.release.cells.reaches",
        lambda units, groups, rules: rules.noise is not None or reaches(units, groups, rules),
    )
    with pytest.raises(AssertionError, match="noise changes what is withheld"):
        ask(BY_DISTRICT)


def test_a_value_that_only_noise_lets_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "louver_sandbox.release.cells.withheld_by",
        lambda found, groups, rules, total: (
            None if rules.noise is not None else withheld_by(found, groups, rules, total)
        ),
    )
    with pytest.raises(AssertionError, match="noise changes what is withheld"):
        ask("SELECT count(*), count(*) FILTER (WHERE district = 'B') FROM gov.tax")


def test_an_answer_that_only_noise_gives_is_seen(monkeypatch: pytest.MonkeyPatch, twins: Twins) -> None:
    world = firms(ROWS)
    with pytest.raises(Refused, match="LVR-2312"):
        run(
            world,
            question(world, "SELECT count(*) FROM gov.tax WHERE district NOT IN (SELECT section FROM gov.registry)"),
        )
    monkeypatch.setattr("tests.support.twins.plan", lambda permit: None)
    with pytest.raises(AssertionError, match="noise answers what is refused without"):
        twins.turned_down(question(world, BY_DISTRICT))
