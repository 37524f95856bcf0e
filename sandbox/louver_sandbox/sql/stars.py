"""`*` and `t.*` with EXCLUDE and REPLACE: what the caller may see, less what is left out."""

from __future__ import annotations

from sqlglot import exp

from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.clauses import Item
from louver_sandbox.sql.expressions import Binder
from louver_sandbox.sql.scopes import fold, similar


def is_star(node: exp.Expr) -> bool:
    """Whether the item of a SELECT list is `*` or `t.*`."""
    return type(node) is exp.Star or (type(node) is exp.Column and type(node.this) is exp.Star)


def star_items(binder: Binder, node: exp.Expr) -> list[Item]:
    """The columns it stands for. Raises LVR-1102 for a name in EXCLUDE or REPLACE that is none of them."""
    text = binder.names.text
    star = node if type(node) is exp.Star else node.this
    qualifier = tuple(str(part.this) for part in (node.args.get("db"), node.args.get("table")) if part is not None)
    columns = binder.names.scope.star(qualifier, text.at(node))
    excluded = {fold(_name(part)): part for part in star.args.get("except_") or []}
    replaced = {fold(str(part.args["alias"].this)): part for part in star.args.get("replace") or []}
    known = {fold(name) for name, _ in columns}
    for name, part in (*excluded.items(), *replaced.items()):
        if name not in known:
            raise refusals.unknown_column(name, similar(name, (column for column, _ in columns)), text.at(part))
    return [
        Item(name, binder.bind(replaced[fold(name)].this) if fold(name) in replaced else ref)
        for name, ref in columns
        if fold(name) not in excluded
    ]


def _name(node: exp.Expr) -> str:
    return str(node.this.this) if type(node) is exp.Column else str(node.this)
