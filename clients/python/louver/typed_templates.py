"""A Python module with a typed function for each template, so that a type checker knows what they take.

    louver templates --python > bank_templates.py

It is text to be read and kept: nothing of a template is executed, and its words stand in string literals only.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence

from louver.subjects import Template, TemplateParameter

_TYPES = {"integer": "int", "boolean": "bool", "date": "date"}
_OWN = frozenset({"bank", "subject", "authorisation", "purpose", "request_id"})
"""Parameters that every function has."""
_HEAD = (
    '"""Lookups by templates, one function each: made by ``louver templates --python``."""\n\n'
    "from __future__ import annotations\n\n"
    "from datetime import date\n"
    "from typing import Literal\n\n"
    "from louver import Answer, Client\n"
)


def module(templates: Sequence[Template]) -> str:
    """The module's text. A function is called as its template, with ``_`` for what no Python name may have."""
    functions = ("\n".join(_function(one)) for one in sorted(templates, key=lambda one: one.name))
    return _HEAD + "".join(f"\n\n{text}\n" for text in functions)


def _function(one: Template) -> Iterator[str]:
    yield f"def {_name(one.name)}("
    yield "    bank: Client,"
    yield "    subject: str,"
    yield "    *,"
    yield from (f"    {_argument(part)}: {_type(part)}," for part in one.parameters)
    yield '    authorisation: str = "",'
    yield f"    purpose: {_literal(one.purposes)}{_default(one.purposes)},"
    yield "    request_id: str | None = None,"
    yield ") -> Answer:"
    said = "\n\n    ".join((f"{one.title} ({one.owner})", *_told(one)))
    yield f"    {_text(said)}"
    given = ", ".join(f"{_text(part.name)}: {_argument(part)}" for part in one.parameters)
    yield "    return bank.lookup("
    yield f"        {_text(one.name)}, subject, authorisation=authorisation, purpose=purpose,"
    yield f"        parameters={{{given}}}, request_id=request_id,"
    yield "    )"


def _told(one: Template) -> Iterator[str]:
    yield "Columns: " + "; ".join(f"{field.name} {field.title} ({field.show})" for field in one.fields)


def _type(part: TemplateParameter) -> str:
    return _literal(part.choices) if part.choices else _TYPES.get(part.type, "str")


def _literal(values: Sequence[str]) -> str:
    return f"Literal[{', '.join(map(_text, values))}]"


def _default(purposes: Sequence[str]) -> str:
    return f" = {_text(purposes[0])}" if len(purposes) == 1 else ""


def _text(value: str) -> str:
    """A literal of the text, in which nothing ends it and nothing stands that is not seen."""
    return repr(value)


def _name(text: str) -> str:
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")
    return f"_{name}" if name[:1].isdigit() or keyword.iskeyword(name) or not name else name


def _argument(part: TemplateParameter) -> str:
    name = re.sub(r"[^0-9A-Za-z]", "_", part.name)
    return f"{name}_" if name in _OWN or keyword.iskeyword(name) else name
