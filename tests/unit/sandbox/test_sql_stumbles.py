"""A text that is not SQL is told where it stops being SQL and what was probably meant; nothing in it is repeated that
could be data."""

import pytest
from tests.support.policy_questions import BANK_A

from louver.errors import Refused
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Request


def refused(sql: str) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(Request("x", BANK_A, "RESEARCH", sql))
    return caught.value


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("SELEC a FROM t", "SELECT"),
        ("SELECT count(*) FORM t", "FROM"),
        ("SELECT a FROM t WEHRE a = 1", "WHERE"),
        ("SELECT a, count(*) FROM t GRUOP BY a", "GROUP"),
        ("SELECT a FROM t LEFT JION u ON a = b", "JOIN"),
        ("SELECT a FROM t GROUP BY a HAVIN count(*) > 3", "HAVING"),
        ("SELECT a FROM t WHERE a BETWEN 1 AND 2", "BETWEEN"),
    ],
)
def test_a_misspelt_keyword_is_named(sql: str, keyword: str) -> None:
    found = refused(sql)
    assert f"did you mean {keyword} " in found.hint
    assert keyword in found.hint_zh
    assert found.line == 1


@pytest.mark.parametrize(
    ("sql", "hint", "column"),
    [
        ("SELECT a b c FROM t", "is a comma missing before c?", 12),
        ("SELECT a count(*) FROM t", "is a comma missing before count?", 15),
        ("SELECT a FROM t ORDER a", "write ORDER BY", 23),
        ("SELECT count(* FROM t", "a bracket ( is not closed", 13),
        ("SELECT a) FROM t", "this bracket closes none that was opened", 9),
        ("SELECT CASE WHEN a = 1 THEN 2 FROM t", "a CASE is not closed: write CASE WHEN ... THEN ... END", 29),
    ],
)
def test_common_slips_are_recognised_where_they_are(sql: str, hint: str, column: int) -> None:
    found = refused(sql)
    assert (found.code, found.hint, found.column) == ("LVR-1007", hint, column)


@pytest.mark.parametrize(
    ("sql", "instead"),
    [
        ("SELECT a FROM t WHERE a = ‘b’", "write ' instead"),
        ("SELECT a FROM t WHERE a = “b”", 'write " instead'),
        ("SELECT a，b FROM t", "write , instead"),
        ("SELECT count（*） FROM t", "write ( instead"),
        ("SELECT `a` FROM t", 'write " instead'),
    ],
)
def test_a_sign_that_an_input_method_put_there_is_told_its_plain_form(sql: str, instead: str) -> None:
    found = refused(sql)
    assert found.code == "LVR-1003"
    assert instead in found.hint
    assert instead.split()[1] in found.hint_zh


@pytest.mark.parametrize(
    "sql", ["SELECT a FROM t WHERE b = 'Li Lei' 371", "SELECT a FROM t WHERE b = 'Li' AND AND 37"]
)
def test_advice_repeats_no_text_and_no_number(sql: str) -> None:
    found = refused(sql)
    said = found.hint + found.hint_zh + found.message + found.message_zh
    assert "Li" not in said
    assert "37" not in said
