"""The history: what a question has selected is remembered with its charge, compared before the next one is paid for,
and forgotten when its window ends or its text is erased."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.asked_before import bank, counted, everything, findings, looking_back
from tests.support.catalogs import a_catalog, a_column, a_table
from tests.support.encrypted import some_lending
from tests.support.line import NOON, EngineSlot, Line, ask, firms
from tests.support.policy_questions import BANK_B
from tests.support.relations import question

from louver.errors import Fault, Refused
from louver_sandbox.accounting import history
from louver_sandbox.algebra.regions import Region
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.catalog.model import Role
from louver_sandbox.commit import commit, look_back
from louver_sandbox.obligations import Period
from louver_sandbox.pipeline import Failed, facts_at, judge
from louver_sandbox.plan.isolating import reasons
from louver_sandbox.plan.plan import plan
from louver_sandbox.selections import (
    FLAGGED,
    Condition,
    HistoryRules,
    Pattern,
    Response,
    Selected,
    Selection,
    conjoined,
    strictest_history,
)
from louver_sandbox.stages import Committed, Plan
from louver_sandbox.store import State

COUNT = "SELECT count(*) AS n FROM gov.firm"
FIRST, SECOND = f"{COUNT} WHERE amount > 110", f"{COUNT} WHERE amount > 111"
REFUSING = {**everything(Response.OFF), "near_duplicate": "refuse"}


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Line]:
    with bank(tmp_path, REFUSING) as made:
        yield made


def remembered(asked: Line) -> int:
    with asked.books.state.reading() as tx:
        ranges = int(tx.execute(text("SELECT count(DISTINCT selection) FROM selected_ranges")).scalar_one())
        rows = int(tx.execute(text("SELECT count(*) FROM selections")).scalar_one())
        assert ranges == rows
        return rows


def test_by_default_the_verdict_stays_and_the_auditor_is_told(tmp_path: Path) -> None:
    with bank(tmp_path, {}) as asked:
        assert (counted(asked, FIRST, "a"), counted(asked, SECOND, "b")) == (29, 28)
        assert findings(asked) == [("subset", "a"), ("near_duplicate", "a")]
        entry = asked.books.log.entries(kind="admission")[1]
        assert entry.fields["history"][0] == {  # type: ignore[index]
            "pattern": "subset",
            "dataset": "gov.firm",
            "earlier": "a",
            "admission": 0,
        }


def test_a_refusal_names_the_callers_own_question_and_when_it_is_forgotten(refusing: Line) -> None:
    counted(refusing, FIRST, "a")
    with pytest.raises(Refused) as caught:
        counted(refusing, SECOND, "b")
    assert caught.value.code == "LVR-3203"
    assert caught.value.details == {
        "dataset": "gov.firm",
        "purpose": "RESEARCH",
        "earlier": "a",
        "until": "2026-07-31T16:00:00.000000Z",
    }
    assert remembered(refusing) == 1, "a refused question is not remembered"


def test_only_the_same_institution_and_purpose_are_compared(refusing: Line) -> None:
    counted(refusing, FIRST, "a")
    assert counted(refusing, SECOND, "a", who=BANK_B) == 28
    assert counted(refusing, SECOND, "c", purpose="MODEL_BUILD") == 28


def test_asking_again_is_never_compared_with_itself(tmp_path: Path) -> None:
    with bank(tmp_path, everything(Response.REFUSE)) as asked:
        assert counted(asked, FIRST, "a") == counted(asked, FIRST, "b") == 29
        asked.slot = EngineSlot(Failed("killed"))
        narrow = f"{COUNT} WHERE amount <= 110 AND amount >= 104"
        with pytest.raises(Fault):
            counted(asked, narrow, "c")
        asked.slot = EngineSlot()
        assert counted(asked, narrow, "c") == 7, "a retry of what was paid for"
        assert counted(asked, f"{COUNT} WHERE NOT (amount < 104 OR 110 < amount)", "d") == 7
        assert remembered(asked) == 2


def test_what_cannot_be_logged_is_not_remembered(refusing: Line) -> None:
    with refusing.log_refuses("admission"), pytest.raises(Refused) as caught:
        counted(refusing, FIRST, "a")
    assert caught.value.code == "LVR-3103"
    assert (remembered(refusing), refusing.spent()) == (0, 0)
    assert counted(refusing, SECOND, "b") == 28


def test_of_two_that_race_one_is_first(refusing: Line) -> None:
    codes: list[str] = []
    start = threading.Barrier(2)

    def work(sql: str) -> None:
        request = ask(sql, sql)
        plan = planned(refusing, sql)
        start.wait()
        for _ in range(50):
            try:
                commit(plan, request, refusing.books, NOON)
                codes.append("answered")
            except Refused as refused:
                if refused.code == "LVR-3103":
                    time.sleep(0.01)
                    continue
                codes.append(refused.code)
            return

    threads = [threading.Thread(target=work, args=(sql,)) for sql in (FIRST, SECOND)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["LVR-3203", "answered"]
    assert remembered(refusing) == 1


def planned(asked: Line, sql: str) -> Plan:
    return judge(ask(sql), firms(), asked.bundle, facts_at(NOON))


@pytest.mark.parametrize(
    ("window", "last", "first"),
    [
        ("day", datetime(2026, 7, 1, 15, 59, tzinfo=UTC), datetime(2026, 7, 1, 16, 0, tzinfo=UTC)),
        ("month", datetime(2026, 7, 31, 15, 59, tzinfo=UTC), datetime(2026, 7, 31, 16, 0, tzinfo=UTC)),
        ("year", datetime(2026, 12, 31, 15, 59, tzinfo=UTC), datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
    ],
)
def test_a_question_is_remembered_until_its_window_ends(
    tmp_path: Path, window: str, last: datetime, first: datetime
) -> None:
    with bank(tmp_path, {**REFUSING, "window": window}) as asked:
        first_plan, second = planned(asked, FIRST), planned(asked, SECOND)
        commit(first_plan, ask(FIRST, "a"), asked.books, NOON)
        with pytest.raises(Refused):
            commit(second, ask(SECOND, "b"), asked.books, last)
        assert isinstance(commit(second, ask(SECOND, "b"), asked.books, first), Committed)
        assert remembered(asked) == 1, "what has expired is gone"


def test_a_lifetime_never_ends(tmp_path: Path) -> None:
    with bank(tmp_path, {**REFUSING, "window": "lifetime"}) as asked:
        commit(planned(asked, FIRST), ask(FIRST, "a"), asked.books, NOON)
        with pytest.raises(Refused):
            commit(planned(asked, SECOND), ask(SECOND, "b"), asked.books, NOON + timedelta(days=9000))


def test_a_clock_that_was_set_back_forgets_nothing_early(tmp_path: Path) -> None:
    with bank(tmp_path, {**REFUSING, "window": "day"}) as asked:
        other = f"{COUNT} WHERE section = 'A'"
        commit(planned(asked, other), ask(other, "a"), asked.books, NOON)
        commit(planned(asked, FIRST), ask(FIRST, "b"), asked.books, NOON - timedelta(days=40))
        with pytest.raises(Refused):
            commit(planned(asked, SECOND), ask(SECOND, "c"), asked.books, NOON)


def test_asked_again_later_it_is_remembered_longer(tmp_path: Path) -> None:
    with bank(tmp_path, {**REFUSING, "window": "day"}) as asked:
        commit(planned(asked, FIRST), ask(FIRST, "a"), asked.books, NOON)
        asked.bundle = looking_back({**REFUSING, "window": "month"})
        commit(planned(asked, FIRST), ask(FIRST, "b"), asked.books, NOON)
        with pytest.raises(Refused):
            commit(planned(asked, SECOND), ask(SECOND, "c"), asked.books, NOON + timedelta(days=2))


def test_erasing_a_text_forgets_what_it_selected(refusing: Line) -> None:
    counted(refusing, FIRST, "a")
    with refusing.books.state.transaction() as tx:
        assert history.forget(tx, "bank_b", "a") == 0
        assert history.forget(tx, "bank_a", "a") == 1
    assert counted(refusing, SECOND, "b") == 28


def test_a_dry_run_says_what_would_be_refused_and_writes_nothing(refusing: Line) -> None:
    counted(refusing, FIRST, "a")
    with refusing.books.state.reading() as tx, pytest.raises(Refused):
        look_back(tx, planned(refusing, SECOND), ask(SECOND, "b"), NOON)
    with refusing.books.state.reading() as tx:
        asked, found = look_back(tx, planned(refusing, f"{COUNT} WHERE amount < 5"), ask(SECOND, "b"), NOON)
    assert (asked.institution, found, remembered(refusing)) == ("bank_a", (), 1)


def test_two_aggregates_of_one_question_are_compared_too(tmp_path: Path) -> None:
    both = f"SELECT a.n - b.n AS n FROM ({COUNT} WHERE amount > 110) a, ({COUNT} WHERE amount > 111) b"
    with bank(tmp_path, {}) as asked:
        assert counted(asked, both, "a") == 1
        assert findings(asked) == [("near_duplicate", "a"), ("subset", "a")]
    (tmp_path / "again").mkdir()
    with bank(tmp_path / "again", REFUSING) as asked, pytest.raises(Refused) as caught:
        counted(asked, both, "a")
    assert caught.value.code == "LVR-3203"


@pytest.mark.parametrize(
    ("condition", "reasons"),
    [
        ("amount IN (" + ", ".join(map(str, range(60, 140, 2))) + ")", "list"),
        ("amount IN (1, 2, 3)", ""),
        ("amount IN (" + ", ".join(map(str, range(100, 140))) + ")", ""),
        ("amount > 100", ""),
    ],
)
def test_an_isolating_filter_is_known_by_its_form(tmp_path: Path, condition: str, reasons: str) -> None:
    with bank(tmp_path, {**everything(Response.OFF), "isolating": "refuse"}) as asked:
        if not reasons:
            counted(asked, f"{COUNT} WHERE {condition}", "a")
            return
        with pytest.raises(Refused) as caught:
            counted(asked, f"{COUNT} WHERE {condition}", "a")
        assert (caught.value.code, caught.value.details["reasons"]) == ("LVR-3206", reasons)


def test_many_columns_held_to_a_value_and_many_conditions_are_isolating() -> None:
    roles = {"a": Role.QUASI_IDENTIFIER, "b": Role.VALUE, "c": Role.QUASI_IDENTIFIER, "f": Role.FLAG, "t": Role.TIME}
    firm = a_table(columns=[a_column(name, INTEGER, role=role) for name, role in roles.items()])
    catalog = a_catalog(firm)

    def found(**held: Region) -> tuple[str, ...]:
        conditions = [Condition(name, (f"gov.firm.{name[0]}",), region) for name, region in held.items()]
        return reasons(conditions, [firm.name], catalog)

    point, span = Region(False, ((1, False), (2, False))), Region(False, ((1, False), (9, False)))
    assert found(a=point, b=point, c=point) == ("columns",)
    assert found(a=point, b=point, c=span) == ()
    assert found(a=point, b=point, f=point, t=point) == ()
    assert found(a=point, a2=point, b=point) == (), "two conditions on one column"
    assert found(**{f"t{number}": span for number in range(9)}) == ("conditions",)


def test_several_rules_come_to_the_strictest_response_and_the_longest_window() -> None:
    one = HistoryRules(subset=Response.REFUSE, margins=Response.OFF, window=Period.DAY)
    other = HistoryRules(complement=Response.OFF, overlap=Response.FLAG, window=Period.YEAR)
    found = strictest_history([one, other])
    assert (found.subset, found.complement, found.margins, found.overlap) == ("refuse", "flag", "flag", "flag")
    assert found.window is Period.YEAR
    assert strictest_history([]) == FLAGGED


def selection(*conditions: Condition) -> Selection:
    return Selection((Selected("d", "v"),), conjoined(conditions), (), 0)


def between(operand: str, low: int, high: int) -> Condition:
    return Condition(operand, (f"d.{operand}",), Region(False, ((low, False), (high + 1, False))))


MOST_MS = 2.0


@pytest.mark.parametrize("spread", ["many columns", "disjoint points"])
def test_ten_thousand_are_looked_through_quickly(tmp_path: Path, spread: str) -> None:
    """CPU time, the median of many; twice the promise is allowed to a busy machine."""
    asked = history.Asked("bank", "P", "r", FLAGGED)

    def one(place: int) -> Selection:
        match spread:
            case "one column":
                return selection(between("x", place, 10**6))
            case "many columns":
                return selection(between(f"x{place % 40}", place, place + 5), between(f"y{place % 7}", 0, place))
            case _:
                return selection(between("x", place, place), between("y", place % 5, place % 5))

    with State.open(tmp_path / "state.db") as state:
        with state.transaction() as tx:
            for place in range(10_000):
                history.record(tx, asked, [one(place * 10)], place, NOON)
        times = []
        with state.reading() as tx:
            for place in range(21):
                before = time.thread_time()
                history.find(tx, asked, [one(place * 4_000 + 5)], NOON)
                times.append((time.thread_time() - before) * 1000)
    assert sorted(times)[10] < 2 * MOST_MS, f"{sorted(times)}"


def test_more_than_can_be_compared_counts_as_alike(tmp_path: Path) -> None:
    """Rows that the index cannot tell apart and no comparison finds alike: it is not proved that none is."""
    rules = HistoryRules(subset=Response.OFF, complement=Response.OFF, near_duplicate=Response.REFUSE)
    asked = history.Asked("bank", "P", "r", rules)
    with State.open(tmp_path / "state.db") as state, state.transaction() as tx:
        for place in range(history.MOST_COMPARED):
            history.record(tx, asked, [selection(between("x", 0, 0), between("y", place, place))], place, NOON)
        found = history.find(tx, asked, [selection(between("x", 0, 0), between("y", -1, -1))], NOON)
    assert [(item.pattern, item.response) for item in found] == [(Pattern.NEAR_DUPLICATE, Response.REFUSE)]
    assert "more than" in found[0].detail


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "refusals.d" / "history.md"
EXAMPLES = re.findall(
    r"^## (LVR-\d{4}).*?^-- answered\n(.*?);\n-- refused\n(.*?);\n", PAGE.read_text(encoding="utf-8"), re.S | re.M
)


def test_every_refusal_has_an_example() -> None:
    assert len(EXAMPLES) == len(Pattern)


@pytest.mark.parametrize(("code", "answered", "refused"), EXAMPLES, ids=[code for code, *_ in EXAMPLES])
def test_the_examples_of_the_refusals_page_are_decided_as_it_says(
    tmp_path: Path, code: str, answered: str, refused: str
) -> None:
    pattern = list(Pattern)[int(code[-1]) - 1]
    with bank(tmp_path, {**everything(Response.OFF), pattern.value: "refuse"}) as asked:
        counted(asked, answered, "first")
        with pytest.raises(Refused) as caught:
            counted(asked, refused, "second")
        assert caught.value.code == code


LOANS = "SELECT count(*) AS n FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no WHERE "
TOLD_APART = [
    ("t.district <> '南'", "t.district IS DISTINCT FROM '南'"),
    ("NOT (t.district = '南')", "t.district IS DISTINCT FROM '南'"),
    ("NOT (t.district < '南')", "NOT coalesce(t.district < '南', FALSE)"),
    (
        "l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY length(k.id_no) % 7)",
        "l.id_no IN (SELECT max(k.id_no) FROM bank_a.loan k GROUP BY length(k.id_no) % 11)",
    ),
]
"""Conditions that differ in rows without a value, or in what is computed inside."""


@pytest.mark.parametrize(("one", "other"), TOLD_APART)
def test_selections_that_differ_in_a_row_are_two(one: str, other: str) -> None:
    """Two that are read as one have no difference to find, whoever is in it."""
    selected = [plan(question(some_lending(10).world, LOANS + where)).selections for where in (one, other)]
    assert selected[0]
    assert selected[0] != selected[1]


def test_where_there_is_always_a_value_they_are_one() -> None:
    ways = ("t.grade <> 'A'", "t.grade IS DISTINCT FROM 'A'", "NOT coalesce(t.grade = 'A', FALSE)")
    assert len({plan(question(some_lending(10).world, LOANS + where)).selections for where in ways}) == 1
