"""Building what the active policies grant, in the publisher's own process, with one log entry per snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.catalog.load import load_catalog, read_declarations
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.catalog.positions import CatalogProblem
from louver_sandbox.operator.installation import Tools
from louver_sandbox.publishing.publish_main import Job, published_by_process
from louver_sandbox.publishing.publisher import Published
from louver_sandbox.publishing.registration import check_registration
from louver_sandbox.settings import Settings
from louver_sandbox.store import State
from louver_sandbox.wiring import load_judgement, open_books


def publish_all(settings: Settings, tools: Tools) -> Iterator[Published]:
    """Publishes every grant set of the active bundle; what is there already is verified and kept."""
    now = tools.clock()
    judgement = load_judgement(settings, now)
    job = Job(
        catalog=(settings.catalog,),
        base=settings.data,
        key=settings.secrets / "record.key",
        folder=settings.snapshots,
        grants=judgement.bundle.grant_sets(judgement.catalog, now.astimezone(SHANGHAI).date()),
    )
    with State.open(settings.state) as state:
        books = open_books(settings, state, tools.clock)
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
            yield published


def check(declarations: Sequence[Path], data: Path) -> tuple[Catalog, tuple[CatalogProblem, ...]]:
    """The catalogue, and every problem of its declarations against the data and of its predicates."""
    catalog = load_catalog(declarations, data)
    declared, _ = read_declarations(declarations)
    return catalog, tuple(check_registration(catalog, declared=declared))
