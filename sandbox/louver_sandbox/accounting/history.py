"""What each institution has selected before, and whether a new question goes together with it (PRIVACY 5.8).

An account is (institution, dataset, purpose), as in the ledger, and holds each selection of an admitted question
until its window ends. It is written in the transaction of the charge, so two questions that run at the same time
cannot both be the first. Nothing here looks at data: a question is compared with questions.

`find` agrees with `selections.patterns_between` over everything that is remembered, but looks at few of them: a
digest, a set of columns or the range of one operand leads to those that can be alike. Of the ones found so, at most
`MOST_COMPARED` are compared; if none of those is alike and there are more, that counts as alike, since it is not
proved otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from louver.errors import Refused
from louver_sandbox import codec
from louver_sandbox.algebra.regions import hull
from louver_sandbox.obligations import Period
from louver_sandbox.privacy.calendar import refreshes_at
from louver_sandbox.refusals import history as refusals
from louver_sandbox.selections import (
    Condition,
    HistoryRules,
    Pattern,
    Response,
    Selected,
    Selection,
    apart,
    digest_of,
    part_of,
    patterns_between,
    short_digest,
)
from louver_sandbox.store import schema
from louver_sandbox.store.clock import rfc3339
from louver_sandbox.store.prepared import Prepared

MOST_COMPARED = 500
"""Earlier selections that are compared one by one with a new one for one pattern."""

NEVER = "9999"
"""Later than every time: when a selection expires that is remembered for ever."""


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern in what was asked: on which dataset, and with which earlier question of the institution.

    `request_id` and `admission` name the earlier question and its log entry; they are empty and None where the
    pattern is in one question alone. `detail` says what makes it isolating, or that too many were alike to compare;
    `until` is when the earlier question is forgotten.
    """

    pattern: Pattern
    response: Response
    dataset: str
    request_id: str = ""
    admission: int | None = None
    detail: str = ""
    until: str = ""

    def refused(self, purpose: str) -> Refused:
        """The refusal that it becomes where the policy refuses it."""
        earlier = refusals.Earlier(self.dataset, purpose, self.request_id, self.until)
        match self.pattern:
            case Pattern.COMPLEMENT:
                return refusals.complement(earlier)
            case Pattern.SUBSET:
                return refusals.subset(earlier)
            case Pattern.NEAR_DUPLICATE:
                return refusals.near_duplicate(earlier)
            case Pattern.MARGINS:
                return refusals.margins(earlier)
            case Pattern.OVERLAP:
                return refusals.overlap(earlier)
            case Pattern.ISOLATING:
                return refusals.isolating(earlier, self.detail)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what for: the account without its dataset, and the rules it is held to."""

    institution: str
    purpose: str
    request_id: str
    rules: HistoryRules


def find(tx: Connection, asked: Asked, selections: Sequence[Selection], now: datetime) -> tuple[Found, ...]:
    """Every pattern that the rules ask for, once per dataset, the strictest response first."""
    found: dict[tuple[Pattern, str], Found] = {}
    for item in (*_alone(asked, selections), *_among(asked, selections), *_before(tx, asked, selections, now)):
        found.setdefault((item.pattern, item.dataset), item)
    order = list(Response)
    return tuple(sorted(found.values(), key=lambda item: -order.index(item.response)))


def record(tx: Connection, asked: Asked, selections: Sequence[Selection], admission: int, now: datetime) -> None:
    """Remembers the selections of an admitted question, and forgets those whose window has ended."""
    for dataset, selection in _each(selections):
        account = _account(asked, dataset.dataset)
        _forget_expired(tx, account, now)
        newest = _NEWEST.row(tx, {})
        row = _row(account, dataset, selection) | {
            "id": 1 + int((newest and newest[0]) or 0),
            "request_id": asked.request_id,
            "admission": admission,
            "time": rfc3339(now),
            "expires": _expiry(tx, account, asked.rules.window, now),
        }
        same = _SAME.row(tx, row)
        if same is not None:
            _EXTEND.run(tx, {"same": same[0], "until": row["expires"]})
        else:
            _INSERT.run(tx, row)
            _INSERT_RANGE.run(tx, *_ranges(account, selection, row["id"]))


def forget(tx: Connection, institution: str, request_id: str) -> int:
    """Forgets what a question has selected, when its text is to be erased; returns how many selections that were."""
    return _delete(tx, (_s.request_id == request_id) & _s.account.startswith(f"{institution} ", autoescape=True))


def _each(selections: Sequence[Selection]) -> Iterator[tuple[Selected, Selection]]:
    for selection in selections:
        for dataset in selection.datasets:
            yield dataset, selection


def _account(asked: Asked, dataset: str) -> str:
    return f"{asked.institution} {dataset} {asked.purpose}"


# a question by itself


def _alone(asked: Asked, selections: Sequence[Selection]) -> Iterator[Found]:
    response = asked.rules.isolating
    if response is Response.OFF:
        return
    for dataset, selection in _each(selections):
        if selection.isolating:
            yield Found(Pattern.ISOLATING, response, dataset.dataset, detail=", ".join(selection.isolating))


def _among(asked: Asked, selections: Sequence[Selection]) -> Iterator[Found]:
    """Patterns between the aggregates of one question; the release judges those with the same rows together."""
    for place, one in enumerate(selections):
        for other in selections[:place]:
            if one.core == other.core:
                continue
            shared = {item.dataset for item in one.datasets} & {item.dataset for item in other.datasets}
            for pattern in sorted(patterns_between(one, other) - {Pattern.MARGINS}):
                response = asked.rules.on(pattern)
                if response is not Response.OFF:
                    yield from (Found(pattern, response, name, asked.request_id) for name in sorted(shared))


# a question and what was asked before

Row = tuple[str, str, int, str]
"""Of an earlier selection: its content, the request's id, the index of its admission, and when it expires."""


def _before(tx: Connection, asked: Asked, selections: Sequence[Selection], now: datetime) -> Iterator[Found]:
    for dataset, selection in _each(selections):
        search = _Search(tx, _account(asked, dataset.dataset), rfc3339(now), selection)
        for pattern, look in _LOOKS:
            response = asked.rules.on(pattern)
            if response is Response.OFF:
                continue
            row, detail = look(search)
            if row is not None:
                yield Found(pattern, response, dataset.dataset, row[1], row[2], detail, row[3])


@dataclass(frozen=True)
class _Search:
    """One new selection and the account it is compared with."""

    tx: Connection
    account: str
    now: str
    selection: Selection

    @cached_property
    def row(self) -> dict[str, object]:
        named = _names(self.selection)
        pivot = _pivot(self.selection.conditions)
        place = {"operand": "", "low": 0, "high": 0} if pivot is None else _place(pivot)
        return named | place | {"account": self.account, "now": self.now}

    def rows(self, statement: Prepared, **more: object) -> list[Row]:
        found = statement.rows(self.tx, self.row | more)
        return [(str(row[0]), str(row[1]), int(row[2]), str(row[3])) for row in found]

    def any_of(self, looks: Iterable[tuple[Prepared, _Alike, dict[str, object]]]) -> tuple[Row | None, str]:
        """The first that one of several statements finds."""
        for statement, alike, more in looks:
            row, detail = self.first(statement, alike, **more)
            if row is not None:
                return row, detail
        return None, ""

    def first(self, statement: Prepared, alike: _Alike, **more: object) -> tuple[Row | None, str]:
        """The first row that is alike, or the last of those that are compared where there are more."""
        row, compared = None, 0
        for most in (_FIRST_COMPARED, MOST_COMPARED):
            rows = self.rows(statement, most=most, **more)
            for row in rows[compared:]:
                if alike(_conditions(row[0])):
                    return row, ""
            if len(rows) < most:
                return None, ""
            compared = most
        return row, _UNCOMPARED


_FIRST_COMPARED = 8
"""Most often one of the first is alike, and rows cost time to fetch."""

_Alike = Callable[[tuple[Condition, ...]], bool]

_UNCOMPARED = f"more than {MOST_COMPARED} to compare"


def _complement(search: _Search) -> tuple[Row | None, str]:
    own = search.selection
    for digest in own.opposites:
        for row in search.rows(_BY_DIGEST, digest=digest):
            return row, ""
    if own.conditions:
        return next(iter(search.rows(_BY_DIGEST, digest=_EVERYTHING)), None), ""
    return next(iter(search.rows(_ANY_OTHER, most=1)), None), ""


def _margins(search: _Search) -> tuple[Row | None, str]:
    return next(iter(search.rows(_OTHER_KEYS)), None), ""


def _near(search: _Search) -> tuple[Row | None, str]:
    """Selections by the same columns: with other operands, then with the same whose pivots meet."""
    own = search.selection.conditions

    def alike(other: tuple[Condition, ...]) -> bool:
        return not apart(own, other)

    others = [(statement, alike, _NOWHERE) for statement in (_LOWER_OPERANDS, _HIGHER_OPERANDS)]
    same = [(_SAME_OPERANDS, alike, place) for place in _PLACES]
    return search.any_of((*others, *same) if own else ())


def _subset(search: _Search) -> tuple[Row | None, str]:
    own = search.selection.conditions
    if not own:
        return next(iter(search.rows(_ANY_OTHER, most=1)), None), ""
    for row in search.rows(_BY_DIGEST, digest=_EVERYTHING):
        return row, ""
    narrower = [(_NARROWER, lambda other: part_of(other, own), place) for place in _PLACES]
    wider = [(_WIDER, lambda other: part_of(own, other), _place(condition) | _PLACES[0]) for condition in own]
    return search.any_of((*narrower, *wider))


_NOWHERE: dict[str, object] = {}
_PLACES: tuple[dict[str, object], ...] = ({"pivot": 1}, {"pivot": 0})
"""The two parts of the index for each operand: of selections that are found by it, and of the others."""


def _overlap(search: _Search) -> tuple[Row | None, str]:
    own = search.selection.conditions
    return search.first(_NOT_APART if own else _ANY_OTHER, lambda other: not apart(own, other))


def _place(condition: Condition) -> dict[str, object]:
    """Where the index has a condition."""
    low, high = hull(condition.region)
    return {"operand": short_digest(condition.operand), "low": low, "high": high}


_LOOKS: tuple[tuple[Pattern, Callable[[_Search], tuple[Row | None, str]]], ...] = (
    (Pattern.COMPLEMENT, _complement),
    (Pattern.SUBSET, _subset),
    (Pattern.NEAR_DUPLICATE, _near),
    (Pattern.MARGINS, _margins),
    (Pattern.OVERLAP, _overlap),
)


# rows


def _names(selection: Selection) -> dict[str, object]:
    """What a selection is found by, as digests."""
    operands = "\n".join(condition.operand for condition in selection.conditions)
    return {
        "digest": selection.digest,
        "groups": short_digest("\n".join(selection.keys)),
        "columns": short_digest("\n".join(selection.columns)),
        "operands": short_digest(operands),
    }


def _row(account: str, dataset: Selected, selection: Selection) -> dict[str, object]:
    content = codec.encode(replace(selection, opposites=())).decode()
    return _names(selection) | {"account": account, "version": dataset.version, "content": content}


def _pivot(conditions: Sequence[Condition]) -> Condition | None:
    """The condition that fewest others are expected to share: with the shortest hull, the first of equals."""
    return min(conditions, key=_length, default=None)


def _length(condition: Condition) -> int:
    low, high = hull(condition.region)
    return high - low


def _ranges(account: str, selection: Selection, row: object) -> Iterator[dict[str, object]]:
    pivot = _pivot(selection.conditions)
    for condition in selection.conditions:
        yield _place(condition) | {"account": account, "pivot": int(condition is pivot), "selection": row}


def _expiry(tx: Connection, account: str, window: Period, now: datetime) -> str:
    """When the window ends. A clock that was set back ends it no earlier than what was remembered before."""
    ends = refreshes_at(window, now)
    if ends is None:
        return NEVER
    latest = _LATEST_EXPIRY.row(tx, {"account": account, "never": NEVER})
    return max(rfc3339(ends), "" if latest is None or latest[0] is None else str(latest[0]))


def _forget_expired(tx: Connection, account: str, now: datetime) -> None:
    if _EXPIRED.row(tx, {"account": account, "now": rfc3339(now)}) is not None:
        _delete(tx, (_s.account == account) & (_s.expires <= rfc3339(now)))


def _delete(tx: Connection, which: ColumnElement[bool]) -> int:
    """Removes selections and their ranges; returns how many selections those were."""
    ids = select(_s.id).where(which)
    tx.execute(delete(schema.selected_ranges).where(_r.selection.in_(ids)))
    return int(tx.execute(delete(schema.selections).where(which)).rowcount)


@lru_cache(maxsize=2_048)
def _conditions(content: str) -> tuple[Condition, ...]:
    return codec.decode(content.encode(), Selection).conditions


_EVERYTHING = digest_of(())
_s, _r = schema.selections.c, schema.selected_ranges.c
# Of a text made of the column SQLite has no index, and takes the one that tells most instead of that of the expiry.
_KNOWN = _s.expires.concat("") > bindparam("now")
_OF_ACCOUNT = (_s.account == bindparam("account")) & _KNOWN
_OTHER = _s.digest != bindparam("digest")
_FOUND = select(_s.content, _s.request_id, _s.admission, _s.expires)
_BY_DIGEST = Prepared(_FOUND.where(_OF_ACCOUNT, _s.digest == bindparam("digest")).limit(1))
_MOST = bindparam("most", type_=Integer)
_ANY_OTHER = Prepared(_FOUND.where(_OF_ACCOUNT, _OTHER).limit(_MOST))
_OTHER_KEYS = Prepared(
    _FOUND.where(_OF_ACCOUNT, _s.digest == bindparam("digest"), _s.groups != bindparam("groups")).limit(1)
)
_BY_COLUMNS = _FOUND.where(_OF_ACCOUNT, _OTHER, _s.columns == bindparam("columns"))
_LOWER_OPERANDS = Prepared(_BY_COLUMNS.where(_s.operands < bindparam("operands")).limit(_MOST))
_HIGHER_OPERANDS = Prepared(_BY_COLUMNS.where(_s.operands > bindparam("operands")).limit(_MOST))
# The account is asked of the ranges alone, so that SQLite starts from them and not from all its selections.
_OF_OPERAND = _FOUND.where(
    _r.account == bindparam("account"),
    _r.operand == bindparam("operand"),
    _r.pivot == bindparam("pivot"),
    _r.selection == _s.id,
    _KNOWN,
    _OTHER,
).limit(_MOST)
_SAME_OPERANDS = Prepared(
    _OF_OPERAND.where(
        _s.columns == bindparam("columns"),
        _s.operands == bindparam("operands"),
        _r.low <= bindparam("high"),
        _r.high >= bindparam("low"),
    )
)
_NARROWER = Prepared(
    _OF_OPERAND.where(_r.low >= bindparam("low"), _r.low <= bindparam("high"), _r.high <= bindparam("high"))
)
_WIDER = Prepared(_OF_OPERAND.where(_r.low <= bindparam("low"), _r.high >= bindparam("high")))
_APART = exists().where(
    _r.selection == _s.id,
    _r.operand == bindparam("operand"),
    or_(_r.low > bindparam("high"), _r.high < bindparam("low")),
)
_NOT_APART = Prepared(_FOUND.where(_OF_ACCOUNT, _OTHER, ~_APART).limit(_MOST))
_SAME = Prepared(
    select(_s.id).where(
        _s.account == bindparam("account"),
        _s.digest == bindparam("digest"),
        _s.groups == bindparam("groups"),
        _s.version == bindparam("version"),
    )
)
_NEWEST = Prepared(select(func.max(_s.id)))
_LATEST_EXPIRY = Prepared(
    select(func.max(_s.expires)).where(_s.account == bindparam("account"), _s.expires < bindparam("never"))
)
_EXPIRED = Prepared(select(_s.id).where(_s.account == bindparam("account"), _s.expires <= bindparam("now")).limit(1))
_EXTEND = Prepared(
    update(schema.selections)
    .where(_s.id == bindparam("same"), _s.expires < bindparam("until"))
    .values(expires=bindparam("until"))
)
_INSERT = Prepared(insert(schema.selections))
_INSERT_RANGE = Prepared(insert(schema.selected_ranges))
