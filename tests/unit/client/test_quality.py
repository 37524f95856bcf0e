"""How good the data of an answer are, as its receipt's entry says it."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any, cast

import pytest

from louver.cli.export import as_json
from louver.cli.session import show_quality
from louver.errors import Unproven
from louver.quality import DIMENSIONS, TableQuality, of_receipt
from louver.receipt import Receipt
from louver.results import Answer
from louver_sandbox.quality.model import Dimension

TOLD: dict[str, Any] = {
    "within": 40,
    "as_of": "2026-06-30",
    "fresh_until": "2026-12-31",
    "dimensions": {"validity": ["D", 2400, 48200], "completeness": ["A", 0, 48200]},
}
SMALL = {**TOLD, "dimensions": {}}


def receipt(quality: object, time: str = "2026-07-01T00:00:00+00:00") -> Receipt:
    entry = {"time": time, "kind": "outcome", **({} if quality is None else {"quality": quality})}
    return Receipt(json.dumps(entry).encode(), cast("Any", None))


def told(quality: object = TOLD, time: str = "2026-07-01T00:00:00+00:00") -> TableQuality:
    (one,) = of_receipt(receipt({"gov.tax": quality}, time))
    return one


def test_counts_and_grades_are_read_in_the_order_of_the_standard() -> None:
    found = told()
    assert (found.table, found.grade, found.within, found.as_of, found.late) == (
        "gov.tax", "D", 40, date(2026, 6, 30), False,
    )  # fmt: skip
    assert [(one.dimension, one.grade, one.faulty, one.rows) for one in found.dimensions] == [
        ("completeness", "A", 0, 48200),
        ("validity", "D", 2400, 48200),
    ]
    assert tuple(DIMENSIONS) == tuple(Dimension)
    assert [DIMENSIONS[one.value] for one in Dimension] == [one.chinese for one in Dimension]


def test_lateness_is_of_the_day_of_the_answer_in_beijing() -> None:
    assert not told(time="2026-12-31T15:59:59+00:00").late
    late = told(time="2026-12-31T16:00:00+00:00")
    assert (late.late, late.grade) == (True, "E")


def test_it_is_said_in_one_line_in_both_languages() -> None:
    assert told().text() == (
        "gov.tax quality D: completeness A, 0/48200; validity D, 2400/48200 (as of 2026-06-30, counts within 40)"
    )
    assert told().text("zh") == (
        "gov.tax 质量等级 D：完整性 A，0/48200；规范性 D，2400/48200（截至 2026-06-30，计数误差小于 40）"
    )
    assert told(SMALL).text() == "gov.tax quality -: too small for counts to be told (as of 2026-06-30)"
    assert told(SMALL).grade == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {**TOLD, "dimensions": {"beauty": ["A", 0, 1]}},
        {**TOLD, "dimensions": {"validity": ["F", 0, 1]}},
        {**TOLD, "dimensions": {"validity": ["A", "0", 1]}},
        {**TOLD, "dimensions": ["A"]},
        {**TOLD, "within": "5"},
        {**TOLD, "as_of": "yesterday"},
        {},
        "A",
    ],
)
def test_what_has_not_the_form_is_not_believed(wrong: object) -> None:
    with pytest.raises(Unproven):
        told(wrong)


def test_nothing_is_said_where_nobody_has_measured() -> None:
    assert of_receipt(None) == of_receipt(receipt(None)) == ()


def test_a_person_at_a_terminal_sees_it_and_a_pipe_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show_quality([told()], "en")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show_quality([told()], "zh")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("gov.tax 质量等级 D")


def test_an_answer_as_json_has_it() -> None:
    answer = Answer("r", "exact", EMPTY, receipt=receipt({"gov.tax": TOLD}))
    (said,) = json.loads(as_json(answer))["quality"]
    assert said["grade"] == "D"
    assert said["dimensions"]["validity"] == {"grade": "D", "faulty": 2400, "rows": 48200}
    assert "data gov.tax quality D" in repr(answer)


def _empty() -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("n", pa.int64())])):
        pass
    content: bytes = sink.getvalue().to_pybytes()
    return content


EMPTY = _empty()
