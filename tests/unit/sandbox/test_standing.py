"""One authorisation, one count: what lookups and scorecards use of it, and how often that was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.policy_questions import BANK_A
from tests.support.score_world import FIRMS, KEY, ScoreWorld, score_world

from louver.scoring.results import Scores
from louver_sandbox import consents, standing
from louver_sandbox.scoring.registry import RegisteredModel
from louver_sandbox.store import State

BANK = BANK_A.institution


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ScoreWorld]:
    with score_world(tmp_path) as made:
        yield made


def is_scored(world: ScoreWorld, model: RegisteredModel, authorisation: str) -> bool:
    content = world.score(model, [(FIRMS[0], authorisation)]).content
    (place,) = Scores.from_bytes(content, KEY.public.width).places
    return place is not None


def test_lookups_and_scorecards_use_one_authorisation_up_together(world: ScoreWorld) -> None:
    once, twice, fresh = (world.authorise(FIRMS[0], uses=uses) for uses in (1, 2, 1))
    with world.line.books.state.transaction() as tx:
        for one in (once, twice):
            standing.use(tx, one, BANK, "a request", world.line.clock())
    model = world.registered()
    assert [is_scored(world, model, one) for one in (once, twice, fresh)] == [False, True, True]
    with world.line.books.state.reading() as tx:
        told = [standing.uses(tx, one, BANK, but="another request") for one in (once, twice, fresh)]
    assert told == [1, 2, 1]


def test_a_scorecard_uses_an_authorisation_once_however_often_it_is_asked(world: ScoreWorld) -> None:
    model, one = world.registered(), world.authorise(FIRMS[0])
    for _ in range(3):
        world.score(model, [(FIRMS[0], one)])
    with world.line.books.state.reading() as tx:
        assert standing.uses(tx, one, BANK, but="a request") == 1
        assert standing.uses(tx, one, BANK, but=model.digest) == 0
        assert standing.used(tx, [one, "another"]) == {one: 1}


def test_an_institution_lists_its_own_the_newest_first(world: ScoreWorld) -> None:
    made = [world.authorise(firm) for firm in FIRMS[:4]]
    with world.line.books.state.reading() as tx:
        found = consents.of_grantee(tx, BANK, 3)
        assert [one.id for one, _ in found] == made[:0:-1]
        assert [one.subject for one, _ in found] == [*FIRMS[3:0:-1]]
        assert consents.of_grantee(tx, "bank_b", 3) == ()
        assert consents.find(tx, made[3]) == found[0][0]


LATER = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND "
    "(name IN ('authorisation_uses', 'draws', 'cosignatures', 'inquiries', 'reports', 'disputes', 'corrections', "
    "'correction_notices', 'pruned', 'qualities', "
    "'registrations', 'suspensions', 'certificate_requests', 'access_requests') OR name LIKE 'warning\\_%' ESCAPE '\\' OR name LIKE 'audit\\_%' ESCAPE '\\')"
)
"""The tables that versions after 0006 have made."""


def test_what_scores_have_used_before_still_counts(world: ScoreWorld) -> None:
    one = world.authorise(FIRMS[0])
    model = world.registered()
    world.score(model, [(FIRMS[0], one)])
    location = world.line.books.state.location
    with closing(sqlite3.connect(location)) as engine, engine:
        for (table,) in engine.execute(LATER).fetchall():
            engine.execute(f"DROP TABLE {table}")
        engine.execute("UPDATE alembic_version SET version_num = '0006'")
    with State.open(location) as state, state.reading() as tx:
        assert standing.uses(tx, one, BANK, but="a request") == 1
        assert standing.uses(tx, one, BANK, but=model.digest) == 0
