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


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes of a query; counts unless said otherwise (SECURITY 2.4). `weight` bounds the expanded tree."""

    bytes: int = 65_536
    tokens: int = 5_000
    bracket_depth: int = 32
    expression_depth: int = 64
    in_list: int = 1_000
    name_length: int = 128
    joins: int = 8
    ctes: int = 8
    columns: int = 64
    blocks: int = 32
    weight: int = 5_000
    uses: int = 2_000
    aliases: int = 200


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
    |(?P<text>')
    |(?P<name>")
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[A-Za-z_{_CJK}][A-Za-z0-9_{_CJK}]*)
    |(?P<parameter>:[A-Za-z_][A-Za-z0-9_]*)
    |(?P<operator>::|<>|!=|<=|>=|\|\||//|[-(),.;+*/%=<>])""",
    re.VERBOSE,
)
_WORD_CHARACTER = re.compile(rf"[A-Za-z0-9_{_CJK}]")
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}


def _describe(character: str) -> str:
    printable = character.isascii() and character.isprintable()
    return character if printable else f"U+{ord(character):04X}"


class _Lexer:
    """Walks the text once; `pieces` collects what the parser will read."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.pieces: list[str] = []
        self.parameters: dict[str, int] = {}
        self.tokens: list[tuple[str, str, int]] = []
        self.depth = 0
        self.words: set[str] = set()

    def at(self, start: int, end: int | None = None) -> Position:
        return Source(self.text, {}).position(start, end)

    def run(self) -> Source:
        offset = 0
        while offset < len(self.text):
            match = _TOKEN.match(self.text, offset)
            if match is None or match.lastgroup is None:
                raise refusals.character_not_allowed(_describe(self.text[offset]), self.at(offset))
            offset = self.take(match.lastgroup, match)
        if not self.tokens:
            raise refusals.empty()
        if self.depth:
            raise refusals.syntax(self.at(len(self.text) - 1))
        self.note_word("")
        return Source("".join(self.pieces), self.parameters, frozenset(self.words))

    def take(self, kind: str, match: re.Match[str]) -> int:
        start, end = match.span()
        found = match.group()
        match kind:
            case "space":
                # A lone CR is white space to some parsers and part of a name to others.
                found = found.replace("\r\n", " \n").replace("\r", " ")
            case "line_comment":
                self.visible(found, start, allowed="\t\r")
                found = self.blank(start, end)
            case "block_comment":
                end = self.comment_end(start)
                self.visible(self.text[start:end], start, allowed="\t\r\n")
                found = self.blank(start, end)
            case "text" | "name":
                end = self.quote_end(start, found)
                found = self.text[start:end]
                self.token(kind, found, start)
            case _:
                found = self.plain(kind, found, start)
        self.pieces.append(found)
        return end

    def plain(self, kind: str, found: str, start: int) -> str:
        end = start + len(found)
        if kind == "number" and _WORD_CHARACTER.match(self.text[end : end + 1]):
            raise refusals.malformed("a number runs into a name", "数字与名称相连", self.at(start, end))
        if kind == "word" and len(found) > self.limits.name_length:
            raise refusals.too_complex("characters in a name", "名称字符", self.limits.name_length, self.at(start))
        if kind == "parameter":
            self.parameters.setdefault(found[1:], start)
        found = "<>" if found == "!=" else found
        self.token(kind, found, start)
        if kind == "operator":
            self.bracket(found, start)
        return found

    def note_word(self, following: str) -> None:
        if self.tokens and self.tokens[-1][0] == "word" and following != "(":
            self.words.add(self.tokens[-1][1].lower())

    def token(self, kind: str, found: str, start: int) -> None:
        self.note_word(found)
        before = self.tokens[-1] if self.tokens else None
        if before is not None:
            if before[1] == ";":
                raise refusals.several_statements(self.at(start))
            touching = before[2] + len(before[1]) == start
            if kind in ("text", "name") and touching and before[0] in ("word", "number", "text", "name"):
                raise refusals.malformed("a quote runs into the word before it", "引号与前一词相连", self.at(start))
            if kind == "text" and before[0] == "text":
                raise refusals.malformed("two texts stand side by side", "两段文本相邻", self.at(start))
        elif found == ";":
            raise refusals.empty()
        self.tokens.append((kind, found, start))
        if len(self.tokens) > self.limits.tokens:
            raise refusals.too_complex("words and signs", "词与符号", self.limits.tokens, self.at(start))

    def bracket(self, found: str, start: int) -> None:
        if found == "(":
            self.depth += 1
            if self.depth > self.limits.bracket_depth:
                raise refusals.too_deep(self.at(start))
        elif found == ")":
            self.depth -= 1
            if self.depth < 0:
                raise refusals.syntax(self.at(start))

    def comment_end(self, start: int) -> int:
        close = self.text.find("*/", start + 2)
        nested = self.text.find("/*", start + 2)
        if close < 0:
            raise refusals.malformed("a comment is not closed", "注释未闭合", self.at(start))
        if 0 <= nested < close:
            # Nested comments end at different places in different parsers.
            raise refusals.malformed("a comment stands inside a comment", "注释内含注释", self.at(nested))
        return close + 2

    def quote_end(self, start: int, quote: str) -> int:
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
        if quote == '"' and not 0 < len(inside) <= self.limits.name_length:
            raise refusals.malformed("a quoted name is empty or too long", "引号内名称为空或过长", self.at(start))
        return offset + 1

    def visible(self, inside: str, start: int, allowed: str = "") -> None:
        """Refuses what an officer who reads the log would not see, or would see in another order."""
        if inside.isascii() and inside.isprintable():
            return
        for index, character in enumerate(inside):
            if unicodedata.category(character) in _HIDDEN and character not in allowed:
                raise refusals.character_not_allowed(_describe(character), self.at(start + index))

    def blank(self, start: int, end: int) -> str:
        return re.sub(r"[^\n]", " ", self.text[start:end])


def gate(text: str, limits: Limits = LIMITS) -> Source:
    """The text, canonical and of the same length, or a refusal (LVR-1001 to LVR-1009) at the first fault."""
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
    return _Lexer(text, limits).run()
