"""What a document says about things beside it: registered institutions, the bundle's last day, windows of budgets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from louver_sandbox.catalog.model import Verb
from louver_sandbox.policy.cubes import PUBLISHER
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.model import Deny, Grant, GrantTreatment, Platform, Policy
from louver_sandbox.policy.severity import Severity


def surroundings(
    document: Platform | Policy, platform: Platform, today: date, institutions: Collection[str] | None
) -> Iterator[Finding]:
    """The findings of one document; `institutions` are the registered ones, None where nobody knows them."""
    if isinstance(document, Platform):
        yield from _platform(document, today, institutions)
        return
    rules: list[tuple[str, int, Grant | Deny]] = [
        *(("grants", index, grant) for index, grant in enumerate(document.grants)),
        *(("denies", index, deny) for index, deny in enumerate(document.denies)),
    ]
    for part, index, rule in rules:
        yield from _unknown(rule.to.institutions, institutions, (part, index, "to", "institutions"))
    for index, grant in enumerate(document.grants):
        yield from _outlives(grant, platform, ("grants", index, "valid", "until"))
        yield from _paced_only(grant, ("grants", index, "budget"))


def _platform(platform: Platform, today: date, institutions: Collection[str] | None) -> Iterator[Finding]:
    if platform.expires < today:
        day = platform.expires.isoformat()
        yield Finding(
            ("expires",),
            f"the bundle expired on {day}: the sandbox does not load it",
            f"政策包已于 {day} 到期，沙箱不会加载",
            "set a later day",
            "请改为更晚的日期",
            "expired-bundle",
        )
    for name, group in platform.groups.items():
        yield from _unknown(group.members or (), institutions, ("groups", name, "members"))


def _unknown(
    named: Sequence[str], institutions: Collection[str] | None, at: tuple[str | int, ...]
) -> Iterator[Finding]:
    for index, name in enumerate(named if institutions is not None else ()):
        if institutions is not None and name not in institutions and name != PUBLISHER:
            yield Finding(
                (*at, index),
                f"no institution {name} is registered",
                f"未登记机构 {name}",
                "`louver-sandbox institution add` registers one",
                "可用 `louver-sandbox institution add` 登记",
                "unknown-institution",
                Severity.WARNING,
            )


def _outlives(grant: Grant, platform: Platform, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if grant.valid.until <= platform.expires:
        return
    day = platform.expires.isoformat()
    yield Finding(
        at,
        f"the bundle ends before the grant does, on {day}",
        f"政策包在 {day} 先于本授权到期",
        "a new bundle is needed by then",
        "届时须有新的政策包",
        "outlives-bundle",
        Severity.NOTE,
    )


def _paced_only(grant: Grant, at: tuple[str | int, ...]) -> Iterator[Finding]:
    """A protected grant whose budget begins anew each day: it paces questions and never ends them."""
    if Verb.ANALYSE not in grant.verbs or grant.treatment is not GrantTreatment.THRESHOLD:
        return
    windows = grant.budget.model_dump()
    if grant.threshold.unit_sets is not None or any(not name.endswith("_per_day") for name in windows):
        return
    yield Finding(
        at,
        "the budget has no window longer than a day and no cap on released cells",
        "额度没有长于一日的窗口，也没有发布分组数上限",
        "add queries_per_year or threshold.unit_sets",
        "请增加 queries_per_year 或 threshold.unit_sets",
        "budget-without-window",
        Severity.NOTE,
    )
