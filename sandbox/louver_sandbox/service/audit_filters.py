"""What an auditor asks for, from the wire: checked, and as the log says it."""

from __future__ import annotations

import re
from datetime import datetime

from louver.v1 import audit_pb2 as pb
from louver_sandbox.audit.entries import JSON
from louver_sandbox.auditing.described import VERDICTS
from louver_sandbox.auditing.search import Filter
from louver_sandbox.auditing.spending import Accounts
from louver_sandbox.auditing.texts import shown
from louver_sandbox.refusals import auditing
from louver_sandbox.store.clock import rfc3339

MOST_VALUES = 50
LONGEST_VALUE = 200
LONGEST_TEXT = 500
MOST_WORDS = 20
LARGEST_PAGE = 200
MOST_DAYS = 366
MOST_HOURS_DAYS = 7
_FACETS = {
    "kinds": "kind",
    "institutions": "institution",
    "purposes": "purpose",
    "verdicts": "verdict",
    "codes": "code",
    "treatments": "treatment",
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def read(message: pb.EntryFilter) -> Filter:
    """The filter of a message. Raises `Refused` LVR-7105."""
    facets = {facet: _values(message, name) for name, facet in _FACETS.items()}
    if unknown := set(facets["verdict"]) - set(VERDICTS):
        raise auditing.filter_malformed("verdicts", f"{min(unknown)!r} is none", "没有这种结论")
    if len(message.text) > LONGEST_TEXT or len(message.text.split()) > MOST_WORDS:
        raise auditing.filter_malformed(
            "text",
            f"at most {LONGEST_TEXT} characters and {MOST_WORDS} words",
            f"最多 {LONGEST_TEXT} 字、{MOST_WORDS} 词",
        )
    if len(message.request_id) > LONGEST_VALUE:
        raise auditing.filter_malformed("request_id", "too long", "过长")
    return Filter(
        facets={name: values for name, values in facets.items() if values},
        datasets=_values(message, "datasets"),
        request_id=message.request_id,
        since=_moment("since", message.since),
        until=_moment("until", message.until),
        least_cost=_cost(message, "least_cost"),
        most_cost=_cost(message, "most_cost"),
        text=message.text,
    )


def told(wanted: Filter) -> dict[str, JSON]:
    """The filter as a log entry says it, without what may name somebody."""
    said: dict[str, JSON] = {name: list(values) for name, values in wanted.facets.items()}
    more: dict[str, JSON] = {
        "dataset": list(wanted.datasets) or None,
        "request_id": wanted.request_id or None,
        "since": wanted.since or None,
        "until": wanted.until or None,
        "least_cost": wanted.least_cost,
        "most_cost": wanted.most_cost,
        "text": shown(wanted.text) or None,
    }
    return said | {name: value for name, value in more.items() if value is not None}


def page(size: int, token: str) -> tuple[int, int | None]:
    """How many entries and from which index on. Raises `Refused` LVR-7105."""
    if size > LARGEST_PAGE:
        raise auditing.filter_malformed("page_size", f"at most {LARGEST_PAGE}", f"最多 {LARGEST_PAGE}")
    if token and not (token.isascii() and token.isdigit() and len(token) <= 18):
        raise auditing.filter_malformed("page_token", "not one of ours", "不是本服务给出的")
    return size or 50, int(token) if token else None


def over_time(message: pb.CountOverTimeRequest) -> Filter:
    """What to count over time: between two ends that are not too far from one another. Raises `Refused` LVR-7105."""
    wanted, most = read(message.filter), MOST_HOURS_DAYS if message.hours else MOST_DAYS
    try:
        ends = [datetime.fromisoformat(text).date() for text in (wanted.since, wanted.until)]
        fits = 0 < (ends[1] - ends[0]).days <= most
    except ValueError:
        fits = False
    if not fits:
        raise auditing.filter_malformed(
            "since",
            f"from and before have to be named, at most {most} days apart",
            f"须给出起止，且相隔不超过 {most} 天",
        )
    return wanted


def accounts(message: pb.ListSpendingRequest) -> Accounts:
    """Whose spending is asked for. Raises `Refused` LVR-7105."""
    for name in ("institution", "dataset", "kind"):
        if len(getattr(message, name)) > LONGEST_VALUE:
            raise auditing.filter_malformed(name, "too long", "过长")
    for name in ("since", "until"):
        if (text := getattr(message, name)) and _moment(name, text) != text:
            raise auditing.filter_malformed(name, "a day YYYY-MM-DD", "应为日期 YYYY-MM-DD")
    return Accounts(message.institution, message.dataset, message.kind, message.since, message.until)


def _values(message: pb.EntryFilter, name: str) -> tuple[str, ...]:
    found = tuple(getattr(message, name))
    if len(found) > MOST_VALUES or any(not value or len(value) > LONGEST_VALUE for value in found):
        raise auditing.filter_malformed(
            name, f"at most {MOST_VALUES} values of 1 to {LONGEST_VALUE} characters", f"最多 {MOST_VALUES} 个非空值"
        )
    return found


def _cost(message: pb.EntryFilter, name: str) -> int | None:
    if not message.HasField(name):
        return None
    value = int(getattr(message, name))
    if value >= 2**62:
        raise auditing.filter_malformed(name, "too large", "过大")
    return value


def _moment(name: str, text: str) -> str:
    """A day as it is, a moment in the store's spelling."""
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            return text
        return rfc3339(found)
    except (ValueError, OverflowError):
        raise auditing.filter_malformed(
            name, "a day YYYY-MM-DD or a moment with its offset", "应为日期或带时区的时刻"
        ) from None
