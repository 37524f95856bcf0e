"""A view's twins for programs and spreadsheets: the same address with `.json` or `.csv`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from louver.cli.export import csv_lines
from louver_server.problems import Missing


def of_one(form: str, name: str, said: Mapping[str, object]) -> Response:
    """One thing in that form; in a table it has a line for each part. Raises `Missing` for another form."""
    if form == "json":
        return Response(json.dumps(said, ensure_ascii=False, indent=1, default=str), media_type="application/json")
    if form != "csv":
        raise Missing
    rows = [(part, value if isinstance(value, str | int) else _text(value)) for part, value in said.items()]
    named = {"content-disposition": f'attachment; filename="{name}.csv"'}
    content = csv_lines([("part", "value"), *rows])
    return Response(content, media_type="text/csv; charset=utf-8; header=present", headers=named)


def _text(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
