"""The privacy budget as people read it: a bar for each limit, what was spent and what is left. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from louver.display import visible, width
from louver.privacy import PrivacyLimit, PrivacyLoss

BAR = 24
"""Characters of a bar."""

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "privacy": "privacy",
        "costs": "epsilon {epsilon} (rho {rho}) at delta {delta}",
        "free": "free: paid for before",
        "of": "{dataset} per {unit}: {cost}",
        "left": "epsilon {left} of {limit} left",
        "at_least": "at least epsilon {left} of {limit} left",
        "until": ", new at {when}",
        "never": ", never renewed",
        "allowance": "yours, a {period}",
        "purpose": "yours for {purpose}",
        "lifetime": "all institutions",
        "day": "day",
        "month": "month",
        "year": "year",
        "forever": "yours, in all",
    },
    "zh": {
        "privacy": "隐私",
        "costs": "epsilon {epsilon}（rho {rho}），delta {delta}",
        "free": "免费：此前已支付",
        "of": "{dataset}（{unit}）：{cost}",
        "left": "剩余 epsilon {left} / {limit}",
        "at_least": "至少剩余 epsilon {left} / {limit}",
        "until": "，{when} 恢复",
        "never": "，不再恢复",
        "allowance": "本机构每{period}",
        "purpose": "本机构用于 {purpose}",
        "lifetime": "全部机构",
        "day": "日",
        "month": "月",
        "year": "年",
        "forever": "本机构总计",
    },
}


def gauge(losses: Sequence[PrivacyLoss], language: str) -> list[str]:
    """Lines for a terminal: for each dataset and kind of subject what it cost, then a bar for each limit."""
    words = _WORDS[language]
    lines: list[str] = []
    for loss in losses:
        cost = words["free"] if loss.free else words["costs"].format(**_amounts(loss))
        said = words["of"].format(dataset=loss.dataset, unit=loss.unit, cost=cost)
        lines.append(f"{words['privacy']} {visible(said)}")
        lines += _bars(loss, words)
    return lines


def _amounts(loss: PrivacyLoss) -> Mapping[str, str]:
    rho = format(loss.cost.rho.normalize(), "g" if abs(loss.cost.rho.adjusted()) > 8 else ".4g")
    return {"epsilon": format(loss.cost.epsilon, "f"), "rho": rho, "delta": str(loss.delta)}


def _bars(loss: PrivacyLoss, words: Mapping[str, str]) -> Iterator[str]:
    names = [_name(limit, loss, words) for limit in loss.limits]
    margin = max(map(width, names), default=0)
    for name, limit in zip(names, loss.limits, strict=True):
        amount = words["at_least" if limit.at_least else "left"].format(
            left=format(limit.left.epsilon, "f"), limit=format(limit.limit.epsilon, "f")
        )
        when = "" if limit.refreshes_at is None else limit.refreshes_at.strftime("%Y-%m-%d %H:%M %z")
        until = words["until"].format(when=when) if when else words["never"]
        yield f"  {visible(name)}{' ' * (margin - width(name))}  {_bar(limit)}  {visible(amount + until)}"


def _name(limit: PrivacyLimit, loss: PrivacyLoss, words: Mapping[str, str]) -> str:
    if limit.kind == "allowance" and limit.period == "lifetime":
        return words["forever"]
    period = words.get(limit.period, limit.period)
    return words.get(limit.kind, limit.kind).format(period=period, purpose=loss.purpose)


def _bar(limit: PrivacyLimit) -> str:
    """What is left of a limit, in rho, which adds up; a dot for what nobody tells."""
    whole = limit.limit.rho
    full = 0 if whole <= 0 else min(BAR, int(BAR * limit.left.rho / whole))
    rest = "·" if limit.at_least else "░"
    return f"[{'█' * full}{rest * (BAR - full)}]"
