"""What somebody does who asks the same ten thousand times: repeats, rewrites, renames, has friends ask."""

from dataclasses import replace
from itertools import repeat

from tests.support.attackers.averaging import average, questions, rewritings
from tests.support.attackers.releasers import (
    NOISE,
    RECOMMENDED,
    CellKeyed,
    Line,
    PlainThreshold,
    counting,
    counts,
    drawn_anew,
)
from tests.support.attackers.scene import scene
from tests.support.relations import BANK

from louver_sandbox.stages import InstitutionType, Subject

REWRITINGS = rewritings(10_000)


AT = scene(size=500)


def exact() -> int:
    (found,) = PlainThreshold(AT.engine).ask([counting(REWRITINGS[0])])
    assert found is not None
    return found


def test_noise_that_is_drawn_anew_is_averaged_away() -> None:
    answers = counts(drawn_anew(AT.engine), REWRITINGS[:1_000])
    assert len(set(answers)) > 9
    assert abs(average(answers) - exact()) < 0.5


def test_ten_thousand_rewritings_have_one_answer() -> None:
    assert len(set(counts(CellKeyed(AT.engine, NOISE), REWRITINGS))) == 1
    assert set(counts(PlainThreshold(AT.engine), REWRITINGS[::100])) == {exact()}


def test_the_average_of_equal_answers_is_one_answer() -> None:
    """So the exact number is seldom met: as often as noise is zero, and rounding changes nothing."""
    met = 0
    for number in range(100):
        releaser = CellKeyed(AT.engine, RECOMMENDED, repeat(number.to_bytes(32)))
        met += abs(average(counts(releaser, REWRITINGS[:5])) - exact()) < 0.5
    assert met < 30


def test_measures_and_aliases_have_one_answer_in_the_line() -> None:
    """As the line itself binds, plans, runs and releases them."""
    asked = questions(56)
    for rules in (NOISE, RECOMMENDED):
        answers = Line(AT.engine, rules).ask(asked)
        assert set(answers) == set(CellKeyed(AT.engine, rules).ask([counting(REWRITINGS[0])]))


def test_a_thousand_repetitions_have_one_answer_in_the_line() -> None:
    """Shown on one plan, for repetitions are the same plan."""
    line = Line(AT.engine)
    assert len(set(line.repeated(questions(1)[0], 1_000))) == 1


def test_institutions_that_pool_their_answers_have_one_answer() -> None:
    """Noise knows people, not who asks: colluding brings further questions and no further draws."""
    asked = questions(7, seed=1)
    others = [
        Subject("bank_b", InstitutionType.BANK, frozenset({"banks"}), "b" * 64),
        replace(BANK, institution="bank_c", fingerprint="c" * 64),
    ]
    assert {answer for one in (BANK, *others) for answer in Line(AT.engine, subject=one).ask(asked)} == {
        Line(AT.engine).ask(asked[:1])[0]
    }
