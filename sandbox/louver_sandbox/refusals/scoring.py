"""LVR-52xx: models, feature sets and requests for scores. None tells of a subject or of a number in a model."""

from __future__ import annotations

from collections.abc import Mapping

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def model_form(facts: Mapping[str, str]) -> Refused:
    """LVR-5201: a field of the model has not its form, or there is not a ciphertext for the base and each bin."""
    return refusal(
        "LVR-5201",
        message="the model is not whole: a name, a digest or the number of its ciphertexts is not as it must be",
        hint="make it again with `louver models prepare` from a scorecard with points for every bin",
        message_zh="模型不完整：名称、摘要或密文数量不符合要求",
        hint_zh="请用 `louver models prepare` 由每个分箱均有分值的评分卡重新生成",
    )


def model_key(facts: Mapping[str, str]) -> Refused:
    """LVR-5202: the model is encrypted to a key that is not the institution's current one."""
    return refusal(
        "LVR-5202",
        message="the model is not encrypted to your current key",
        hint="prepare it anew after `louver keys rotate`; `louver keys show --registered` tells which key is current",
        message_zh="模型不是用您当前登记的密钥加密的",
        hint_zh="请在 `louver keys rotate` 之后重新生成模型；`louver keys show --registered` 显示当前密钥",
    )


def model_audit(facts: Mapping[str, str]) -> Refused:
    """LVR-5203: no auditor that counts has signed for this very model."""
    return refusal(
        "LVR-5203",
        message="no model auditor whom this platform knows has signed for this very model",
        hint="have it signed with `louver models audit`; a model that is changed or made again needs a new signature",
        message_zh="没有本平台认可的模型审计员为该模型签名",
        hint_zh="请由审计员用 `louver models audit` 签名；修改或重新生成的模型须重新签名",
    )


def model_taken(facts: Mapping[str, str]) -> Refused:
    """LVR-5204: there is another model of this name and version; none is ever changed."""
    return refusal(
        "LVR-5204",
        message="you have another model of this name and version, and a registered model never changes",
        hint="give the scorecard another version and have it audited",
        message_zh="该名称和版本的模型已登记，已登记的模型不得更改",
        hint_zh="请为评分卡使用新的版本号并重新审计",
    )


def models_spent(facts: Mapping[str, str]) -> Refused:
    """LVR-5205: the institution has registered as many models of the feature set in the quarter as it may."""
    limit = facts.get("limit", "?")
    return refusal(
        "LVR-5205",
        message=f"you have registered {limit} models for this feature set in this quarter, as many as policies allow",
        hint="many models together would read the features out; wait for the next quarter",
        message_zh=f"本季度您在该特征集上已登记 {limit} 个模型，达到策略上限",
        hint_zh="多个模型合用会还原特征，请等待下一季度",
        details=dict(facts),
    )


def feature_set(facts: Mapping[str, str]) -> Refused:
    """LVR-5206: no policy declares the feature set, or it is defined otherwise now."""
    return refusal(
        "LVR-5206",
        message="there is no such feature set, or policies define it otherwise than the model says",
        hint="see `louver models features`, and prepare the scorecard anew where a definition has changed",
        message_zh="不存在该特征集，或其定义与模型所述不同",
        hint_zh="请查看 `louver models features`；定义已变更的，请重新生成模型",
    )


def unknown_model(facts: Mapping[str, str]) -> Refused:
    """LVR-5211: the caller has no model of that digest."""
    return refusal(
        "LVR-5211",
        message="you have no registered model of this digest",
        hint="see `louver models list`",
        message_zh="您没有登记该摘要的模型",
        hint_zh="请查看 `louver models list`",
    )


def not_granted(table: str, column: str, rule: str, version: str) -> Refused:
    """LVR-5212: a column that a feature reads is not granted for scores."""
    return refusal(
        "LVR-5212",
        message=f"no policy grants you {table}.{column} for scores with this purpose",
        hint="ask the owner of the table for a grant with the verb score, or state another purpose",
        message_zh=f"没有策略授权您以该用途使用 {table}.{column} 评分",
        hint_zh="请向数据提供单位申请 score 授权，或更改用途",
        rule=rule,
        policy_version=version,
        details={"table": table, "column": column},
    )


def model_not_allowed(model: str, rule: str) -> Refused:
    """LVR-5213: policies do not allow this model, or not this auditor."""
    return refusal(
        "LVR-5213",
        message=f"policies do not allow the model {model}: it is not listed, or another auditor must sign for it",
        hint="ask the owners of the tables to list it",
        message_zh=f"策略不允许模型 {model}：未列入名单，或须由其他审计员签名",
        hint_zh="请与数据提供单位联系将其列入",
        rule=rule,
        details={"model": model},
    )


def too_few(limit: int, rule: str) -> Refused:
    """LVR-5214: the request names fewer subjects than policies demand."""
    return refusal(
        "LVR-5214",
        message=f"a request for scores names at least {limit} subjects",
        hint="collect applicants and ask for them together",
        message_zh=f"每次评分请求至少包含 {limit} 个主体",
        hint_zh="请汇集申请人后一并提交",
        rule=rule,
        details={"limit": str(limit)},
    )


def applicants(facts: Mapping[str, str]) -> Refused:
    """LVR-5215: there are none, too many, one twice, or codes of another form."""
    limit = facts.get("limit", "?")
    return refusal(
        "LVR-5215",
        message=f"a request names 1 to {limit} different subjects, each with the id of its authorisation",
        hint="codes are letters and digits; the client checks and splits longer lists itself",
        message_zh=f"每次请求须包含 1 至 {limit} 个不同主体，且各附授权编号",
        hint_zh="主体代码只含字母和数字；客户端会自动检查并拆分较长的名单",
        details=dict(facts),
    )


def authorisation_form(facts: Mapping[str, str]) -> Refused:
    """LVR-5221: the record of an authorisation is not whole."""
    field = facts.get("field", "?")
    return refusal(
        "LVR-5221",
        message=f"the authorisation cannot be recorded: its {field} is missing or not of its form",
        hint="it needs subject, purpose, tables, first and last day, and the SHA-256 of the signed document",
        message_zh=f"授权无法登记：{field} 缺失或格式不符",
        hint_zh="须提供主体、用途、数据表、起止日期以及授权文件的 SHA-256",
        details=dict(facts),
    )


def unknown_authorisation(facts: Mapping[str, str]) -> Refused:
    """LVR-5222: the caller has recorded no authorisation of that id."""
    return refusal(
        "LVR-5222",
        message="you have recorded no authorisation of this id",
        hint="it is the id that recording it gave",
        message_zh="您没有登记该编号的授权",
        hint_zh="请使用登记授权时返回的编号",
    )
