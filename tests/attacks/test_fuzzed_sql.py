"""A bank sends whatever it likes: each statement is answered under what was granted, or refused with a code.

`make soak`, or `python -m tests.support.fuzzing --count 1000000 --jobs 2`, tries a million.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support import fuzzing
from tests.support.fuzzed_sql import COLUMNS, FORBIDDEN, statement
from tests.support.fuzzing import Bypass, Judge, Told, documented, judged, literals

from louver.errors import Refused
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.pipeline import judge
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.stages import Facts, Plan, Request

PARTS = 4
STATEMENTS = 100_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_hundred_thousand_hostile_statements_are_admitted_as_granted_or_refused_with_a_code(part: int) -> None:
    size = STATEMENTS // PARTS
    tally = judged(1, range(part * size, (part + 1) * size))
    assert tally.failures == []
    assert tally.admitted > 0.01 * size
    assert len(tally.verdicts) > 20, "codes of every kind"


def test_the_statements_are_a_function_of_seed_and_number() -> None:
    assert [statement(1, number) for number in range(50)] == [statement(1, number) for number in range(50)]
    assert len({statement(1, number) for number in range(1000)}) > 950


PLANNED = "SELECT section, count(*) AS n, sum(staff) AS s FROM gov.firm GROUP BY section"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"t1"."section"', '"t1"."canary_firm"', "canary_firm"),
        ('"s1"."main"."data"', '"s2"."main"."data"', "tables"),
        ('"s1"."main"."data"', '"gov"."secret"', "tables"),
        ('"s1"."main"."data" AS', "read_text('/etc/passwd') AS", "TABLE_FUNCTION"),
        ("sum(", "string_agg(", "string_agg"),
        ("count(*)", "getenv('HOME')", "getenv"),
        ('WITH "partial"', 'SELECT 1; WITH "partial"', "2 statements"),
    ],
)
def test_the_judge_sees_what_a_careless_planner_would_let_through(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str, found: str
) -> None:
    def careless(request: Request, catalog: Catalog, bundle: Bundle, facts: Facts) -> Plan:
        made = judge(request, catalog, bundle, facts)
        cores = [replace(core, statement=core.statement.replace(old, new)) for core in made.cores]
        assert [core.statement for core in cores] != [core.statement for core in made.cores]
        return replace(made, cores=tuple(cores))

    assert Judge().verdict(PLANNED) == "admitted"
    monkeypatch.setattr(fuzzing, "judge", careless)
    with pytest.raises(Bypass, match=found):
        Judge().verdict(PLANNED)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Binder Error: no such column", "speaks like a library"),
        ("Expecting ). Line 1", "speaks like a library"),
        ("the value zqx17 is not known", "tells the literal"),
    ],
)
def test_the_judge_hears_what_a_refusal_must_not_say(
    monkeypatch: pytest.MonkeyPatch, message: str, found: str
) -> None:
    def talkative(*arguments: object) -> Plan:
        raise Refused("LVR-1007", message, "hint")

    monkeypatch.setattr(fuzzing, "judge", talkative)
    with pytest.raises(Told, match=found):
        Judge().verdict("SELECT count(*) FROM gov.firm WHERE section = 'zqx17'")


def test_a_code_without_a_page_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object) -> Plan:
        raise Refused("LVR-9999", "no", "hint")

    monkeypatch.setattr(fuzzing, "judge", unknown)
    with pytest.raises(Told, match="has no page"):
        Judge().verdict(PLANNED)
    assert len(documented()) > 100


def test_literals_are_known_again_where_it_is_plain_what_they_are() -> None:
    sql = "SELECT zqx1 FROM t WHERE a IN ('zqx1', 'zqx22') AND b < 173603 AND c173603"
    assert literals(sql) == {"zqx22", "173603"}
    assert literals(sql + " -- 'zqx3'") == set()


def test_nothing_granted_is_called_like_what_is_forbidden() -> None:
    granted = {column for columns in COLUMNS.values() for column in columns}
    assert granted.isdisjoint(FORBIDDEN.values())
