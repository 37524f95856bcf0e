"""`louver-sandbox doctor`: which layers of isolation hold on this host, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.operator.output import EXIT_PROBLEM, Home, explained, problem
from louver_sandbox.processes.isolation.levels import Finding, Isolation, Level
from louver_sandbox.processes.zygote import isolation_here
from louver_sandbox.settings import load

EXIT_INCOMPLETE = 3
"""Enough to serve, yet not every layer holds."""


def doctor(
    home: Home = Path("louver-home"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Try every layer of isolation on this host. Exit 0 when all hold, 3 when some do not, 1 when too few to serve.

    Works without an installation too; then the least acceptable level is the default one.

    Example: louver-sandbox doctor --json
    """
    with explained():
        least = Level.named(load(home).isolation.least) if (home / "louver.toml").exists() else Level.DEFAULT
        found = isolation_here()
        typer.echo(json.dumps(report(found, least), indent=2) if as_json else "\n".join(lines(found, least)))
    if found.level < least:
        problem(f"too little for {least.title}: missing {', '.join(found.missing_for(least))}")
        raise typer.Exit(EXIT_PROBLEM)
    if not all(finding.holds for finding in found.findings):
        raise typer.Exit(EXIT_INCOMPLETE)


def report(found: Isolation, least: Level) -> dict[str, object]:
    """Everything found, for programs."""
    return {
        "level": found.level.title,
        "least": least.title,
        "serves": found.level >= least,
        "missing": {level.title: found.missing_for(level) for level in Level if level > found.level},
        "layers": [
            {"layer": one.layer, "group": one.group, "holds": one.holds, "stops": one.stops, "why": one.why}
            for one in found.findings
        ],
    }


def lines(found: Isolation, least: Level) -> list[str]:
    """The same for people."""
    higher = [level for level in Level if level > found.level]
    return [
        f"level  {found.level.title}  (least accepted: {least.title})",
        *map(_line, found.findings),
        *(f"for {level.title}, missing: {', '.join(found.missing_for(level))}" for level in higher),
    ]


def _line(finding: Finding) -> str:
    said = f"stops {finding.stops}" if finding.holds else finding.why
    return f"{'holds' if finding.holds else 'missing':8} {finding.layer:20} {said}"
