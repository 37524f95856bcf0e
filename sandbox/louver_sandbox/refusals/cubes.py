"""LVR-542x: published cubes. All are the operator's or the officers' to mend; none depends on data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def cube_unknown(name: str, known: Sequence[str]) -> Refused:
    """LVR-5421: no policy in force declares a cube of this name and version, or it is not valid today."""
    return refusal(
        "LVR-5421",
        message=f"no policy in force declares the cube {name}, or it is not valid today",
        hint=f"cubes of the policies in force: {', '.join(known) or 'none'}",
        message_zh=f"生效的策略中没有多维数据集 {name}，或其今日不在有效期内",
        hint_zh=f"已声明的多维数据集：{'、'.join(known) or '无'}",
    )


def cube_not_private(name: str) -> Refused:
    """LVR-5422: what the cube reads is not granted to the publisher with treatment dp."""
    return refusal(
        "LVR-5422",
        message=f"the cube {name} would not be answered with differential privacy",
        hint="every department whose columns it reads grants them to cube-publisher with treatment dp and a budget",
        message_zh=f"多维数据集 {name} 不会以差分隐私方式作答",
        hint_zh="所读各列的部门均须以 dp 方式授权给 cube-publisher，并设定预算",
    )


def cube_type(name: str, column: str) -> Refused:
    """LVR-5423: a column of the cube has a type that no table can hold, or a measure is no number."""
    return refusal(
        "LVR-5423",
        message=f"the column {column} of the cube {name} is of a type that cannot be published",
        hint="keys are texts, days, whole numbers or truth values; measures are numbers",
        message_zh=f"多维数据集 {name} 的列 {column} 的类型无法发布",
        hint_zh="维度须为文本、日期、整数或布尔值；指标须为数值",
    )


def cube_withheld(name: str, rules: Sequence[str]) -> Refused:
    """LVR-5425: another department's grant to the publisher, which the cube would be made under, does not name it."""
    return refusal(
        "LVR-5425",
        message=f"the cube {name} reads another department's table under a grant that does not name it",
        hint=f"name the cube under cubes: in {', '.join(rules)}",
        message_zh=f"多维数据集 {name} 读取其他部门的表，而其授权未指明该数据集",
        hint_zh=f"请在以下授权的 cubes 中列明：{'、'.join(rules)}",
    )


def cube_edition(name: str, edition: date) -> Refused:
    """LVR-5426: the edition of that day was published from another state of the data or another declaration."""
    return refusal(
        "LVR-5426",
        message=f"the edition {edition} of the cube {name} has been published, and another would be charged again",
        hint="give the tables that changed a new as_of, or the cube a new version",
        message_zh=f"多维数据集 {name} 的 {edition} 版已发布，再次制作将重复计费",
        hint_zh="请更新已变动各表的 as_of，或为多维数据集更换版本",
    )


def cube_changed(name: str) -> Refused:
    """LVR-5427: editions of this name and version were made by another statement or at another epsilon."""
    return refusal(
        "LVR-5427",
        message=f"editions of the cube {name} were published with another statement or epsilon",
        hint="give the cube a new version",
        message_zh=f"多维数据集 {name} 的已发布版次采用了不同的语句或 epsilon",
        hint_zh="请为多维数据集更换版本",
    )


def cube_taken(table: str) -> Refused:
    """LVR-5424: the catalogue has another table of the cube's name."""
    return refusal(
        "LVR-5424",
        message=f"the catalogue has another table {table}",
        hint="give the cube another id or version",
        message_zh=f"目录中已有另一张表 {table}",
        hint_zh="请为多维数据集更换编号或版本",
    )
