"""What the command line says is exact, inert, and points at the place."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sandbox_simulator import ipc

from louver.cli.drawing import caret, draw, exit_code, language_of
from louver.cli.export import Format, as_csv, as_json, chosen_format, csv_lines, inert
from louver.cli.parameters import parse_parameters
from louver.display import visible
from louver.errors import Error, Fault, Refused, Unproven
from louver.failures import Misused, Unreachable
from louver.results import Answer

REFUSED = Refused(
    "LVR-1301",
    "column person would be returned per row",
    "wrap it in an aggregate or GROUP BY it",
    2,
    3,
    "rows-never",
    "credit@3",
    "person 列将逐行返回",
    "请使用聚合函数或 GROUP BY",
)


def test_the_caret_stands_under_the_place() -> None:
    assert draw(REFUSED, "SELECT\n  person\nFROM t") == (
        "refused LVR-1301: column person would be returned per row\n"
        "  2 |   person\n"
        "    |   ^\n"
        "  hint: wrap it in an aggregate or GROUP BY it\n"
        "  rule: rows-never @ credit@3"
    )


def test_the_same_in_chinese() -> None:
    drawn = draw(REFUSED, "SELECT\n  person\nFROM t", "zh")
    assert drawn.startswith("已拒绝 LVR-1301: person 列将逐行返回")
    assert "  提示: 请使用聚合函数或 GROUP BY" in drawn


@pytest.mark.parametrize(
    ("sql", "column", "expected"),
    [
        ("SELECT 姓名, x", 12, "    |              ^"),
        ("\tSELECT x", 2, "    |     ^"),
        ("SELECT x", 9, "    |         ^"),
    ],
    ids=["wide characters", "a tab", "the end"],
)
def test_the_caret_counts_what_the_terminal_shows(sql: str, column: int, expected: str) -> None:
    assert caret(sql, 1, column)[1] == expected


@pytest.mark.parametrize(("line", "column"), [(None, None), (0, 1), (4, 1), (1, 0), (1, 99)])
def test_a_place_that_is_not_there_gets_no_caret(line: int | None, column: int | None) -> None:
    assert caret("SELECT 1", line, column) == []


@given(st.text(), st.text(), st.integers(-2, 5), st.integers(-2, 50))
def test_nothing_from_the_wire_acts_on_a_terminal(message: str, sql: str, line: int, column: int) -> None:
    drawn = draw(Refused("LVR-1", message, message, line, column, message), sql)
    assert not {unicodedata.category(char) for char in drawn if char != "\n"} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert visible("\x1b]0;\u202e") == "\\x1b]0;\\u202e"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, 1),
        (Misused("m"), 2),
        (Fault("inc-1"), 3),
        (Unreachable("", "m"), 3),
        (Unproven("m"), 4),
    ],
)
def test_the_exit_code_says_who_acts(error: Error, code: int) -> None:
    assert exit_code(error) == code
    assert draw(error)


def test_a_lost_answer_says_how_to_get_it_without_paying() -> None:
    assert draw(Unreachable("", "m", "h", True, "some-id")).endswith("--request-id some-id")


@pytest.mark.parametrize(
    ("option", "environment", "language"),
    [
        (None, {}, "en"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        (None, {"LANG": "C", "LOUVER_LANG": "zh"}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_callers(option: str | None, environment: dict[str, str], language: str) -> None:
    assert language_of(option, environment) == language


def test_parameters_are_typed() -> None:
    assert parse_parameters(["d:date=2025-01-01", "s=市南=区", "n:int=-3", "x:decimal=0.10", "b:bool=True"]) == {
        "d": date(2025, 1, 1),
        "s": "市南=区",
        "n": -3,
        "x": Decimal("0.10"),
        "b": True,
    }


@pytest.mark.parametrize("text", ["d", "=1", "d:date=tomorrow", "d:when=1", "n:int=1.5", "b:bool=yes", "x:decimal=x"])
def test_a_parameter_that_is_not_what_it_says_is_refused(text: str) -> None:
    with pytest.raises(Misused):
        parse_parameters([text])


def test_a_parameter_has_one_value() -> None:
    with pytest.raises(Misused, match="twice"):
        parse_parameters(["a=1", "a=2"])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", '=HYPERLINK("x")'])
def test_a_text_that_looks_like_a_formula_is_disarmed(text: str) -> None:
    assert inert(text) == "'" + text


def test_numbers_stay_numbers() -> None:
    assert [inert(value) for value in (-1, Decimal("-0.10"), date(2025, 1, 1), True, None, timedelta(days=1))] == [
        *("-1", "-0.10", "2025-01-01", "true", None, "86400.000000")
    ]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_csv_reads_back_and_holds_no_formula(rows: list[tuple[str, str]]) -> None:
    lines = csv_lines([*rows])
    back = list(csv.reader(io.StringIO(lines, newline=""), strict=True))
    assert [tuple(row) for row in back] == [(inert(a), inert(b)) for a, b in rows]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in back for cell in row)


def answer() -> Answer:
    table = pa.table({"=name": ["a,b", None, ""], "n": pa.array([Decimal("-1.50"), None, Decimal("0")])})
    return Answer("id", "exact", ipc(table))


def test_csv_tells_withheld_from_empty() -> None:
    assert as_csv(answer()) == '\'=name,n\n"a,b",-1.50\n,\n"",0.00\n'


def test_json_rounds_nothing() -> None:
    document = json.loads(as_json(answer()))
    assert document["rows"] == [["a,b", "-1.50"], [None, None], ["", "0.00"]]
    assert document["columns"][1] == {"name": "n", "type": "decimal(2)"}
    assert document["verified"] is False


@pytest.mark.parametrize(
    ("given_format", "output", "terminal", "chosen"),
    [
        (None, None, True, Format.TABLE),
        (None, None, False, Format.CSV),
        (None, "a.json", True, Format.JSON),
        (None, "a.ARROW", False, Format.ARROW),
        (Format.CSV, "a.txt", True, Format.CSV),
        (Format.JSON, "a.csv", False, Format.JSON),
        (Format.ARROW, None, False, Format.ARROW),
    ],
)
def test_the_format_follows_from_the_place(
    given_format: Format | None, output: str | None, terminal: bool, chosen: Format
) -> None:
    assert chosen_format(given_format, Path(output) if output else None, terminal) is chosen


@pytest.mark.parametrize("name", ["a.parquet", "a.txt", "a", "a.csv.gz"])
def test_an_ending_that_names_no_format_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(Misused, match=r"\.csv, \.json, \.arrow, \.arrows, or say --format table, json, csv, arrow"):
        chosen_format(None, Path(name), False)


def test_arrow_does_not_go_to_a_terminal() -> None:
    with pytest.raises(Misused):
        chosen_format(Format.ARROW, None, True)
