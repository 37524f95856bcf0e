"""What a dry run tells of the limits on many questions: what budgets leave, and what the history would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from louver_sandbox.accounting.ledger import SHANGHAI, Balance
from louver_sandbox.obligations import CHANCE, CHANCE_OF_ALL, Period, PrivacyBalance
from louver_sandbox.privacy import stated
from louver_sandbox.privacy.cost import NOTHING
from louver_sandbox.selections import Pattern, Response
from louver_sandbox.service.gauge import told_of_lifetime
from louver_sandbox.stages import Answer, Notice, Plan

_UNITS = {
    "query": ("queries", "次查询"),
    "predicate": ("distinct predicates", "个不同筛选条件"),
    CHANCE: ("thousandths of epsilon told by chance", "千分之一 epsilon（随机化）"),
    CHANCE_OF_ALL: (
        "thousandths of epsilon told by chance to all institutions",
        "千分之一 epsilon（随机化，全部机构）",
    ),
}
_PERIODS = {
    Period.DAY: ("a day", "每日"),
    Period.MONTH: ("a month", "每月"),
    Period.YEAR: ("a year", "每年"),
    Period.LIFETIME: ("in all", "总计"),
}
_TOLD = {
    Pattern.COMPLEMENT: ("both sides of a condition", "同一条件的正反两面"),
    Pattern.SUBSET: ("rows that are a part of those of another", "互为部分的行"),
    Pattern.NEAR_DUPLICATE: ("one question with a condition moved", "仅条件略有不同的查询"),
    Pattern.MARGINS: ("the same rows in other groups", "同一批行的其他分组"),
    Pattern.OVERLAP: ("rows that two questions may share", "两次查询可能共有的行"),
    Pattern.ISOLATING: ("conditions that fit few subjects by their form", "从形式上只符合少数主体的条件"),
}


def rules(plan: Plan, balances: Sequence[Balance], spent: Sequence[PrivacyBalance] = ()) -> tuple[Notice, ...]:
    """One for each account that the question would be charged to, one for each kind of unit whose privacy it would
    cost, and one for each pattern that is refused."""
    latest = {balance.account: balance for balance in balances}
    accounts = (_of_account(balance) for balance in latest.values())
    return (*accounts, *map(_of_privacy, spent), *_of_history(plan))


def _of_account(balance: Balance) -> Notice:
    account = balance.account
    unit, unit_zh = _UNITS.get(account.kind, (account.kind, account.kind))
    each, each_zh = _PERIODS[account.period]
    until, until_zh = _until(balance.refreshes_at)
    return Notice(
        "RULE",
        balance.remaining,
        f"budget.{account.kind}.{account.period.value}",
        f"{balance.remaining} of {balance.limit} {unit} {each} on {account.dataset} would be left; {until}",
        f"{account.dataset} {each_zh} {balance.limit} {unit_zh}，之后剩余 {balance.remaining}；{until_zh}",
    )


def losses(answer: Answer, *, stored: bool) -> tuple[Notice, ...]:
    """What an answer has cost of privacy and what is left, for whoever gets it: nothing, where it was stored."""
    return tuple(
        replace(_of_privacy(replace(one, cost=NOTHING) if stored else one), code="PRIVACY_BUDGET")
        for one in answer.privacy
    )


def _of_privacy(balance: PrivacyBalance) -> Notice:
    """What it costs and leaves, as (epsilon, delta)."""
    of = f"{balance.dataset} per {balance.unit.value}"
    cost, cost_zh = "nothing", "无"
    if balance.cost != NOTHING:
        cost = cost_zh = str(stated.spent(balance.cost))
    told, at_least = told_of_lifetime(balance)
    left, everybody = stated.left(balance.spendable), str(stated.left(told))
    everybody_zh = f"至少 {everybody}" if at_least else everybody
    everybody = f"at least {everybody}" if at_least else everybody
    until, until_zh = _until(balance.refreshes_at)
    return Notice(
        "RULE",
        0,
        f"privacy.{balance.unit.value}",
        f"costs {cost} of {of}; leaves you {left}, {until}; leaves all institutions together {everybody}, for ever",
        f"{balance.dataset} 隐私成本：{cost_zh}；贵机构剩余 {left}，{until_zh}；全部机构终身剩余 {everybody_zh}",
    )


def _until(refreshes_at: datetime | None) -> tuple[str, str]:
    if refreshes_at is None:
        return "never renewed", "不再恢复"
    day = refreshes_at.astimezone(SHANGHAI).isoformat(timespec="minutes")
    return f"renewed at {day}", f"{day} 恢复"


def _of_history(plan: Plan) -> Iterator[Notice]:
    if not plan.selections:
        return
    for pattern in Pattern:
        if plan.history.on(pattern) is Response.REFUSE:
            told, told_zh = _TOLD[pattern]
            yield Notice(
                "RULE",
                0,
                f"history.{pattern.value}",
                f"refused: {told}, of this and earlier questions",
                f"与此前查询合并后不予作答：{told_zh}",
            )
