"""A follower evaluates every entry once, however it is stopped, and believes nothing that the log has not signed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.audit_logs import KEY, MALLORY, SeededRandomness, open_log
from tests.support.audited import fill, year_log
from tests.support.watched import BURST, WatchedLog, changed_sql, look, memory, refuse

from louver.alerts import following
from louver.alerts.engine import Engine
from louver.alerts.events import event_of
from louver.alerts.following import BROKEN, Follower, over_export
from louver.alerts.memory import Memory
from louver.alerts.rules import parse
from louver.audit.results import Given
from louver.audit.witness import Contradiction
from louver.cli.alerts import standard_text
from louver.errors import Unproven
from louver.failures import Misused
from louver.transparency.merkle import leaf_hash
from louver_sandbox.audit import AuditLog, export_log
from louver_sandbox.store import State


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with State.open(tmp_path / "state.db") as state:
        yield open_log(state)


def alerts(path: Path) -> list[tuple[str, tuple[int, ...]]]:
    with memory(path) as kept:
        return [(one.rule, one.entries) for _, one in kept.alerts(1000)][::-1]


def test_alerts_name_the_rule_and_the_entries_and_nothing_else_of_them(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 3)
    assert look(WatchedLog(log), tmp_path / "a.db").alerts == ()
    refuse(log, 2)
    (alert,) = look(WatchedLog(log), tmp_path / "a.db").alerts
    assert (alert.rule, alert.entries, alert.count, alert.severity) == ("burst", (0, 1, 2, 3, 4), 5, "high")
    assert alert.about == {"institution": "bank_a"}
    assert b"SELECT" not in (tmp_path / "a.db").read_bytes()
    refuse(log, 20)
    assert look(WatchedLog(log), tmp_path / "a.db").alerts == (), "the same is not said again within the hour"


def test_a_follower_asks_for_nothing_where_nothing_is_new(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 3)
    watched = WatchedLog(log)
    for _ in range(3):
        look(watched, tmp_path / "a.db")
    assert watched.reads == [0], "or followers would make the log grow that they follow"


@pytest.mark.parametrize("batch", [1, 3, 500])
def test_a_follower_that_is_killed_anywhere_comes_to_the_same(
    log: AuditLog, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each number of entries in turn, by an error on the wire, it misses and repeats nothing."""
    monkeypatch.setattr(following, "BATCH", batch)
    for part in range(6):
        refuse(log, 4, f"bank_{part % 2}")
    look(WatchedLog(log), tmp_path / "whole.db")
    for cut in range(0, 24, 5):
        broken, left = tmp_path / f"cut-{cut}.db", [cut]

        def forge(given: Given, left: list[int] = left) -> Given:
            left[0] -= 1
            if left[0] < 0:
                raise ConnectionError
            return given

        with pytest.raises(ConnectionError):
            look(WatchedLog(log, forge), broken)
        look(WatchedLog(log), broken)
        assert alerts(broken) == alerts(tmp_path / "whole.db")
    assert [rule for rule, _ in alerts(tmp_path / "whole.db")] == ["burst", "burst"]


def test_entries_that_the_log_has_not_signed_are_caught(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 10)
    hidden = WatchedLog(log, lambda given: None if b'"index":9' in given.body else given)
    with pytest.raises(Contradiction, match="gives 9 of them"):
        look(hidden, tmp_path / "a.db")
    renamed = WatchedLog(log, lambda given: replace(given, body=given.body.replace(b"bank_a", b"bank_b")))
    with pytest.raises(Contradiction, match="signed other entries than the 10"):
        look(renamed, tmp_path / "b.db")
    swapped = WatchedLog(log, lambda given: replace(given, body=given.body.replace(b'"index":3', b'"index":4')))
    with pytest.raises(Unproven, match="its bytes say that it is entry 4"):
        look(swapped, tmp_path / "c.db")
    with pytest.raises(Unproven, match="tells other SQL than it commits to"):
        look(WatchedLog(log, changed_sql), tmp_path / "d.db")
    assert alerts(tmp_path / "b.db") == [(BROKEN, ())], "nothing of what was forged was evaluated"


def test_a_store_that_was_put_back_is_caught_and_told_to_everybody(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 4)
    log.head()
    with State.open(tmp_path / "state.db"):
        shutil.copy(tmp_path / "state.db", tmp_path / "old.db")
        if (wal := tmp_path / "state.db-wal").exists():
            shutil.copy(wal, tmp_path / "old.db-wal")
    refuse(log, 2)
    look(WatchedLog(log), tmp_path / "a.db")
    with State.open(tmp_path / "old.db") as old:
        back = open_log(old, randomness=SeededRandomness(b"other"))
        for _ in range(2):
            with pytest.raises(Contradiction, match="rewind: 6 entries were read and the log has 4"):
                look(WatchedLog(back), tmp_path / "a.db")
        refuse(back, 2, "bank_b")
        with pytest.raises(Contradiction, match="split view"):
            look(WatchedLog(back), tmp_path / "a.db")
        refuse(back, 5, "bank_b")
        with pytest.raises(Contradiction, match="split view"):
            look(WatchedLog(back), tmp_path / "a.db")
    broken = [rule for rule, _ in alerts(tmp_path / "a.db") if rule == BROKEN]
    assert len(broken) == 3, "the same evidence is one alert"
    with memory(tmp_path / "a.db") as kept:
        assert [one.rule for _, one in kept.untold("anybody", 0)] == [BROKEN] * 3, "it waits for no proof"


def test_alerts_wait_for_the_head_that_proves_their_entries(log: AuditLog, tmp_path: Path) -> None:
    following_batch = following.BATCH
    refuse(log, 8)
    try:
        following.BATCH = 5  # type: ignore[misc] # so that a batch lies before the forged one
        forged = WatchedLog(log, lambda given: None if b'"index":7' in given.body else given)
        with pytest.raises(Contradiction):
            look(forged, tmp_path / "a.db")
    finally:
        following.BATCH = following_batch  # type: ignore[misc]
    with memory(tmp_path / "a.db") as kept:
        position = kept.position()
        assert position is not None
        assert [one.rule for _, one in kept.untold("x", position.proven)] == [BROKEN]
        assert len(kept.alerts(10)) == 2


def test_another_logs_head_and_another_key_are_not_followed(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 3)
    look(WatchedLog(log), tmp_path / "a.db")
    with State.open(tmp_path / "other.db") as state, memory(tmp_path / "a.db") as kept:
        other = open_log(state, MALLORY)
        refuse(other, 9)
        with pytest.raises(Unproven):
            Follower(parse(BURST), kept, KEY).look(WatchedLog(other), lambda: log._clock())
        stranger = KEY.replace("louver.example/log", "another.example/log")
        with pytest.raises(Unproven):
            Follower(parse(BURST), kept, stranger).look(WatchedLog(log), lambda: log._clock())


def test_two_followers_on_one_file_do_not_count_twice(log: AuditLog, tmp_path: Path) -> None:
    refuse(log, 4)
    with memory(tmp_path / "a.db") as one:
        follower = Follower(parse(BURST), one, KEY)
        interrupted = WatchedLog(log)
        first = interrupted.read_entries

        def both(start: int) -> object:
            look(WatchedLog(log), tmp_path / "a.db")
            return first(start)

        interrupted.read_entries = both  # type: ignore[method-assign,assignment]
        with pytest.raises(Misused, match="another follower"):
            follower.look(interrupted, lambda: log._clock())
    refuse(log, 1)
    (alert,) = look(WatchedLog(log), tmp_path / "a.db").alerts
    assert alert.count == 5


def test_the_followers_tree_is_the_logs_tree(log: AuditLog) -> None:
    frontier: list[tuple[int, bytes]] = []
    assert following.root_of(frontier) == log.head().claimed.root
    for _ in range(70):
        refuse(log, 1)
        following.grow(frontier, leaf_hash(log.entry(log.size() - 1).body))
        assert following.root_of(frontier) == log.head().claimed.root


def test_a_clock_that_was_set_back_and_fields_of_any_form_stop_nothing() -> None:
    kept = Memory.passing()
    engine = Engine(parse(standard_text()), kept, "o", b"k")
    odd: list[object] = [None, 3, "x", [], {}, [3], {"a": 1}, "9" * 5000, -1, 2**80, "1/0", "1e99999999"]
    names = ("kind", "time", "charges", "privacy", "notices", "history", "institution", "purpose", "code", "rows")
    draw = random.Random(5)
    for index in range(400):
        fields = {name: draw.choice(odd) for name in names} | {
            "kind": draw.choice(["admission", "refusal", "outcome"])
        }
        fields |= {"index": index, "privacy": [{"dataset": "d", "unit": "u", "cost": {"rho": draw.choice(odd)}}]}
        fields |= {"charges": [{name: draw.choice(odd) for name in ("dataset", "kind", "count", "keys", "limit")}]}
        list(engine.take(event_of(fields, str(draw.choice(odd)))))
    burst = Engine(parse(BURST), kept, "o", b"k")
    said = []
    for index, hour in enumerate((12, 12, 12, 3, 3)):
        time = f"2026-07-01T{hour:02}:00:0{index}Z"
        fields = {"kind": "refusal", "institution": "a", "index": index, "time": time}
        said += list(burst.take(event_of(fields)))
    assert [one.count for one in said] == [5], "setting the clock back hides no burst"
    kept.close()


def test_a_clock_that_ran_ahead_once_silences_nothing() -> None:
    kept = Memory.passing()
    burst = Engine(parse(BURST), kept, "o", b"k")
    times = ["2099-01-01T00:00:00Z"] * 5 + [f"2026-07-01T00:00:0{number}Z" for number in range(5)]
    said = []
    for index, time in enumerate(times):
        fields = {"kind": "refusal", "institution": "a", "index": index, "time": time}
        said += [(alert.last[:4], index) for alert in burst.take(event_of(fields))]
    assert said[0] == ("2099", 4)
    assert said[1][0] == "2026"
    assert len(said) == 2
    kept.close()


def test_an_ordinary_year_gives_few_alerts(tmp_path: Path) -> None:
    """A month at eighty entries a day, nobody at fault: what is drawn at random has no bursts."""
    with State.open(tmp_path / "state.db") as state:
        log = year_log(state, 2_500, days=30)
        fill(log, 2_500)
        path = tmp_path / "log.jsonl"
        with path.open("wb") as target:
            target.writelines(export_log(state, log.origin))
        with path.open("rb") as lines:
            kept = Memory.passing()
            found = [alert.rule for alert in over_export(parse(standard_text()), kept, lines)]
            kept.close()
        step = look(WatchedLog(log), tmp_path / "a.db", parse(standard_text()))
    assert found == []
    assert [one.rule for one in step.alerts] == []
