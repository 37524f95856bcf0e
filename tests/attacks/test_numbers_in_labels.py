"""A person's number that stands in a label: enough rows share it, rights are of columns, and still it must not leave."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric
from tests.support.relations import Row, firms, question, returns, run

from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.elements.scanner import scan, scan_all

# Made up: county codes that nobody has, check digits that hold.
PERSON = "370291199001011235"


def labelled(label: str, count: int = 8) -> list[Row]:
    return [{**row, "district": label} for row in returns("x", count)]


@pytest.mark.parametrize(
    "label",
    [
        f"退回，身份证{PERSON}",
        "退回 370291 19900101 1235",
        "３７０２９１１９９００１０１１２３５",
        "旧证 110105491231002",
        "call 138-0013-8000",
        "卡号 6222021234567890128",
        "退回，联系人：王小明",
        "法定代表人 欧阳娜娜 已迁出",
    ],
)
def test_a_remark_with_a_persons_number_leaves_as_an_empty_label(label: str) -> None:
    world = firms([*labelled(label), *labelled("市南区", 9)])
    sql = "SELECT district, count(*) AS n FROM gov.tax GROUP BY district"
    plain = run(world, question(world, sql, protected=frozenset())).release
    assert (label, 8) in plain.rows, "eight firms share it: nothing else withholds it"
    released = run(world, question(world, sql))
    assert sorted(released.release.rows, key=str) == [("市南区", 9), (None, 8)]
    assert released.codes()["PERSONAL_NUMBERS"] == 1
    assert not any(label in notice.message + notice.message_zh for notice in released.release.notices)


def test_text_that_is_put_together_is_read_as_it_leaves() -> None:
    world = firms([{**row, "district": PERSON[:9]} for row in returns("x", 8)])
    sql = f"SELECT district || '{PERSON[9:]}' AS label, count(*) AS n FROM gov.tax GROUP BY 1"
    assert run(world, question(world, sql)).release.rows == ((None, 8),)


@pytest.mark.parametrize(
    "label",
    [
        "市南区",
        "91370291MA3TEKT122",
        "2026-07-01",
        "C3913",
        "20260701123456",
        "370291199001011236",
        "1234567890123",
        "李村街道",
        "负责人：市局领导",
        "高新区",
    ],
)
def test_other_labels_stay(label: str) -> None:
    world = firms(labelled(label))
    released = run(world, question(world, "SELECT district, count(*) AS n FROM gov.tax GROUP BY district"))
    assert released.release.rows == ((label, 8),)


WORDS = st.text(alphabet="市南区退回，。 abcXYZ", max_size=12)


@given(
    before=WORDS,
    after=WORDS,
    sequence=st.integers(0, 999),
    day=st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)),
)
def test_no_planted_number_is_missed(before: str, after: str, sequence: int, day: date) -> None:
    body = f"370291{day:%Y%m%d}{sequence:03}"
    number = body + ric.calc_check_digit(f"{body}0")
    # A letter or digit right beside it would make another word of it.
    assert "citizen_number" in scan(f"{before}、{number}、{after}")
    assert "citizen_number" in scan(f"{before}：{number[:6]}-{number[6:14]} {number[14:]}；{after}")


@given(before=WORDS, after=WORDS, given=st.text(alphabet="伟芳娜敏静丽强磊军洋", min_size=1, max_size=2))
def test_no_name_is_missed_where_the_text_says_that_it_is_one(before: str, after: str, given: str) -> None:
    assert "person_name" in scan(f"{before}姓名：赵{given}，{after}")
    assert "person_name" in scan(f"{before}，联系人 诸葛{given} {after}")


@given(st.text(max_size=200))
def test_no_text_is_too_strange_to_scan(text: str) -> None:
    assert scan(text) <= set(ELEMENTS)


def test_a_long_text_is_read_in_a_moment() -> None:
    assert scan_all(["1" * 200_000, "1 " * 100_000, "a" * 200_000]) == {}
