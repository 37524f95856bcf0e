"""Errors and notices as text for people: the SQL line, a caret under the place, the hint and the rule. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from louver.display import visible, width
from louver.errors import Error, Fault, Refused, Unproven
from louver.failures import Misused, Unreachable
from louver.results import Accuracy, Notice

LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "refused": "refused",
        "fault": "fault",
        "unreachable": "not reachable",
        "unproven": "NOT PROVEN",
        "misused": "error",
        "hint": "hint",
        "rule": "rule",
        "retry": "try again in",
        "again": "ask again with",
        "note": "note",
        "accuracy": "exact to",
    },
    "zh": {
        "refused": "已拒绝",
        "fault": "平台故障",
        "unreachable": "无法连接",
        "unproven": "证明不成立",
        "misused": "错误",
        "hint": "提示",
        "rule": "规则",
        "retry": "请稍后重试",
        "again": "可用以下参数重试",
        "note": "说明",
        "accuracy": "精度",
    },
}
"""The words around a message, by language."""

EXIT_REFUSED, EXIT_USAGE, EXIT_FAULT, EXIT_UNPROVEN = 1, 2, 3, 4


def language_of(option: str | None, environment: Mapping[str, str]) -> str:
    """``zh`` or ``en``: the option, else ``LOUVER_LANG``, else the locale (POSIX: LC_ALL, LC_MESSAGES, LANG)."""
    chosen = option or environment.get("LOUVER_LANG")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        chosen = chosen or environment.get(name)
    return "zh" if (chosen or "").lower().startswith("zh") else "en"


def exit_code(error: Error) -> int:
    """What the shell is told: who has to act."""
    match error:
        case Refused():
            return EXIT_REFUSED
        case Misused():
            return EXIT_USAGE
        case Unproven():
            return EXIT_UNPROVEN
        case _:
            return EXIT_FAULT


def draw(error: Error, sql: str = "", language: str = "en") -> str:
    """The error as lines of text. Nothing that came over the wire can act on a terminal."""
    words = LABELS[language]
    match error:
        case Refused():
            return "\n".join(_refusal(error, sql, language))
        case Unreachable(message=message, hint=hint, request_id=request_id):
            again = (f"  {words['again']} --request-id {request_id}",) if request_id else ()
            return "\n".join((f"{words['unreachable']}: {visible(message)}", *_hint(hint, words), *again))
        case Misused(message=message, hint=hint, code=code):
            label = f"{words['misused']} {code}" if code else words["misused"]
            return "\n".join((f"{label}: {visible(message)}", *_hint(hint, words)))
        case Unproven():
            return f"{words['unproven']}: {visible(str(error))}"
        case Fault():
            return f"{words['fault']}: {visible(str(error))}"
        case _:
            return f"{words['misused']}: {visible(str(error))}"


def _hint(hint: str, words: Mapping[str, str]) -> tuple[str, ...]:
    return (f"  {words['hint']}: {visible(hint)}",) if hint else ()


def _refusal(refused: Refused, sql: str, language: str) -> list[str]:
    words = LABELS[language]
    chinese = language == "zh"
    message = refused.message_zh if chinese and refused.message_zh else refused.message
    hint = refused.hint_zh if chinese and refused.hint_zh else refused.hint
    lines = [f"{words['refused']} {visible(refused.code)}: {visible(message)}"]
    lines += caret(sql, refused.line, refused.column)
    lines += _hint(hint, words)
    rule = " @ ".join(part for part in (refused.rule, refused.policy_version) if part)
    if rule:
        lines.append(f"  {words['rule']}: {visible(rule)}")
    if refused.retry_after is not None:
        lines.append(f"  {words['retry']}: {refused.retry_after:g} s")
    return lines


def caret(sql: str, line: int | None, column: int | None) -> list[str]:
    """The SQL line of a position and a caret under it; nothing when the position is not in this SQL.

    ``column`` counts characters; the caret is placed by what the characters before it take on a terminal.
    """
    source = sql.split("\n")
    if line is None or column is None or not 1 <= line <= len(source):
        return []
    text = source[line - 1].rstrip("\r")
    if not 1 <= column <= len(text) + 1:
        return []
    margin = f"  {line} | "
    before = width(_shown(text[: column - 1]))
    return [margin + _shown(text), " " * (len(margin) - 2) + "| " + " " * before + "^"]


def _shown(text: str) -> str:
    return visible(text.replace("\t", "    "))


def notices(items: Iterable[Notice], language: str) -> list[str]:
    """One line per notice."""
    return [f"{LABELS[language]['note']} {visible(item.code)}: {visible(item.text(language))}" for item in items]


def accuracies(items: Iterable[Accuracy], language: str) -> list[str]:
    """One line per column whose numbers have noise."""
    return [
        f"{LABELS[language]['accuracy']} {visible(item.column)}: {visible(item.text(language))}" for item in items
    ]
