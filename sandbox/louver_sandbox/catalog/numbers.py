"""Numbers as declarations and policies write them: in digits, and never as something that merely equals one.

A validator that is lax reads `true` as 1, `1.0` as 1 and `0.1` as the double next to it. What is signed must mean
what it says, so a whole number is written in digits and a decimal as a decimal; texts are how YAML hands both over.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]*)")
EXACT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
WHOLE_OR_DAY: Final = re.compile(rf"{WHOLE.pattern}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}")
NOT_A_NUMBER: Final = "not_a_number"
"""The kind of error that a value of another form makes."""


class InDigits(BaseModel):
    """A model whose whole numbers and decimals are written as such, also in lists and mappings; a field that reads
    its text itself, or that may hold a word or truth value as well, is left alone."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The model's own schema, where the form of each number is checked before it is read."""
        made = handler(source)
        inner: Any = handler.resolve_ref_schema(made)
        while inner["type"] != "model-fields":
            inner = inner["schema"]
        for field in inner["fields"].values():
            field["schema"] = _checked(field["schema"])
        return made


def _checked(schema: Any) -> Any:
    """The schema of a value, where each number in it is checked."""
    match schema["type"]:
        case "int":
            return _before(WHOLE, schema)
        case "decimal":
            return _before(EXACT, schema)
        case "union" if {choice["type"] for choice in schema["choices"]} == {"int", "date"}:
            return _before(WHOLE_OR_DAY, schema)
        case "default" | "nullable":
            return {**schema, "schema": _checked(schema["schema"])}
        case "tuple":
            return {**schema, "items_schema": [_checked(one) for one in schema["items_schema"]]}
        case "list":
            return {**schema, "items_schema": _checked(schema["items_schema"])}
        case "dict":
            return {**schema, "values_schema": _checked(schema["values_schema"])}
        case _:
            return schema


def _before(form: re.Pattern[str], schema: Any) -> Any:
    def checked(given: object) -> object:
        if not is_written(given, form):
            raise PydanticCustomError(NOT_A_NUMBER, "a number is written in digits")
        return given

    return core_schema.no_info_before_validator_function(checked, schema)


def is_written(given: object, form: re.Pattern[str]) -> bool:
    """Whether a value is a number of this form and does not merely equal one."""
    if isinstance(given, str):
        return form.fullmatch(given) is not None
    if isinstance(given, bool | float | bytes):
        return False
    return form is EXACT or not isinstance(given, Decimal)
