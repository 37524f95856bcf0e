"""A strict JSON form of the values that cross a process boundary inside the platform.

A checker answers in this form and never in pickle: the registry of classes is closed, every class must carry exactly
its fields, every field must have its declared type, and the reader caps size and depth. What does not fit raises
`Malformed`.

Writers and readers are put together once per class from its type hints, and a reader checks while it builds: a
verdict holds hundreds of values, and each question waits for one. Fields that do not count when values are compared
(positions in the caller's text) stay behind.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from json.encoder import encode_basestring
from typing import Any, TypeVar, Union

from louver_sandbox import (
    core_plan,
    encrypted_core,
    lookups,
    obligations,
    private_core,
    score_plan,
    selections,
    stages,
    warning_plan,
)
from louver_sandbox.algebra import expressions, regions, relations
from louver_sandbox.algebra import types as algebra_types
from louver_sandbox.catalog import model
from louver_sandbox.privacy import calendar, cost

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 256
"""Values inside one another; an expression of the largest depth admitted (`sql.lexical.LIMITS`) takes two a level."""


class Malformed(Exception):
    """The bytes are not one of our values."""


def _registered(*modules: types.ModuleType) -> dict[str, type[Any]]:
    """Every dataclass and enum defined in the given modules, by name."""
    found: dict[str, type[Any]] = {}
    for module in modules:
        for name, item in vars(module).items():
            if not isinstance(item, type) or item.__module__ != module.__name__:
                continue
            if dataclasses.is_dataclass(item) or issubclass(item, Enum):
                if name in found:
                    raise TypeError(f"two values of the line are named {name}")
                found[name] = item
    return found


REGISTRY = _registered(
    algebra_types,
    expressions,
    relations,
    regions,
    model,
    calendar,
    cost,
    encrypted_core,
    obligations,
    selections,
    private_core,
    core_plan,
    lookups,
    stages,
    score_plan,
    warning_plan,
)


def _carried(cls: type[Any]) -> tuple[str, ...]:
    """The fields of a dataclass that make it the value it is."""
    return tuple(field.name for field in dataclasses.fields(cls) if field.compare)


# writing

Writer = Callable[[Any], str]
"""Gives a value's JSON text."""


class _Writers(dict[type, Writer]):
    """The writer for each class met so far; a new one is made when its first value comes."""

    def __missing__(self, kind: type) -> Writer:
        self[kind] = made = _writer(kind)
        return made


def _write(value: object) -> str:
    return _WRITERS[type(value)](value)


def _write_tuple(value: tuple[object, ...]) -> str:
    return f"[{','.join([_WRITERS[type(item)](item) for item in value])}]" if value else "[]"


def _write_set(value: frozenset[object]) -> str:
    return f'{{"$set":[{",".join(sorted(map(_write, value)))}]}}'


def _write_map(value: Mapping[object, object]) -> str:
    pairs = (f"[{_write(key)},{_write(item)}]" for key, item in value.items())
    return f'{{"$map":[{",".join(pairs)}]}}'


_WRITERS: _Writers = _Writers(
    {
        type(None): {None: "null"}.__getitem__,
        bool: {True: "true", False: "false"}.__getitem__,
        int: int.__repr__,
        str: encode_basestring,
        float: lambda value: f'{{"$float":"{value.hex()}"}}',
        Decimal: lambda value: f'{{"$decimal":"{value}"}}',
        Fraction: lambda value: f'{{"$fraction":"{value.numerator}/{value.denominator}"}}',
        datetime: lambda value: f'{{"$datetime":"{value.isoformat()}"}}',
        date: lambda value: f'{{"$date":"{value.isoformat()}"}}',
        bytes: lambda value: f'{{"$bytes":"{value.hex()}"}}',
        tuple: _write_tuple,
        frozenset: _write_set,
    }
)


def _writer(kind: type) -> Writer:
    """The writer for a class of the registry, or for a mapping. Raises TypeError for any other."""
    if issubclass(kind, Mapping):
        return _write_map
    if REGISTRY.get(kind.__name__) is not kind:
        raise TypeError(f"{kind.__name__} does not cross a process boundary")
    if issubclass(kind, Enum):
        texts = {member: f'{{"$enum":["{kind.__name__}",{_write(member.value)}]}}' for member in kind}
        return texts.__getitem__
    names = _carried(kind)
    template = "{" + ",".join([f'"$":"{kind.__name__}"', *(f'"{name}":%s' for name in names)]) + "}"
    if len(names) < 2:
        return lambda value: template % tuple([_write(getattr(value, name)) for name in names])
    fields_of = operator.attrgetter(*names)
    return lambda value: template % tuple([_WRITERS[type(item)](item) for item in fields_of(value)])


# reading

Reader = Callable[[Any, int], Any]
"""Gives the value in a piece of parsed JSON that stands so deep, or raises `Malformed`."""


def _fraction(text: str) -> Fraction:
    """Whole numbers on both sides only: a power of ten that Fraction would take as well could fill the memory."""
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator))


_PLAIN: Mapping[type, str] = {bool: "a truth value", int: "a whole number", str: "a text", type(None): "nothing"}
_TAGGED: Mapping[type, tuple[str, Callable[[Any], object]]] = {
    float: ("$float", float.fromhex),
    Decimal: ("$decimal", Decimal),
    Fraction: ("$fraction", _fraction),
    datetime: ("$datetime", datetime.fromisoformat),
    date: ("$date", date.fromisoformat),
    bytes: ("$bytes", bytes.fromhex),
}
"""Scalars that JSON does not have: each is a text under its tag."""


def _plain(kind: type) -> Reader:
    def read(value: Any, depth: int) -> Any:
        if type(value) is not kind:
            raise Malformed(f"expected {_PLAIN[kind]}")
        return value

    return read


def _body(value: Any, tag: str) -> Any:
    """What stands under the one tag of a tagged value."""
    if type(value) is not dict or len(value) != 1 or tag not in value:
        raise Malformed(f"expected {tag}")
    return value[tag]


def _tagged(kind: type) -> Reader:
    tag, made = _TAGGED[kind]

    def read(value: Any, depth: int) -> object:
        body = _body(value, tag)
        if type(body) is not str:
            raise Malformed(f"expected a text under {tag}")
        return made(body)

    return read


def _enum(kind: type[Enum]) -> Reader:
    members, called = {member.value: member for member in kind}, kind.__name__

    def read(value: Any, depth: int) -> object:
        if type(value) is not dict or len(value) != 1:
            raise Malformed("expected $enum")
        name, body = value["$enum"]
        if name != called or type(body) is not str:
            raise Malformed(f"expected {called}")
        return members[body]

    return read


_Field = tuple[str, type | None, Reader]
"""A field's name, its type where that is a plain one, and its reader."""


class _Fields(dict[type[Any], tuple[_Field, ...]]):
    """The carried fields of each dataclass read so far."""

    def __missing__(self, cls: type[Any]) -> tuple[_Field, ...]:
        hints = typing.get_type_hints(cls)
        self[cls] = made = tuple((name, _plain_type(hints[name]), _reader(hints[name])) for name in _carried(cls))
        return made


_FIELDS = _Fields()


def _plain_type(hint: Any) -> type | None:
    kind: type | None = hint if hint in _PLAIN else None
    return kind


def _dataclass(cls: type[Any]) -> Reader:
    called = cls.__name__

    def read(value: Any, depth: int) -> object:
        # Looked up here and not outside, for some classes hold themselves.
        fields = _FIELDS[cls]
        if depth > MAX_DEPTH:
            raise Malformed("nested too deeply")
        if type(value) is not dict or value.get("$") != called:
            raise Malformed(f"expected {called}")
        if len(value) != len(fields) + 1:
            raise Malformed(f"{called} does not carry exactly its fields")
        carried = []
        below = depth + 1
        for name, plain, read_field in fields:
            item = value[name]
            # Most fields are plain, and a call for each would cost more than what it looks at.
            carried.append(item if type(item) is plain else read_field(item, below))
        return cls(*carried)

    return read


def _items(value: Any, depth: int) -> list[Any]:
    if type(value) is not list:
        raise Malformed("expected a list")
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    return value


def _tuple(each: Reader) -> Reader:
    def read(value: Any, depth: int) -> object:
        items = _items(value, depth)
        return tuple([each(item, depth + 1) for item in items]) if items else ()

    return read


def _row(readers: tuple[Reader, ...]) -> Reader:
    def read(value: Any, depth: int) -> object:
        items = _items(value, depth)
        if len(items) != len(readers):
            raise Malformed("a row of another length")
        return tuple(each(item, depth + 1) for each, item in zip(readers, items, strict=True))

    return read


def _set(each: Reader) -> Reader:
    return lambda value, depth: frozenset(each(item, depth + 1) for item in _items(_body(value, "$set"), depth))


def _map(read_key: Reader, read_item: Reader) -> Reader:
    def read(value: Any, depth: int) -> object:
        pairs = _items(_body(value, "$map"), depth)
        found = {read_key(key, depth + 1): read_item(item, depth + 1) for key, item in pairs}
        if len(found) != len(pairs):
            raise Malformed("a key stands twice")
        return found

    return read


def _look(value: Any) -> object:
    """What tells the members of a union apart in JSON: the class's name, the tag, or the JSON type itself."""
    if type(value) is not dict:
        return type(value)
    return value["$"] if "$" in value else next(iter(value), None)


def _looks(hint: Any) -> object:
    """The `_look` of every value of a type."""
    origin = typing.get_origin(hint) or hint
    if origin in _PLAIN:
        return origin
    if origin in _TAGGED:
        return _TAGGED[origin][0]
    if origin is tuple:
        return list
    if origin is frozenset:
        return "$set"
    if issubclass(origin, Mapping):
        return "$map"
    return "$enum" if issubclass(origin, Enum) else origin.__name__


def _union(hints: tuple[Any, ...]) -> Reader:
    readers = {_looks(hint): _reader(hint) for hint in hints}
    if len(readers) != len(hints):
        raise TypeError("two members of a union look alike in JSON")

    def read(value: Any, depth: int) -> object:
        reader = readers.get(_look(value))
        if reader is None:
            raise Malformed("expected another kind of value")
        return reader(value, depth)

    return read


def _reader(hint: Any) -> Reader:
    """The reader for one type hint. Raises TypeError for a type that does not cross a process boundary."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint in _PLAIN:
        return _plain(type(None) if hint is None else hint)
    if hint in _TAGGED:
        return _tagged(hint)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return _tuple(_reader(arguments[0]))
        return _row(tuple(_reader(argument) for argument in arguments))
    if origin is frozenset:
        return _set(_reader(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _map(_reader(arguments[0]), _reader(arguments[1]))
    cls = REGISTRY.get(getattr(hint, "__name__", ""))
    if cls is not None and cls is hint:
        return _enum(cls) if issubclass(cls, Enum) else _dataclass(cls)
    raise TypeError(f"{hint} does not cross a process boundary")


def encode(value: object) -> bytes:
    """The JSON form of a value of the line."""
    return _write(value).encode()


T = TypeVar("T")


def decode(content: bytes, expected: type[T], max_bytes: int = MAX_BYTES) -> T:
    """The value in these bytes, which must be an `expected`. Raises `Malformed`."""
    value: T = _read(content, _dataclass(expected), max_bytes)
    return value


def decode_kept(content: bytes, expected: type[T], max_bytes: int = MAX_BYTES) -> T:
    """The value in bytes that an older build may have written: a field that did not exist then has its default.

    For what is stored, not for what another process says now. Raises `Malformed`.
    """
    value: T = _read(content, _dataclass(expected), max_bytes, _parsed_complete)
    return value


def decode_all(content: bytes, expected: type[T], max_bytes: int = MAX_BYTES) -> tuple[T, ...]:
    """The values in these bytes, which must be a tuple of `expected`. Raises `Malformed`."""
    values: tuple[T, ...] = _read(content, _tuple(_dataclass(expected)), max_bytes)
    return values


def _completed(value: dict[str, Any]) -> dict[str, Any]:
    """A parsed dataclass with the JSON of the default for each field that it lacks and that has one."""
    cls = REGISTRY.get(value["$"]) if isinstance(value.get("$"), str) else None
    if cls is None or not dataclasses.is_dataclass(cls):
        return value
    for field in dataclasses.fields(cls):
        if field.compare and field.name not in value:
            if field.default is not dataclasses.MISSING:
                value[field.name] = _parsed(_write(field.default))
            elif field.default_factory is not dataclasses.MISSING:
                value[field.name] = _parsed(_write(field.default_factory()))
    return value


_parsed = json.JSONDecoder().decode
_parsed_complete = json.JSONDecoder(object_hook=_completed).decode


def _read(content: bytes, reader: Reader, max_bytes: int, parsed: Callable[[str], Any] = _parsed) -> Any:
    if len(content) > max_bytes:
        raise Malformed("too large")
    try:
        return reader(parsed(content.decode()), 0)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Malformed("not one of our values") from error
