"""LVR-32xx: questions that go together with earlier ones of the institution. Nothing was charged for them.

What decides is what was asked, never a row. Each names the earlier question, the caller's own, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


@dataclass(frozen=True, slots=True)
class Earlier:
    """Where it was found: the dataset, the purpose, and the request id of the earlier question (or of this one, where
    two of its own aggregates go together); `until` is when that is forgotten."""

    dataset: str
    purpose: str
    request_id: str
    until: str = ""

    @property
    def details(self) -> dict[str, str]:
        """What a program reads."""
        named = {"dataset": self.dataset, "purpose": self.purpose, "earlier": self.request_id, "until": self.until}
        return {name: text for name, text in named.items() if text}


def complement(earlier: Earlier) -> Refused:
    """LVR-3201: it selects what an earlier question left out, or everything beside a part."""
    return refusal(
        "LVR-3201",
        message=f"with your question {earlier.request_id} it tells both sides of a condition on {earlier.dataset}",
        hint="ask for both sides in one question, as groups: they are judged together",
        message_zh=f"与此前的查询 {earlier.request_id} 合并可得到 {earlier.dataset} 某一条件的正反两面",
        hint_zh="请在同一查询中以分组方式同时询问两面，以便一并判定",
        rule="history.complement",
        details=earlier.details,
    )


def subset(earlier: Earlier) -> Refused:
    """LVR-3202: its rows are a part of those of an earlier question, or the reverse."""
    return refusal(
        "LVR-3202",
        message=f"the difference to your question {earlier.request_id} would tell of the rows between on "
        f"{earlier.dataset}",
        hint="ask for parts that do not overlap, as groups of one question",
        message_zh=f"与此前的查询 {earlier.request_id} 相减可得到 {earlier.dataset} 中两者之间的行",
        hint_zh="请在同一查询中以互不重叠的分组询问",
        rule="history.subset",
        details=earlier.details,
    )


def near_duplicate(earlier: Earlier) -> Refused:
    """LVR-3203: it asks an earlier question again with a condition moved."""
    return refusal(
        "LVR-3203",
        message=f"it is your question {earlier.request_id} with a condition on the same columns of "
        f"{earlier.dataset} moved",
        hint="ask once, with GROUP BY for the values you want to compare",
        message_zh=f"该查询与此前的查询 {earlier.request_id} 对 {earlier.dataset} 的相同字段仅条件略有不同",
        hint_zh="请一次性询问，并以 GROUP BY 列出需要比较的取值",
        rule="history.near_duplicate",
        details=earlier.details,
    )


def margins(earlier: Earlier) -> Refused:
    """LVR-3204: it groups the rows of an earlier question in another way."""
    return refusal(
        "LVR-3204",
        message=f"it groups the rows of your question {earlier.request_id} on {earlier.dataset} in another way",
        hint="ask for all groupings in one question, with GROUPING SETS: they are judged together",
        message_zh=f"该查询对此前的查询 {earlier.request_id} 在 {earlier.dataset} 中的同一批行另行分组",
        hint_zh="请在同一查询中以 GROUPING SETS 列出全部分组，以便一并判定",
        rule="history.margins",
        details=earlier.details,
    )


def overlap(earlier: Earlier) -> Refused:
    """LVR-3205: it is not proved that it has no row in common with an earlier question."""
    return refusal(
        "LVR-3205",
        message=f"it may have rows on {earlier.dataset} in common with your question {earlier.request_id}",
        hint="compare a column of the earlier condition with other constants, so that no row satisfies both",
        message_zh=f"该查询与此前的查询 {earlier.request_id} 在 {earlier.dataset} 中可能有相同的行",
        hint_zh="请对此前条件中的字段使用不同的常量，使两者不可能同时成立",
        rule="history.overlap",
        details=earlier.details,
    )


def isolating(earlier: Earlier, reasons: str) -> Refused:
    """LVR-3206: the form of its conditions fits few subjects."""
    return refusal(
        "LVR-3206",
        message=f"its conditions on {earlier.dataset} fit few subjects by their form ({reasons})",
        hint="fewer conditions, ranges instead of values, or GROUP BY instead of a list",
        message_zh=f"其对 {earlier.dataset} 的条件从形式上只符合少数主体（{reasons}）",
        hint_zh="请减少条件，以区间代替取值，或以 GROUP BY 代替列表",
        rule="history.isolating",
        details={**earlier.details, "reasons": reasons},
    )
