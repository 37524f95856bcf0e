"""Every kind of relation has one canonical text, and the lists of what a statement may hold are no longer than needed."""

from __future__ import annotations

import duckdb
import pytest
from tests.support.relations import agg, call, firms, lit, named, question, ref

from louver_sandbox.algebra.expressions import AggregateCall, NamedWindow, SortKey, WindowCall
from louver_sandbox.algebra.relations import (
    Aggregate,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Union,
    UnionColumn,
    Window,
)
from louver_sandbox.algebra.types import BOOLEAN, INTEGER, TEXT, TableName
from louver_sandbox.engines import duckdb_tree
from louver_sandbox.engines.duckdb import DuckDbEngine
from louver_sandbox.engines.shape import ShapeRefused
from louver_sandbox.plan import verify
from louver_sandbox.plan.emit import emit
from louver_sandbox.plan.verify import PlanUnverified, form, read_engine, read_sqlglot, read_tokens

TAX = Scan(1, TableName("gov", "tax"), ("district", "staff"))
OTHER = Scan(2, TableName("gov", "registry"), ("section", "staff"))
SAME = call("=", ref(1, "staff", INTEGER), ref(2, "staff", INTEGER))
DISTRICT = ref(1, "district")


def text(relation: Relation) -> str:
    shown = named("d", DISTRICT) if not isinstance(relation, Union | Aggregate) else named("d", ref(3, "d"))
    return emit(Project(9, relation, (shown,)), lambda scan: f"s{scan.id}")


def joined(kind: JoinKind, condition: object = SAME) -> str:
    return text(Join(kind, TAX, OTHER, condition))  # type: ignore[arg-type]  # any expression


@pytest.mark.parametrize("kind", list(JoinKind))
def test_a_join_is_written_by_its_name(kind: JoinKind) -> None:
    assert f'"t1" {kind.value.upper()} JOIN "s2"."main"."data" AS "t2" ON ("t1"."staff" = "t2"."staff")' in joined(
        kind
    )


def test_not_in_over_nullable_columns_is_written_so_that_an_engine_can_hash_it() -> None:
    written = joined(JoinKind.ANTI, call("coalesce", SAME, lit(True)))
    assert 'WHERE NOT ("t1"."staff" IN (SELECT "t2"."staff" AS "c1" FROM "s2"."main"."data" AS "t2"))' in written


def test_a_correlated_not_in_keeps_its_other_conditions_inside() -> None:
    link = call("=", DISTRICT, ref(2, "section"))
    written = joined(JoinKind.ANTI, call("and", call("coalesce", SAME, lit(True)), link))
    assert 'AS "t2" WHERE ("t1"."district" = "t2"."section")))' in written


def test_equality_of_nulls_is_written_so_that_an_engine_can_hash_it() -> None:
    null_safe = call("not", call("is_distinct", DISTRICT, ref(2, "section")))
    assert 'ON ("t1"."district" IS NOT DISTINCT FROM "t2"."section")' in joined(JoinKind.SEMI, null_safe)


def test_the_sides_of_a_union_have_its_types() -> None:
    left = Project(4, TAX, (named("a", DISTRICT),))
    right = Project(5, OTHER, (named("b", ref(2, "staff", INTEGER)),))
    written = text(Union(3, left, right, (UnionColumn("d", TEXT),)))
    assert '((SELECT "t1"."district" AS "c1" FROM ' in written
    assert ') UNION ALL (SELECT TRY_CAST("t2"."staff" AS VARCHAR) AS "c1" FROM ' in written


def test_keys_of_grouping_sets_are_columns() -> None:
    keys = (named("d", DISTRICT), named("s", call("+", ref(1, "staff", INTEGER), lit(1))))
    level = AggregateCall("grouping", (keys[1].expression, DISTRICT), INTEGER)
    measures = (named("n", agg("count")), named("g", level))
    written = text(Aggregate(3, TAX, keys, measures, ((0, 1), (0,), ())))
    assert 'GROUP BY GROUPING SETS (("t2"."c1", "t2"."c2"), ("t2"."c1"), ())' in written
    assert 'GROUPING("t2"."c2", "t2"."c1")' in written


def windowed(function: str, *, running: bool = False, argument: bool = True) -> str:
    call_ = WindowCall(
        function,
        (ref(1, "staff", INTEGER),) if argument else (),
        INTEGER,
        (DISTRICT,),
        (SortKey(ref(1, "staff", INTEGER), descending=True),),
        running,
    )
    return text(Window(3, TAX, (NamedWindow("w", call_),)))


OWN_ORDER = '"t1"."staff" DESC NULLS LAST'
TIES = '"t1"."district" ASC NULLS LAST, "t1"."staff" ASC NULLS LAST'


def test_a_window_names_no_frame_and_no_row_is_chosen_by_chance() -> None:
    assert f'rank() OVER (PARTITION BY "t1"."district" ORDER BY {OWN_ORDER})' in windowed("rank", argument=False)
    assert f"ORDER BY {OWN_ORDER}, {TIES})" in windowed("row_number", argument=False)
    assert 'sum("t1"."staff") OVER (PARTITION BY "t1"."district")' in windowed("sum")
    assert f'sum("t1"."staff") OVER (PARTITION BY "t1"."district" ORDER BY {OWN_ORDER})' in windowed(
        "sum", running=True
    )


def test_the_last_value_is_the_first_from_the_end() -> None:
    backwards = '"t1"."district" DESC NULLS FIRST, "t1"."staff" DESC NULLS FIRST'
    partition = 'PARTITION BY "t1"."district"'
    whole, running = windowed("last_value"), windowed("last_value", running=True)
    assert f'first_value("t1"."staff") OVER ({partition} ORDER BY "t1"."staff" ASC NULLS FIRST, {backwards})' in whole
    assert f'first_value("t1"."staff") OVER ({partition}, "t1"."staff" ORDER BY {backwards})' in running


STATEMENTS = {
    "full": joined(JoinKind.FULL),
    "semi": joined(JoinKind.SEMI),
    "anti": joined(JoinKind.ANTI),
    "union": text(
        Union(
            3,
            Project(4, TAX, (named("a", DISTRICT),)),
            Project(5, OTHER, (named("b", ref(2, "section")),)),
            (UnionColumn("d", TEXT),),
        )
    ),
    "sets": text(Aggregate(3, TAX, (named("d", DISTRICT),), (), ((0,), ()))),
    "grouping": text(
        Aggregate(
            3,
            TAX,
            (named("d", DISTRICT),),
            (named("g", AggregateCall("grouping", (DISTRICT,), INTEGER)),),
            ((0,), ()),
        )
    ),
    "over": windowed("rank", argument=False),
    "partition": windowed("sum"),
}


@pytest.fixture(scope="module")
def engine() -> DuckDbEngine:
    return DuckDbEngine(duckdb.connect())


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_three_readers_agree(engine: DuckDbEngine, statement: str) -> None:
    ours, glot = read_tokens(form(statement)), read_sqlglot(statement)
    assert read_engine(engine.parse(statement)) == ours
    assert (glot.tables, glot.columns) == (ours.tables, ours.columns)


@pytest.mark.parametrize("word", STATEMENTS)
def test_each_word_on_the_list_is_needed(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    without = frozenset({word})
    monkeypatch.setattr(verify, "_WORDS", verify._WORDS - without)
    read_tokens.cache_clear()
    try:
        reading = read_tokens(STATEMENTS[word])
    except PlanUnverified:
        return
    finally:
        read_tokens.cache_clear()
    assert word in reading.functions, "an unlisted word before a parenthesis is taken for a function"


def test_the_grouping_function_is_on_the_engines_list_because_it_is_needed(
    engine: DuckDbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuple(name for name in duckdb_tree._OPERATOR_TYPES if name != "GROUPING_FUNCTION")
    row = duckdb_tree._EXPRESSIONS["OPERATOR"]
    narrowed = duckdb_tree._Kind({**row.keys, "type": duckdb_tree._is(*kept)})
    monkeypatch.setitem(duckdb_tree._EXPRESSIONS, "OPERATOR", narrowed)
    with pytest.raises(ShapeRefused):
        engine.parse(STATEMENTS["grouping"])


@pytest.mark.parametrize(
    "over",
    [
        "ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
        "ORDER BY a RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "ORDER BY a GROUPS CURRENT ROW",
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE TIES",
    ],
)
def test_a_frame_is_written_by_nobody_and_read_by_nobody(engine: DuckDbEngine, over: str) -> None:
    statement = f'SELECT sum("t1"."a") OVER ({over}) AS "c1" FROM "s1"."main"."data" AS "t1"'
    with pytest.raises(ShapeRefused):
        engine.parse(statement)
    with pytest.raises(PlanUnverified):
        read_sqlglot(statement)
    with pytest.raises(PlanUnverified):
        read_tokens(statement)


def test_filters_and_orders_inside_windows_are_read_by_nobody(engine: DuckDbEngine) -> None:
    for inside in ("sum(a) FILTER (WHERE b)", "first_value(a ORDER BY b)", "lag(a IGNORE NULLS)", "sum(DISTINCT a)"):
        with pytest.raises(ShapeRefused):
            engine.parse(f"SELECT {inside} OVER () FROM t")


QUESTIONS = [
    "SELECT count(*) FROM gov.tax t WHERE t.uscc IN (SELECT r.uscc FROM gov.registry r WHERE r.section = 'a')",
    "SELECT count(*) FROM gov.tax t WHERE t.district NOT IN (SELECT r.section FROM gov.registry r)",
    "SELECT district FROM gov.tax EXCEPT SELECT section FROM gov.registry",
    "SELECT count(*) FROM gov.tax t FULL JOIN gov.registry r USING (uscc)",
    "SELECT district, sum(staff), rank() OVER (ORDER BY sum(staff)) FROM gov.tax GROUP BY district",
    "SELECT district, arrears, grouping(district), count(*) FROM gov.tax GROUP BY CUBE (district, arrears)",
    "SELECT count(*) FROM gov.tax t WHERE t.staff > (SELECT avg(staff) FROM gov.tax)",
]


@pytest.mark.parametrize("sql", QUESTIONS)
def test_equal_questions_have_equal_statements(sql: str) -> None:
    once, again = (question(firms(), spelt, protected=frozenset()).bound for spelt in (sql, sql.lower()))
    source, types = (lambda scan: f"s{scan.id}"), tuple(column.type for column in once.columns)
    assert emit(once.relation, source, types) == emit(again.relation, source, types)


def test_a_join_to_one_row_is_written_on_true() -> None:
    total = Aggregate(3, OTHER, (), (named("d", agg("max", ref(2, "section"))),))
    written = text(Join(JoinKind.LEFT, TAX, total, lit(True, BOOLEAN)))
    assert written.endswith(' FROM "s2"."main"."data" AS "t2" GROUP BY ()) AS "t3" ON TRUE')
