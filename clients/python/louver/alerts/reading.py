"""YAML of a bounded size: no anchors, aliases, tags or repeated keys, so that nothing in it can expand.

Every scalar is text; the field that it fills decides what it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from louver.failures import Misused

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_EVENTS = 10_000

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"
Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document, at a line and a column (from 1). Never says a value that stands there."""

    line: int
    column: int
    message: str
    message_zh: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.message}"


class NotRead(Exception):
    """The text is no document of ours."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Document:
    """A document, and where each of its values stands."""

    tree: Tree
    places: Mapping[Path, Place]

    def problem(self, path: Path, message: str, message_zh: str) -> Problem:
        """Something wrong at a value, or at the nearest one around it."""
        while path not in self.places:
            path = path[:-1]
        return Problem(*self.places[path], message, message_zh)


def read(text: str) -> Document:
    """The one document of a text. Raises ``NotRead``, ``Misused`` where ``louver[alerts]`` is not installed."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise NotRead(Problem(1, 1, f"more than {MAX_BYTES} bytes", f"超过 {MAX_BYTES} 字节"))
    reader = _Reader(_events(text))
    return Document(reader.document(), reader.places)


def _events(text: str) -> Iterator[tuple[str, Any, Place]]:
    """The parser's events by name, with their places, at most so many."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError
    except ImportError:
        raise Misused(
            "rules are written in YAML, which this installation cannot read", "pip install 'louver[alerts]'"
        ) from None
    number = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            number += 1
            place = (event.start_mark.line + 1, event.start_mark.column + 1)
            if number > MAX_EVENTS:
                raise NotRead(Problem(*place, "too many values", "内容过多"))
            yield type(event).__name__, event, place
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise NotRead(Problem(line, column, "not YAML", "不是 YAML")) from None
    except (YAMLError, ValueError, RecursionError):
        raise NotRead(Problem(1, 1, "not YAML", "不是 YAML")) from None


class _Reader:
    """Builds the tree from events."""

    def __init__(self, events: Iterator[tuple[str, Any, Place]]) -> None:
        self._events = events
        self.places: dict[Path, Place] = {(): (1, 1)}

    def document(self) -> Tree:
        begun = [next(self._events, ("", None, (1, 1)))[0] for _ in range(2)]
        if begun != ["StreamStartEvent", "DocumentStartEvent"]:
            raise NotRead(Problem(1, 1, "an empty document", "文档为空"))
        found = self._value((), 0)
        ends = [(name, place) for name, _, place in self._events]
        if [name for name, _ in ends] != ["DocumentEndEvent", "StreamEndEvent"]:
            line, column = ends[1][1]
            raise NotRead(Problem(line, column, "more than one document", "文档多于一份"))
        return found

    def _value(self, path: Path, depth: int) -> Tree:
        name, event, place = next(self._events)
        return self._made(name, event, place, path, depth)

    def _made(self, name: str, event: Any, place: Place, path: Path, depth: int) -> Tree:
        if name == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise NotRead(Problem(*place, "anchors and aliases are not read", "不支持锚点与别名"))
        tag = getattr(event, "tag", None) or getattr(event, "ctag", None)
        if tag is not None and str(tag) != "None":
            raise NotRead(Problem(*place, "tags are not read", "不支持标签"))
        if depth > MAX_DEPTH:
            raise NotRead(Problem(*place, "nested too deeply", "嵌套过深"))
        self.places[path] = place
        if name == "ScalarEvent":
            return str(event.value)
        return self._list(path, depth) if name == "SequenceStartEvent" else self._mapping(path, depth)

    def _list(self, path: Path, depth: int) -> Tree:
        found: list[Tree] = []
        for name, event, place in self._events:
            if name == "SequenceEndEvent":
                break
            found.append(self._made(name, event, place, (*path, len(found)), depth + 1))
        return found

    def _mapping(self, path: Path, depth: int) -> Tree:
        found: dict[str, Tree] = {}
        for name, event, place in self._events:
            if name == "MappingEndEvent":
                break
            key = event.value if name == "ScalarEvent" and event.anchor is None and not event.tag else None
            if key is None or key in found:
                raise NotRead(Problem(*place, "a key that is no plain text or stands there twice", "键非文本或重复"))
            found[key] = self._value((*path, key), depth + 1)
        return found
