"""A pattern is an operator that a filter right allows only by naming it, wherever the pattern stands."""

from __future__ import annotations

import pytest
from tests.unit.sandbox.test_sql_world import ask

from louver_sandbox.policy.model import AggregateRight, ColumnRights, FilterRight, GroupKeyRight
from louver_sandbox.policy.rights import missing_right

PATTERNS = {
    "regexp_matches": "regexp_matches(ent_name, '^a')",
    "regexp_full_match": "regexp_full_match(ent_name, 'a')",
    "similar": "ent_name similar to 'a'",
}
PLACES = (
    "select count(*) from gov.ent_registry where {}",
    "select {} as p, count(*) from gov.ent_registry group by p",
    "select count(*) filter (where {}) from gov.ent_registry",
    "select sum(case when {} then 1 else 0 end) from gov.ent_registry",
    "select count(*) from gov.ent_registry where ({}) = true",
)


def missing(sql: str, rights: ColumnRights) -> set[str | None]:
    """What the uses of the column lack."""
    return {missing_right(use, rights) for use in ask(sql).uses if use.column == "ent_name"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("operator", PATTERNS)
def test_a_pattern_needs_to_be_listed(operator: str, place: str) -> None:
    sql = place.format(PATTERNS[operator])
    wide = ColumnRights(group_key=GroupKeyRight(), filter=FilterRight(), aggregate=AggregateRight())
    listed = ColumnRights(
        group_key=GroupKeyRight(), filter=FilterRight(operators=(operator, "=")), aggregate=AggregateRight()
    )
    assert f"filter ({operator})" in missing(sql, wide)
    assert missing(sql, listed) == {None}
