"""Renders the chart in `deploy/helm/` as Helm does, for the few actions that its templates use, and refuses any other.

Helm itself is not to be had from a package registry, so this stands for `helm template`: values, `quote`, `toYaml` with
`nindent`, `if` and `end`. A value that is missing is an error here, where Helm prints nothing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
_PLACE = re.compile(r"(\.[A-Za-z]+)+\Z")


class NotRendered(Exception):
    """The template uses what this renderer does not know, or a value that is not there."""


def loaded(path: Path) -> Any:
    """A YAML file of one document."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def rendered(chart: Path, values: Mapping[str, Any], release: str = "city") -> dict[str, Any]:
    """The manifests by the name of their template, with these values over the chart's own."""
    context = {
        "Values": _over(loaded(chart / "values.yaml"), values),
        "Release": {"Name": release},
        "Chart": {"AppVersion": loaded(chart / "Chart.yaml")["appVersion"]},
    }
    made = {}
    for template in sorted((chart / "templates").glob("*.yaml")):
        text = render(template.read_text(encoding="utf-8"), context)
        made[template.stem] = YAML(typ="safe", pure=True).load(text)
    return made


def render(text: str, context: Mapping[str, Any]) -> str:
    """The template's text."""
    out, at, shown = "", 0, [True]
    for action in _ACTION.finditer(text):
        before = text[at : action.start()]
        out += (before.rstrip() if action[1] else before) if shown[-1] else ""
        at = action.end()
        if action[3]:
            at += len(text[at:]) - len(text[at:].lstrip())
        words = action[2]
        if words.startswith("if "):
            shown.append(shown[-1] and bool(_value(words[3:], context)))
        elif words == "end":
            shown.pop()
        elif shown[-1]:
            out += _said(words, context)
    if len(shown) != 1:
        raise NotRendered("if without end")
    return out + text[at:]


def _said(words: str, context: Mapping[str, Any]) -> str:
    first, *pipes = (part.strip() for part in words.split("|"))
    if first.startswith("toYaml "):
        value: Any = _yaml(_value(first[7:], context))
    else:
        value = _value(first, context)
    for pipe in pipes:
        name, _, figure = pipe.partition(" ")
        if name == "nindent" and figure.isdigit():
            value = "\n" + "\n".join(" " * int(figure) + line for line in str(value).splitlines())
        elif pipe == "quote":
            value = f'"{value}"'
        else:
            raise NotRendered(f"unknown function: {pipe}")
    return str(value)


def _value(place: str, context: Mapping[str, Any]) -> Any:
    if not _PLACE.match(place.strip()):
        raise NotRendered(f"no place of a value: {place}")
    found: Any = context
    for name in place.strip().split(".")[1:]:
        if name not in found:
            raise NotRendered(f"no such value: {place}")
        found = found[name]
    return found


def _yaml(value: Any) -> str:
    text = io.StringIO()
    yaml = YAML(pure=True)
    yaml.default_flow_style = False
    yaml.dump(value, text)
    return text.getvalue().rstrip("\n")


def _over(below: Any, above: Any) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: _over(below.get(name), value) for name, value in above.items()}}
