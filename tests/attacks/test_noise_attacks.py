"""What somebody does against noise: averages rewritings, compares sets that differ in one firm, reads keys.

Each story first shows that the attack works where the defence is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from statistics import mean

from tests.support.noisy import NOISE, NONE, ROUNDED, SECRET, SUMS, ask, firm
from tests.support.relations import Row

from louver_sandbox.core_plan import Part
from louver_sandbox.obligations import ThresholdRules
from louver_sandbox.release.release import release

FIRMS = [firm(number, "AB"[number % 2], arrears=number % 3 == 0, staff=number) for number in range(80)]
LATE = sum(bool(row["arrears"]) for row in FIRMS)

REWRITINGS = [
    "SELECT count(*) FROM gov.firm WHERE arrears",
    "SELECT count(*) AS anything FROM gov.firm AS f WHERE f.arrears IS TRUE",
    "SELECT count(uscc) FROM gov.firm WHERE NOT (NOT arrears)",
    "SELECT count(DISTINCT uscc) FROM gov.firm WHERE arrears",
    "SELECT count(*) FILTER (WHERE arrears) FROM gov.firm",
    "SELECT sum(CASE WHEN arrears THEN 1 ELSE 0 END) FROM gov.firm",
    "SELECT sum(arrears::INT) FROM gov.firm",
    "SELECT count(DISTINCT uscc) FROM gov.return WHERE arrears",
    "SELECT count(DISTINCT uscc) FROM gov.return WHERE arrears AND quarter = 2",
    "WITH late AS (SELECT * FROM gov.firm WHERE arrears) SELECT count(*) FROM late WHERE staff >= 0",
    "SELECT count(*) FROM gov.firm f JOIN gov.owner o ON o.uscc = f.uscc WHERE f.arrears",
    "SELECT count(*) FROM gov.owner o JOIN gov.firm f ON o.uscc = f.uscc WHERE f.arrears AND 1 = 1",
    "SELECT count(*) FROM gov.firm WHERE uscc IN (SELECT uscc FROM gov.return WHERE arrears)",
    "SELECT count(*) FROM gov.firm WHERE arrears AND section IN ('A', 'B')",
]


def answers(rules: ThresholdRules, secrets: Iterator[bytes]) -> list[int]:
    """What every rewriting is answered, each drawn by the next secret."""
    found = []
    for sql, secret in zip(REWRITINGS, secrets, strict=False):
        ((value,),) = ask(sql, FIRMS, rules, secret).release.rows
        assert isinstance(value, int)
        found.append(value)
    return found


def fresh() -> Iterator[bytes]:
    """A secret for every question: noise drawn anew each time."""
    return (bytes([number] * 32) for number in range(200))


def same() -> Iterator[bytes]:
    while True:
        yield SECRET


def test_rewritings_are_averaged_where_noise_is_drawn_anew() -> None:
    found = answers(NOISE, fresh())
    assert len(set(found)) > 3
    assert abs(mean(found) - LATE) <= 1


def test_rewritings_are_one_question_to_a_cell_key() -> None:
    """However often and in whatever words the same firms are counted, there is one number: nothing to average."""
    assert len(set(answers(NONE, same()))) == 1
    assert len(set(answers(NOISE, same()))) == 1
    assert len(set(answers(ROUNDED, same()))) == 1


def test_reordered_rows_and_repeated_questions_are_one_question() -> None:
    sql = "SELECT section, count(*) FROM gov.firm GROUP BY section"
    assert len({ask(sql, rows).release.rows for rows in (FIRMS, FIRMS[::-1], FIRMS[7:] + FIRMS[:7])}) == 1


def guesses_right(rules: ThresholdRules, late: bool, trials: int = 300) -> float:
    """How often somebody is right about the firm with 7 staff who asks with it and without, and compares."""
    firms: list[Row] = [*FIRMS, firm(999, "A", arrears=late, staff=1_000)]
    both = [
        ask(f"SELECT count(*) FROM gov.firm WHERE arrears{more}", firms, rules).execution
        for more in ("", " AND staff <> 1000")
    ]
    right = 0
    for number in range(trials):
        one, other = (release(execution, secret=number.to_bytes(32)).rows for execution in both)
        right += (one != other) is late
    return right / trials


def test_two_sets_that_differ_in_one_firm_are_told_apart_without_rounding() -> None:
    """A tracker against exact counts is always right; against noise alone nearly so, for equal sets stay equal
    (SECURITY 2.6); rounding takes that away. Many pairs still tell: that is what budgets and atoms are for."""
    assert guesses_right(NONE, late=True, trials=1) == guesses_right(NONE, late=False, trials=1) == 1
    assert guesses_right(NOISE, late=True) > 0.8
    assert guesses_right(NOISE, late=False) == 1
    assert guesses_right(ROUNDED, late=True) < 0.7


def test_a_worker_and_its_reply_hold_nothing_that_tells_the_noise() -> None:
    """A worker that is taken over knows exact counts and combined record keys; under another secret the same reply
    is answered differently."""
    ran = ask("SELECT count(*) FROM gov.firm", FIRMS)
    (core,) = ran.plan.cores
    assert {column.part for column in core.columns} <= {Part.ROW_KIND, Part.UNITS, Part.VALUE, Part.COMBINED}
    assert SECRET.hex() not in repr(ran.plan) + core.statement
    assert len({release(ran.execution, secret=secret).rows for secret in fresh()}) > 5


def test_two_sums_over_the_same_firms_do_not_cancel_their_noise() -> None:
    """F5 was in arrears in one quarter only. With that row or without, the same firms contribute and the largest have
    as many rows, so noise by the set alone would be the same in both and leave their difference exact."""
    pair = [
        "SELECT count(*) FROM gov.return",
        "SELECT count(*) FROM gov.return WHERE NOT (uscc = 'F5' AND quarter = 2)",
    ]
    exact = [ask(sql, FIRMS, NONE).release.rows[0][0] for sql in pair]
    assert exact == [320, 319]
    both = [ask(sql, FIRMS, SUMS).execution for sql in pair]
    told = 0
    for number in range(200):
        one, other = (release(execution, secret=number.to_bytes(32)).rows[0][0] for execution in both)
        assert isinstance(one, int)
        assert isinstance(other, int)
        told += one - other == 1
    assert told < 20


def test_a_sum_without_one_firm_hides_it_as_a_count_does() -> None:
    """The largest firm, with the sum of all and the sum without it: exact sums tell its revenue, perturbed ones tell
    it to within some multiples of itself."""
    firms = [*FIRMS, firm(999, "A", staff=1_000, revenue="60.00")]
    pair = [f"SELECT sum(revenue) FROM gov.firm{more}" for more in ("", " WHERE staff <> 1000")]
    one, other = (ask(sql, firms, NONE).release.rows[0][0] for sql in pair)
    assert Decimal(str(one)) - Decimal(str(other)) == 60
    both = [ask(sql, firms, SUMS).execution for sql in pair]
    near = 0
    for number in range(300):
        one, other = (release(execution, secret=number.to_bytes(32)).rows[0][0] for execution in both)
        near += abs(Decimal(str(one)) - Decimal(str(other)) - 60) < 6
    assert near < 30


def test_the_owners_of_the_same_firms_bring_no_second_equation() -> None:
    """Joined to their owners, who have two firms each, the same sum has twice the largest contributions. With the same
    draws, twice the one answer less the other would be the exact sum."""
    firms = [firm(number, "A", revenue="10.00") for number in range(80)]
    single = ask("SELECT sum(revenue) FROM gov.firm", firms, SUMS).execution
    joined = ask("SELECT sum(f.revenue) FROM gov.firm f JOIN gov.owner o ON o.uscc = f.uscc", firms, SUMS).execution
    told = 0
    for number in range(200):
        one, other = (release(execution, secret=number.to_bytes(32)).rows[0][0] for execution in (single, joined))
        told += abs(2 * Decimal(str(one)) - Decimal(str(other)) - 800) < 1
    assert told < 20
