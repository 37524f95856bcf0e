"""The first stage: text in, a single SELECT of allowed nodes out. Raises `Refused` (LVR-1xxx) and nothing else."""

from __future__ import annotations

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql import grammar, stumbles
from louver_sandbox.sql.constructs import KEYWORDS
from louver_sandbox.sql.dialects import BY_NAME, DIALECTS, DUCKDB, Dialect
from louver_sandbox.sql.lexical import LIMITS, Limits, Source, gate
from louver_sandbox.stages import Parsed, Request

_FIRST_WORD = re.compile(r"[\s(]*([A-Za-z_]+)")

# The parser logs the caller's text when it is unsure; a log is not a place for it.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


def parse(request: Request) -> Parsed:
    """The request's SQL as a checked tree; parameters stay placeholders, with a value for each and none left over."""
    dialect = DIALECTS.get(request.dialect)
    if dialect is None:
        raise refusals.dialect_unsupported()
    source = gate(request.sql, LIMITS, dialect)
    tree = parse_text(source, LIMITS, dialect)
    for name, offset in source.parameters.items():
        if name not in request.parameters:
            raise refusals.parameter_missing(name, source.position(offset, offset + len(name) + 1))
    for name in sorted(request.parameters):
        if name not in source.parameters:
            raise refusals.parameter_unused(name)
    return Parsed(request, source, tree)


def parse_text(source: Source, limits: Limits = LIMITS, dialect: Dialect = DUCKDB) -> exp.Expr:
    """The one query in a text that passed the gate: a SELECT, or a set operation over some."""
    first = _FIRST_WORD.match(source.text)
    if first is None or first.group(1).upper() not in ("SELECT", "WITH"):
        tried = stumbles.misspelt_first(first.group(1)) if first is not None else stumbles.NOTHING
        raise refusals.not_a_select(_first_position(source), *tried)
    try:
        statements = sqlglot.parse(source.text, read=dialect.reader)
    except SqlglotError as error:
        at = _error_position(error, source)
        raise refusals.syntax(at, *stumbles.advice(source.text, at)) from None
    except RecursionError:
        raise refusals.too_deep(None) from None
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError):
        # The parser raises these on text it did not foresee; to the caller that is a syntax error like any other.
        raise refusals.syntax(None) from None
    trees = [statement for statement in statements if statement is not None]
    if len(trees) != 1:
        raise refusals.several_statements(_first_position(source))
    return _checked(trees[0], source, limits, dialect)


def _checked(tree: exp.Expr, source: Source, limits: Limits, dialect: Dialect) -> exp.Expr:
    if type(tree) not in (exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery):
        raise refusals.not_a_select(_first_position(source))
    grammar.check(tree, source, limits, BY_NAME[dialect.name])
    _account_for_words(tree, source, dialect)
    placeholders = {str(node.this) for node in tree.find_all(exp.Placeholder)}
    if placeholders != set(source.parameters):
        raise refusals.syntax(None)
    return tree


def _account_for_words(tree: exp.Expr, source: Source, dialect: Dialect) -> None:
    """Refuses a text with a word that the parser passed over: what is logged must be what is meant (SECURITY D9)."""
    named = {str(node.this).lower() for node in tree.find_all(exp.Identifier)}
    passed_over = source.words - named - KEYWORDS - dialect.words
    if passed_over:
        places = [re.search(rf"\b{re.escape(word)}\b", source.text, re.IGNORECASE) for word in passed_over]
        first = min((place.span() for place in places if place is not None), default=None)
        at = source.position(*first) if first is not None else None
        raise refusals.syntax(at, *stumbles.advice(source.text, at))


def _first_position(source: Source) -> Position:
    start = len(source.text) - len(source.text.lstrip())
    return source.position(start)


def _error_position(error: SqlglotError, source: Source) -> Position | None:
    """Where the parser stumbled. Only its numbers are read: its words quote the text and would name the library."""
    for detail in getattr(error, "errors", None) or []:
        line, column = detail.get("line"), detail.get("col")
        if isinstance(line, int) and isinstance(column, int) and 1 <= line <= source.text.count("\n") + 1:
            width = len(str(detail.get("highlight") or "x"))
            return Position(line, max(1, column - width + 1), width)
    return None
