"""What a caller may want of privacy loss and accuracy, in the SDK and on the command line: sent as written or not at all."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from tests.support.sandbox_simulator import Simulation
from tests.unit.client.conftest import DISTRICTS, IMPATIENT
from typer.testing import CliRunner

from louver import dbapi
from louver.cli.app import app
from louver.client import Client
from louver.failures import Misused
from louver.wishes import accuracy_messages, accuracy_of_texts, checked, epsilon_of_text, epsilon_text


@pytest.mark.parametrize(
    ("epsilon", "sent"),
    [
        (1, "1"),
        (0.5, "0.5"),
        (0.1, "0.1"),
        (Decimal("0.25"), "0.25"),
        (Decimal("1E-3"), "0.001"),
        (20, "20"),
        (None, ""),
    ],
)
def test_an_epsilon_is_sent_as_it_is_written(epsilon: object, sent: str) -> None:
    assert epsilon_text(epsilon) == sent


NONE = (-1, 0, 0.0, -0.5, float("nan"), float("inf"), 1e300, 10**5000, 21, 1e-19, True, "0.5", "half", Decimal("NaN"))
NONE += (Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+999999"), Fraction(1, 2), [1])  # type: ignore[assignment]


@pytest.mark.parametrize("epsilon", NONE, ids=range(len(NONE)))
def test_an_epsilon_that_is_none_has_a_code_and_nothing_is_sent(
    epsilon: object, bank: Client, sandbox: Simulation
) -> None:
    for ask in (bank.analyse, bank.explain):
        with pytest.raises(Misused) as misused:
            ask(DISTRICTS, epsilon=epsilon)  # type: ignore[arg-type]  # what a program may pass all the same
        assert misused.value.code == "LVR-2365"
        assert "LVR-2365" in str(misused.value)
    assert not sandbox.service.asked


def test_accuracies_are_sent_in_their_parts() -> None:
    (one,) = accuracy_messages("±2% of 50000")
    assert (one.column, one.within, one.percent, one.of, one.among) == ("", "2", True, "50000", 0)
    two, three = accuracy_messages({"n": 100, "mean of x": " 0.5 among 8000 "})
    assert (two.column, two.within, two.percent) == ("n", "100", False)
    assert (three.column, three.within, three.among) == ("mean of x", "0.5", 8000)
    assert accuracy_of_texts(["n=100", "a=b=2%"]) == {"n": "100", "a=b": "2%"}
    assert accuracy_of_texts([]) is None
    assert epsilon_of_text(" 0.5 ") == Decimal("0.5")


@pytest.mark.parametrize(
    "accuracy",
    ["", "0", "-1", "2 percent", "100 of 5", "2% of 0", "NaN", "1e5", "1 among 0", "1 among many", -1, 0, True, {}, {1: "2"}, {"a\n": "1"}, float("inf"), 10**5000, ["1"], "1" * 31],
    ids=range(20),
)  # fmt: skip
def test_an_accuracy_that_is_none_has_a_code(accuracy: object) -> None:
    with pytest.raises(Misused) as misused:
        accuracy_messages(accuracy)
    assert misused.value.code == "LVR-2367"


def test_one_cannot_want_both() -> None:
    with pytest.raises(Misused, match="LVR-2367"):
        checked(0.5, "100")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--epsilon", "-1"], "LVR-2365"),
        (["--epsilon", "nan"], "LVR-2365"),
        (["--epsilon", "much"], "LVR-2365"),
        (["--epsilon", "1e99999999999"], "LVR-2365"),
        (["--accuracy", "little"], "LVR-2367"),
        (["--accuracy", "n=1", "--accuracy", "n=2"], "LVR-2367"),
        (["--accuracy", "1", "--epsilon", "1"], "LVR-2367"),
    ],
)
def test_the_command_line_says_the_code_and_exits_with_2(options: list[str], code: str, sandbox: Simulation) -> None:
    for command in ("query", "explain"):
        ran = CliRunner(env={**sandbox.environment(), "LOUVER_LANG": "en"}).invoke(
            app, [command, DISTRICTS, "--purpose", "RESEARCH", *options]
        )
        assert ran.exit_code == 2
        assert f"error {code}: " in ran.stderr
    assert not sandbox.service.asked


def test_a_cursor_asks_as_it_is_set(sandbox: Simulation) -> None:
    with dbapi.connect(**sandbox.arguments(surroundings=IMPATIENT)) as connection:
        cursor = connection.cursor()
        cursor.epsilon = float("nan")
        with pytest.raises(dbapi.InterfaceError) as raised:
            cursor.execute(DISTRICTS)
        assert raised.value.code == "LVR-2365"
        cursor.epsilon = 0.5
        assert cursor.execute(DISTRICTS).privacy == ()
        (asked,) = sandbox.service.asked
        assert asked.epsilon == "0.5"
