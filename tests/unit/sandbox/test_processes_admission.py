"""Overload refuses at once, waiting is bounded, and turns go round the institutions."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.processes.admission import Admission, Overloaded, Turn


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def until(condition: Callable[[], bool]) -> None:
    deadline = soon()
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Crowd:
    """Threads that enter in the order they are added and write down the order they were let in."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.let_in: list[str] = []
        self.threads: list[threading.Thread] = []

    def add(self, institution: str) -> None:
        waiting = self.admission.waiting_count()
        thread = threading.Thread(target=self._enter, args=(institution,))
        thread.start()
        self.threads.append(thread)
        until(lambda: self.admission.waiting_count() == waiting + 1)

    def leave_all(self, first: str) -> None:
        self.admission.leave(first, 0.01)
        for thread in self.threads:
            thread.join()

    def _enter(self, institution: str) -> None:
        self.admission.enter(institution, soon())
        self.let_in.append(institution)
        self.admission.leave(institution, 0.01)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    admission = Admission(size=1, queue=0, per_institution=1)
    admission.enter("a", soon())
    started = time.monotonic()
    with pytest.raises(Overloaded) as refused:
        admission.enter("b", soon())
    assert time.monotonic() - started < 2, "it was ready to wait for five seconds"
    assert refused.value.scope == "service"
    assert 0 < refused.value.retry_after <= 30
    admission.leave("a", 0.01)
    admission.enter("b", soon())


def test_waiting_ends_at_the_deadline() -> None:
    admission = Admission(size=1, queue=1, per_institution=1)
    admission.enter("a", soon())
    started = time.monotonic()
    with pytest.raises(Overloaded) as refused:
        admission.enter("b", soon(0.2))
    assert time.monotonic() - started > 0.15
    assert refused.value.scope == "service"
    assert admission.waiting_count() == 0


def test_a_turn_that_would_come_too_late_is_refused_at_once() -> None:
    admission = Admission(size=1, queue=9, per_institution=1)
    admission.enter("a", soon())
    admission.leave("a", held_seconds=50.0)
    admission.enter("a", soon())
    started = time.monotonic()
    with pytest.raises(Overloaded) as refused:
        admission.enter("b", soon())
    assert time.monotonic() - started < 2, "it was ready to wait for five seconds"
    assert refused.value.retry_after > 5
    assert admission.waiting_count() == 0
    assert admission.line_up("b", patience=60.0)


def test_a_quiet_institution_waits_for_one_turn_of_a_busy_one_and_not_for_its_whole_line() -> None:
    admission = Admission(size=1, queue=20, per_institution=1)
    admission.enter("z", soon())
    for _ in range(10):
        admission.line_up("busy", patience=60.0)
    with pytest.raises(Overloaded) as busy:
        admission.line_up("busy", patience=60.0)
    with pytest.raises(Overloaded) as quiet:
        admission.line_up("quiet", patience=0.0)
    assert busy.value.retry_after > 5 * quiet.value.retry_after


def test_who_gives_up_leaves_the_line_and_who_has_a_place_must_leave_it() -> None:
    admission = Admission(size=1, queue=4, per_institution=1)
    had = admission.line_up("a", patience=1.0)
    assert had.wait(0)
    assert not admission.give_up("a", had), "the place is had already"
    waiting = admission.line_up("b", patience=1.0)
    assert not waiting.wait(0)
    assert admission.give_up("b", waiting)
    assert waiting.wait(0)
    admission.leave("a", 0.01)
    admission.enter("c", soon())


def test_a_turn_comes_when_a_place_is_left() -> None:
    admission = Admission(size=1, queue=4, per_institution=1)
    admission.enter("a", soon())
    turn = admission.line_up("b", patience=1.0)
    with pytest.raises(Overloaded):
        admission.take("b", admission.line_up("b", patience=1.0))
    admission.leave("a", 0.01)
    assert turn.wait(0)
    admission.take("b", turn)


def test_an_institution_at_its_limit_waits_although_there_is_room() -> None:
    admission = Admission(size=4, queue=4, per_institution=1)
    admission.enter("a", soon())
    with pytest.raises(Overloaded) as refused:
        admission.enter("a", soon(0.02))
    assert refused.value.scope == "institution"
    admission.enter("b", soon(0.02))


def test_one_institution_cannot_fill_the_queue() -> None:
    admission = Admission(size=1, queue=4, per_institution=1)
    crowd = Crowd(admission)
    admission.enter("z", soon())
    crowd.add("a")
    crowd.add("a")
    with pytest.raises(Overloaded) as refused:
        admission.enter("a", soon())
    assert refused.value.scope == "institution"
    crowd.add("b")
    crowd.leave_all("z")


def test_turns_go_round_the_institutions_and_not_round_their_requests() -> None:
    admission = Admission(size=1, queue=9, per_institution=1, queue_per_institution=9)
    crowd = Crowd(admission)
    admission.enter("z", soon())
    for institution in "aaaabbc":
        crowd.add(institution)
    crowd.leave_all("z")
    assert "".join(crowd.let_in) == "abcabaa"


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_no_limit_is_ever_exceeded_and_no_place_is_lost(asked: list[str], size: int, each: int) -> None:
    admission = Admission(size=size, queue=0, per_institution=each)
    running: list[str] = []
    for institution in asked:
        try:
            admission.enter(institution, soon())
        except Overloaded:
            assert len(running) == size or running.count(institution) == each
            if running:
                admission.leave(running.pop(0), 0.01)
        else:
            running.append(institution)
        assert len(running) <= size
        assert max(map(running.count, running), default=0) <= each


@pytest.mark.parametrize(("size", "queue", "each"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_bounds_that_mean_nothing_are_refused(size: int, queue: int, each: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Admission(size=size, queue=queue, per_institution=each)


class Storm:
    """Institutions that each keep so many requests in line, and a clock that runs by what they hold."""

    def __init__(self, admission: Admission, held: dict[str, float], lines: dict[str, int]) -> None:
        self.admission = admission
        self.held = held
        self.had: dict[str, float] = defaultdict(float)
        self.refused = Counter[str]()
        self._in_line: dict[str, list[Turn]] = {name: [] for name in held}
        self._lines = lines

    def run(self, requests: int) -> None:
        """So many requests one after the other, on one place."""
        for _ in range(requests):
            for name, most in self._lines.items():
                self._in_line[name] = [turn for turn in self._in_line[name] if turn.granted or not turn.wait(0)]
                while len(self._in_line[name]) < most and self._line_up(name):
                    pass
            name = next(name for name, turns in self._in_line.items() if any(turn.granted for turn in turns))
            self._in_line[name] = [turn for turn in self._in_line[name] if not turn.granted]
            self.had[name] += self.held[name]
            self.admission.leave(name, self.held[name])

    def _line_up(self, name: str) -> bool:
        try:
            self._in_line[name].append(self.admission.line_up(name, patience=1e9))
        except Overloaded:
            self.refused[name] += 1
            return False
        return True


@given(st.floats(0.1, 20), st.floats(0.1, 20), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_two_that_always_ask_have_the_service_for_as_long_however_many_and_long_their_requests_are(
    long: float, short: float, many: int, few: int
) -> None:
    admission = Admission(size=1, queue=20, per_institution=1, queue_per_institution=8)
    storm = Storm(admission, {"a": long, "b": short}, {"a": many + 1, "b": few + 1})
    storm.run(400)
    assert abs(storm.had["a"] - storm.had["b"]) <= 3 * max(long, short)


def test_who_was_idle_has_saved_nothing_up() -> None:
    admission = Admission(size=1, queue=20, per_institution=1)
    lines = {"busy": 3}
    storm = Storm(admission, {"busy": 1.0, "late": 1.0}, lines)
    storm.run(500)
    lines["late"] = 3
    storm.had.clear()
    storm.run(100)
    assert abs(storm.had["late"] - storm.had["busy"]) <= 3


def test_who_asks_one_long_thing_at_a_time_is_not_forgiven_between_them() -> None:
    admission = Admission(size=1, queue=20, per_institution=1)
    storm = Storm(admission, {"one": 9.0, "busy": 1.0}, {"one": 1, "busy": 3})
    storm.run(200)
    assert abs(storm.had["one"] - storm.had["busy"]) <= 18


def test_storms_do_not_keep_a_quiet_institution_out_of_the_queue() -> None:
    admission = Admission(size=1, queue=4, per_institution=1)
    admission.enter("z", soon())
    first, last = admission.line_up("a", 60.0), admission.line_up("a", 60.0)
    for _ in range(2):
        admission.line_up("b", 60.0)
    quiet = admission.line_up("quiet", 60.0)
    assert (first.wait(0), last.wait(0), last.granted) == (False, True, False), (
        "the last of a longest line is sent away"
    )
    with pytest.raises(Overloaded) as refused:
        admission.take("a", last)
    assert refused.value.retry_after > 0
    assert not quiet.wait(0)
    with pytest.raises(Overloaded) as again:
        admission.line_up("a", 60.0)
    assert again.value.scope == "service"
    for name in ("z", "a", "b"):
        admission.leave(name, 0.01)
    assert quiet.granted
