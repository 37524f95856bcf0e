"""What an answer says of its accuracy is so: over a thousand secrets, which are draws of the keys, for every kind of
column, and for rows that were chosen by perturbed numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.noisy import NOISE, SUMS, ask, firm, sections
from tests.support.relations import Ran, Row

from louver_sandbox.obligations import NoiseRules, RoundingKind, ThresholdRules
from louver_sandbox.perturbation.accuracy import accuracy
from louver_sandbox.perturbation.named import named
from louver_sandbox.release.release import release
from louver_sandbox.stages import Accuracy

assert SUMS.noise is not None
KEYS = 1_000
RULES = {
    "noise alone": SUMS,
    "rounded to the nearest": replace(SUMS, noise=replace(SUMS.noise, rounding=RoundingKind.BASE, base=5)),
    "rounded at random": replace(SUMS, noise=replace(SUMS.noise, rounding=RoundingKind.RANDOM, base=5)),
    "bases by bounds": replace(SUMS, noise=replace(SUMS.noise, rounding=RoundingKind.RANDOM, base=5, by_bounds=True)),
}
FIRMS: list[Row] = [
    firm(number, "A", arrears=number % 3 == 0, revenue=f"{10 + number * number % 37}.25") for number in range(60)
]
SUM = sum((Fraction(str(row["revenue"])) for row in FIRMS), Fraction(0))
LATE = sum(bool(row["arrears"]) for row in FIRMS)
SQL = (
    "SELECT count(*) AS n, count(*) FILTER (WHERE arrears) AS late, sum(revenue) AS s, avg(revenue) AS mean, "
    "count(*) FILTER (WHERE arrears) * 1.0 / count(*) AS share, 3 * count(*) - count(*) FILTER (WHERE arrears) AS l "
    "FROM gov.firm"
)


def drawn(ran: Ran, keys: int = KEYS) -> Iterator[tuple[tuple[Fraction, ...], ...]]:
    """The numbers of the answer by other secrets. What is said of them depends on no secret and is not said again."""
    with pytest.MonkeyPatch.context() as silently:
        silently.setattr("louver_sandbox.release.threshold.accuracies", lambda plan: ())
        for number in range(keys):
            rows = release(ran.execution, secret=number.to_bytes(32)).rows
            yield tuple(tuple(Fraction(str(value)) for value in row) for row in rows)


def by_words(one: Accuracy, of: str, magnitude: Fraction) -> tuple[Fraction, Fraction]:
    """How much less and more a number may be than the one used, as the message says of it."""
    found = re.search(rf"the true {of} is from ([\d.]+) less to ([\d.]+) more", one.message)
    if found:
        return Fraction(found[1]), Fraction(found[2])
    found = re.search(rf"the true {of} is within (?:([\d.]+) and )?([\d.]+) times", one.message)
    assert found, one.message
    reach = Fraction(found[1] or 0) + Fraction(found[2]) * magnitude
    return reach, reach


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_every_statement_holds_95_times_in_a_hundred(rules: ThresholdRules) -> None:
    ran = ask(SQL, FIRMS, rules)
    stated = {one.column: one for one in ran.release.accuracy}
    assert [one.kind for one in stated.values()] == ["count", "count", "sum", "average", "computed", "count"]
    true = {"n": Fraction(60), "late": Fraction(LATE), "s": SUM, "l": Fraction(180 - LATE)}
    # The largest two firms have 46.25 each: twice their deviation is 261.6, so a step is 500 at least.
    steps = re.search(r"within ([\d.]+) of its own steps", stated["s"].message)
    held = dict.fromkeys([*stated, "steps"], 0)
    errors = dict.fromkeys(true, Fraction(0))
    for (row,) in drawn(ran):
        shown = dict(zip(stated, row, strict=True))
        for column, value in true.items():
            less, more = by_words(stated[column], "number", SUM)
            held[column] += shown[column] - less <= value <= shown[column] + more
            errors[column] += (shown[column] - value) ** 2
        held["mean"] += holds_for_a_quotient(stated["mean"], ("sum", "number of values"), shown["s"], shown["n"])
        held["steps"] += steps is None or abs(shown["s"] - SUM) <= Fraction(steps[1]) * 500
        number = "number of subjects or rows"
        held["share"] += holds_for_a_quotient(stated["share"], (number, number), shown["late"], shown["n"])
    assert min(held.values()) >= KEYS * 95 // 100, held
    for column, squares in errors.items():
        one = stated[column]
        stated_error = Fraction(one.standard_error) if one.standard_error else Fraction(one.relative_error) * SUM
        # A thousand squares of rounded counts (0 or 25) are a fifth over their mean once in a million times.
        assert 0 < squares / KEYS <= stated_error**2 * Fraction(12, 10)


def holds_for_a_quotient(one: Accuracy, of: tuple[str, str], above: Fraction, below: Fraction) -> bool:
    """Whether the true quotient is in the interval that both statements make together."""
    less, more = by_words(one, of[0], SUM)
    fewer, further = by_words(one, of[1], SUM)
    true = SUM / 60 if of[0] == "sum" else Fraction(LATE, 60)
    least, most = max(Fraction(0), above - less) / (below + further), above + more
    return least <= true and (below <= fewer or true <= most / (below - fewer))


def test_what_is_said_of_sums_of_a_column_by_bounds_are_numbers() -> None:
    (one,) = ask("SELECT sum(revenue) AS s FROM gov.firm", FIRMS, RULES["bases by bounds"]).release.accuracy
    assert Decimal(one.below) == Decimal(one.above) > Decimal(one.standard_error) > 0
    (other,) = ask("SELECT sum(revenue) AS s FROM gov.firm", FIRMS, RULES["rounded at random"]).release.accuracy
    assert (other.below, other.above, other.standard_error) == ("", "", "")
    assert Decimal(other.relative_error) > 0
    assert "within 2.359 of its own steps" in other.message


@pytest.mark.parametrize("rounding", [(RoundingKind.NONE, 1), (RoundingKind.RANDOM, 5)], ids=str)
def test_rows_chosen_by_perturbed_numbers_are_as_near_as_is_said(rounding: tuple[RoundingKind, int]) -> None:
    """Thirty sections of twenty firms each: whoever asks for those of 25 and more sees only what noise moved far, so
    the interval of a cell that nobody chose holds in none of them."""
    assert NOISE.noise is not None
    rules = replace(NOISE, noise=NoiseRules(NOISE.noise.tables, *rounding))
    firms = sections(**{f"S{number}": 20 for number in range(30)})
    sql = "SELECT section, count(*) AS n FROM gov.firm GROUP BY section"
    (plain,) = ask(sql, firms, rules).release.accuracy
    ran = ask(f"{sql} HAVING count(*) >= 25", firms, rules)
    (one,) = ran.release.accuracy
    assert "always" in one.message
    assert int(one.below) > int(plain.below)
    seen = [
        int(str(row[1])) for number in range(40) for row in release(ran.execution, secret=bytes([number] * 32)).rows
    ]
    assert seen
    assert all(shown - int(one.below) <= 20 <= shown + int(one.above) for shown in seen)
    if rounding[0] is RoundingKind.NONE:
        assert all(accuracy(named("enterprises")).of(shown).low > 20 for shown in seen)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT section, count(*) AS n FROM gov.firm GROUP BY 1 ORDER BY 2 DESC LIMIT 1", "count"),
        ("SELECT max(n) FROM (SELECT section, count(*) AS n FROM gov.firm GROUP BY 1) x", "computed"),
        (
            "SELECT section, n FROM (SELECT section, count(*) AS n, rank() OVER (ORDER BY count(*)) AS r FROM gov.firm "
            "GROUP BY section) x WHERE r = 1",
            "count",
        ),
        (
            "SELECT section, count(*) * 1.0 / sum(count(*)) OVER () AS share FROM gov.firm GROUP BY section",
            "computed",
        ),
    ],
)
def test_what_depends_on_many_cells_is_said_to_hold_always(sql: str, kind: str) -> None:
    (one,) = ask(sql, sections(A=40, B=30)).release.accuracy
    assert one.kind == kind
    assert "always the true" in one.message
    assert "from 8 less to 8 more" in one.message
    assert "始终" in one.message_zh


def test_order_alone_chooses_nothing() -> None:
    sql = "SELECT section, count(*) AS n FROM gov.firm GROUP BY 1"
    one, other = (ask(text, sections(A=40, B=30)).release.accuracy for text in (sql, f"{sql} ORDER BY n DESC"))
    assert one == other
