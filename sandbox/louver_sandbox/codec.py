"""A strict JSON form of the values that cross a process boundary inside the platform.

A checker answers in this form and never in pickle: the registry of classes is closed, every class must carry exactly
its fields, every field must have its declared type, and the reader caps size and depth. What does not fit raises
`Malformed`.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union

from louver_sandbox import stages
from louver_sandbox.algebra import expressions, relations
from louver_sandbox.algebra import types as algebra_types
from louver_sandbox.catalog import model

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 128


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


REGISTRY = _registered(algebra_types, expressions, relations, model, stages)

Json = None | bool | int | str | list[Any] | dict[str, Any]


def _to_json(value: object) -> Json:
    match value:
        case Enum():
            return {"$enum": [type(value).__name__, value.value]}
        case None | bool() | int() | str():
            return value
        case float():
            return {"$float": value.hex()}
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case bytes():
            return {"$bytes": value.hex()}
        case tuple():
            return [_to_json(item) for item in value]
        case frozenset():
            return {
                "$set": sorted((_to_json(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
            }
        case Mapping():
            return {"$map": [[_to_json(key), _to_json(item)] for key, item in value.items()]}
        case _ if type(value).__name__ in REGISTRY and dataclasses.is_dataclass(value):
            body = {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"$": type(value).__name__, **body}
        case _:
            raise TypeError(f"{type(value).__name__} does not cross a process boundary")


def _scalar(tag: str, body: Any) -> object:
    match tag:
        case "$float":
            return float.fromhex(body)
        case "$decimal":
            return Decimal(body)
        case "$datetime":
            return datetime.fromisoformat(body)
        case "$date":
            return date.fromisoformat(body)
        case "$bytes":
            return bytes.fromhex(body)
        case "$enum":
            name, value = body
            return REGISTRY[name](value)
        case _:
            raise Malformed("unknown tag")


def _from_json(value: Json, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    if isinstance(value, list):
        return tuple(_from_json(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return value
    if "$" in value:
        return _dataclass_from_json(value, depth)
    if len(value) != 1:
        raise Malformed("a tagged value has one tag")
    ((tag, body),) = value.items()
    if tag == "$set":
        return frozenset(_from_json(item, depth + 1) for item in body)
    if tag == "$map":
        return {_from_json(key, depth + 1): _from_json(item, depth + 1) for key, item in body}
    return _scalar(tag, body)


Check = Callable[[object], bool]
"""Whether a decoded value has its declared type, element by element."""


@cache
def _fields(cls: type[Any]) -> Mapping[str, Check]:
    """The fields of a dataclass with a check each, worked out once: a verdict holds hundreds of values."""
    hints = typing.get_type_hints(cls)
    return {field.name: _check(hints[field.name]) for field in dataclasses.fields(cls)}


def _dataclass_from_json(value: dict[str, Any], depth: int) -> object:
    cls = REGISTRY.get(value["$"])
    if cls is None or not dataclasses.is_dataclass(cls):
        raise Malformed("unknown value")
    checks = _fields(cls)
    if value.keys() - {"$"} != checks.keys():
        raise Malformed(f"{cls.__name__} does not carry exactly its fields")
    fields: dict[str, object] = {}
    for name, check in checks.items():
        fields[name] = item = _from_json(value[name], depth + 1)
        if not check(item):
            raise Malformed(f"{cls.__name__}.{name} has another type")
    return cls(**fields)


def _check(hint: Any) -> Check:
    """The check for one type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return lambda value: True
    if hint is None or hint is type(None):
        return lambda value: value is None
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if origin is None:
        return lambda value: isinstance(value, hint)
    checks = tuple(_check(argument) for argument in arguments if argument is not Ellipsis)
    if origin in (Union, types.UnionType):
        return lambda value: any(check(value) for check in checks)
    if origin is tuple and Ellipsis not in arguments:
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(checks)
            and all(check(item) for check, item in zip(checks, value, strict=True))
        )
    if issubclass(origin, Mapping):
        key_check, item_check = checks
        return lambda value: (
            isinstance(value, Mapping) and all(key_check(key) and item_check(item) for key, item in value.items())
        )
    (each,) = checks
    return lambda value: isinstance(value, origin) and all(each(item) for item in value)


def encode(value: object) -> bytes:
    """The JSON form of a value of the line."""
    return json.dumps(_to_json(value), separators=(",", ":"), ensure_ascii=False).encode()


T = TypeVar("T")


def decode(content: bytes, expected: type[T], max_bytes: int = MAX_BYTES) -> T:
    """The value in these bytes, which must be an `expected`. Raises `Malformed`."""
    if len(content) > max_bytes:
        raise Malformed("too large")
    try:
        value = _from_json(json.loads(content), 0)
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, RecursionError) as error:
        raise Malformed("not one of our values") from error
    if not isinstance(value, expected):
        raise Malformed(f"expected {expected.__name__}")
    return value
