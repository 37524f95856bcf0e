"""Law 10 for scores: the statement that will be sent is what was decided, by the three readings of `plan.verify`.

Beyond these it must be what no other statement is: rows of the listed subjects alone, and nothing of them but numbers
of bins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from louver_sandbox.plan.features import statement_about, statement_about_nobody
from louver_sandbox.plan.verify import PlanUnverified, StatementShape, form, read_engine, read_sqlglot, read_tokens
from louver_sandbox.score_plan import ScorePlan

_FOUND = '(SELECT "id" FROM "asked")'
"""The subjects that the listing has found, as sqlglot writes it."""


def verify_scores(plan: ScorePlan, engine: StatementShape) -> None:
    """Compares three readings of the statement about as many subjects as are asked for, and what it may tell.

    Raises:
        PlanUnverified: a reading differs; a snapshot is read beyond what was granted or beyond the listed subjects;
            or something else than numbers of bins would leave.
    """
    text = form(statement_about_nobody(plan))
    ours, glot = read_tokens(text), read_sqlglot(text)
    if set(ours.tables) != {source.alias for source in plan.features.sources}:
        raise PlanUnverified("not the planned sources")
    if (glot.tables, glot.columns) != (ours.tables, ours.columns) or read_engine(engine) != ours:
        raise PlanUnverified("other tables, columns or functions are read")
    tree = sqlglot.parse_one(text, dialect="duckdb")
    if not isinstance(tree, exp.Select):
        raise PlanUnverified("not one SELECT")
    _verify_told(tree, plan.rules.bins)
    listing = [_verify_scan(select, scan, plan) for select, scan in _scans(tree)]
    if listing.count(True) != 1 or not len(listing) == len(ours.tables) == 1 + len(plan.rules.bins):
        raise PlanUnverified("not one scan for the subjects and one for each feature")


def verify_sent(statement: str, plan: ScorePlan) -> None:
    """Whether the statement differs from the one that was verified in its subjects alone. Raises `PlanUnverified`."""
    if form(statement) != form(statement_about_nobody(plan)):
        raise PlanUnverified("what would run is another statement")


def sent(plan: ScorePlan, subjects: Sequence[str | None]) -> str:
    """The statement about these subjects, as it may be sent. Raises `PlanUnverified`."""
    statement = statement_about(plan.features, subjects)
    verify_sent(statement, plan)
    return statement


def _verify_told(tree: exp.Select, bins: Sequence[int]) -> None:
    """The subject's own id, and of each feature one of its bins."""
    first, *others = tree.selects
    if not isinstance(first, exp.Alias) or first.this.sql() != '"p"."id"' or len(others) != len(bins):
        raise PlanUnverified("another answer than subjects and bins")
    for number, (told, most) in enumerate(zip(others, bins, strict=True), start=1):
        cast = told.this if isinstance(told, exp.Alias) and told.alias == f"b{number}" else None
        case = cast.this if isinstance(cast, exp.Cast) and cast.to.is_type("bigint") else None
        if not isinstance(case, exp.Case) or case.this is not None:
            raise PlanUnverified("something else than a bin would leave")
        results = [branch.args.get("true") for branch in case.args["ifs"]] + [case.args.get("default")]
        if not all(_is_bin(result, most) for result in results):
            raise PlanUnverified("a bin that there is not")


def _is_bin(result: object, most: int) -> bool:
    return isinstance(result, exp.Literal) and result.is_int and int(result.this) < most


def _scans(tree: exp.Select) -> Iterator[tuple[exp.Select, exp.Table]]:
    """Every SELECT that reads a snapshot, with it. Raises `PlanUnverified` where one reads more beside it."""
    for select in tree.find_all(exp.Select):
        source = select.args.get("from_") or select.args.get("from")
        if source is not None and isinstance(source.this, exp.Table) and source.this.catalog:
            if select.args.get("joins"):
                raise PlanUnverified("a snapshot that is joined before its subjects are chosen")
            yield select, source.this


def _verify_scan(select: exp.Select, scan: exp.Table, plan: ScorePlan) -> bool:
    """Whether the scan is the one of the listed subjects; the others are of the subjects that it has found."""
    table = next(source.table for source in plan.features.sources if source.alias == scan.catalog)
    granted = plan.rules.columns[table]
    read = {column.name for column in select.find_all(exp.Column) if column.find_ancestor(exp.Select) is select}
    if not read <= set(granted):
        raise PlanUnverified("a column beyond those that were granted")
    condition = select.args.get("where")
    conjuncts = condition.this.flatten() if condition and isinstance(condition.this, exp.And) else ()
    tests = list(conjuncts) or ([condition.this] if condition else [])
    chosen = next((test for test in tests if isinstance(test, exp.In)), None)
    subject = select.selects[0]
    if chosen is None or not isinstance(subject, exp.Alias) or chosen.this != subject.this:
        raise PlanUnverified("rows of others than those who are asked about")
    if (within := chosen.args.get("query")) is not None:
        if within.sql() != _FOUND:
            raise PlanUnverified("rows of others than those who are asked about")
        _verify_taken(select.selects)
        return False
    listed = chosen.expressions
    if len(listed) != plan.case.subjects or not all(isinstance(one, exp.Literal) and one.is_string for one in listed):
        raise PlanUnverified("another list of subjects")
    return True


def _verify_taken(selects: Sequence[exp.Expr]) -> None:
    """Beside the subject one number or code is taken of its rows, in one of the ways that feature sets know."""
    _, *taken = selects
    what = taken[0].this if len(taken) == 1 and isinstance(taken[0], exp.Alias) else None
    match what:
        case exp.Filter(this=exp.ArgMax(this=exp.Column()) as latest):
            order = latest.expression
            known = isinstance(order, exp.Anonymous) and all(isinstance(one, exp.Column) for one in order.expressions)
        case exp.Count():
            known = isinstance(what.this, exp.Star)
        case exp.Max() | exp.Min() | exp.Sum():
            known = isinstance(what.this, exp.Column)
        case _:
            known = False
    if not known:
        raise PlanUnverified("something else than a feature is taken")
