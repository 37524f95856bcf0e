"""Registration: the declarations' SQL is valid, and the data are as declared.

The catalogue's own loader stands below the SQL front and cannot read predicates; this module stands above both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import duckdb

from louver.errors import Refused
from louver_sandbox.catalog.check import check_catalog, located
from louver_sandbox.catalog.load import Declared
from louver_sandbox.catalog.model import Catalog, Table
from louver_sandbox.catalog.positions import CatalogProblem, Path
from louver_sandbox.catalog.rules import Finding
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import InstitutionType, Request, Subject

Connect = Callable[[], duckdb.DuckDBPyConnection]


def connect() -> duckdb.DuckDBPyConnection:
    """A fresh engine that may read the operator's files and nothing of the network."""
    return duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )


def check_registration(
    catalog: Catalog, *, declared: Sequence[Declared] = (), connect: Connect = connect, warnings: bool = False
) -> tuple[CatalogProblem, ...]:
    """Everything that speaks against registering these tables; with `warnings` also what only deserves a look.

    With `declared` (from `catalog.load.read_declarations`) every problem carries its file, line and column. When a
    predicate or a view is not valid, the data are not read: what a predicate would count is not known.
    """
    places = {item.table.name: item for item in declared}
    found = [
        located(table.name, places.get(table.name), finding)
        for table in catalog.tables.values()
        for finding in (*predicate_findings(table), *view_findings(catalog, table))
    ]
    if found:
        return tuple(found)
    problems = check_catalog(catalog, connect=connect, emit=predicate_sql, declared=declared)
    return tuple(problem for problem in problems if warnings or not problem.warning)


def predicate_findings(table: Table) -> Iterator[Finding]:
    """The predicates of the table that are not SQL over its own columns, each text once."""
    seen = set()
    for at, predicate in _predicates(table):
        if predicate in seen:
            continue
        seen.add(predicate)
        try:
            predicate_sql(table, predicate)
        except Refused as refused:
            yield Finding(
                at,
                f"the predicate is refused: {refused.code} {refused.message}",
                f"条件不合规：{refused.code} {refused.message_zh}",
                refused.hint,
            )


def view_findings(catalog: Catalog, table: Table) -> Iterator[Finding]:
    """What is wrong with a view's query, bound as anybody's query over the whole catalogue would be."""
    if table.view is None:
        return
    subject = Subject(table.name.schema, InstitutionType.DEPARTMENT, frozenset(), "")
    try:
        bound = bind(parse(Request("view", subject, "", table.view)), catalog)
    except Refused as refused:
        yield Finding(
            ("view",),
            f"the view's query is refused: {refused.code} {refused.message}",
            f"视图查询不合规：{refused.code} {refused.message_zh}",
            refused.hint,
        )
        return
    offered = {column.name: column.type for column in bound.columns}
    for column in table.columns:
        if offered.get(column.name) != column.type:
            yield Finding(
                ("columns", column.name),
                f"the view's query offers no column of this name and type {column.type}",
                f"视图查询没有该名称且类型为 {column.type} 的列",
                "declare the columns as the query names and types them",
            )


def _predicates(table: Table) -> Iterator[tuple[Path, str]]:
    if table.kept is not None:
        yield ("kept",), table.kept
    for index, rule in enumerate(table.rules or ()):
        if rule.holds is not None:
            yield ("rules", index, "holds"), rule.holds
    for index, unit in enumerate(table.units):
        if unit.when is not None:
            yield ("units", index, "when"), unit.when
    for column in table.columns:
        for index, condition in enumerate(column.when):
            yield ("columns", column.name, "when", index, "predicate"), condition.predicate
