"""Law 10 for scores: a statement that reads, lists or tells anything else than was decided is never sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from tests.support import scorecards
from tests.support.policy_questions import BANK_A
from tests.support.score_world import PURPOSE, documents, firm_table

from louver_sandbox import codec
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.checker import FormReader, Judgement, check_scores
from louver_sandbox.engines import worker
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.engines.shape import ShapeRefused
from louver_sandbox.plan.features import statement_about_nobody
from louver_sandbox.plan.verify import PlanUnverified
from louver_sandbox.plan.verify_scores import sent, verify_scores, verify_sent
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.features import Feature
from louver_sandbox.policy.model import Platform
from louver_sandbox.score_plan import ScoreCase, ScorePlan

LISTED = ' IN (SELECT "id" FROM "asked")'


@pytest.fixture(scope="module")
def engine() -> Iterator[FormReader]:
    with worker.prepare() as connection:
        yield FormReader(DuckDbEngine(connection))


def varied(platform: Platform) -> Platform:
    """The house's features, one of each way of taking and binning."""
    features = platform.feature_sets["credit"]
    first, second, third, *others = features.features
    changed = [
        Feature.model_validate({**first.model_dump(), "take": "latest", "order": "c1", "where": "c2 > 3 OR c1 = 0"}),
        Feature.model_validate({**second.model_dump(), "take": "count", "column": None, "where": "c2 IN (1, 2)"}),
        Feature.model_validate({**third.model_dump(), "edges": None, "values": ["1", "b"], "take": "min"}),
    ]
    made = features.model_copy(update={"features": (*changed, *others)})
    return platform.model_copy(update={"feature_sets": {"credit": made}})


@pytest.fixture(scope="module")
def plan(engine: FormReader) -> ScorePlan:
    platform, policy = documents()
    house = varied(platform)
    bundle = Bundle(house, (policy,), "b" * 64)
    table = firm_table()
    digest = house.feature_sets["credit"].sha256
    who = ("credit", digest, "bank_a/small-firms", scorecards.AUDITOR, 3, date(2026, 7, 1))
    judgement = Judgement(Catalog({table.name: table}, "c" * 64), bundle)
    made = check_scores(ScoreCase(BANK_A, PURPOSE, *who), judgement, engine).plan
    assert made is not None
    return made


def test_what_is_planned_passes_and_crosses_the_process_boundary(plan: ScorePlan) -> None:
    assert codec.decode(codec.encode(plan), ScorePlan) == plan
    assert "max_by(" in plan.features.after
    assert plan.rules.rules == ("firms/scores",)


def test_a_statement_about_subjects_is_the_one_that_was_checked(plan: ScorePlan) -> None:
    statement = sent(plan, ["91370200MA00000001", None, "91370200MA00000002"])
    assert "('91370200MA00000001', '~', '91370200MA00000002')" in statement
    for subjects in (["A", "B"], ["A", "B", "C", "D"], ["A'); --", None, None], ["A", "B", "C'"]):
        with pytest.raises(PlanUnverified):
            sent(plan, subjects)
    with pytest.raises(PlanUnverified):
        verify_sent(statement.replace(" AND ", " OR "), plan)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("THEN 1", "THEN 77"),
        ("ELSE 4", 'ELSE "f4"."v"'),
        ('CAST(CASE WHEN "f4"."v" IS NULL', 'CAST("f4"."v" AS BIGINT) AS "b4", CAST(CASE WHEN "f4"."v" IS NULL'),
        ('"p"."id" AS "id", ', ""),
        ('"p"."id" AS "id"', '"f1"."v" AS "id"'),
        (LISTED, ' NOT IN (SELECT "id" FROM "asked")'),
        (LISTED, LISTED + " OR TRUE"),
        (LISTED, ' IN (SELECT "uscc" FROM "s1"."main"."data")'),
        (LISTED, " IS NOT NULL"),
        ('max("c4")', 'max("c11")'),
        ('"uscc" AS "id"', '"c1" AS "id"'),
        ('FROM "asked" AS "p"', 'FROM "asked" AS "p" LEFT JOIN "s1"."main"."data" AS "d" ON TRUE'),
        ('FROM "asked" AS "p"', 'FROM "s2"."main"."data" AS "p"'),
        ('max("c4")', 'any_value("c4")'),
        (')) SELECT ', ')) SELECT DISTINCT "p"."id" FROM "asked" AS "p" UNION ALL SELECT '),
        (')) SELECT ', " OR TRUE) SELECT "),
        ('max("c4")', 'read_text("c4")'),
    ],
)  # fmt: skip
def test_another_statement_is_not_let_through(plan: ScorePlan, engine: FormReader, old: str, new: str) -> None:
    after = plan.features.after.replace(old, new)
    assert after != plan.features.after
    forged = replace(plan, features=replace(plan.features, after=after))
    with pytest.raises((PlanUnverified, ShapeRefused)):
        verify_scores(forged, engine.parse(statement_about_nobody(forged)))


def test_a_plan_of_other_sources_subjects_columns_or_bins_is_not_let_through(
    plan: ScorePlan, engine: FormReader
) -> None:
    (columns,) = plan.rules.columns.items()
    shape = engine.parse(statement_about_nobody(plan))
    verify_scores(plan, shape)
    for forged in (
        replace(plan, features=replace(plan.features, sources=())),
        replace(plan, rules=replace(plan.rules, columns={columns[0]: columns[1][1:]})),
        replace(plan, rules=replace(plan.rules, bins=plan.rules.bins[1:])),
        replace(plan, rules=replace(plan.rules, bins=(2, *plan.rules.bins[1:]))),
        replace(plan, features=replace(plan.features, before=plan.features.before.replace(" IN (", " IN ('A', "))),
    ):
        with pytest.raises(PlanUnverified):
            verify_scores(forged, engine.parse(statement_about_nobody(forged)))
    other = engine.parse(statement_about_nobody(plan).replace('max("c4")', 'max("c5")'))
    with pytest.raises(PlanUnverified):
        verify_scores(plan, other)
