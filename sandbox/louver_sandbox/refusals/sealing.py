"""LVR-5xxx: keys, ciphertexts and answers that are sealed. No refusal says more than which test it was.

Refusals of keys and batches take facts (a limit) and never a number of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from louver.errors import Refused
from louver_sandbox.refusals.base import refusal


def key_size(facts: Mapping[str, str]) -> Refused:
    """LVR-5001: the modulus has another length than keys have, or leading zeros."""
    return refusal(
        "LVR-5001",
        message="the modulus of a key has 2048, 3072 or 4096 bits, without leading zeros",
        hint="make a key with `louver keys new`",
        message_zh="密钥模数须为 2048、3072 或 4096 位，且无前导零",
        hint_zh="请用 `louver keys new` 生成密钥",
    )


def key_modulus(facts: Mapping[str, str]) -> Refused:
    """LVR-5002: the modulus is even, prime, a power, or has a small factor; which of them is not said."""
    return refusal(
        "LVR-5002",
        message="the modulus is not a product of two large primes",
        hint="make a new key with `louver keys new` and tell whoever made this one",
        message_zh="密钥模数不是两个大素数之积",
        hint_zh="请用 `louver keys new` 重新生成密钥，并告知原密钥的生成方",
    )


def key_proof(facts: Mapping[str, str]) -> Refused:
    """LVR-5003: the proof of the modulus does not hold for this institution."""
    return refusal(
        "LVR-5003",
        message="the proof of the key's modulus does not hold for your institution",
        hint="register the key with the client that has its private part; a proof is made in one institution's name",
        message_zh="密钥模数的证明对您的机构不成立",
        hint_zh="请由持有私钥的客户端登记；证明以机构名义生成，不能转用",
    )


def key_shared(facts: Mapping[str, str]) -> Refused:
    """LVR-5004: the modulus shares a factor with one that was registered before, or is one."""
    return refusal(
        "LVR-5004",
        message="this key cannot be registered: its modulus is not independent of the keys registered before",
        hint="make a new key with `louver keys rotate`; a key is registered once",
        message_zh="该密钥不能登记：其模数与已登记的密钥不独立",
        hint_zh="请用 `louver keys rotate` 生成新密钥；每个密钥只登记一次",
    )


def key_validity(facts: Mapping[str, str]) -> Refused:
    """LVR-5005: the key's end is past or too far ahead."""
    return refusal(
        "LVR-5005",
        message="the end of the key's validity is past, more than five years ahead, or after 2030 for 2048 bits",
        hint="choose a nearer end (--days), or a key of 3072 bits",
        message_zh="密钥有效期已过、超过五年，或 2048 位密钥晚于 2030 年",
        hint_zh="请缩短有效期（--days），或使用 3072 位密钥",
    )


def batch_form(facts: Mapping[str, str]) -> Refused:
    """LVR-5011: the bytes are no whole batch of ciphertexts."""
    return refusal(
        "LVR-5011",
        message="the batch of encrypted numbers is cut off, or is not what its header tells of",
        hint="write it again with the client and send it whole",
        message_zh="密文批次不完整，或与其头部不符",
        hint_zh="请用客户端重新生成并完整发送",
    )


def batch_declared(facts: Mapping[str, str]) -> Refused:
    """LVR-5012: the batch is about another key, or other columns and scales, than was declared."""
    return refusal(
        "LVR-5012",
        message="the batch is not of the key, columns and decimal scales that were declared",
        hint="encrypt whole numbers (fen) to your current key, with the scales that the columns were declared with",
        message_zh="密文批次与声明的密钥、列或小数位不符",
        hint_zh="请用当前密钥加密整数（分），小数位与列声明一致",
    )


def batch_rows(facts: Mapping[str, str]) -> Refused:
    """LVR-5013: the batch has too many rows."""
    limit = facts.get("limit", "?")
    return refusal(
        "LVR-5013",
        message=f"the batch has more than the {limit} rows allowed",
        hint="send only the rows that your questions need",
        message_zh=f"密文批次超过上限 {limit} 行",
        hint_zh="请只发送查询所需的行",
        details=dict(facts),
    )


def batch_ciphertexts(facts: Mapping[str, str]) -> Refused:
    """LVR-5014: a value is no ciphertext, a trivial one, or there twice; which row it is is not said."""
    return refusal(
        "LVR-5014",
        message="the batch holds a value that is no fresh ciphertext of the key",
        hint="encrypt every number anew, each with its own randomness; never copy a ciphertext",
        message_zh="密文批次含有不是该密钥新鲜密文的值",
        hint_zh="请逐个重新加密，每个密文使用独立随机数；不要复制密文",
    )


def no_key() -> Refused:
    """LVR-5021: the answer would leave sealed, and the institution has no key to seal it to."""
    return refusal(
        "LVR-5021",
        message="this answer leaves sealed, and you have registered no key, or its validity has ended",
        hint="make and register one with `louver keys new`, or a new one with `louver keys rotate`",
        message_zh="该结果须密封给出，而您没有登记有效的密钥",
        hint_zh="请用 `louver keys new` 生成并登记密钥，或用 `louver keys rotate` 换新",
    )


def nothing_to_seal() -> Refused:
    """LVR-5022: the answer is exact."""
    return refusal(
        "LVR-5022",
        message="this answer is exact: it has public rows or your own, and is not sealed",
        hint="ask without seal; protected answers can be sealed",
        message_zh="该结果为精确结果（公开数据或本机构数据），不予密封",
        hint_zh="请去掉密封要求；受保护的结果可以密封",
    )


def unsealable(column: str, type_: str) -> Refused:
    """LVR-5023: a column would leave in clear beside sealed ones."""
    return refusal(
        "LVR-5023",
        message=f"column {column} holds released values of type {type_}, which cannot be sealed",
        hint="ask for the numbers that it is computed from, or leave it out",
        message_zh=f"列 {column} 是类型为 {type_} 的发布值，不能密封",
        hint_zh="请直接查询计算它所用的数值，或去掉该列",
        details={"column": column, "type": type_},
    )


def key_registrations(facts: Mapping[str, str]) -> Refused:
    """LVR-5029: the institution has registered as many keys in this calendar quarter as it may."""
    limit = facts.get("limit", "?")
    return refusal(
        "LVR-5029",
        message=f"you have registered {limit} keys in this calendar quarter, and more are not taken",
        hint="go on with your current key; ask the operator where you must replace it now",
        message_zh=f"本季度登记的密钥已达上限 {limit} 个",
        hint_zh="请继续使用当前密钥；确需立即更换时请联系平台运营方",
        details=dict(facts),
    )
