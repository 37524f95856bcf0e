"""How questions read tokens: they are joined and counted, and used for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.tokenised import (
    made_of,
)
from tests.support.tokens import House, house

from louver.errors import Refused


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("sql", "published"),
    [
        ("SELECT t.grade, count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no GROUP BY 1", [("s2", "uscc")]),
        (
            "SELECT t.grade, count(DISTINCT l.id_no) FROM loan l, gov.tax t WHERE t.uscc = l.id_no GROUP BY 1",
            [("s2", "uscc")],
        ),
        ("SELECT count(*) FROM gov.tax t WHERE t.uscc IN (SELECT id_no FROM loan)", [("s1", "uscc")]),
        (
            "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM loan l WHERE l.id_no = t.uscc)",
            [("s1", "uscc")],
        ),
        (
            "WITH c AS (SELECT id_no AS who, count(*) AS n FROM loan WHERE id_no IS NOT NULL GROUP BY 1) "
            "SELECT t.grade, count(*) FROM c JOIN gov.tax t ON t.uscc = c.who GROUP BY 1",
            [("s2", "uscc")],
        ),
        (
            "SELECT r.section, count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no "
            "JOIN gov.registry r ON r.uscc = l.id_no GROUP BY 1",
            [("s2", "uscc"), ("s3", "uscc")],
        ),
        ("SELECT count(*) FROM loan l JOIN card c ON c.id_no = l.id_no", []),
        ("SELECT count(l.id_no), count(*) FILTER (WHERE l.id_no IS NULL) FROM loan l", []),
    ],
)
def test_tokens_are_joined_and_counted(sql: str, published: list[tuple[str, str]]) -> None:
    uses = {(use.column, use.published) for use in made_of(sql).tokens}
    assert uses == {("id_no", tuple(published))}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id_no FROM loan",
        "SELECT * FROM loan",
        "SELECT DISTINCT id_no FROM loan",
        "SELECT id_no, count(*) FROM loan GROUP BY 1",
        "SELECT x FROM (SELECT id_no AS x FROM loan)",
        "SELECT upper(id_no) FROM loan",
        "SELECT min(id_no) FROM loan",
        "SELECT count(upper(id_no)) FROM loan",
        "SELECT count(*) FROM loan WHERE id_no LIKE '9%'",
        "SELECT count(*) FROM loan WHERE id_no = 'token:00'",
        "SELECT count(*) FROM loan WHERE id_no IN ('a', 'b')",
        "SELECT count(*) FROM loan WHERE id_no < 'b'",
        "SELECT count(*) FROM loan WHERE NOT (id_no = branch)",
        "SELECT count(*) FROM loan WHERE id_no = branch",
        "SELECT count(*) FROM loan WHERE length(id_no) = 38",
        "SELECT count(*) FILTER (WHERE id_no > 'a') FROM loan",
        "SELECT branch FROM loan ORDER BY id_no",
        "SELECT branch, row_number() OVER (ORDER BY id_no) FROM loan",
        "SELECT branch, rank() OVER (PARTITION BY id_no ORDER BY branch) FROM loan",
        "SELECT count(DISTINCT id_no) FROM (SELECT id_no FROM loan UNION ALL SELECT branch FROM loan) x",
        "SELECT count(*) FROM loan GROUP BY substr(id_no, 1, 2)",
        "SELECT CASE WHEN id_no IS NULL THEN 1 ELSE 0 END FROM loan",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.name = l.id_no",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON upper(t.uscc) = l.id_no",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.uscc = upper(l.id_no)",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.person",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.name = l.branch WHERE t.uscc = l.id_no OR t.grade = 'A'",
        "SELECT count(*) FROM loan l JOIN card c ON c.id_no = l.old_id",
        "SELECT count(*) FROM loan l JOIN loan m ON l.person = m.id_no",
    ],
)
def test_tokens_are_used_for_nothing_else(sql: str) -> None:
    with pytest.raises(Refused) as caught:
        made_of(sql)
    assert caught.value.code == "LVR-5326"
    assert caught.value.line == 1
