"""`louver-sandbox uploads`: what the operator does with the institutions' own tables: hand an auditor a sample."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from louver.failures import Misused
from louver.sealing import bulk
from louver.sealing.keys import PublicKey
from louver.sealing.samples import Request, Sample
from louver_sandbox import journal
from louver_sandbox.operator.installation import TOOLS, InstallationRefused, Tools
from louver_sandbox.operator.output import Home, explained
from louver_sandbox.premises import open_books
from louver_sandbox.sealing import registry as keys
from louver_sandbox.settings import Settings, load
from louver_sandbox.store import State
from louver_sandbox.uploads import registry
from louver_sandbox.uploads.encrypted import ciphertext_path
from louver_sandbox.uploads.ingest import table_path
from louver_sandbox.uploads.registry import OwnTable

app = typer.Typer(help="The institutions' own tables.", no_args_is_help=True)

KIND = "upload_sample"
_ENCRYPTED = re.compile(r"encrypted\((\d+)\)\Z")


def sampled(settings: Settings, request: Request, tools: Tools) -> tuple[Sample, int]:
    """The ciphertexts of the rows that an auditor asks for, and the index of the entry that says so.

    Raises:
        InstallationRefused: there was never such a table, or it was dropped and its time for auditors is over, or
            none of its columns is encrypted, or its file of ciphertexts is not what the table says.
    """
    with State.open(settings.state) as state:
        with state.reading() as tx:
            own, key = _found(tx, request)
        columns = tuple(
            (column.name, int(scale[1])) for column in own.columns if (scale := _ENCRYPTED.match(column.type))
        )
        path = ciphertext_path(table_path(settings.uploads / own.institution, own.digest))
        if not path.exists():
            raise InstallationRefused(
                f"the upload was dropped or replaced more than {settings.limits.audit_days} days ago and is gone"
            )
        rows = tuple(_rows(path, key, columns, own.rows, request.chosen))
        entry = journal.note(
            open_books(settings, state, tools.clock),
            KIND,
            institution=own.institution,
            table=own.name,
            digest=own.digest,
            rows=request.count,
            seed=request.seed,
        )
    return Sample(request, format(int(key.n), "x"), columns, rows), entry


def _found(tx: Connection, request: Request) -> tuple[OwnTable, PublicKey]:
    own = registry.of_content(tx, request.institution, request.table, request.content)
    if own is None or own.rows != request.rows:
        raise InstallationRefused("there was never such an upload")
    kid = next((column.key for column in own.columns if _ENCRYPTED.match(column.type)), "")
    known = keys.find(tx, kid) if kid else None
    if known is None:
        raise InstallationRefused(f"no column of {own.institution}.{own.name} is encrypted")
    return own, known.key


def _rows(
    path: Path, key: PublicKey, columns: tuple[tuple[str, int], ...], rows: int, chosen: list[int]
) -> Iterator[tuple[int, ...]]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            header, start = bulk.begin(content[: bulk.LONGEST_HEADER + 12])
            scales = tuple(scale for _, scale in columns)
            step = len(columns) * key.width
            if (header.kid, header.scales, header.rows) != (key.kid, scales, rows) or len(content) != (
                start + rows * step
            ):
                raise InstallationRefused("the file of ciphertexts is not that of the table")
            for row in chosen:
                at = start + row * step
                yield tuple(map(int, bulk.numbers(memoryview(content[at : at + step]), key.width)))
    except (OSError, ValueError):
        raise InstallationRefused("the file of ciphertexts cannot be read") from None


@app.command("sample")
def sample_command(
    request: Annotated[Path, typer.Argument(help="The auditor's request, made by `louver samples draw`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the sample goes.")],
    home: Home = Path("louver-home"),
) -> None:
    """Write the ciphertexts of the rows that an auditor asks for; a log entry. Auditor and institution get the file.

    Example: louver-sandbox uploads sample request.json -o sample.json
    """
    with explained():
        try:
            asked = Request.from_json(request.read_bytes())
        except (OSError, Misused) as error:
            raise InstallationRefused(str(error)) from None
        sample, entry = sampled(load(home), asked, TOOLS)
        output.write_bytes(sample.to_json())
        typer.echo(f"entry {entry}: {asked.count} of {asked.rows} rows of {asked.institution}.{asked.table}")
