"""The attacks in `tests/attacks` ask releasers that are fast. Here each asks a little, and so does the line itself."""

from collections.abc import Callable

import pytest
from tests.support.attackers.people import GRADES, Known
from tests.support.attackers.reconstruction import reconstruct
from tests.support.attackers.releasers import (
    NOISE,
    RECOMMENDED,
    CellKeyed,
    Line,
    PlainThreshold,
    Recorded,
    Releaser,
)
from tests.support.attackers.scene import scene
from tests.support.attackers.trackers import TRACKERS, Attack, near_clones, sweep_of_values, threshold_probe

Asking = Callable[[Releaser, Known], object]


def on_some(attack: Attack) -> Asking:
    return lambda releaser, known: attack(releaser, known, scene().targets[:3])


ASKING: dict[str, Asking] = {
    **{name: on_some(attack) for name, attack in TRACKERS.items()},
    "near-clones": on_some(near_clones(3)),
    "threshold probe": on_some(threshold_probe),
    "sweep of values": lambda releaser, known: sweep_of_values(releaser, known, scene().targets[:2], GRADES),
    "reconstruction": lambda releaser, known: reconstruct(releaser, known, [4], 12),
}


@pytest.mark.parametrize("attack", ASKING.values(), ids=ASKING)
def test_the_line_answers_an_attack_as_the_laboratory_does(attack: Asking) -> None:
    """Bound, planned, run as the worker's statement, judged and released, with noise, rounded, and exact."""
    at = scene()
    line = Recorded(Line(at.engine, RECOMMENDED))
    attack(line, at.people.known)
    asked = list(line.answers)
    assert len(asked) >= 3
    assert list(line.answers.values()) == CellKeyed(at.engine, RECOMMENDED).ask(asked)
    assert Line(at.engine, NOISE).ask(asked[:4]) == CellKeyed(at.engine, NOISE).ask(asked[:4])
    assert Line(at.engine, None).ask(asked[:4]) == PlainThreshold(at.engine).ask(asked[:4])
