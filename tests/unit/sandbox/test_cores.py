"""Where a protected question is cut: what is judged as cells, what leaves as it is, and what is computed above."""

from __future__ import annotations

import pytest

from louver_sandbox.algebra.cores import RELEASED, Cut, NotAggregated, cut
from louver_sandbox.algebra.expressions import AggregateCall, Call, ColumnRef, Expression, Literal, Named, column_refs
from louver_sandbox.algebra.relations import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Project,
    Relation,
    Scan,
    Union,
    UnionColumn,
    scans,
    walk,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, TableName, Type

TAX, FIRM, LOAN = TableName("gov", "tax"), TableName("gov", "firm"), TableName("bank_a", "loan")


def column(relation: int, name: str, type_: Type = TEXT) -> ColumnRef:
    return ColumnRef(relation, name, type_)


def scan(number: int, table: TableName = TAX) -> Scan:
    return Scan(number, table, ("district", "uscc"))


def cells(number: int, source: Relation, key: Expression) -> Aggregate:
    return Aggregate(number, source, (Named("d", key),), (Named("n", AggregateCall("count", (), INTEGER)),))


def per_district(number: int, source: Scan) -> Aggregate:
    return cells(number, source, column(source.id, "district"))


def total(number: int, source: Relation) -> Aggregate:
    return Aggregate(number, source, (), (Named("n", AggregateCall("count", (), INTEGER)),))


def select(number: int, source: Relation, *columns: Expression) -> Project:
    return Project(number, source, tuple(Named(f"x{i}", part) for i, part in enumerate(columns)))


def equal(left: Expression, right: Expression) -> Call:
    return Call("=", (left, right), BOOLEAN)


def ids(found: Cut) -> list[tuple[int, bool]]:
    return [(core.id, core.protected) for core in found.cores]


def test_one_aggregate_is_one_core_and_its_rows_are_a_scan() -> None:
    relation = select(9, Filter(per_district(2, scan(1)), equal(column(2, "d"), Literal("x", TEXT))), column(2, "n"))
    found = cut(relation, {1})
    assert ids(found) == [(2, True)]
    assert scans(found.shape) == (Scan(2, RELEASED, ("d", "n")),)
    assert found.cores[0].relation is relation.input.input  # type: ignore[union-attr]  # a Filter


def test_both_sides_of_a_join_are_cores_of_their_own() -> None:
    both = Join(
        JoinKind.LEFT, per_district(2, scan(1)), per_district(4, scan(3)), equal(column(2, "d"), column(4, "d"))
    )
    found = cut(select(9, both, column(2, "n"), column(4, "n")), {1, 3})
    assert ids(found) == [(2, True), (4, True)]


def test_protected_rows_beside_an_aggregate_are_raw_rows() -> None:
    beside = Join(JoinKind.INNER, per_district(2, scan(1)), scan(3), equal(column(2, "d"), column(3, "district")))
    with pytest.raises(NotAggregated) as raw:
        cut(select(9, beside, column(2, "n")), {1, 3})
    assert raw.value.joined
    with pytest.raises(NotAggregated) as raw:
        cut(select(9, scan(1), column(1, "uscc")), {1})
    assert not raw.value.joined


def test_groups_of_single_units_are_no_cells_to_be_joined_with() -> None:
    beside = Join(
        JoinKind.INNER, cells(2, scan(1), column(1, "uscc")), scan(3, LOAN), equal(column(2, "d"), column(3, "uscc"))
    )
    relation = select(9, beside, column(2, "n"))
    with pytest.raises(NotAggregated):
        cut(relation, {1}, {(1, "uscc")})
    assert ids(cut(relation, {1}, {(1, "other")})) == [(2, True), (10, False)]


def test_rows_that_nobody_protects_leave_as_they_are_under_names_of_the_cut() -> None:
    beside = Join(
        JoinKind.LEFT, per_district(2, scan(1)), Filter(scan(3, LOAN), Literal(True, BOOLEAN)),
        equal(column(2, "d"), column(3, "district")),
    )  # fmt: skip
    found = cut(select(9, beside, column(2, "n"), column(3, "uscc")), {1})
    own = found.cores[1]
    assert not own.protected
    assert isinstance(own.relation, Project)
    assert [named.expression for named in own.relation.columns] == [column(3, "district"), column(3, "uscc")]
    refs = {ref.relation for node in walk(found.shape) if isinstance(node, Project) for ref in _refs(node)}
    assert refs == {2, own.id}
    assert own.id not in {1, 2, 3, 9}


def _refs(project: Project) -> list[ColumnRef]:
    return [named.expression for named in project.columns if isinstance(named.expression, ColumnRef)]


def test_a_side_that_is_only_asked_to_exist_still_has_rows() -> None:
    beside = Join(JoinKind.SEMI, per_district(2, scan(1)), scan(3, LOAN), Literal(True, BOOLEAN))
    own = cut(select(9, beside, column(2, "n")), {1}).cores[1]
    assert isinstance(own.relation, Project)
    assert len(own.relation.columns) == 1


def test_an_unprotected_query_is_one_exact_core() -> None:
    relation = select(9, scan(1), column(1, "uscc"))
    found = cut(relation, ())
    assert ids(found) == [(9, False)]
    assert found.shape == Scan(9, RELEASED, ("x0",))


def union(number: int, left: Project, right: Project) -> Union:
    return Union(number, left, right, (UnionColumn("d", TEXT),))


def test_a_union_has_a_select_list_on_each_side_also_over_a_whole_core() -> None:
    answers = union(
        9,
        select(3, per_district(2, scan(1)), column(2, "d")),
        select(6, scan(5, LOAN), column(5, "district")),
    )
    found = cut(select(10, answers, column(9, "d")), {1})
    assert ids(found) == [(2, True), (6, False)]
    (made,) = (node for node in walk(found.shape) if isinstance(node, Union))
    assert isinstance(made.right, Project)
    assert made.right.input == Scan(6, RELEASED, ("x0",))


def test_leaving_out_repetitions_among_released_rows_is_no_core() -> None:
    answers = union(
        9,
        select(3, per_district(2, scan(1)), column(2, "d")),
        select(6, per_district(5, scan(4)), column(5, "d")),
    )
    distinct = Aggregate(11, answers, (Named("d", column(9, "d")),), ())
    found = cut(select(12, distinct, column(11, "d")), {1, 4})
    assert ids(found) == [(2, True), (5, True)]
    assert any(isinstance(node, Aggregate) for node in walk(found.shape))


def test_distinct_over_rows_is_a_core() -> None:
    distinct = Aggregate(2, scan(1), (Named("d", column(1, "district")),), ())
    assert ids(cut(select(9, distinct, column(2, "d")), {1})) == [(2, True)]


def test_distinct_over_groups_of_single_units_is_a_core_since_those_are_no_cells() -> None:
    per_unit = select(3, cells(2, scan(1), column(1, "uscc")), column(2, "d"))
    distinct = Aggregate(4, per_unit, (Named("d", column(3, "x0")),), ())
    relation = select(9, distinct, column(4, "d"))
    assert ids(cut(relation, {1}, {(1, "uscc")})) == [(4, True)]
    assert ids(cut(relation, {1}, {(1, "other")})) == [(2, True)]


def test_a_total_of_cells_is_computed_from_what_is_released_of_them() -> None:
    outer = total(4, select(3, per_district(2, scan(1)), column(2, "n", INTEGER)))
    found = cut(select(9, Limit(outer, 1), column(4, "n")), {1})
    assert ids(found) == [(2, True)]
    assert [node.id for node in walk(found.shape) if isinstance(node, Aggregate)] == [4]


def test_a_total_of_groups_of_single_units_is_one_core() -> None:
    outer = total(4, select(3, cells(2, scan(1), column(1, "uscc")), column(2, "n", INTEGER)))
    relation = select(9, total(6, select(5, outer, column(4, "n", INTEGER))), column(6, "n"))
    assert ids(cut(relation, {1}, {(1, "uscc")})) == [(4, True)], "what is above it is over its cells"


def test_a_total_of_cells_beside_protected_rows_is_one_core() -> None:
    beside = Join(JoinKind.INNER, scan(3), per_district(2, scan(1)), equal(column(3, "district"), column(2, "d")))
    assert ids(cut(select(9, total(4, beside), column(4, "n")), {1, 3})) == [(4, True)]


def test_deep_aggregates_are_cut_in_no_time() -> None:
    relation: Relation = per_district(2, scan(1))
    for number in range(3, 60):
        relation = cells(number, relation, column(number - 1, "d"))
    assert ids(cut(select(99, relation, column(59, "n")), {1})) == [(2, True)]


def test_what_a_total_adds_up_of_unprotected_rows_is_named_as_the_cut_names_it() -> None:
    beside = Join(
        JoinKind.INNER, per_district(2, scan(1)), scan(3, LOAN), equal(column(2, "d"), column(3, "district"))
    )
    number = AggregateCall("count", (column(3, "uscc"),), INTEGER, where=equal(column(3, "district"), column(2, "d")))
    found = cut(select(9, Aggregate(4, beside, (), (Named("n", number),)), column(4, "n")), {1})
    (made,) = (node.measures[0].expression for node in walk(found.shape) if isinstance(node, Aggregate))
    assert {ref.relation for ref in column_refs(made)} == {2, found.cores[1].id}
