"""What functions of texts and patterns mean, by dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from louver_sandbox.algebra.expressions import Expression, Literal
from louver_sandbox.algebra.types import TEXT
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.patterns import PatternError, check_regex, similar_to_regex
from louver_sandbox.sql.spelled import Arguments, arity, constant_text

if TYPE_CHECKING:
    from louver_sandbox.sql.expressions import Binder


def pad(binder: Binder, node: exp.Expr) -> Expression:
    """`lpad` and `rpad`; the filling is a space where none is given."""
    name = "lpad" if node.args.get("is_left") else "rpad"
    fill = node.args.get("fill_pattern")
    filling = Literal(" ", TEXT) if fill is None else binder.bind(fill)
    return binder.call(name, binder.bind(node.this), binder.bind(node.expression), filling, at=binder.at(node))


def trim(binder: Binder, node: exp.Expr) -> Expression:
    """TRIM of spaces or of a set of characters; where a dialect strips a whole word, one character only."""
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or ""), "trim")
    characters, at = node.args.get("expression"), binder.at(node)
    if characters is None:
        return binder.call(name, binder.bind(node.this), at=at)
    if binder.dialect == "spark":
        raise refusals.unclear_in_dialect(
            "trim", "spark", "write btrim(text, characters)", "请写 btrim(文本, 字符)", at
        )
    # MySQL's strips a whole word, and Oracle's TRIM takes one character, though its LTRIM and RTRIM take a set.
    single = binder.dialect == "mysql" or (binder.dialect == "oracle" and name == "trim")
    if single and len(constant_text(binder, characters, "trim")) != 1:
        raise refusals.unclear_in_dialect("trim", binder.dialect, "trim one character", "请只去除一种字符", at)
    return binder.call(name, binder.bind(node.this), binder.bind(characters), at=at)


def before_first(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    """`substring_index(a, d, 1)`: the part before the first delimiter."""
    arity(node, binder, "substring_index", arguments, 3)
    text, delimiter, count = (binder.bind(argument) for argument in arguments)
    if not isinstance(count, Literal) or count.value != 1:
        raise refusals.wrong_arguments(
            "substring_index", "the count is 1; or use split_part", "次数须为 1", binder.at(node)
        )
    return binder.call("split_part", text, delimiter, count, at=binder.at(node))


def length_in_bytes(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    raise refusals.unclear_in_dialect(
        "length",
        binder.dialect,
        "write char_length, which counts characters",
        "请写 char_length，按字符计数",
        binder.at(node),
    )


def _regex(binder: Binder, name: str, operand: exp.Expr, pattern: exp.Expr, node: exp.Expr) -> Expression:
    text = constant_text(binder, pattern, name)
    try:
        check_regex(text)
    except PatternError as error:
        raise refusals.pattern_unsupported(error.what, error.what_zh, binder.at(pattern)) from None
    return binder.call(name, binder.bind(operand), Literal(text, TEXT), at=binder.at(node))


def named_regex(binder: Binder, node: exp.Expr, arguments: Arguments) -> Expression:
    arity(node, binder, "regexp_matches", arguments, 2)
    return _regex(binder, "regexp_matches", arguments[0], arguments[1], node)


def regex_operator(binder: Binder, node: exp.Expr) -> Expression:
    """`~`, RLIKE and REGEXP: the pattern matches somewhere in the text."""
    return _regex(binder, "regexp_matches", node.this, node.expression, node)


def full_match(binder: Binder, node: exp.Expr) -> Expression:
    """`regexp_full_match`: the pattern matches the whole text."""
    return _regex(binder, "regexp_full_match", node.this, node.expression, node)


def similar(binder: Binder, node: exp.Expr) -> Expression:
    """SIMILAR TO: the standard's pattern in PostgreSQL, a regular expression in DuckDB; both match the whole text."""
    if binder.dialect == "duckdb":
        return _regex(binder, "similar", node.this, node.expression, node)
    pattern = constant_text(binder, node.expression, "SIMILAR TO")
    try:
        translated = similar_to_regex(pattern)
    except PatternError as error:
        raise refusals.pattern_unsupported(error.what, error.what_zh, binder.at(node.expression)) from None
    return binder.call("similar", binder.bind(node.this), Literal(translated, TEXT), at=binder.at(node))


def escaped(binder: Binder, node: exp.Expr) -> Expression:
    """LIKE ... ESCAPE: one character, which something must follow."""
    inner = node.this
    if type(inner) not in (exp.Like, exp.ILike):
        raise refusals.syntax(binder.at(node))
    escape = constant_text(binder, node.expression, "ESCAPE")
    made = like(binder, inner, escape)
    return binder.call("not", made) if inner.args.get("negate") else made


def like(binder: Binder, node: exp.Expr, escape: str | None = None) -> Expression:
    """LIKE and ILIKE. In PostgreSQL the backslash escapes unless another character is named."""
    name = "like" if type(node) is exp.Like else "ilike"
    operand, at = binder.bind(node.this), binder.at(node)
    pattern = binder.bind(node.expression)
    text = str(pattern.value) if isinstance(pattern, Literal) else ""
    if escape is None and binder.dialect == "postgres" and "\\" in text:
        escape = "\\"
    if escape is None:
        return binder.call(name, operand, pattern, at=at)
    if (
        len(escape) != 1
        or escape in "%_"
        or len(text.replace(escape * 2, "").rpartition(escape)[2:][0]) == 0 < len(text)
    ):
        raise refusals.pattern_unsupported(
            "one ESCAPE character with something after it", "一个 ESCAPE 字符且其后有字符", at
        )
    return binder.call(name, operand, pattern, Literal(escape, TEXT), at=at)
