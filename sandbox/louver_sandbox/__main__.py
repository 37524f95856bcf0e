"""The `louver-sandbox` command (also `python -m louver_sandbox`): the operator's commands and the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from louver_sandbox.operator.main import app


@app.command()
def demo(
    persons: Annotated[int, typer.Option(help="Persons in the synthetic city.")] = 5000,
    keep: Annotated[Path | None, typer.Option(help="Keep the installation in this folder.")] = None,
) -> None:
    """Make a small world, two banks and a credit agency, and show the main job from question to proof."""
    # The story brings half the platform along, which no other command should wait for.
    from louver_sandbox.demo.story import tell

    raise typer.Exit(tell(persons, keep))


def main() -> None:
    """The entry point of the `louver-sandbox` command."""
    app()


if __name__ == "__main__":
    main()
