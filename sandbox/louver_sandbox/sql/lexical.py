"""The gate before parsing: size, characters, quotes and comments, by a lexer of our own.

Two parsers that read the same characters differently are the known way past a check on a syntax tree
(SECURITY 0.1, 2.1). So text reaches the parser only if every character outside quotes is one that all of them read
alike; comments become spaces here, and `!=` and CRLF get one spelling. The text keeps its length, so that offsets
in it are offsets in what the caller wrote.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from louver_sandbox.algebra.types import Position
from louver_sandbox.refusals import sql as refusals
from louver_sandbox.sql.dialects import DUCKDB, Dialect
from louver_sandbox.sql.retries import JOIN_WORDS, Retries


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes of a query; counts unless said otherwise (SECURITY 2.4).

    `weight` bounds the expanded tree; `retries` how many parts that may be read twice stand inside one another.
    """

    bytes: int = 65_536
    tokens: int = 5_000
    bracket_depth: int = 32
    expression_depth: int = 64
    in_list: int = 1_000
    name_length: int = 128
    joins: int = 24
    ctes: int = 24
    columns: int = 64
    blocks: int = 100
    grouping_sets: int = 64
    weight: int = 5_000
    uses: int = 2_000
    aliases: int = 200
    retries: int = 6


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Source:
    """Text that passed the gate, which is what the parser reads.

    `parameters` maps each name to its first offset; `words` are the unquoted words, in small letters, that are not
    followed by a bracket.
    """

    text: str = field(repr=False)
    parameters: Mapping[str, int]
    words: frozenset[str] = frozenset()

    def position(self, start: int, end: int | None = None) -> Position:
        """Line and column, from 1, of an offset; `end` is the offset after the last character."""
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        return Position(line, column, max(1, (end or start + 1) - start))


_CJK = "\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002fa1f\U00030000-\U000323af"
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\n]+|\r\n?)
    |(?P<line_comment>--[^\n]*)
    |(?P<block_comment>/\*)
    |(?P<quote>['"`])
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[A-Za-z_{_CJK}][A-Za-z0-9_{_CJK}]*)
    |(?P<parameter>:[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>::|<>|!=|<=>|<=|>=|==|\|\||//|!?~[~*]*|[-(),.;+*/%=<>])""",
    re.VERBOSE,
)
_NUMBER_GOES_ON = re.compile(rf"[A-Za-z0-9_.{_CJK}]")
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
_BLANK = re.compile(
    "[\u00a0\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u2000-\u200a\u202f\u205f\u2800\u3164\uffa0\ufe00-\ufe0f]|[\U000e0100-\U000e01ef]"
)
"""Characters that print as nothing or as a space, although they count as letters, marks or spaces."""

_CONFUSABLE = re.compile(
    "[\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a\U0001d400-\U0001d7ff"
    "АВЕЅІЈКМНОРСТУХЬаеорсухѕіјһԁԛԝ"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυ]"
)
"""Full-width and mathematical letters and digits, and the Cyrillic and Greek letters that print like Latin ones."""

_COMMON_OPERATORS = frozenset({"!=", "<=", ">=", "<>", "::", "||", *"-(),.;+*/%=<>"})


_BEGIN_LISTS = frozenset({"select", "distinct", "from"})
_BEFORE_BY = frozenset({"group", "order", "partition"})


def _describe(character: str) -> str:
    printable = character.isascii() and character.isprintable()
    return character if printable else f"U+{ord(character):04X}"


class _Lexer:
    """Walks the text once; `pieces` collects what the parser will read."""

    def __init__(self, text: str, limits: Limits, dialect: Dialect) -> None:
        self.text = text
        self.limits = limits
        self.dialect = dialect
        self.pieces: list[str] = []
        self.parameters: dict[str, int] = {}
        self.tokens: list[tuple[str, str, int]] = []
        self.depth = 0
        self.opened: list[int] = []
        self.words: set[str] = set()
        self.retries = Retries()

    def at(self, start: int, end: int | None = None) -> Position:
        return Source(self.text, {}).position(start, end)

    def run(self) -> Source:
        offset = 0
        while offset < len(self.text):
            if self.text[offset] == " ":
                self.pieces.append(" ")
                offset += 1
                continue
            match = _TOKEN.match(self.text, offset)
            if match is None or match.lastgroup is None:
                raise refusals.character_not_allowed(_describe(self.text[offset]), self.at(offset))
            offset = self.take(match.lastgroup, match)
        if not self.tokens:
            raise refusals.empty()
        if self.depth:
            opened = "a bracket ( is not closed", "有一个括号 ( 没有闭合"
            raise refusals.syntax(self.at(self.opened[-1]), *opened)
        kind, last, _ = self.tokens[-1]
        if kind == "word":
            self.words.add(last)
        return Source("".join(self.pieces), self.parameters, frozenset(word.lower() for word in self.words))

    def take(self, kind: str, match: re.Match[str]) -> int:
        start, end = match.span()
        found = match.group()
        match kind:
            case "space":
                # A lone CR is white space to some parsers and part of a name to others.
                found = found.replace("\r\n", " \n").replace("\r", " ")
            case "line_comment":
                if self.dialect.dashes_need_space and found[2:3].strip():
                    raise refusals.unclear_in_dialect(
                        "--", self.dialect.name, "put a space after --", "请在 -- 后加空格", self.at(start, end)
                    )
                self.visible(found, start, allowed="\t\r")
                found = self.blank(start, end)
            case "block_comment":
                end = self.comment_end(start)
                if self.text[start + 2 : start + 3] == "!":
                    raise refusals.malformed(
                        "a comment that some engines run", "部分引擎会执行的注释", self.at(start)
                    )
                self.visible(self.text[start:end], start, allowed="\t\r\n")
                found = self.blank(start, end)
            case "quote":
                kind = "name" if found in self.dialect.names else "text"
                if found not in self.dialect.names + self.dialect.texts:
                    raise refusals.character_not_allowed(found, self.at(start))
                end = self.quote_end(start, found, kind)
                found = self.canonical(kind, self.text[start:end], start)
                self.token(kind, found, start)
            case _:
                found = self.plain(kind, found, start)
        self.pieces.append(found)
        return end

    def plain(self, kind: str, found: str, start: int) -> str:
        end = start + len(found)
        if kind == "number" and _NUMBER_GOES_ON.match(self.text[end : end + 1]):
            raise refusals.malformed("a number runs into what follows", "数字与其后内容相连", self.at(start, end))
        if kind == "word" and len(found) > self.limits.name_length:
            raise refusals.too_complex("characters in a name", "名称字符", self.limits.name_length, self.at(start))
        if kind == "parameter":
            self.parameters.setdefault(found[1:], start)
        instead = self.dialect.refused.get(found.lower()) if self.dialect.refused else None
        if instead is not None and kind == "word":
            raise refusals.never_allowed(found, *instead, self.at(start, end))
        if instead is not None:
            raise refusals.unclear_in_dialect(found, self.dialect.name, *instead, self.at(start, end))
        if kind == "operator" and found not in _COMMON_OPERATORS and found not in self.dialect.operators:
            raise refusals.character_not_allowed(found, self.at(start, end))
        found = "<>" if found == "!=" else self.dialect.operators.get(found, found)
        self.token(kind, found, start)
        if kind == "operator":
            self.bracket(found, start)
        return found

    def token(self, kind: str, found: str, start: int) -> None:
        if self.tokens:
            kind_before, before, start_before = self.tokens[-1]
            if kind_before == "word" and found != "(":
                self.words.add(before)
            if before == ";":
                raise refusals.several_statements(self.at(start))
            touching = start_before + len(before) == start
            if kind in ("text", "name"):
                self.quoted(kind, start, kind_before, touching=touching)
            if kind in ("number", "parameter") and kind_before in ("word", "name"):
                self.no_name(start, before, touching=touching)
            if found == "," and kind == "operator":
                self.separates(start)
        elif found == ";":
            raise refusals.empty()
        self.tokens.append((kind, found, start))
        if len(self.tokens) > self.limits.tokens:
            raise refusals.too_complex("words and signs", "词与符号", self.limits.tokens, self.at(start))
        self.bound_retries(kind, found, start)

    def separates(self, start: int) -> None:
        """Refuses a comma with nothing before it: the parser would skip it, and no engine does."""
        (_, earlier, _), (kind, before, _) = (
            self.tokens[-2:] if len(self.tokens) > 1 else (("", "", 0), self.tokens[-1])
        )
        nothing = before in (",", "(") if kind == "operator" else kind == "word" and before.lower() in _BEGIN_LISTS
        if nothing or (earlier.lower() in _BEFORE_BY and kind == "word" and before.lower() == "by"):
            raise refusals.syntax(self.at(start), "nothing stands before this comma", "此逗号之前没有内容")

    def no_name(self, start: int, before: str, *, touching: bool) -> None:
        """Refuses a number or parameter where a name stands: the parser would take it for one, and no engine does."""
        if touching or before.lower() == "as":
            raise refusals.syntax(self.at(start), "a name begins with a letter", "名称须以字母开头")

    def bound_retries(self, kind: str, found: str, start: int) -> None:
        """Refuses what the parser would read again and again."""
        most = self.limits.retries
        self.retries.see(kind, found)
        if self.retries.depth > most and found.lower() in JOIN_WORDS:
            raise refusals.too_complex("joins without ON or USING", "没有 ON 或 USING 的连接", most, self.at(start))
        if self.retries.depth > most or (kind == "name" and self.retries.inside(found) > most):
            raise refusals.too_deep(self.at(start))

    def canonical(self, kind: str, found: str, start: int) -> str:
        """A quoted name or text with DuckDB's quotes, at the same length."""
        at, inside = self.at(start, start + len(found)), found[1:-1]
        if kind == "text" and not inside and self.dialect.empty_is_null:
            raise refusals.unclear_in_dialect("''", self.dialect.name, "write IS NULL", "请写 IS NULL", at)
        if kind == "text" and self.dialect.escapes and ("\\" in inside or found[0] in inside):
            # A backslash and a doubled quote mean one thing or another by the settings of such a server.
            raise refusals.unclear_in_dialect(
                "an escape in a text", self.dialect.name, "send the text as a parameter", "请以参数传递该文本", at
            )
        quote = '"' if kind == "name" else "'"
        if found[0] == quote:
            return found
        if quote in inside or found[0] in inside:
            raise refusals.unclear_in_dialect(
                "a quote inside quotes", self.dialect.name, "send the text as a parameter", "请以参数传递该文本", at
            )
        return quote + inside + quote

    def quoted(self, kind: str, start: int, kind_before: str, *, touching: bool) -> None:
        """Refuses a quote whose meaning depends on the token before it."""
        if touching and kind_before in ("word", "number", "text", "name"):
            raise refusals.malformed("a quote runs into the word before it", "引号与前一词相连", self.at(start))
        if kind == "text" and kind_before == "text":
            raise refusals.malformed("two texts stand side by side", "两段文本相邻", self.at(start))

    def bracket(self, found: str, start: int) -> None:
        if found == "(":
            self.depth += 1
            self.opened.append(start)
            if self.depth > self.limits.bracket_depth:
                raise refusals.too_deep(self.at(start))
        elif found == ")":
            self.depth -= 1
            if self.depth < 0:
                closed = "this bracket closes none that was opened", "此括号没有与之对应的左括号"
                raise refusals.syntax(self.at(start), *closed)
            self.opened.pop()

    def comment_end(self, start: int) -> int:
        close = self.text.find("*/", start + 2)
        nested = self.text.find("/*", start + 2)
        if close < 0:
            raise refusals.malformed("a comment is not closed", "注释未闭合", self.at(start))
        if 0 <= nested < close:
            # Nested comments end at different places in different parsers.
            raise refusals.malformed("a comment stands inside a comment", "注释内含注释", self.at(nested))
        return close + 2

    def quote_end(self, start: int, quote: str, kind: str) -> int:
        offset = start + 1
        while True:
            offset = self.text.find(quote, offset)
            if offset < 0:
                raise refusals.malformed("a quote is not closed", "引号未闭合", self.at(start))
            if self.text[offset + 1 : offset + 2] != quote:
                break
            offset += 2
        inside = self.text[start + 1 : offset]
        self.visible(inside, start + 1)
        if kind == "name":
            if not 0 < len(inside) <= self.limits.name_length:
                raise refusals.malformed("a quoted name is empty or too long", "引号内名称为空或过长", self.at(start))
            look_alike = None if inside.isascii() else _CONFUSABLE.search(inside)
            if look_alike is not None:
                place = self.at(start + 1 + look_alike.start())
                raise refusals.character_not_allowed(f"{_describe(look_alike[0])} (looks like another)", place)
        return offset + 1

    def visible(self, inside: str, start: int, allowed: str = "") -> None:
        """Refuses what an officer who reads the log would not see, or would see in another order."""
        if inside.isascii() and inside.isprintable():
            return
        for index, character in enumerate(inside):
            hidden = unicodedata.category(character) in _HIDDEN or _BLANK.match(character)
            if hidden and character not in allowed:
                raise refusals.character_not_allowed(_describe(character), self.at(start + index))

    def blank(self, start: int, end: int) -> str:
        return re.sub(r"[^\n]", " ", self.text[start:end])


def gate(text: str, limits: Limits = LIMITS, dialect: Dialect = DUCKDB) -> Source:
    """The text, canonical and of the same length, or a refusal (LVR-1001 to 1009, LVR-1320) at the first fault."""
    # A character is at most four bytes, so this bound costs nothing on a hostile megabyte.
    size = len(text) if len(text) > limits.bytes else len(text.encode("utf-8", "surrogatepass"))
    if size > limits.bytes:
        raise refusals.too_long(size, limits.bytes)
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        ends = range(1, len(text) + 1)
        first = bisect.bisect_left(ends, True, key=lambda end: not unicodedata.is_normalized("NFC", text[:end]))
        raise refusals.character_not_allowed(
            f"{_describe(text[first])} (not in normal form NFC)", Source(text, {}).position(first)
        )
    return _Lexer(text, limits, dialect).run()
