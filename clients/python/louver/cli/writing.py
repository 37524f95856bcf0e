"""An answer on standard output or in a file."""

from __future__ import annotations

from pathlib import Path

from louver.cli.export import Format, as_csv, as_json
from louver.cli.session import print_table, write_bytes
from louver.results import Answer


def write_answer(answer: Answer, form: Format, output: Path | None) -> None:
    """Writes it in the form that was chosen."""
    if form is Format.TABLE and output is None:
        print_table([column.name for column in answer.columns], answer.readable)
        return
    contents = {
        Format.TABLE: lambda: f"{answer!r}\n".encode(),
        Format.CSV: lambda: as_csv(answer).encode(),
        Format.JSON: lambda: f"{as_json(answer)}\n".encode(),
        Format.ARROW: lambda: answer.stream,
    }
    write_bytes(contents[form](), output)
