"""An uploaded list is no needle: what a bank knows of its own subjects does not make an answer about one of them.

Each attack is first shown to succeed against a plain k-threshold over distinct subjects: there the two worlds that the
bank wants to tell apart look different. Here they look alike, whatever the form of the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from tests.support.plain_threshold import plainly_released
from tests.support.relations import Row, World, column, enterprise, question, run, table

from louver.errors import Refused
from louver_sandbox.algebra.types import BOOLEAN, TableName
from louver_sandbox.catalog.model import Column, SpaceKind

K = 5
TARGETS = [f"target{number}" for number in range(6)]
LISTED = [f"listed{number}" for number in range(5)]
"""Firms of grade A, which the tax bureau publishes."""


def world(grades: Mapping[str, str], uploaded: Sequence[Row]) -> World:
    """The grades of all firms, and the list of a bank. The city has many firms of every grade."""
    tax = table(
        "gov.tax",
        [column("uscc", nullable=False), column("grade", nullable=False), column("late", BOOLEAN, nullable=False)],
        [enterprise(rows_per_unit=1)],
    )
    ids = [row["id_no"] for row in uploaded]
    unique = len(set(ids)) == len(ids)
    own = table(
        "bank_a.loan",
        [Column("id_no", column("x").type, False, 3, column("x").role, unique=unique), column("label")],
        [enterprise("id_no")],
        space=SpaceKind.INSTITUTION,
    )
    grade = column("grade", nullable=False)
    names = table(
        "bank_a.names",
        [Column("grade", grade.type, False, 3, grade.role, unique=True), column("nick")],
        space=SpaceKind.INSTITUTION,
    )
    picked = table("bank_a.picked", names.columns[:1], space=SpaceKind.INSTITUTION)
    known = table("bank_a.known", own.columns[:1], [enterprise("id_no")], space=SpaceKind.INSTITUTION)
    city = {f"{grade}{number}": grade for grade in "ABCD" for number in range(20)}
    rows = [{"uscc": name, "grade": grade, "late": grade == "D"} for name, grade in (city | dict(grades)).items()]
    nicks = [{"grade": grade, "nick": f"n{grade}"} for grade in "ABCD"]
    stored: dict[TableName, Sequence[Row]] = {
        tax.name: rows,
        own.name: uploaded,
        names.name: nicks,
        picked.name: [{"grade": "B"}],
        known.name: [{"id_no": f"B{number}"} for number in range(8)],
    }
    return World((tax, own, names, picked, known), stored)


def listed(*names: str, label: str = "x") -> list[Row]:
    return [{"id_no": name, "label": label} for name in names]


def seen(sql: str, given: World) -> object:
    """Everything that the bank sees."""
    try:
        release = run(given, question(given, sql)).release
    except Refused as refused:
        return refused.code
    return release.rows, release.remainder, release.notices


def told_apart_plainly(sql: str, one: World, other: World) -> bool:
    """Whether a plain threshold answers the question differently in the two worlds."""
    return plainly_released(one, sql, "t.uscc", K) != plainly_released(other, sql, "t.uscc", K)


JOINED = "FROM bank_a.loan l JOIN gov.tax t ON t.uscc = l.id_no"
BY_GRADE = f"SELECT t.grade, count(*) AS n {JOINED} GROUP BY t.grade"

BY_SUBJECT = (
    "FROM bank_a.loan l JOIN (SELECT uscc, max(late) AS late, count(*) FILTER (WHERE grade = 'B') AS n FROM gov.tax"
)

WAYS = {
    "group by": BY_GRADE,
    "label and grade": f"SELECT l.label, t.grade, count(*) AS n {JOINED} GROUP BY l.label, t.grade",
    "condition": f"SELECT count(*) AS n {JOINED} WHERE t.grade = 'B'",
    "condition of a join": f"SELECT count(*) AS n {JOINED} AND t.grade = 'B'",
    "condition by label": f"SELECT l.label, count(*) AS n {JOINED} WHERE t.grade = 'B' GROUP BY l.label",
    "expression": f"SELECT t.grade = 'B' AS k, count(*) AS n {JOINED} GROUP BY 1",
    "own names of grades": f"SELECT o.nick, count(*) AS n {JOINED} JOIN bank_a.names o ON o.grade = t.grade "
    "GROUP BY o.nick",
    "one own name": f"SELECT count(*) AS n {JOINED} JOIN bank_a.names o ON o.grade = t.grade WHERE o.nick = 'nB'",
    "one own name in ON": f"SELECT count(*) AS n {JOINED} JOIN bank_a.names o ON o.grade = t.grade AND o.nick = 'nB'",
    "a list of one grade": f"SELECT count(*) AS n {JOINED} JOIN bank_a.picked o ON o.grade = t.grade",
    "condition that names the unit": f"SELECT count(*) AS n {JOINED} WHERE t.grade = 'B' OR t.uscc IS NULL",
    "rows of a subject": f"SELECT count(*) AS n {BY_SUBJECT} WHERE grade = 'B' GROUP BY uscc) t ON t.uscc = l.id_no",
    "subjects with such rows": "SELECT count(*) AS n FROM bank_a.loan l JOIN (SELECT DISTINCT uscc FROM gov.tax "
    "WHERE grade = 'B') t ON t.uscc = l.id_no",
    "number of such rows": f"SELECT count(*) AS n {BY_SUBJECT} GROUP BY uscc) t ON t.uscc = l.id_no WHERE t.n > 0",
}


@pytest.mark.parametrize("way", WAYS)
def test_that_all_subjects_of_a_list_are_alike_is_not_told(way: str) -> None:
    """Six subjects are uploaded: "B: 6" says so of each, and "B: 5" of all but one."""
    all_alike = world(dict.fromkeys(TARGETS, "B"), listed(*TARGETS))
    all_but_one = world({**dict.fromkeys(TARGETS, "B"), TARGETS[0]: "C"}, listed(*TARGETS))
    assert told_apart_plainly(WAYS[way], all_alike, all_but_one)
    assert not isinstance(seen(WAYS[way], all_alike), str), "it is answered"
    assert seen(WAYS[way], all_alike) == seen(WAYS[way], all_but_one)


REFUSED = {
    "in": f"SELECT count(*) AS n {JOINED} WHERE t.uscc IN (SELECT uscc FROM gov.tax WHERE grade = 'B')",
    "exists": f"SELECT count(*) AS n {JOINED} WHERE EXISTS "
    "(SELECT 1 FROM gov.tax b WHERE b.uscc = t.uscc AND b.grade = 'B')",
    "not exists": f"SELECT count(*) AS n {JOINED} WHERE NOT EXISTS "
    "(SELECT 1 FROM gov.tax b WHERE b.uscc = t.uscc AND b.grade <> 'B')",
    "in an own table": f"SELECT count(*) AS n {JOINED} WHERE t.grade IN (SELECT grade FROM bank_a.picked)",
    "side of a union": "SELECT count(*) AS n FROM bank_a.loan l JOIN (SELECT uscc FROM gov.tax WHERE grade = 'B' "
    "UNION ALL SELECT uscc FROM gov.tax WHERE grade = 'B') t ON t.uscc = l.id_no",
    "list in a side of a union": f"SELECT count(*) AS n FROM (SELECT t.uscc {JOINED} WHERE t.grade = 'B' "
    f"UNION ALL SELECT t.uscc {JOINED} WHERE t.grade = 'B') t",
    "left join": "SELECT count(DISTINCT t.uscc) AS n FROM bank_a.loan l "
    "LEFT JOIN gov.tax t ON t.uscc = l.id_no AND t.grade = 'B'",
    "left join of such rows": "SELECT count(DISTINCT t.uscc) AS n FROM bank_a.loan l "
    "LEFT JOIN (SELECT uscc FROM gov.tax WHERE grade = 'B') t ON t.uscc = l.id_no",
    "full join": "SELECT count(DISTINCT t.uscc) AS n FROM bank_a.loan l "
    "FULL JOIN gov.tax t ON t.uscc = l.id_no AND t.grade = 'B' WHERE l.label = 'x'",
    "meeting those of a known grade": f"SELECT count(DISTINCT t.uscc) AS n {JOINED} "
    "JOIN gov.tax b ON b.grade = t.grade JOIN bank_a.known k ON k.id_no = b.uscc",
}


@pytest.mark.parametrize("way", REFUSED)
def test_an_attribute_that_selects_where_nobody_can_be_counted_outside_is_refused(way: str) -> None:
    """Below EXISTS, in a side of a UNION, behind an outer join, or by meeting others: a plain threshold tells it."""
    all_alike = world(dict.fromkeys(TARGETS, "B"), listed(*TARGETS))
    all_but_one = world({**dict.fromkeys(TARGETS, "B"), TARGETS[0]: "C"}, listed(*TARGETS))
    assert told_apart_plainly(REFUSED[way], all_alike, all_but_one)
    assert [seen(REFUSED[way], given) for given in (all_alike, all_but_one)] == ["LVR-2316"] * 2


@pytest.mark.parametrize("grades", ["BBBBBB", "BBBBBC"])
def test_that_a_group_of_ones_own_is_there_is_not_told_by_what_is_compared_with_it(grades: str) -> None:
    """Of the city, counted if six on the list are B: an answer of one bit, which a table of own groups would give."""
    own_groups = f"(SELECT count(*) {JOINED.replace(' t ', ' u ').replace('t.', 'u.')} WHERE u.grade = 'B')"
    given = world(dict(zip(TARGETS, grades, strict=True)), listed(*TARGETS))
    sql = f"SELECT count(*) AS n FROM gov.tax t WHERE t.grade = 'A' AND {own_groups} > 5"
    assert bool(plainly_released(given, sql, "t.uscc", K)) is (grades == "BBBBBB")
    assert seen(sql, given) == "LVR-2316"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) AS n {JOINED} WHERE t.uscc IN (SELECT uscc FROM gov.tax)",
        f"SELECT count(*) AS n {JOINED} LEFT JOIN bank_a.names o ON o.grade = t.grade",
        f"SELECT count(*) AS n {JOINED} WHERE t.late > (SELECT bool_or(late) FROM bank_a.names, gov.tax)",
        "SELECT count(*) AS n FROM (SELECT uscc FROM gov.tax WHERE grade = 'B' UNION ALL SELECT id_no FROM bank_a.loan) t",
    ],
)
def test_what_chooses_nobody_by_an_attribute_is_not_refused(sql: str) -> None:
    assert seen(sql, world({}, listed(*(f"{grade}{number}" for grade in "AB" for number in range(12))))) != "LVR-2316"


TOTALS = {
    "rollup": f"SELECT t.grade, count(*) AS n {JOINED} GROUP BY ROLLUP (t.grade)",
    "sets": f"SELECT l.label, t.grade, count(*) AS n {JOINED} GROUP BY GROUPING SETS ((l.label, t.grade), (l.label))",
    "beside": f"{BY_GRADE} UNION ALL SELECT 'all' AS grade, count(*) AS n {JOINED}",
}


@pytest.mark.parametrize("way", TOTALS)
def test_that_a_total_is_there_or_not_does_not_tell_it_either(way: str) -> None:
    """Of one class there would be one part, of a class and a straggler two."""
    all_alike = world(dict.fromkeys(TARGETS, "B"), listed(*TARGETS))
    all_but_one = world({**dict.fromkeys(TARGETS, "B"), TARGETS[0]: "C"}, listed(*TARGETS))
    assert not isinstance(seen(TOTALS[way], all_alike), str), "it is answered"
    assert seen(TOTALS[way], all_alike) == seen(TOTALS[way], all_but_one)


@pytest.mark.parametrize("way", ["group by", "label and grade", "expression", "own names of grades"])
def test_one_subject_among_decoys_whose_value_is_public_is_not_found_out(way: str) -> None:
    """Five firms of grade A, which is published, and the target: A's cell counts it or not."""
    uploaded = listed("target0", *LISTED)
    worlds = [world({**dict.fromkeys(LISTED, "A"), "target0": grade}, uploaded) for grade in "AB"]
    sql = WAYS[way].replace("= 'B'", "= 'A'")
    assert told_apart_plainly(sql, *worlds)
    assert seen(sql, worlds[0]) == seen(sql, worlds[1])


def test_a_group_of_ones_own_with_a_single_foreign_subject_is_not_told() -> None:
    """The bank knows the grades of its branch x (five of A, five of B) and moves one target into the label y: with
    decoys of grade A alone beside it."""
    known = {f"mine{number}": "AB"[number % 2] for number in range(10)}
    uploaded = listed(*known) + listed("target0", *LISTED, label="y")
    sql = WAYS["label and grade"]
    worlds = [world({**known, **dict.fromkeys(LISTED, "A"), "target0": grade}, uploaded) for grade in "AB"]
    assert told_apart_plainly(sql, *worlds)
    assert seen(sql, worlds[0]) == seen(sql, worlds[1])
    rows = run(worlds[0], question(worlds[0], sql)).release.rows
    assert sorted(rows) == [("x", "A", 5), ("x", "B", 5)], "where enough are outside each cell, cells leave"


def test_keys_uploaded_many_times_are_no_weights() -> None:
    """The target is on the list a thousand times: the number of rows of a grade says whether it is there."""
    decoys = [f"{grade}{number}" for grade in "AB" for number in range(5)]
    uploaded = [*listed(*decoys), *(listed("target0") * 1000)]
    worlds = [world({"target0": grade}, uploaded) for grade in "AB"]
    assert told_apart_plainly(BY_GRADE, *worlds)
    assert [seen(BY_GRADE, given) for given in worlds] == ["LVR-2309"] * 2


def test_decoys_that_do_not_exist_count_for_nothing() -> None:
    """Five keys of nobody are no subjects outside a cell."""
    uploaded = listed(*TARGETS, *(f"nobody{number}" for number in range(50)))
    all_alike = world(dict.fromkeys(TARGETS, "B"), uploaded)
    all_but_one = world({**dict.fromkeys(TARGETS, "B"), TARGETS[0]: "C"}, uploaded)
    for way in ("group by", "condition"):
        assert told_apart_plainly(WAYS[way], all_alike, all_but_one)
        assert seen(WAYS[way], all_alike) == seen(WAYS[way], all_but_one)


@pytest.mark.parametrize("way", WAYS)
def test_a_list_with_enough_subjects_of_several_grades_is_answered(way: str) -> None:
    """The rule takes nothing away where no cell is all of a margin."""
    names = [f"{grade}{number}" for grade in "ABC" for number in range(12)]
    given = world({}, listed(*names))
    numbers = [row[-1] for row in run(given, question(given, WAYS[way])).release.rows]
    assert numbers
    assert set(numbers) <= {12, 24}
