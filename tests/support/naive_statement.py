"""What a statement for the engine touches, read by the engine's own parser and nothing of ours.

The parser does not bind (`json_serialize_sql`), so no catalogue of ours takes part: tables, columns and functions are
found by walking its JSON. Aliases are taken for unique in a statement, as the planner makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

Name = tuple[str, str, str]
"""Catalogue, schema and name of a table."""
_SOURCES = frozenset({"TABLE_FUNCTION", "SHOW_REF", "PIVOT", "COLUMN_DATA"})
"""What gives rows and is no table, subquery or list of values."""


@dataclass(frozen=True)
class Touched:
    """The number of statements, stored tables, their columns, the names in any reference to a column, functions, and
    whatever else gives rows. What a WITH defines is no stored table. `beside` are, for each function, the tables (what a
    WITH defines too) that are read by the innermost SELECTs in which it stands, or below them."""

    statements: int
    tables: frozenset[Name]
    columns: frozenset[tuple[Name, str]]
    names: frozenset[str]
    functions: frozenset[str]
    sources: frozenset[str]
    beside: Mapping[str, frozenset[Name]]


class NotRead(Exception):
    """The engine's parser does not take the statement for SELECTs."""


def touched(connection: duckdb.DuckDBPyConnection, statement: str) -> Touched:
    """What stands in it. Raises `NotRead`."""
    (text,) = connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchone() or ("",)
    nodes: list[Mapping[str, Any]] = []

    def seen(node: dict[str, Any]) -> dict[str, Any]:
        nodes.append(node)
        return node

    read = json.loads(text, object_hook=seen)
    if read.get("error"):
        raise NotRead(statement)
    defined = {str(item["key"]) for node in nodes if "cte_map" in node for item in node["cte_map"]["map"]}
    tables = [
        (node["alias"] or node["table_name"], _name(node))
        for node in nodes
        if node.get("type") == "BASE_TABLE" and _name(node) not in {("", "", name) for name in defined}
    ]
    of_alias = dict(tables)
    references = [node["column_names"] for node in nodes if node.get("class") == "COLUMN_REF"]
    return Touched(
        len(read["statements"]),
        frozenset(of_alias.values()),
        frozenset((of_alias[names[0]], names[-1]) for names in references if names[0] in of_alias),
        frozenset(name for names in references for name in names),
        frozenset(str(node["function_name"]).lower() for node in nodes if isinstance(node.get("function_name"), str)),
        frozenset(str(node["type"]) for node in nodes if node.get("type") in _SOURCES),
        _beside(read),
    )


def _beside(read: Any) -> Mapping[str, frozenset[Name]]:
    found: dict[str, frozenset[Name]] = {}
    below: dict[int, frozenset[Name]] = {}

    def walk(node: Any, select: Any) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item, select)
        if not isinstance(node, dict):
            return
        select = node if node.get("type") == "SELECT_NODE" else select
        if isinstance(name := node.get("function_name"), str):
            if id(select) not in below:
                below[id(select)] = frozenset(_read_below(select))
            found[name.lower()] = found.get(name.lower(), frozenset()) | below[id(select)]
        for item in node.values():
            walk(item, select)

    walk(read, read)
    return found


def _read_below(node: Any) -> Iterator[Name]:
    if isinstance(node, dict) and node.get("type") == "BASE_TABLE":
        yield _name(node)
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _read_below(item)


def _name(node: Mapping[str, Any]) -> Name:
    return str(node["catalog_name"]), str(node["schema_name"]), str(node["table_name"])
