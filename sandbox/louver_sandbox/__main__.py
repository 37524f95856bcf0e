"""The `louver-sandbox` command (also `python -m louver_sandbox`): the operator's commands and the demo."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.operator.main import app


@app.command()
def demo(
    persons: Annotated[int, typer.Option(help="Persons in the synthetic city.")] = 5000,
    keep: Annotated[Path | None, typer.Option(help="Keep the installation in this folder.")] = None,
    console: Annotated[
        bool | None,
        typer.Option(
            "--console/--no-console", help="Open the console afterwards; on a terminal it does unless told."
        ),
    ] = None,
) -> None:
    """Make a small world, two banks and a credit agency, and show the main job from question to proof."""
    # The story brings half the platform along, which no other command should wait for.
    from louver_sandbox.demo import browsing
    from louver_sandbox.demo.story import tell

    wanted = sys.stdin.isatty() and sys.stdout.isatty() if console is None else console
    if not wanted or not browsing.is_here():
        raise typer.Exit(tell(persons, keep))
    with tempfile.TemporaryDirectory(prefix="louver-demo-") as folder:
        home = keep or Path(folder) / "home"
        told = tell(persons, home)
        if told == 0:
            browsing.browse(home, typer.echo)
    raise typer.Exit(told)


def main() -> None:
    """The entry point of the `louver-sandbox` command."""
    app()


if __name__ == "__main__":
    main()
