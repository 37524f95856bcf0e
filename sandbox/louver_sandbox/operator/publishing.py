"""Building what the active policies grant, in the publisher's own process, with one log entry per snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog, read_declarations
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.positions import CatalogProblem
from louver_sandbox.catalog.snapshots import snapshot_id
from louver_sandbox.operator.installation import Tools
from louver_sandbox.operator.telling import tell_qualities
from louver_sandbox.premises import load_judgement, open_books, record_epoch
from louver_sandbox.publishing.publish_main import Job, published_by_process
from louver_sandbox.publishing.publisher import Published, recorded_partition
from louver_sandbox.publishing.recoding import Partition
from louver_sandbox.publishing.registration import check_registration
from louver_sandbox.settings import Settings
from louver_sandbox.store import State

RECORD_KEY = "record.key"
"""The file in `secrets/` that the publisher alone reads."""


def publish_all(settings: Settings, tools: Tools) -> Iterator[Published]:
    """Publishes every grant set of the active bundle; what is there already is verified and kept. Then the quality
    of what was published is measured, once for each version of the data."""
    yield from published_with(settings, tools, settings.secrets / RECORD_KEY, record_epoch(settings))


def published_with(settings: Settings, tools: Tools, key: Path, fingerprint: str | None) -> Iterator[Published]:
    """The same, with the record key in a file, which has this fingerprint where it is not the first one."""
    now = tools.clock()
    judgement = load_judgement(settings, now)
    job = Job(
        catalog=(settings.catalog,),
        base=settings.data,
        key=key,
        folder=settings.snapshots,
        grants=judgement.bundle.grant_sets(judgement.catalog, now.astimezone(SHANGHAI).date()),
        fingerprint=fingerprint,
    )
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
        done = []
        for published in published_by_process(job):
            if published.seconds:
                journal.note(
                    books,
                    "snapshot",
                    snapshot=published.id,
                    table=str(published.table),
                    rows=published.rows,
                    sha256=published.sha256,
                )
            done.append(published)
            yield published
        tell_qualities(settings, judgement.catalog, done, books, tools)


def partitions(settings: Settings, tools: Tools) -> Iterator[tuple[TableName, Partition]]:
    """What the atom rule moved in each table it holds for, under the active bundle; all snapshots of a table agree.

    Raises:
        PublishRefused: such a table is not published yet.
    """
    now = tools.clock()
    judgement = load_judgement(settings, now)
    seen: set[TableName] = set()
    for grant in judgement.bundle.grant_sets(judgement.catalog, now.astimezone(SHANGHAI).date()):
        if grant.atoms is None or grant.table in seen:
            continue
        seen.add(grant.table)
        table = judgement.catalog.tables[grant.table]
        name = snapshot_id(table, grant.columns, grant.row_filter, grant.atoms)
        partition = recorded_partition(settings.snapshots, name)
        if partition is not None:
            yield grant.table, partition


def partition_lines(table: TableName, partition: Partition) -> Iterator[str]:
    """A partition in words: what it costs in atoms, rows, units and values."""

    def share(moved: int, whole: int) -> str:
        return f"{moved} of {whole} ({100 * moved / whole:.2f} %)" if whole else "none"

    yield f"{table}  {partition.atoms} atoms, {partition.kept} after merging"
    yield f"  rows moved         {share(partition.rows_moved, partition.rows)}"
    for unit in partition.units:
        yield f"  units moved        {share(unit.moved, unit.units)}  {unit.type} by {unit.column}"
    for dimension in partition.dimensions:
        values = f"{dimension.values} values, {dimension.kept} left"
        yield f"  values moved       {share(dimension.rows_moved, partition.rows)}  {dimension.column}: {values}"


def check(declarations: Sequence[Path], data: Path) -> tuple[Catalog, tuple[CatalogProblem, ...]]:
    """The catalogue, and every problem of its declarations against the data and of its predicates."""
    catalog = load_catalog(declarations, data)
    declared, _ = read_declarations(declarations)
    return catalog, tuple(check_registration(catalog, declared=declared))
