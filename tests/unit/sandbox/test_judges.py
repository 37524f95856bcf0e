"""What drafts are judged by is started ahead, both parts at once, and once; whoever closes ends all of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from louver_sandbox.drafting import judges, simulation
from louver_sandbox.drafting.judges import FIRST_S, Gone, Judges, Ticking
from louver_sandbox.processes.zygote import ZygoteFailed


class Zygote:
    """Says when it is started and ended, and starts nothing."""

    def __init__(self, works: bool = True) -> None:
        self.started, self.ended, self.works = threading.Event(), threading.Event(), works

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()

    def start(self) -> None:
        if not self.works:
            raise ZygoteFailed("no memory")
        self.started.set()


class Pool(Zygote):
    """Desks in stock, which start their zygote themselves."""

    def __init__(self, zygote: Zygote, **_: object) -> None:
        super().__init__()
        self.started.set()


@pytest.fixture
def zygotes(monkeypatch: pytest.MonkeyPatch) -> list[Zygote]:
    made: list[Zygote] = []

    def zygote(*_: object) -> Zygote:
        made.append(Zygote())
        return made[-1]

    monkeypatch.setattr(simulation, "checker_zygote", zygote)
    monkeypatch.setattr(judges, "checker_zygote", zygote)
    monkeypatch.setattr(judges, "CheckerPool", Pool)
    return made


def test_both_are_started_before_anybody_asks_for_them_and_once(zygotes: list[Zygote], tmp_path: Path) -> None:
    kept = Judges(tmp_path)
    kept.warm()
    kept.warm()
    assert kept.desks() is kept.desks()
    side = kept.other_side()
    assert kept.other_side() is side
    assert len(zygotes) == 2
    assert sum(one.started.is_set() for one in zygotes) == 1, (
        "the other side is a process, not only what would start one"
    )
    kept.close()
    assert all(one.ended.is_set() for one in zygotes)
    with pytest.raises(Gone):
        kept.other_side()
    kept.warm()
    assert len(zygotes) == 2


def test_where_it_cannot_start_whoever_simulates_is_told(
    zygotes: list[Zygote], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ill = Zygote(works=False)
    monkeypatch.setattr(simulation, "checker_zygote", lambda *_: ill)
    kept = Judges(tmp_path)
    kept.warm()
    with pytest.raises(ZygoteFailed):
        kept.other_side()
    assert ill.ended.is_set(), "what was begun is ended"
    kept.close()


def test_a_simulation_tells_soon_and_stops_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(judges, "monotonic", lambda: now)
    ended = threading.Event()
    tick = Ticking(ended)
    assert not tick()
    now += FIRST_S
    assert tick()
    assert not tick()
    now += judges.TELLING_S
    assert tick()
    ended.set()
    with pytest.raises(Gone):
        tick()
