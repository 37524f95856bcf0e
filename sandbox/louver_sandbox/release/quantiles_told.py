"""What is said of quantiles under differential privacy before a row is read: their error in rank, and their steps.

How far off a value is depends on how close values lie, which only the data know. So the error is told in places of
the rank, and each answer has the ends of its interval in units of the value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from louver_sandbox.mechanisms.grid import joined
from louver_sandbox.mechanisms.noise import DiscreteGaussian
from louver_sandbox.mechanisms.quantiles import rank_error
from louver_sandbox.private_core import PrivateCells, PrivateMeasure
from louver_sandbox.stages import Accuracy, Notice

EXTREMES_AS_QUANTILES = "EXTREMES_AS_QUANTILES"
QUANTILES_LIMITED = "QUANTILES_LIMITED"


def of_quantile(
    column: str, cells: PrivateCells, measure: PrivateMeasure, lows: tuple[str, ...], highs: tuple[str, ...]
) -> Accuracy:
    """What is said of a column of quantiles."""
    ranks = cells.ranks[measure.ranks]
    bins = joined(ranks.segments)
    rank = math.ceil(rank_error(bins, DiscreteGaussian(ranks.scale), measure.share))
    repeated = {step for _, step, number in ranks.segments if number > 1}  # a bound may be cut off alone
    widths = sorted(repeated or {step for _, step, _ in ranks.segments})
    least, most = (str(Decimal(width).scaleb(-ranks.digits)) for width in (widths[0], widths[-1]))
    steps = least if least == most else f"{least} to {most}"
    share = _text(measure.share)
    english = f"the quantile at {share}: within ±{rank} rows in rank at 95 %, in steps of {steps}"
    chinese = f"{share} 分位：名次误差 ±{rank} 行（95 % 区间），取值步长 {steps.replace(' to ', ' 至 ')}"
    if cells.sets:
        english, chinese = f"{english}; in the finest groups, more in totals", f"{chinese}；合计的误差更大"
    return Accuracy(column, "quantile", "", "", "", english, chinese, low=lows, high=highs)


def quantile_notices(cells: PrivateCells) -> Iterator[Notice]:
    """What is said beside the quantiles of one core."""
    if any(measure.kind in ("min", "max") for measure in cells.measures):
        yield Notice(
            EXTREMES_AS_QUANTILES,
            1,
            "dp",
            "MIN and MAX are answered as the quantiles at 0.01 and 0.99: a true extreme is one subject's own value",
            "MIN 与 MAX 以 0.01 与 0.99 分位作答：真正的最值即某一主体的取值",
        )
    if cells.ranks and cells.domain is None:
        most = min(one.most for one in cells.ranks)
        yield Notice(
            QUANTILES_LIMITED,
            1,
            "dp",
            f"at most {most} groups have quantiles, those with the most subjects",
            f"至多 {most} 个分组给出分位数，以主体最多者为先",
        )


def _text(share: Fraction) -> str:
    return str(Decimal(share.numerator) / Decimal(share.denominator))
