"""Text patterns: LIKE, regular expressions and SIMILAR TO.

A regular expression is accepted only from the part that POSIX, RE2, MySQL and Python read alike: literals, `.`,
sets, `^`, `$`, groups, `|` and bounded repetition, matched against code points. Escapes are those of punctuation and
`\\d`, `\\w`, `\\s` over ASCII. What is outside it (back references, look-around, lazy repetition, flags) is refused
by name. A pattern is a constant of at most 200 characters; RE2 matches in linear time whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from louver_sandbox.algebra.expressions import Value
from louver_sandbox.algebra.types import BOOLEAN, NULL, TEXT, Type
from louver_sandbox.sql.rules import FunctionKind, FunctionRule, Texts, Types, unify

LONGEST_PATTERN = 200
MOST_REPETITIONS = 100
_PUNCTUATION = frozenset(r"""\.^$|()[]{}*+?-/"'#&,:;<=>@_`~%! """)
_CLASSES = frozenset("dws")


class PatternError(ValueError):
    """A pattern outside the common part; the text names the construct in English and Chinese."""

    def __init__(self, what: str, what_zh: str) -> None:
        super().__init__(what)
        self.what = what
        self.what_zh = what_zh


def check_regex(pattern: str) -> None:
    """Raises `PatternError` unless every engine reads the pattern alike."""
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(f"at most {LONGEST_PATTERN} characters", f"至多 {LONGEST_PATTERN} 个字符")
    _Regex(pattern).read()


class _Regex:
    """Reads a pattern once, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.offset = 0
        self.depth = 0

    def take(self) -> str:
        self.offset += 1
        return self.pattern[self.offset - 1]

    def peek(self) -> str:
        return self.pattern[self.offset : self.offset + 1]

    def read(self) -> None:
        repeatable = False
        while self.offset < len(self.pattern):
            repeatable = self.item(self.take(), repeatable)
        if self.depth:
            raise PatternError("brackets that match", "成对的括号")

    def item(self, character: str, repeatable: bool) -> bool:
        """One item; whether a repetition may follow it."""
        match character:
            case "\\":
                self.escape()
            case "[":
                self.set_of_characters()
            case "(":
                if self.peek() == "?":
                    raise PatternError("plain groups, without (?...)", "普通分组，不含 (?…)")
                self.depth += 1
                return False
            case ")":
                self.depth -= 1
                if self.depth < 0:
                    raise PatternError("brackets that match", "成对的括号")
            case "|" | "^" | "$":
                return False
            case "*" | "+" | "?" | "{":
                if not repeatable:
                    raise PatternError("one greedy repetition after one item", "每项之后至多一个贪婪重复")
                if character == "{":
                    self.bounds()
                return False
            case "]" | "}":
                raise PatternError("brackets that match", "成对的括号")
            case _:
                pass
        return True

    def escape(self) -> None:
        escaped = self.take() if self.peek() else ""
        if escaped not in _PUNCTUATION | _CLASSES or not escaped:
            raise PatternError(r"escapes of punctuation and \d, \w, \s", r"对标点的转义及 \d、\w、\s")

    def bounds(self) -> None:
        found = re.compile(r"([0-9]{1,3})(?:,([0-9]{1,3})?)?\}", re.ASCII).match(self.pattern, self.offset)
        if found is None:
            raise PatternError("repetition as {n}, {n,} or {n,m}", "重复写作 {n}、{n,} 或 {n,m}")
        low, high = int(found[1]), int(found[2] or found[1])
        if not low <= high <= MOST_REPETITIONS:
            raise PatternError(f"repetition at most {MOST_REPETITIONS} times", f"重复至多 {MOST_REPETITIONS} 次")
        self.offset = found.end()

    def set_of_characters(self) -> None:
        found = re.compile(r"\^?((?:[^\]\[\\&~|-]|\\.)(?:-(?:[^\]\[\\&~|-]))?)+-?\]").match(self.pattern, self.offset)
        if found is None:
            raise PatternError("sets such as [a-z0-9_]", "形如 [a-z0-9_] 的字符集")
        for escaped in re.findall(r"\\(.)", found[0]):
            if escaped not in _PUNCTUATION | _CLASSES:
                raise PatternError(r"escapes of punctuation and \d, \w, \s", r"对标点的转义及 \d、\w、\s")
        for low, high in re.findall(r"([^\]\[\\])-([^\]\[\\])", found[0][:-1]):
            if low > high:
                raise PatternError("sets such as [a-z0-9_]", "形如 [a-z0-9_] 的字符集")
        self.offset = found.end()


_SPACES = r"\t\n\f\r "


def _compiled(pattern: str) -> re.Pattern[str]:
    """Python's reading: `$` is the end of the text only, and classes are ASCII, as in RE2."""

    def read(found: re.Match[str]) -> str:
        escaped, bracketed = found[1], found[2]
        if escaped:
            return f"[{_SPACES}]" if escaped == r"\s" else escaped
        if bracketed:
            return re.sub(r"\\.", lambda part: _SPACES if part[0] == r"\s" else part[0], bracketed)
        return r"\Z"

    return re.compile(re.sub(r"(\\.)|(\[(?:\\.|[^\]])*\])|\$", read, pattern, flags=re.DOTALL), re.ASCII)


def similar_to_regex(pattern: str) -> str:
    """The regular expression that matches a whole text where `SIMILAR TO` does (ISO/IEC 9075-2, 8.6).

    Raises `PatternError`. There is no ESCAPE; the backslash escapes, as in PostgreSQL.
    """
    parts: list[str] = []
    offset, inside = 0, False
    while offset < len(pattern):
        character = pattern[offset]
        if character == "\\":
            parts.append(pattern[offset : offset + 2])
            offset += 2
            continue
        if inside or character in "[]":
            inside = character != "]"
            parts.append(character)
        else:
            parts.append({"%": ".*", "_": ".", ".": r"\.", "^": r"\^", "$": r"\$"}.get(character, character))
        offset += 1
    translated = "".join(parts)
    check_regex(translated)
    return translated


def like_matches(flags: int) -> Callable[..., Value]:
    """LIKE with `%` and `_`; a third argument is the ESCAPE character."""

    def evaluate(value: str, pattern: str, escape: str = "") -> Value:
        body: list[str] = []
        characters = iter(pattern)
        for character in characters:
            if character == escape:
                body.append(re.escape(next(characters, "")))
            else:
                body.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
        return re.fullmatch("".join(body), value, re.DOTALL | flags) is not None

    return evaluate


def _text_test(types: Types) -> Type | None:
    return BOOLEAN if len(types) == 2 and unify(types) in (TEXT, NULL) else None


def _like_test(types: Types) -> Type | None:
    return BOOLEAN if len(types) in (2, 3) and unify(types) in (TEXT, NULL) else None


def _like(word: str) -> Callable[[Texts, Types, Type], str]:
    def emit(texts: Texts, types: Types, result: Type) -> str:
        if len(texts) > 2:
            return f"{word.lower()}_escape({', '.join(texts)})"
        return f"({texts[0]} {word} {texts[1]})"

    return emit


def _called(name: str) -> Callable[[Texts, Types, Type], str]:
    return lambda texts, types, result: f"{name}({', '.join(texts)})"


def _searched(value: str, pattern: str) -> Value:
    return _compiled(pattern).search(value) is not None


def _matched(value: str, pattern: str) -> Value:
    return _compiled(pattern).fullmatch(value) is not None


def _pattern_rule(
    name: str,
    emit: Callable[[Texts, Types, Type], str],
    evaluate: Callable[..., Value],
    result: Callable[[Types], Type | None] = _text_test,
) -> FunctionRule:
    return FunctionRule(name, FunctionKind.SCALAR, result, emit, evaluate, constants=(1, 2), comparison=True)


PATTERNS: tuple[FunctionRule, ...] = (
    _pattern_rule("like", _like("LIKE"), like_matches(0), _like_test),
    _pattern_rule("ilike", _like("ILIKE"), like_matches(re.IGNORECASE), _like_test),
    _pattern_rule("regexp_matches", _called("regexp_matches"), _searched),
    _pattern_rule("regexp_full_match", _called("regexp_full_match"), _matched),
    # The pattern arrives as the regular expression it stands for.
    _pattern_rule("similar", _called("regexp_full_match"), _matched),
)
