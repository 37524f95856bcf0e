"""The gate before parsing: what it lets through reads the same to every parser, at the same offsets."""

from __future__ import annotations

import pytest

from louver.errors import Refused
from louver_sandbox.sql.lexical import LIMITS, Limits, gate


def code(sql: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(Refused) as caught:
        gate(sql, limits)
    return caught.value.code


def test_the_text_keeps_its_length_and_comments_become_spaces() -> None:
    sql = "select a -- why\n, /* what\nfor */ b != 'x -- y'\r\nfrom t"
    source = gate(sql)
    assert len(source.text) == len(sql)
    assert source.text == "select a       \n,        \n       b <> 'x -- y' \nfrom t"


def test_positions_count_lines_and_columns_from_one() -> None:
    source = gate("select a\nfrom t")
    assert (source.position(9).line, source.position(9).column) == (2, 1)


def test_parameters_are_found_once_each_and_casts_are_none() -> None:
    assert gate("select a::int, :b, :c, :b from t").parameters == {"b": 15, "c": 19}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1" + " " * 70_000, "LVR-1001"),
        ("(" * 33, "LVR-1002"),
        ("select `a`", "LVR-1003"),
        ("select 'a", "LVR-1004"),
        ("select 1; select 2", "LVR-1005"),
        ("select " + "a," * 3_000, "LVR-1006"),
        ("select )", "LVR-1007"),
        ("select (", "LVR-1007"),
        ("", "LVR-1009"),
        (" -- nothing\n;", "LVR-1009"),
    ],
)
def test_each_fault_has_its_code(sql: str, expected: str) -> None:
    assert code(sql) == expected


def test_one_trailing_semicolon_is_allowed() -> None:
    assert gate("select 1 ; -- done\n").text.startswith("select 1 ;")


def test_limits_are_settings() -> None:
    assert code("select a, b", Limits(tokens=3)) == "LVR-1006"
    assert code("select 1", Limits(bytes=4)) == "LVR-1001"


def test_the_first_fault_is_named_with_its_place() -> None:
    with pytest.raises(Refused) as caught:
        gate("select 'good',\n  \u200bbad, `worse`")
    assert (caught.value.line, caught.value.column) == (2, 3)
    assert "U+200B" in caught.value.message


def test_chinese_names_and_visible_text_in_any_language_pass() -> None:
    assert gate("select 金额, 'Ünïcode – текст' as 合计 from 客户")
