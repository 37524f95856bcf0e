"""Attacks by several questions, each safe alone: they tell what was withheld where a policy does not look back, leave
a trace in the log where it flags, and stop at the question that would complete them where it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.asked_before import bank, counted, everything, findings
from tests.support.line import Line

from louver.errors import Refused
from louver_sandbox.selections import Pattern, Response

COUNT = "SELECT count(*) AS n FROM gov.firm"


def last_difference(counts: Sequence[int]) -> int:
    return abs(counts[-1] - counts[-2])


def ask_all(asked: Line, questions: Sequence[str]) -> list[int]:
    return [counted(asked, sql, sql) for sql in questions]


@dataclass(frozen=True)
class Attack:
    """Questions, what they are put together to, and what that tells of the firms: section C has two of them."""

    name: str
    questions: tuple[str, ...]
    truth: int
    pattern: Pattern
    recover: Callable[[Sequence[int]], int] = last_difference


ATTACKS = (
    Attack("tracker", (COUNT, f"{COUNT} WHERE section <> 'C'"), 2, Pattern.COMPLEMENT),
    Attack("complement of one", (f"{COUNT} WHERE amount <> 120", COUNT), 1, Pattern.SUBSET),
    Attack(
        "double tracker",
        (f"{COUNT} WHERE section = 'A'", f"{COUNT} WHERE section = 'C' OR section = 'A'"),
        2,
        Pattern.SUBSET,
    ),
    Attack(
        "differencing by one unit",
        (f"{COUNT} WHERE amount > 110", f"{COUNT} WHERE amount > 111"),
        1,
        Pattern.NEAR_DUPLICATE,
    ),
    Attack(
        "one more condition",
        (f"{COUNT} WHERE section = 'A'", f"{COUNT} WHERE section = 'A' AND amount <> 105"),
        1,
        Pattern.SUBSET,
    ),
    Attack(
        "small-domain sweep",
        (f"{COUNT} WHERE section <= 'A'", f"{COUNT} WHERE section <= 'B'", f"{COUNT} WHERE section <= 'C'"),
        2,
        Pattern.NEAR_DUPLICATE,
    ),
    Attack(
        "sweep by lists",
        (
            f"{COUNT} WHERE amount IN (100,101,102,103,104,105)",
            f"{COUNT} WHERE amount IN (100,101,102,103,104,106,107)",
        ),
        1,
        Pattern.NEAR_DUPLICATE,
    ),
    Attack(
        "total beside its parts",
        ("SELECT section, count(*) AS n FROM gov.firm GROUP BY section", COUNT),
        2,
        Pattern.MARGINS,
    ),
    Attack(
        "inside an aggregate",
        (
            "SELECT count(*) FILTER (WHERE section = 'A') AS n FROM gov.firm WHERE amount < 1000",
            f"{COUNT} WHERE amount < 1000 AND section IN ('A', 'C')",
        ),
        2,
        Pattern.SUBSET,
    ),
    Attack(
        "in disguise", (f"{COUNT} WHERE amount > 110", f"{COUNT} WHERE 112 < amount + 1"), 1, Pattern.NEAR_DUPLICATE
    ),
    Attack(
        "computed", (f"{COUNT} WHERE amount > 110", f"{COUNT} WHERE abs(amount) > 111"), 1, Pattern.NEAR_DUPLICATE
    ),
)
EACH = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@EACH
def test_without_looking_back_it_tells_what_was_withheld(attack: Attack, tmp_path: Path) -> None:
    with bank(tmp_path, everything(Response.OFF)) as asked:
        counts = [counted(asked, sql, f"q{place}") for place, sql in enumerate(attack.questions)]
        assert attack.recover(counts) == attack.truth
        assert findings(asked) == []


@EACH
def test_flagged_it_succeeds_in_the_auditors_sight(attack: Attack, tmp_path: Path) -> None:
    with bank(tmp_path, {}) as asked:
        counts = [counted(asked, sql, f"q{place}") for place, sql in enumerate(attack.questions)]
        assert attack.recover(counts) == attack.truth
        last = len(attack.questions) - 1
        assert any(found[0] == attack.pattern.value and found[1] < f"q{last}" for found in findings(asked))


@EACH
def test_refused_it_stops_before_it_costs_anything(attack: Attack, tmp_path: Path) -> None:
    only = {**everything(Response.OFF), attack.pattern.value: "refuse"}
    with bank(tmp_path, only) as asked:
        counted(asked, attack.questions[0], "q0")
        spent = asked.spent()
        with pytest.raises(Refused) as caught:
            ask_all(asked, attack.questions[1:])
        assert caught.value.rule == f"history.{attack.pattern.value}"
        assert caught.value.details["earlier"] == "q0"
        assert asked.spent() == spent
        assert asked.kinds()[-1] == "refusal"


UNSEEN = (f"{COUNT} WHERE amount > 110", f"{COUNT} WHERE abs(amount) > 111 AND section >= 'A'")
"""The second one is a part of the first, but by no rule that looks at conditions one by one."""


def test_what_the_forms_do_not_show_is_stopped_by_refusing_whatever_may_overlap(tmp_path: Path) -> None:
    forms = {**everything(Response.REFUSE), "overlap": "off"}
    with bank(tmp_path, forms) as asked:
        assert last_difference(ask_all(asked, UNSEEN)) == 1
    (tmp_path / "again").mkdir()
    with bank(tmp_path / "again", everything(Response.REFUSE)) as asked:
        counted(asked, UNSEEN[0], "first")
        with pytest.raises(Refused) as caught:
            counted(asked, UNSEEN[1], "second")
        assert caught.value.code == "LVR-3205"


def test_parts_that_share_no_row_may_all_be_asked(tmp_path: Path) -> None:
    with bank(tmp_path, everything(Response.REFUSE)) as asked:
        shown = [counted(asked, f"{COUNT} WHERE section = '{name}'", name) for name in "ABD"]
        assert shown[:2] == [30, 8]


def test_the_groups_of_one_question_may_be_asked(tmp_path: Path) -> None:
    with bank(tmp_path, everything(Response.REFUSE)) as asked:
        assert counted(asked, "SELECT section, count(*) AS n FROM gov.firm GROUP BY ROLLUP (section)", "all") >= 38
