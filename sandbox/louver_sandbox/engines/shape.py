"""What an engine's own parser understood: the second opinion on SQL that is about to run.

`plan/verify.py` compares this with what was planned (SECURITY section 5, rule 3). It comes from parsing
alone: nothing is bound, no file is opened, no name is looked up.
"""

from dataclasses import dataclass
from typing import Literal

StatementKind = Literal["select"]
RefusalReason = Literal["syntax", "statement", "node"]


@dataclass(frozen=True, order=True)
class TableName:
    """A table as written in the statement; parts not written are empty."""

    catalog: str
    schema: str
    name: str


@dataclass(frozen=True)
class Shape:
    """One statement as the engine read it.

    `tables` is a sorted multiset, one entry per mention, without the statement's own CTEs; `columns` are the
    paths as written (`("t1", "amount")`); `functions` are the engine's own names of everything called, also
    where the statement has syntax for it (`count(*)` is DuckDB's `count_star`, `INTERVAL` its `to_months`).
    """

    kind: StatementKind
    tables: tuple[TableName, ...]
    columns: frozenset[tuple[str, ...]]
    functions: frozenset[str]


class ShapeRefused(Exception):
    """The engine's parser does not see exactly one SELECT made of node types on our list.

    `reason`: "syntax" (it does not parse), "statement" (not one SELECT), "node" (a part that is not on the
    list; `node` is its type if that is a word of the engine's grammar). Carries no text of the statement.
    """

    def __init__(self, reason: RefusalReason, node: str = "") -> None:
        super().__init__(f"{reason} {node}".rstrip())
        self.reason: RefusalReason = reason
        self.node = node
