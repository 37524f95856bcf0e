"""What an answer says of its encrypted columns: which protection there is, and how far a sum may be off."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal, localcontext

from louver_sandbox.encrypted_core import EncryptedMeasure, EncryptedPlan, Protection
from louver_sandbox.mechanisms.noise import DiscreteGaussian, half_width
from louver_sandbox.stages import Accuracy, Notice, Plan

ENCRYPTED_INPUT = "ENCRYPTED_INPUT"


def encrypted_notices(plan: Plan) -> tuple[Notice, ...]:
    """What is sure to be said of encrypted columns; nothing where there are none."""
    made = plan.encrypted
    if made is None:
        return ()
    english, chinese = _protected(made)
    return (Notice(ENCRYPTED_INPUT, len(made.measures), made.protection.value, english, chinese),)


def _protected(made: EncryptedPlan) -> tuple[str, str]:
    own = f"{len(made.measures)} column(s) are made of your own ciphertexts, under your key {made.kid[:16]}"
    own_zh = f"{len(made.measures)} 列由您自己的密文（密钥 {made.kid[:16]}）计算得出"
    told, rows = made.told, made.unit_rows
    if told is None:
        return f"{own}; they meet public data and your own only", f"{own_zh}，只涉及公开数据与本机构数据"
    if made.protection is Protection.CONTRACT:
        return (
            f"{own}. Subjects are protected by noise under contract: with epsilon {told.epsilon} at delta "
            f"{told.delta}, as long as no value of yours is above {told.most} as you "
            f"have signed; a subject counts with at most "
            f"{rows} row(s). Encryption protects none of them",
            f"{own_zh}。主体由合同约定下的噪声保护：epsilon {told.epsilon}、delta {told.delta}，"
            f"前提是您签署的数值上限 {told.most}；每个主体至多计入 {rows} 行。加密本身不保护主体",
        )
    return (
        f"{own}. Subjects are protected by chance, whatever your values are: the group of each row was told at "
        f"random, once for this way of grouping, within a factor e^{told.epsilon} for a subject with at most "
        f"{rows} row(s), and e^{told.total} for all that you are ever told so; "
        f"{_readable(told.total)} in 100 at most is the chance to be right about which of two groups, alike "
        "otherwise, a subject is in; "
        f"sums are put right for that and are off by about {told.error_percent} %. Encryption protects none of them",
        f"{own_zh}。主体由随机化保护，与您的数值无关：每行所属分组按此分组方式一次性随机给定，"
        f"对至多 {rows} 行的主体不超过 e^{told.epsilon} 倍，全部抽取合计不超过 e^{told.total} 倍；"
        f"对两个同等可能的分组，判断正确的概率至多 {_readable(told.total)}%；求和已作校正，"
        f"误差约 {told.error_percent}%。加密本身不保护主体",
    )


def _readable(epsilon: str) -> str:
    """The chance to be right about one of two, in percent and rounded up: e^epsilon to 1, against evens."""
    return f"{math.ceil(1000 / (1 + math.exp(-float(epsilon)))) / 10:g}"


def with_encrypted(found: Iterable[Accuracy], plan: Plan) -> tuple[Accuracy, ...]:
    """How far every column may be off: of encrypted ones what their noise says, not that of the rows they are of."""
    made = plan.encrypted
    if made is None:
        return tuple(found)
    names = {plan.columns[one.place].name: one for one in made.measures}
    others = [one for one in found if one.column not in names]
    return (*others, *(_accuracy(name, one, made) for name, one in names.items() if made.told is not None))


def _accuracy(name: str, one: EncryptedMeasure, made: EncryptedPlan) -> Accuracy:
    kind = "average" if one.divided else "sum"
    if made.protection is Protection.STRICT and made.told is not None:
        percent = made.told.error_percent
        return Accuracy(
            name, kind, "", "", "",
            f"off by about {percent} % of an average group, as rows are told by chance",
            f"误差约为平均分组合计的 {percent}%（分组经随机化）",
            relative_error=str(Decimal(percent) / 100),
        )  # fmt: skip
    scale, width = one.noise, half_width(DiscreteGaussian(one.noise))
    within = _amount(Decimal(width), one.digits)
    of = "of the sum, before it is divided by the number of rows" if one.divided else "of the sum"
    of_zh = "（除以行数之前的合计）" if one.divided else ""
    error = _amount(Decimal(scale.numerator) / Decimal(scale.denominator), one.digits)
    return Accuracy(
        name, kind, error, within, within,
        f"within {within} {of} in 95 of 100 draws of the noise",
        f"95% 的情况下误差不超过 {within}{of_zh}",
    )  # fmt: skip


def _amount(units: Decimal, digits: int) -> str:
    with localcontext() as context:
        context.prec = 60
        return format(units.scaleb(-digits).quantize(Decimal(1).scaleb(-digits), ROUND_CEILING), "f")
