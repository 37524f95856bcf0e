"""What the parser makes of texts, as JSON that two builds of sqlglot can be compared by.

`python -m tests.support.parser_builds` prints it for the build that is imported first; sqlglot comes as plain Python
and, where there is a wheel for the machine, compiled beside it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlglot.parser
from sqlglot import exp

from louver.errors import Refused
from louver_sandbox.algebra.expressions import Value
from louver_sandbox.policy.testing import load_cases
from louver_sandbox.sql import grammar
from louver_sandbox.sql.dialects import DIALECTS
from louver_sandbox.sql.lexical import LIMITS
from louver_sandbox.sql.parse import parse
from louver_sandbox.sql.places import own_place
from louver_sandbox.stages import InstitutionType, Request, Subject

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference" / "sql"
ANYBODY = Subject("bank_a", InstitutionType.BANK, frozenset(), "")
_BLOCK = re.compile(r"```sql [^\n]+\n(.*?)```", re.DOTALL)

NESTED = (
    "NOT ", "- ", "+ ", "CASE ", "CASE WHEN 1 THEN ", "CASE WHEN 1 THEN 1 ELSE ", "1 + ", "1 AND ", "1 = ", "1 || ",
    "a . ", "INTERVAL ", "DATE ", "EXISTS ", "ALL ", "DISTINCT ", "SELECT ", "1 UNION SELECT ", "1 BETWEEN ",
    "1 IN ", "1 LIKE ", "a :: ", "1 IS NOT ", "CAST ( 1 AS STRUCT < a ", "1 :: ARRAY < ", "1 , ", "( ", "( SELECT ",
    "1 FROM a , ", "1 FROM SELECT ", "1 FROM LATERAL ", "VALUES ", "PRIOR ", "1 COLLATE ", "1 AT TIME ZONE ",
)  # fmt: skip
"""What can stand inside itself, each repeated below as often as the gate lets tokens through."""


def texts() -> Iterator[tuple[str, Mapping[str, Value]]]:
    """The SQL of every decision table and of every page of the reference."""
    for placed in load_cases([ROOT / "policies" / "cases"]):
        yield placed.sql, placed.parameters
    for page in sorted(PAGES.glob("*.md")):
        yield from ((sql, {}) for sql in _BLOCK.findall(page.read_text(encoding="utf-8")))


def parsed(sql: str, parameters: Mapping[str, Value], dialect: str) -> Any:
    """Every node with its plain arguments and its place; or the refusal."""
    try:
        tree = parse(Request("r", ANYBODY, "RESEARCH", sql, parameters, dialect)).tree
    except Refused as refused:
        return [refused.code, refused.line, refused.column, refused.message]
    return [[type(node).__name__, _plain(node.args), own_place(node)] for node in tree.walk()]


def _plain(args: Mapping[str, object]) -> dict[str, object]:
    """The arguments, with the names of the nodes among them; what is unset is as good as absent."""
    return {name: _named(value) for name, value in sorted(args.items()) if value not in (None, False, [])}


def _named(value: object) -> object:
    if isinstance(value, list):
        return [_named(item) for item in value]
    return type(value).__name__ if isinstance(value, exp.Expr) else str(value)


def closed_list() -> dict[str, object]:
    """Every class of the closed grammar with the arguments that the parser's build knows of it."""
    listed = (*grammar.STRUCTURE, *grammar.EXPRESSIONS, *grammar.FUNCTIONS)
    return {kind.__name__: [kind.key, sorted(kind.arg_types)] for kind in listed}


def deepest() -> dict[str, str]:
    """The end of every nesting at its largest: `parsed` or the refusal's code."""
    ends: dict[str, str] = {}
    for dialect in DIALECTS:
        for part in NESTED:
            times = LIMITS.bracket_depth if "(" in part else (LIMITS.tokens - 100) // len(part.split())
            found = parsed("SELECT " + part * times + "1" + " )" * (times if "(" in part else 0), {}, dialect)
            ends[f"{dialect}: {part}"] = found[0] if isinstance(found[0], str) else "parsed"
    return ends


def findings() -> dict[str, Any]:
    """Everything that must not depend on the build, and which build this is."""
    return {
        "build": "plain" if str(sqlglot.parser.__file__).endswith(".py") else "compiled",
        "closed list": closed_list(),
        "texts": [parsed(sql, parameters, dialect) for sql, parameters in texts() for dialect in DIALECTS],
    }


if __name__ == "__main__":
    json.dump(deepest() if sys.argv[1:] == ["deepest"] else findings(), sys.stdout)
