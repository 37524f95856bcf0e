"""A bank, a service and policies that ask for noise: one number for one set of firms, through restarts, until the
secret is replaced."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import duckdb
from tests.support.installation import patiently, service
from tests.support.lengths import at_length_only
from tests.support.noisy_city import ask_for_noise

import louver
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.noise import rotate
from louver_sandbox.perturbation.named import named

GRADES = "SELECT grade, count(DISTINCT uscc) AS n FROM gov.tax_credit WHERE rating_year = 2025 GROUP BY grade"
REWRITTEN = (
    "WITH rated AS (SELECT t.uscc, t.grade AS g FROM gov.tax_credit AS t WHERE t.rating_year = 2025) "
    "SELECT g, count(DISTINCT uscc) AS firms FROM rated GROUP BY g"
)
CLASSES = ("section", "district_code", "scale", "ent_type_code", "subject_class", "status")
RATED = (
    "SELECT r.{0} AS class, count(DISTINCT t.uscc) AS n "
    "FROM gov.tax_credit AS t JOIN gov.ent_registry AS r USING (uscc) GROUP BY r.{0}"
)
RATED_REWRITTEN = (
    "WITH rated AS (SELECT uscc AS firm FROM gov.tax_credit) SELECT r.{0} AS g, count(DISTINCT firm) AS firms "
    "FROM rated JOIN gov.ent_registry AS r ON r.uscc = rated.firm GROUP BY g"
)


BASE = 5
"""To multiples of which noisy_city rounds."""


def exact(city: City) -> dict[str, int]:
    """What is true."""
    with duckdb.connect() as engine:
        found = engine.execute(
            f"SELECT grade, count(DISTINCT uscc) FROM read_parquet('{city.world}/gov.tax_credit/*.parquet') "
            "WHERE rating_year = 2025 GROUP BY 1"
        ).fetchall()
    return dict(found)


def rows(bank: louver.Client, sql: str) -> dict[str, int]:
    return dict(patiently(partial(bank.analyse, sql, purpose="RESEARCH")).rows)


@at_length_only
def test_the_same_firms_have_the_same_number_in_every_form_and_after_a_restart(
    own_city: City, tmp_path: Path
) -> None:
    ask_for_noise(own_city)
    with service(own_city) as served, served.connect("bank_a") as bank, served.connect("bank_b") as other:
        answer = bank.analyse(GRADES, purpose="RESEARCH")
        first: dict[str, int] = dict(answer.rows)
        assert first
        assert "PERTURBED" in {notice.code for notice in answer.notices}
        assert all(number % 5 == 0 for number in first.values())
        (exactness,) = answer.accuracy
        assert (exactness.column, exactness.kind) == ("n", "count")
        assert exactness.below is not None
        assert exactness.above is not None
        assert "exact n: standard error at most" in repr(answer)
        true = exact(own_city)
        # What is told of accuracy holds 95 times in a hundred, and the secret is drawn anew for each city.
        furthest = named("enterprises").terms.maximum + BASE
        assert all(abs(first[grade] - true[grade]) <= furthest for grade in first)
        assert 0 < exactness.below <= furthest
        assert rows(bank, REWRITTEN) == first
        assert rows(other, REWRITTEN) == first
        verdict = bank.explain(GRADES, purpose="RESEARCH")
        assert {rule.rule for rule in verdict.rules} >= {"noise", "rounding"}
        assert verdict.accuracy == answer.accuracy
        means = bank.analyse("SELECT avg(score) AS mean, count(*) AS n FROM gov.tax_credit", purpose="RESEARCH")
        assert [one.kind for one in means.accuracy] == ["average", "count"]
        assert means.accuracy[0].relative_error is not None
        assert 0 < means.rows[0][0] < 200
        refused = bank.explain("SELECT stddev_samp(score) FROM gov.tax_credit", purpose="RESEARCH").refusal
        assert refused is not None
        assert refused.code == "LVR-2322"
        before = {name: rows(bank, RATED.format(name)) for name in CLASSES}
        # 38 different sets of firms leave, each of which another secret gives the same number about every second time:
        # all of them once in 10^11.
        assert sum(len(cells) for cells in before.values()) >= 38
        assert {name: rows(bank, RATED_REWRITTEN.format(name)) for name in CLASSES} == before
    with service(own_city) as served, served.connect("bank_a") as bank:
        assert rows(bank, REWRITTEN + " ORDER BY g DESC") == first
    rotate(own_city.settings, "a lost disk", TOOLS)
    with service(own_city) as served, served.connect("bank_a") as bank:
        again = bank.analyse(GRADES, purpose="RESEARCH", request_id=answer.request_id)
        assert (again.request_id, again.stream) == (answer.request_id, answer.stream)
        # The same question is the same answer, drawn by the former secret: no second draw of it is to be had.
        assert {name: rows(bank, RATED.format(name)) for name in CLASSES} == before
        # In other words it is a new question, and drawn by the new secret.
        assert {name: rows(bank, RATED_REWRITTEN.format(name) + " ORDER BY g") for name in CLASSES} != before
