"""What the meanings of dialects share: checks of arguments, and calls of one row of the function table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Literal
from louver_sandbox.algebra.types import INTEGER
from louver_sandbox.refusals import sql as refusals

if TYPE_CHECKING:
    from louver_sandbox.sql.expressions import Binder

Arguments = list[exp.Expr]
Named = Callable[["Binder", exp.Expr, Arguments], Expression]
Spelled = Callable[["Binder", exp.Expr], Expression]

_UNITS = ("year", "quarter", "month", "week", "day")


def arity(node: exp.Expr, binder: Binder, name: str, arguments: Arguments, *allowed: int) -> None:
    """Refuses another number of arguments (LVR-1204)."""
    if len(arguments) not in allowed:
        listed = " or ".join(map(str, allowed))
        listed_zh = " 或 ".join(map(str, allowed))
        raise refusals.wrong_arguments(
            name, f"give {listed} arguments", f"请给出 {listed_zh} 个参数", binder.at(node)
        )


def row(name: str, *counts: int) -> Named:
    """The row `name` itself."""

    def spelled(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
        arity(node, binder, name, arguments, *counts)
        return binder.call(name, *map(binder.bind, arguments), at=binder.at(node))

    return spelled


def whole(value: int) -> Literal:
    """A whole number."""
    return Literal(value, INTEGER)


def constant_text(binder: Binder, node: exp.Expr, name: str) -> str:
    """The text of a constant argument, or LVR-1204."""
    bound = binder.bind(node)
    if isinstance(bound, Literal) and isinstance(bound.value, str):
        return bound.value
    raise refusals.wrong_arguments(name, "write the text as a constant", "请将文本写为常量", binder.at(node))


def unit(binder: Binder, node: exp.Expr, name: str, allowed: tuple[str, ...] = _UNITS) -> str:
    """The calendar unit an argument names, quoted or not, or LVR-1204."""
    written = node.this
    word = str(written.this if isinstance(written, exp.Identifier) else written).lower().removesuffix("s")
    if word in allowed:
        return word
    listed = ", ".join(allowed)
    raise refusals.wrong_arguments(name, f"the unit is one of {listed}", f"单位为 {listed} 之一", binder.at(node))
