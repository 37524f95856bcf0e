"""YAML as a tree of texts that remember where they stand, and the problems found in it.

Every scalar is read as text and the field it fills decides its type, so `2.10` keeps its zero and `no` stays a word.
The reader works on parser events (YAML 1.2, 3.1) with a stack of its own: anchors, aliases, tags, repeated keys and
depth are refused before anything could be expanded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

MAX_BYTES = 1_000_000
"""Largest declaration file, in bytes."""
MAX_DEPTH = 8
"""Deepest nesting of mappings and lists; a declaration needs five."""
MAX_EVENTS = 200_000
"""Most parser events in one file, some 2,000 columns."""
REMEMBERED = 64
"""Texts whose reading is remembered."""

Place = tuple[int, int]
"""Line and column, both counted from 1."""
Path = tuple[str | int, ...]
"""The way from a document's root to a value: mapping keys and list indexes."""


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One reason why a declaration is refused, with its place in the file (None when it is about the data).

    A `warning` is reported and does not refuse. No text here holds a value of the data.
    """

    path: str
    line: int | None
    column: int | None
    message: str
    message_zh: str
    hint: str
    warning: bool = False

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}:{self.column}"
        return f"{place}: {'warning: ' if self.warning else ''}{self.message} ({self.hint})"


class CatalogRefused(Exception):
    """The declarations cannot be registered; `problems` holds every reason at once."""

    def __init__(self, problems: Sequence[CatalogProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Node:
    """A text, a list or a mapping, and where it starts; `keys` has the places of a mapping's keys."""

    place: Place
    value: str | tuple[Node, ...] | Mapping[str, Node]
    keys: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))

    def plain(self) -> object:
        """The value without places, as `dict`, `list` and `str`."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        return {key: item.plain() for key, item in self.value.items()}

    def locate(self, path: Path) -> Place:
        """The place of the value at `path`, or of its nearest ancestor's key when it is not there."""
        place, node = self.place, self
        for step in path:
            found: Node | None = None
            if isinstance(node.value, Mapping) and isinstance(step, str):
                found = node.value.get(step)
                place = node.keys.get(step, place)
            elif isinstance(node.value, tuple) and isinstance(step, int) and 0 <= step < len(node.value):
                found = node.value[step]
                place = found.place
            if found is None:
                break
            node = found
        return place


class _Stop(Exception):
    """Reading cannot go on; the problem is the last one."""

    def __init__(self, problem: CatalogProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun and not ended."""

    place: Place
    mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    key: str | None = None

    def close(self) -> Node:
        if self.mapping:
            return Node(self.place, MappingProxyType(self.entries), MappingProxyType(self.keys))
        return Node(self.place, tuple(self.items))


@lru_cache(maxsize=REMEMBERED)
def read_documents(path: str, text: str) -> tuple[tuple[Node, ...], tuple[CatalogProblem, ...]]:
    """Every document of a YAML text, and what is wrong with its form.

    `path` is only quoted in problems. A form that cannot be read further (syntax, anchors, depth, size) ends the
    reading; the documents before it are still returned. A text that was read is remembered, for a start of the
    service reads each declaration more than once.
    """
    reader = _Reader(path)
    try:
        if len(text.encode()) > MAX_BYTES:
            reader.stop(
                (1, 1),
                f"the file is larger than {MAX_BYTES} bytes",
                f"文件超过 {MAX_BYTES} 字节",
                "split the declarations into one file per table",
            )
        for event in _events(text):
            reader.take(event)
    except _Stop as stop:
        reader.problems.append(stop.problem)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        reader.note(place, "this is not YAML", "这里不是合法的 YAML", "check indentation, quotes and brackets")
    return tuple(reader.documents), tuple(reader.problems)


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _place(event: Event) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Reader:
    """Builds nodes from events; keeps its own stack, so depth is counted and never recursed into."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.documents: list[Node] = []
        self.problems: list[CatalogProblem] = []
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._events = 0

    def problem(self, place: Place, message: str, message_zh: str, hint: str) -> CatalogProblem:
        return CatalogProblem(self.path, place[0], place[1], message, message_zh, hint)

    def note(self, place: Place, message: str, message_zh: str, hint: str) -> None:
        self.problems.append(self.problem(place, message, message_zh, hint))

    def stop(self, place: Place, message: str, message_zh: str, hint: str) -> None:
        raise _Stop(self.problem(place, message, message_zh, hint))

    def take(self, event: Event) -> None:
        self._events += 1
        if self._events > MAX_EVENTS:
            self.stop(_place(event), "the file is too long", "文件过长", "split it into one file per table")
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            self.stop(
                _place(event), "anchors and aliases are not allowed", "不允许使用锚点和别名", "write the value out"
            )
        match event:
            case MappingStartEvent() | SequenceStartEvent():
                self._begin(event)
            case MappingEndEvent() | SequenceEndEvent():
                self._add(self._stack.pop().close())
            case ScalarEvent():
                self._scalar(event)
            case DocumentEndEvent() if self._root is not None:
                self.documents.append(self._root)
                self._root = None
            case _:
                pass

    def _begin(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        if event.ctag is not None:
            self._refuse_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            self.stop(
                _place(event), f"nested deeper than {MAX_DEPTH} levels", f"嵌套超过 {MAX_DEPTH} 层", "flatten it"
            )
        if self._awaits_key():
            self.stop(_place(event), "a key must be a word", "键必须是单词", "use plain words as keys")
        self._stack.append(_Open(_place(event), isinstance(event, MappingStartEvent)))

    def _scalar(self, event: ScalarEvent) -> None:
        if event.ctag is not None:
            self._refuse_tag(event)
        if not self._awaits_key():
            self._add(Node(_place(event), str(event.value)))
            return
        mapping, key = self._stack[-1], str(event.value)
        if key in mapping.keys:
            self.note(_place(event), f"key {key!r} is given twice", f"键 {key!r} 重复", "keep one of the two")
        mapping.keys.setdefault(key, _place(event))
        mapping.key = key

    def _refuse_tag(self, event: Event) -> None:
        self.stop(_place(event), "tags are not allowed", "不允许使用标签", "remove the part that begins with !")

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].mapping and self._stack[-1].key is None

    def _add(self, node: Node) -> None:
        if not self._stack:
            self._root = node
        elif self._stack[-1].mapping:
            mapping = self._stack[-1]
            mapping.entries.setdefault(str(mapping.key), node)
            mapping.key = None
        else:
            self._stack[-1].items.append(node)
