"""What the decision point says when it says no: LVR-20xx rights and purposes, LVR-21xx forms of answer.

One function per code. Every refusal names the place, the column, the rule and policy version that decided, and
what would make the question legal, in two languages. `details["reason"]` is the domain's reason word
(RAW_ROWS, NO_CONSENT, PURPOSE, NEGATIVE_LIST, ...). Nothing here depends on rows (ARCHITECTURE law 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from louver.errors import Refused
from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals.base import refusal

ANALYSE_ZH = "分析"


@dataclass(frozen=True, slots=True)
class Site:
    """What a refusal is about: a table, a column of it ("" for the table itself), and the place in the query."""

    table: str
    column: str = ""
    at: Position | None = None

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who decided: `rule` is `policy/rule` (or `default-deny`, `floor/...`), `version` the policy's or bundle's."""

    rule: str
    version: str


def _refuse(
    code: str, reason: str, site: Site, ruling: Ruling, *, message: str, hint: str, message_zh: str, hint_zh: str
) -> Refused:
    details = {"reason": reason, "table": site.table} | ({"column": site.column} if site.column else {})
    return refusal(
        code,
        message=message,
        hint=hint,
        message_zh=message_zh,
        hint_zh=hint_zh,
        at=site.at,
        rule=ruling.rule,
        policy_version=ruling.version,
        details=details,
    )


def _listed(names: Sequence[str], nothing: str = "nothing") -> str:
    return ", ".join(names) if names else nothing


def right_not_granted(
    site: Site, ruling: Ruling, *, owner: str, purpose: str, missing: str, granted: Sequence[str]
) -> Refused:
    """LVR-2001: no grant allows the column at this place (`missing` names the right, e.g. `filter (<)`)."""
    return _refuse(
        "LVR-2001",
        "SCOPE",
        site,
        ruling,
        message=f"{site} may not be used here: the right {missing} is not granted for purpose {purpose}",
        hint=f"granted on {site}: {_listed(granted)}; ask {owner} for {missing}, purpose {purpose}",
        message_zh=f"{site} 不能用在此处：目的 {purpose} 下未授予 {missing} 权利",
        hint_zh=f"{site} 已授予：{_listed(granted, '无')}；如需更多，请向{owner}申请 {missing}（目的 {purpose}）",
    )


def purpose_not_granted(site: Site, ruling: Ruling, *, purpose: str, purposes: Sequence[str]) -> Refused:
    """LVR-2002: the table is granted, but not for the purpose the request states."""
    return _refuse(
        "LVR-2002",
        "PURPOSE",
        site,
        ruling,
        message=f"{site} is not granted to you for purpose {purpose}",
        hint=f"it is granted for: {_listed(purposes)}; a new purpose needs a new grant from the owner",
        message_zh=f"{site} 未就目的 {purpose} 授权给贵机构",
        hint_zh=f"已授权目的：{_listed(purposes, '无')}；新目的须由数据提供单位另行授权",
    )


def purpose_unknown(ruling: Ruling, *, purpose: str, purposes: Sequence[str]) -> Refused:
    """LVR-2003: the stated purpose is not one of the platform's purposes."""
    return _refuse(
        "LVR-2003",
        "PURPOSE",
        Site("the request"),
        ruling,
        message=f"{purpose!r} is not a purpose of this platform",
        hint=f"state one of: {_listed(purposes)}",
        message_zh=f"{purpose!r} 不是本平台的目的代码",
        hint_zh=f"请使用：{_listed(purposes, '无')}",
    )


def on_negative_list(site: Site, ruling: Ruling, *, why: str, why_zh: str) -> Refused:
    """LVR-2004: the column is on the negative list, which beats every grant."""
    return _refuse(
        "LVR-2004",
        "NEGATIVE_LIST",
        site,
        ruling,
        message=f"{site} is on the negative list: {why}",
        hint="leave the column out; no grant and no aggregate can permit it",
        message_zh=f"{site} 在负面清单中：{why_zh}",
        hint_zh="请去掉该字段；任何授权或汇总方式都不能使用它",
    )


def explicitly_denied(site: Site, ruling: Ruling, *, why: str) -> Refused:
    """LVR-2005: a deny of a policy names the column; denies override permits."""
    return _refuse(
        "LVR-2005",
        "SCOPE",
        site,
        ruling,
        message=f"{site} is denied by {ruling.rule}: {why}",
        hint="leave the column out, or ask the owner to change the policy; a deny overrides every grant",
        message_zh=f"{site} 被 {ruling.rule} 明确禁止：{why}",
        hint_zh="请去掉该字段，或请数据提供单位修改策略；禁止优先于授权",
    )


def requester_type_barred(site: Site, ruling: Ruling, *, requester: str, why: str, why_zh: str) -> Refused:
    """LVR-2006: this type of requester may not have this kind of datum of this class of subject."""
    return _refuse(
        "LVR-2006",
        "LICENCE",
        site,
        ruling,
        message=f"a {requester} may not use {site}: {why}",
        hint="leave the column out; the same question about enterprises may be allowed",
        message_zh=f"{requester} 类机构不得使用 {site}:{why_zh}",
        hint_zh="请去掉该字段；对企业主体的同类问题可能被允许",
    )


def grant_not_in_force(site: Site, ruling: Ruling, *, starts: str, ends: str, today: str) -> Refused:
    """LVR-2007: the only grants for this purpose have expired or have not begun."""
    return _refuse(
        "LVR-2007",
        "SCOPE",
        site,
        ruling,
        message=f"the grant on {site} is not in force on {today}: it holds from {starts} until {ends}",
        hint="ask the owner to renew the grant",
        message_zh=f"{site} 的授权在 {today} 不在有效期内（有效期 {starts} 至 {ends}）",
        hint_zh="请向数据提供单位申请续期",
    )


def table_not_granted(site: Site, ruling: Ruling, *, owner: str) -> Refused:
    """LVR-2008: nothing of this table is granted to the caller for analysis."""
    return _refuse(
        "LVR-2008",
        "SCOPE",
        site,
        ruling,
        message=f"{site} is not granted to you for analyse",
        hint=f"ask {owner} for a grant",
        message_zh=f"{site} 未授权贵机构用于{ANALYSE_ZH}",
        hint_zh=f"请向{owner}申请授权",
    )


def rows_not_granted(site: Site, ruling: Ruling, *, row_filter: str) -> Refused:
    """LVR-2009: only some rows of the table are granted, and the query goes beyond them."""
    return _refuse(
        "LVR-2009",
        "SCOPE",
        site,
        ruling,
        message=f"only the rows of {site} where {row_filter} are granted to you for this",
        hint=f"say so in the query: add the condition {row_filter}",
        message_zh=f"{site} 只授权了满足 {row_filter} 的行",
        hint_zh=f"请在查询中写明条件 {row_filter}",
    )


def policy_withdrawn(policy: str, version: str, *, why: str, why_zh: str) -> Refused:
    """LVR-2010: a policy that the question rests on was revoked, or its approval has ended (`why`)."""
    return _refuse(
        "LVR-2010",
        "WITHDRAWN",
        Site("the question"),
        Ruling(f"{policy}/approval", version),
        message=f"policy {policy} is {why}: its grants answer no more",
        hint="ask the owner of the data when a new version will be in force",
        message_zh=f"策略 {policy} 已{why_zh}，其授权不再生效",
        hint_zh="请向数据提供单位询问新版本何时生效",
    )


def raw_rows(site: Site, ruling: Ruling) -> Refused:
    """LVR-2101: protected rows would leave one by one."""
    return _refuse(
        "LVR-2101",
        "RAW_ROWS",
        site,
        ruling,
        message=f"{site} would be returned per row; protected rows never leave",
        hint="aggregate the whole query: GROUP BY granted keys with COUNT, SUM or AVG over it; or leave out every "
        "column that is not public",
        message_zh=f"{site} 将逐行返回；受保护的原始数据不出域",
        hint_zh="请对整个查询做汇总：按已授权字段 GROUP BY，并使用 COUNT、SUM 或 AVG；或去掉所有非公开字段",
    )


def no_consent(site: Site, ruling: Ruling) -> Refused:
    """LVR-2102: the rows of one named subject are asked for without its authorisation."""
    return _refuse(
        "LVR-2102",
        "NO_CONSENT",
        site,
        ruling,
        message=f"the query asks for the rows of one subject by {site}, without that subject's authorisation",
        hint="one subject is answered only with its live authorisation: verb query, not in this version",
        message_zh=f"该查询按 {site} 查询单个主体的明细，但没有该主体的授权",
        hint_zh="单个主体须凭其有效授权，通过“查询”功能作答；本版本尚未提供",
    )


def needs_match(site: Site, ruling: Ruling) -> Refused:
    """LVR-2103: the table is granted for list matching only."""
    return _refuse(
        "LVR-2103",
        "SCOPE",
        site,
        ruling,
        message=f"{site} is granted for match, not for analyse",
        hint="compare your ids by the verb match (private set intersection): `louver match --lists` says with what",
        message_zh=f"{site} 只授权用于比对，不能用于{ANALYSE_ZH}",
        hint_zh="请使用 `louver match` 比对（隐私集合求交）；`louver match --lists` 列出可比对的名单",
    )


def needs_query(site: Site, ruling: Ruling) -> Refused:
    """LVR-2104: the question is about single subjects under authorisation, or a score of them."""
    return _refuse(
        "LVR-2104",
        "NO_CONSENT",
        site,
        ruling,
        message=f"{site} is read by the verb query only, which adds the authorisation condition itself",
        hint="authorised reports, warnings and scores are approved templates of the verb query, not in this version",
        message_zh=f"{site} 只能由“查询”功能读取，授权条件由平台自行加入",
        hint_zh="经授权的报告、预警与评分属于“查询”功能的审定模板；本版本尚未提供",
    )


def needs_differential_privacy(site: Site, ruling: Ruling, *, level: int) -> Refused:
    """LVR-2105: the question may only be answered with differential privacy, and no grant gives a budget for it."""
    return _refuse(
        "LVR-2105",
        "DP",
        site,
        ruling,
        message=f"{site} (level L{level} here) needs differential privacy here, and no grant gives a budget for it",
        hint="leave this use out, ask without this table, or ask its owner for a budget",
        message_zh=f"{site}（此处为 L{level} 级）的这种用法需要差分隐私，而授权未给出隐私预算",
        hint_zh="请去掉该字段的这种用法或该表，或请数据主管部门设定隐私预算",
    )


def isolates_one_subject(site: Site, ruling: Ruling) -> Refused:
    """LVR-2106: a protected aggregate is narrowed to, or freed of, one named subject (differencing)."""
    return _refuse(
        "LVR-2106",
        "DIFFERENCING",
        site,
        ruling,
        message=f"a condition on {site} singles out subjects of a protected aggregate",
        hint="remove the condition: totals with and without one subject give that subject away",
        message_zh=f"{site} 上的条件会从受保护的汇总中分离出个别主体",
        hint_zh="请去掉该条件：含与不含某一主体的合计之差即为该主体的数据",
    )


def raw_values(site: Site, ruling: Ruling, *, function: str) -> Refused:
    """LVR-2107: the function returns a stored value of a protected column (PRIVACY 9)."""
    return _refuse(
        "LVR-2107",
        "EXFILTRATION",
        site,
        ruling,
        message=f"{function} of {site} returns a stored value of one subject",
        hint="use COUNT, SUM or AVG; medians and quantiles need noise: ask the owner to grant them under dp",
        message_zh=f"{function} 作用于 {site} 会返回某一主体的存储值",
        hint_zh="请使用 COUNT、SUM 或 AVG；中位数与分位数仅在数据主管部门以 dp 方式授权时加噪给出",
    )


def outside_atoms(site: Site, ruling: Ruling, *, dimensions: Sequence[str]) -> Refused:
    """LVR-2108: a column that is no dimension selects, groups, joins or orders rows of a table in atoms."""
    return _refuse(
        "LVR-2108",
        "ATOMS",
        site,
        ruling,
        message=f"{site} is no dimension of its table, and rows may be selected and grouped by dimensions only",
        hint=f"use the dimensions: {_listed(dimensions)}; free conditions need differential privacy (dp), not in "
        "this version",
        message_zh=f"{site} 不是该表的维度；只能按维度筛选和分组",
        hint_zh=f"可用维度：{_listed(dimensions, '无')}；任意条件须采用差分隐私（dp），本版本尚未提供",
    )


def not_of_atoms(site: Site, ruling: Ruling) -> Refused:
    """LVR-2109: the aggregate of a column that is no dimension does not follow from the values of whole atoms."""
    return _refuse(
        "LVR-2109",
        "ATOMS",
        site,
        ruling,
        message=f"{site} may only be counted, summed or averaged as it is: its table answers for whole atoms",
        hint="use COUNT, SUM or AVG of the bare column and compute with the results; anything else needs "
        "differential privacy (dp), not in this version",
        message_zh=f"{site} 只能直接计数、求和或求平均：该表以原子为单位作答",
        hint_zh="请对字段本身使用 COUNT、SUM 或 AVG，再用结果计算；其他用法须采用差分隐私（dp），本版本尚未提供",
    )
