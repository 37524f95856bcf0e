"""Why an institution's own table is refused: LVR-40xx. One function per code; nothing quotes a value of the data.

The ingesting child answers with a code and the facts below (a column's name or number, a limit); the service turns
them into a refusal here, so the child's words never reach a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from louver.errors import Refused
from louver_sandbox.refusals import encrypted, sealing
from louver_sandbox.refusals.base import refusal
from louver_sandbox.refusals.encrypted import tokens


def upload_not_arrow(facts: Mapping[str, str]) -> Refused:
    """The stream is not Arrow IPC, is cut off, or contradicts itself."""
    return refusal(
        "LVR-4001",
        message="the upload is not a complete Arrow IPC stream",
        hint="send the stream to its end-of-stream marker; upload() of the client does",
        message_zh="上传内容不是完整的 Arrow IPC 流",
        hint_zh="请发送到流结束标记；客户端的 upload() 会自动完成",
    )


def upload_type(facts: Mapping[str, str]) -> Refused:
    """A column is of a type that own tables cannot have."""
    column, type_ = facts.get("column", "?"), facts.get("type", "?")
    return refusal(
        "LVR-4002",
        message=f"column {column} has the type {type_}, which cannot be uploaded",
        hint="use text, integers up to 64 bits, decimals, floats, booleans, dates, timestamps without zone, "
        "or lists of text",
        message_zh=f"列 {column} 的类型 {type_} 不能上传",
        hint_zh="可用类型：文本、64 位以内整数、十进制数、浮点数、布尔、日期、不带时区的时间戳、文本列表",
        details=dict(facts),
    )


def upload_column_name(facts: Mapping[str, str]) -> Refused:
    """A column's name cannot be written in SQL, or is there twice."""
    number = facts.get("number", "?")
    return refusal(
        "LVR-4003",
        message=f"the name of column number {number} is not allowed or is used twice",
        hint="letters (Chinese too), digits and underscore, not beginning with a digit or record_key_, at most 63; "
        "names that differ only in case count as the same",
        message_zh=f"第 {number} 列的列名不合规或重复",
        hint_zh="列名由字母（含中文）、数字和下划线组成，不以数字或 record_key_ 开头，"
        "最长 63 个字符；仅大小写不同视为重名",
        details=dict(facts),
    )


def upload_too_large(facts: Mapping[str, str]) -> Refused:
    """More columns, rows, or bytes after decompression than allowed."""
    what, limit = facts.get("what", "bytes"), facts.get("limit", "?")
    return refusal(
        "LVR-4004",
        message=f"the upload has more {what} than the {limit} allowed",
        hint="upload only the rows and columns your questions need, or ask the operator for a higher limit",
        message_zh=f"上传内容的 {what} 超过上限 {limit}",
        hint_zh="请只上传查询所需的行和列，或向运营机构申请提高上限",
        details=dict(facts),
    )


def upload_not_finite(facts: Mapping[str, str]) -> Refused:
    """A float column holds not-a-number or infinity."""
    column = facts.get("column", "?")
    return refusal(
        "LVR-4005",
        message=f"column {column} holds not-a-number or infinity",
        hint="replace them by nulls before uploading",
        message_zh=f"列 {column} 含有非数值或无穷大",
        hint_zh="请先替换为空值再上传",
        details=dict(facts),
    )


def upload_table_name(facts: Mapping[str, str]) -> Refused:
    """The name of the own table cannot be written in SQL."""
    return refusal(
        "LVR-4006",
        message="the name of the table is not allowed",
        hint="letters (Chinese too), digits and underscore, not beginning with a digit, at most 63 characters",
        message_zh="表名不合规",
        hint_zh="表名由字母（含中文）、数字和下划线组成，不以数字开头，最长 63 个字符",
    )


def upload_out_of_range(facts: Mapping[str, str]) -> Refused:
    """A value does not fit the type it is stored in (a timestamp finer than microseconds, an unsigned number)."""
    column = facts.get("column", "?")
    return refusal(
        "LVR-4007",
        message=f"column {column} holds values that cannot be stored without loss",
        hint="round timestamps to microseconds and keep decimals within 38 digits",
        message_zh=f"列 {column} 含有无法无损存储的值",
        hint_zh="请将时间戳取整到微秒，十进制数不超过 38 位",
        details=dict(facts),
    )


def unknown_own_table(facts: Mapping[str, str]) -> Refused:
    """The institution has no such table; dropping it twice says the same."""
    return refusal(
        "LVR-4008",
        message="you have no table of that name",
        hint="list your tables with tables()",
        message_zh="您没有该名称的表",
        hint_zh="请用 tables() 查看您的表",
    )


def upload_name_taken(facts: Mapping[str, str]) -> Refused:
    """The institution has another table of that name, and did not say that it should be replaced."""
    return refusal(
        "LVR-4009",
        message="you have another table of that name",
        hint="upload it under another name, or replace the old one on purpose (replace=True)",
        message_zh="您已有同名的另一张表",
        hint_zh="请换一个表名，或明确要求替换（replace=True）",
    )


UPLOAD_REFUSALS: Mapping[str, Callable[[Mapping[str, str]], Refused]] = {
    "LVR-4001": upload_not_arrow,
    "LVR-4002": upload_type,
    "LVR-4003": upload_column_name,
    "LVR-4004": upload_too_large,
    "LVR-4005": upload_not_finite,
    "LVR-4006": upload_table_name,
    "LVR-4007": upload_out_of_range,
    "LVR-4008": unknown_own_table,
    "LVR-4009": upload_name_taken,
    "LVR-5011": sealing.batch_form,
    "LVR-5012": sealing.batch_declared,
    "LVR-5013": sealing.batch_rows,
    "LVR-5014": sealing.batch_ciphertexts,
    "LVR-5301": encrypted.no_key_for_upload,
    "LVR-5324": tokens.column_declared,
}
"""The maker of each refusal by its code; the ingesting child answers with LVR-4001 to LVR-4007 and those of encrypted
columns."""
