"""The benchmarks' shared report: honest pairs, plain quantiles, JSON on the last line."""

import json
from collections.abc import Iterator

import pytest
from bench.report import Pairs, machine, paired, peak_rss_mib, quantile, report


def test_pairs_take_turns_and_the_ratio_is_their_median() -> None:
    order: list[str] = []

    def ticks() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 1.0

    clock = ticks()
    timed = paired(lambda: order.append("us"), lambda: order.append("them"), pairs=2, clock=lambda: next(clock))
    assert order == ["us", "them", "them", "us"]
    assert timed.ratio == 1.0
    assert Pairs((1.0, 4.0, 9.0), (1.0, 2.0, 3.0)).ratio == 2.0


@pytest.mark.parametrize(("q", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_quantile_is_one_of_the_values(q: float, value: float) -> None:
    assert quantile([4.0, 2.0, 1.0, 3.0], q) == value


def test_no_values_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_the_last_line_is_the_figures_with_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    report("title", [{"what": "a", "n": 1_000, "s": 0.25, "none": None}], {"rows_per_s": 3, "ratio": None})
    table, _, last = capsys.readouterr().out.rstrip("\n").rpartition("\n")
    assert "1,000" in table
    assert json.loads(last) == {"rows_per_s": 3, "ratio": None, "machine": machine()}


def test_peak_memory_counts_children() -> None:
    assert 1 < peak_rss_mib() <= peak_rss_mib(children=2)
