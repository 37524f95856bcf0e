"""The turnstile promises: few at once, fair turns, nobody waits in vain, and every place comes back."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.line import ask
from tests.support.policy_questions import BANK_B

from louver.errors import Refused
from louver_sandbox.service.turnstile import LANES_PER_PROCESS, WAITING_PER_LANE, Place, Turnstile
from louver_sandbox.settings import Limits

SMALL = Limits(workers=2, checkers=2)
LANES = 4 * LANES_PER_PROCESS
WAITING = WAITING_PER_LANE * LANES


def code(stile: Turnstile, institution: str, seconds: float = 60.0) -> str:
    """What a question of the institution meets: "" or the code of its refusal."""
    try:
        with stile.line_up(institution, seconds) as place:
            place.wait(0.01)
            place.take()
    except Refused as refused:
        return refused.code
    return ""


def goes_through(stile: Turnstile, institution: str) -> Place:
    """A place behind the turnstile."""
    place = stile.line_up(institution, 60.0)
    assert place.wait(0)
    place.take()
    return place


def test_one_institution_cannot_fill_the_line() -> None:
    stile = Turnstile(SMALL)
    inside = [goes_through(stile, "bank_a") for _ in range(LANES // 2)]
    assert code(stile, "bank_a") == "LVR-3101"
    assert code(stile, "bank_b") == ""
    inside[0].__exit__()
    assert code(stile, "bank_a") == ""


def test_a_crowd_waits_and_goes_through_in_turn() -> None:
    stile = Turnstile(SMALL)
    inside = goes_through(stile, "bank_a"), *[goes_through(stile, "bank_b") for _ in range(LANES // 2)]
    waiting = [stile.line_up("bank_b", 60.0) for _ in range(3)]
    assert not any(place.wait(0) for place in waiting)
    inside[1].__exit__()
    assert [place.wait(0) for place in waiting] == [True, False, False]
    waiting[0].take()


def test_who_comes_when_the_waiting_room_is_full_is_turned_away_at_once_and_told_when_to_come_back() -> None:
    stile = Turnstile(SMALL)
    crowd = [stile.line_up("bank_a", 60.0) for _ in range(LANES // 2 + WAITING // 2)]
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        stile.line_up("bank_a", 60.0)
    assert time.monotonic() - began < 5, "it was ready to wait for half a minute"
    assert (refused.value.code, refused.value.rule) == ("LVR-3101", "capacity.institution")
    assert refused.value.retry_after
    assert code(stile, "bank_b") == "", "another institution is not kept out by it"
    for place in crowd:
        place.__exit__()
    assert code(stile, "bank_a") == ""


def test_waiting_takes_no_more_than_half_of_the_time_so_that_a_paid_query_is_not_cut_off() -> None:
    stile = Turnstile(SMALL)
    inside = [goes_through(stile, "bank_a") for _ in range(LANES // 2)]
    began = time.monotonic()
    with stile.line_up("bank_a", 2.0) as place:
        while not place.wait(0.1):
            pass
        with pytest.raises(Refused, match="LVR-3101"):
            place.take()
    assert 0.9 < time.monotonic() - began < 1.9
    inside[0].__exit__()
    assert code(stile, "bank_a") == ""


def test_a_caller_who_hangs_up_stops_waiting_and_leaves_no_gap() -> None:
    stile = Turnstile(SMALL)
    inside = [goes_through(stile, "bank_a") for _ in range(LANES // 2)]
    gone, next_one = stile.line_up("bank_a", 60.0), stile.line_up("bank_a", 60.0)
    threading.Timer(0.05, gone.wake).start()
    assert gone.wait(5)
    with pytest.raises(Refused), gone:
        gone.take()
    inside[0].__exit__()
    assert next_one.wait(0)


def test_a_request_is_answered_once_at_a_time_and_ids_are_each_institutions_own() -> None:
    stile = Turnstile(SMALL)
    with stile.claim(ask()):
        with pytest.raises(Refused, match="LVR-0107"), stile.claim(ask()):
            pass
        with stile.claim(ask(who=BANK_B)), stile.claim(ask(request_id="request-2")):
            pass
        with pytest.raises(Refused, match="LVR-0107"), stile.claim(ask()):
            pass
    with stile.claim(ask()):
        pass


def test_no_more_wait_than_are_answered_so_that_a_wait_is_as_short_as_an_answer_even_in_a_storm() -> None:
    stile = Turnstile(SMALL)
    let_in = 0
    for number in range(10 * LANES):
        try:
            stile.line_up(f"bank_{number % 5}", 60.0)
        except Refused:
            continue
        let_in += 1
    assert let_in <= 2 * LANES


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["leave", "take", "wake"])), max_size=40))
def test_whatever_becomes_of_those_who_line_up_every_place_comes_back(asked: list[tuple[str, str]]) -> None:
    stile = Turnstile(SMALL)
    places: list[Place] = []
    for institution, what in asked:
        try:
            place = stile.line_up(institution, 60.0)
        except Refused:
            continue
        places.append(place)
        if what == "wake":
            place.wake()
        if what == "take" and place.wait(0):
            place.take()
    for place in places:
        place.__exit__()
    again = [goes_through(stile, name) for name in "ab" for _ in range(LANES // 2)]
    assert len(again) == LANES
