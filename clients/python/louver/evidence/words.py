"""What reports and packs say, in English and in Chinese."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "title": ("Compliance report", "合规报告"),
    "log": ("Log", "日志"),
    "since": ("From", "自"),
    "until": ("Before", "至（不含）"),
    "everybody": ("all institutions", "全部机构"),
    "none": ("None.", "无。"),
    "verdicts": ("What became of requests, by institution", "各机构请求结论"),
    "purposes": ("By purpose", "按目的"),
    "datasets": ("By dataset", "按数据集"),
    "treatments": ("Answers by treatment", "按处理方式统计的答复"),
    "refusals": ("Refusals", "拒绝"),
    "budgets": ("Access budget charged", "已支出访问预算"),
    "losses": ("Privacy loss charged", "已支出隐私损失"),
    "consents": ("Authorisations", "授权"),
    "findings": ("What questions told together with earlier ones", "与既往查询组合的发现"),
    "alerts": ("Alerts", "告警"),
    "alerts_note": (
        "By rules that are no part of the log; counted over its entries.",
        "告警规则不属于日志；以下为规则在日志条目上的命中次数。",
    ),
    "holds": ("Legal holds that were placed and stand at the end", "期末有效的法定保全"),
    "drift": ("Drift", "漂移"),
    "drift_none": (
        "Every admission was decided by what an activation had put into force.",
        "每一次准入均由已生效的策略与目录决定。",
    ),
    "drift_note": (
        "Admissions that were decided by what was not in force.",
        "下列准入由未生效（或已失效）的策略或目录决定。",
    ),
    "acts": ("Acts of the platform", "平台行为"),
    "listed": ("The newest of them", "最近的平台行为"),
    "looks": ("Auditors' looks", "审计查阅"),
    "pruned": ("Entries that were pruned", "已清理条目"),
    "pruned_note": (
        "They are counted above by what is left of them.",
        "已清理条目按其保留信息计入上表。",
    ),
    "institution": ("Institution", "机构"),
    "purpose": ("Purpose", "目的"),
    "dataset": ("Dataset", "数据集"),
    "treatment": ("Treatment", "处理方式"),
    "code": ("Reason", "原因"),
    "kind": ("Kind", "类别"),
    "units": ("Units", "数量"),
    "unit": ("Subjects", "主体"),
    "rho": ("Rho", "ρ"),
    "number": ("Number", "次数"),
    "what": ("What", "内容"),
    "pattern": ("Pattern", "模式"),
    "rule": ("Rule", "规则"),
    "hold": ("Hold", "保全"),
    "reason": ("Reason", "事由"),
    "entry": ("Entry", "条目"),
    "time": ("Time", "时间"),
    "bundle": ("Bundle", "策略包"),
    "catalog": ("Catalogue", "目录"),
    "auditor": ("Auditor", "审计员"),
    "verb": ("Look", "查阅方式"),
    "admitted": ("admitted", "准入"),
    "answered": ("answered", "已答复"),
    "refused": ("refused", "拒绝"),
    "aborted": ("aborted", "中止"),
    "explained": ("explained", "预览"),
    "authorisation": ("authorisations recorded", "登记授权"),
    "authorisation_revoked": ("authorisations revoked", "撤销授权"),
    "lookup": ("lookups that an authorisation was asked for", "核验授权的查询"),
    "persons": ("persons in matches under an authorisation", "比对中持授权的个人"),
}
"""By name: English, Chinese. A name that is not here is shown as it is."""

READ_ME: Final = (
    """# Evidence from the log {origin}

From {since} to before {until} (UTC); {who}. {entries} entries, {pruned} of them pruned.

Verify it, with no connection and nothing but the log's public key, which you have from elsewhere:

    pip install louver
    louver audit verify {name} --log-key log.pub

| file | is |
|---|---|
| `manifest.json` | every other file with its SHA-256, and what the pack is about |
| `records/N.tlog-proof` | an entry with its proof (C2SP tlog-proof); of a pruned one, of its leaf |
| `texts.jsonl` | the SQL of entries, where it may be shown whole; proved by the entries' commitments |
| `checkpoint` | the signed head that all proofs are under |
| `cosigned`, `consistency` | the newest head that witnesses have cosigned, and that the other extends it |
| `bundles/`, `catalogs/` | what decided, by the digests that entries name |
| `report.*` | the compliance report; verification makes it anew from the entries |
| `log.jsonl` | the whole log, if asked for: it shows that no entry was left out |

It holds no results and no parameters. Witnesses: {witnesses}.
""",
    """# 日志 {origin} 的证据包

自 {since} 至 {until}（不含，UTC）；{who}。共 {entries} 条，其中 {pruned} 条已清理。

无需联网，仅凭日志公钥（请从其他渠道取得）即可验证：

    pip install louver
    louver audit verify {name} --log-key log.pub

| 文件 | 内容 |
|---|---|
| `manifest.json` | 其他所有文件及其 SHA-256，以及本包范围 |
| `records/N.tlog-proof` | 条目及其证明（C2SP tlog-proof）；已清理条目为其叶子哈希的证明 |
| `texts.jsonl` | 可完整显示的 SQL，由条目中的承诺证明 |
| `checkpoint` | 所有证明所依据的签名检查点 |
| `cosigned`、`consistency` | 最新的见证检查点，及其与前者的一致性证明 |
| `bundles/`、`catalogs/` | 条目所载摘要对应的策略包与目录 |
| `report.*` | 合规报告；验证时由条目重新生成 |
| `log.jsonl` | 完整日志（如已选择）：可证明没有遗漏条目 |

本包不含查询结果与参数。见证方：{witnesses}。
""",
)
"""In English, in Chinese."""
