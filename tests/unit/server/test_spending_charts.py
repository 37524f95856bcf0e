"""Charts of spending: every number of a chart is in it and beside it, and nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal

from louver.audit import DaySpent
from louver_server.pages.spending import HEIGHT, WIDTH, Asked, charts

ASKED = Asked("", "", "2026-07-01", "2026-07-11")


def line(day: str, amount: str, kind: str = "query", purpose: str = "P", dataset: str = "gov.t") -> DaySpent:
    return DaySpent("bank_a", dataset, purpose, kind, day, amount, amount, 1)


def test_a_chart_adds_up_datasets_and_purposes_of_a_day() -> None:
    found = [
        line("2026-07-01", "2"), line("2026-07-01", "3", dataset="gov.u"), line("2026-07-10", "10", purpose="Q"),
    ]  # fmt: skip
    (chart,) = charts(found, ASKED)
    assert (chart.total, chart.most) == (Decimal(15), Decimal(10))
    assert [(day, amount) for day, amount, *_ in chart.bars] == [
        ("2026-07-01", Decimal(5)),
        ("2026-07-10", Decimal(10)),
    ]
    (_, _, first_x, first_y, first_height), (_, _, last_x, last_y, last_height) = chart.bars
    assert (first_x, last_x) == (0, WIDTH * 9 / 10)
    assert (first_height, last_height) == (HEIGHT / 2, HEIGHT)
    assert (first_y, last_y) == (HEIGHT / 2, 0)
    assert last_x + chart.width <= WIDTH


def test_privacy_loss_is_booked_for_all_purposes_and_for_each_and_counted_once() -> None:
    found = [
        line("2026-07-02", "0.125", "privacy:person", "*"), line("2026-07-02", "0.125", "privacy:person", "RESEARCH"),
    ]  # fmt: skip
    (chart,) = charts(found, ASKED)
    assert chart.total == Decimal("0.125")


def test_nothing_spent_is_no_chart() -> None:
    assert list(charts([], ASKED)) == []
