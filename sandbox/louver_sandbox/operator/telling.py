"""Measuring what is published: the quality that stands beside every answer from it, recorded once for a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb
from sqlalchemy import Connection

from louver_sandbox import journal
from louver_sandbox.accounting.ledger import SHANGHAI
from louver_sandbox.algebra.types import TableName
from louver_sandbox.audit.entries import JSON
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.journal import Books
from louver_sandbox.operator.installation import Tools
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publisher import Published
from louver_sandbox.publishing.record_keys import read_key
from louver_sandbox.publishing.refused import PublishRefused
from louver_sandbox.publishing.registration import connect
from louver_sandbox.quality.measure import measure
from louver_sandbox.quality.telling import published
from louver_sandbox.settings import Settings
from louver_sandbox.store import qualities


def tell_qualities(
    settings: Settings, catalog: Catalog, snapshots: Iterable[Published], books: Books, tools: Tools
) -> None:
    """Measures the tables of those snapshots of which nothing is recorded, each once, and records it with an entry.

    Raises `PublishRefused` where a source cannot be read any more.
    """
    new = [one for one in snapshots if not _is_told(books, one, catalog)]
    key = read_key(settings.secrets / "record.key")
    today = tools.clock().astimezone(SHANGHAI).date()
    for name in sorted({one.table for one in new}, key=str):
        table = catalog.tables[name]
        try:
            report = measure(table, catalog.tables, connect, predicate_sql, today)
        except duckdb.Error:  # its text may quote values
            raise PublishRefused(f"{name}: its quality cannot be measured, since the source cannot be read") from None
        told = published(report, table, key).plain()
        with books.state.transaction() as tx:
            _record(books, tx, _data(name, catalog), [one.id for one in new if one.table == name], told)


def _is_told(books: Books, one: Published, catalog: Catalog) -> bool:
    """Whether something is told of the snapshot, or of another of the same data, which then is told of it too."""
    with books.state.reading() as tx:
        if qualities.find(tx, one.id) is not None:
            return True
    with books.state.transaction() as tx:
        return qualities.share(tx, one.id, _data(one.table, catalog))


def _data(name: TableName, catalog: Catalog) -> qualities.Data:
    return qualities.Data(str(name), catalog.tables[name].data_version)


def _record(
    books: Books, tx: Connection, data: qualities.Data, snapshots: list[str], told: Mapping[str, JSON]
) -> None:
    said: dict[str, JSON] = {
        "table": data.table,
        "data_version": data.version,
        "snapshots": snapshots,
        "told": told,
    }
    entry = journal.noted(books, tx, "quality", **said)
    for snapshot in snapshots:
        qualities.keep(tx, snapshot, data, told, entry)
