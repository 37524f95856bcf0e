"""How exact a column with noise is, from the wire to the terminal."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from tests.support.sandbox_simulator import ipc

from louver import Accuracy
from louver.cli.drawing import accuracies
from louver.cli.explaining import explained
from louver.cli.export import as_json
from louver.results import Answer
from louver.v1 import sandbox_pb2 as pb
from louver.wire import explanation

ON_THE_WIRE = pb.Accuracy(
    column="n", kind="count", standard_error="2.001", below="6", above="4", message="six", message_zh="六"
)
EXACT = Accuracy("n", "count", Decimal("2.001"), Decimal(6), Decimal(4), "six", "六")


def test_figures_arrive_as_exact_numbers() -> None:
    assert explanation(pb.ExplainResponse(admitted=True, accuracy=[ON_THE_WIRE])).accuracy == (EXACT,)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "six"])
def test_what_is_no_figure_is_none(text: str) -> None:
    (found,) = explanation(pb.ExplainResponse(accuracy=[pb.Accuracy(column="n", below=text)])).accuracy
    assert found.below is None


def test_it_is_said_in_both_languages_and_in_every_form() -> None:
    answer = Answer("id", "threshold", ipc(pa.table({"n": [60]})), exactness=(EXACT,))
    assert accuracies(answer.accuracy, "en") == ["exact to n: six"]
    assert accuracies(answer.accuracy, "zh") == ["精度 n: 六"]
    assert "exact n: six" in repr(answer)
    assert "<li>n: six</li>" in answer._repr_html_()
    (written,) = json.loads(as_json(answer))["accuracy"]
    assert written == {
        "column": "n",
        "kind": "count",
        "standard_error": "2.001",
        "below": "6",
        "above": "4",
        "relative_error": None,
        "message": "six",
    }


def test_intervals_stand_beside_their_numbers_for_people_and_apart_for_programs() -> None:
    (wired,) = explanation(
        pb.ExplainResponse(accuracy=[pb.Accuracy(column="n", low=["1", ""], high=["9", "8"])])
    ).accuracy
    assert (wired.low, wired.high) == ((Decimal(1), None), (Decimal(9), Decimal(8)))
    spread = Accuracy(
        "a", "average", None, None, None, "a", low=(Decimal("0.5"), Decimal("1.23456789")), high=(Decimal(2),) * 2
    )
    answer = Answer("id", "dp", ipc(pa.table({"n": [5, 6], "a": [1.5, 1.75]})), exactness=(wired, spread))
    assert answer.rows == [(5, 1.5), (6, 1.75)]
    assert answer.readable == [("5 [1, 9]", "1.5 [0.5, 2]"), (6, "1.75 [1.2346, 2]")]
    assert "5 [1, 9]" in repr(answer)
    written = json.loads(as_json(answer))
    assert written["rows"] == [[5, 1.5], [6, 1.75]]
    assert written["accuracy"][0]["low"] == ["1", None]


def test_a_dry_run_says_it_beforehand() -> None:
    verdict = explanation(pb.ExplainResponse(admitted=True, treatment="threshold", accuracy=[ON_THE_WIRE]))
    assert any("how exact" in line and "n: six" in line for line in explained(verdict, "en"))
    assert any("精度" in line and "n: 六" in line for line in explained(verdict, "zh"))
