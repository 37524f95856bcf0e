"""`louver-sandbox ledger`: what has been spent, whether the log says the same, and putting back what was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, func, select

from louver_sandbox import consents, suspensions
from louver_sandbox.accounting import ledger as access
from louver_sandbox.accounting import privacy
from louver_sandbox.audit.restore import restore_log
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.operator.forgetting import Forgotten
from louver_sandbox.operator.output import Home, explained, fail
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.privacy import stated
from louver_sandbox.recount import anchor, verify
from louver_sandbox.settings import load
from louver_sandbox.store import State, schema

app = typer.Typer(help="The ledger: show balances, verify them from the log, rebuild them.", no_args_is_help=True)

MOST_DIFFERENCES = 100
"""Differences that are printed; such a ledger needs no further words."""


@app.command("show")
def show(
    home: Home = Path("louver-home"),
    dataset: Annotated[str, typer.Option(help="Of this dataset only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with exact amounts.")] = False,
) -> None:
    """List what has been spent of every dataset, an account a line: privacy loss, queries, predicates, cells.

    `*` stands for all institutions together, or for all purposes. Privacy loss is since the beginning; other accounts
    are of the newest window that was charged.

    Example: louver-sandbox ledger show --dataset gov.tax_credit --json | jq .
    """
    with explained(), State.open(load(home).state) as state, state.reading() as tx:
        for row in (row for row in (*_privacy(tx), *_access(tx)) if dataset in ("", row["dataset"])):
            typer.echo(json.dumps(row, ensure_ascii=False) if as_json else "  ".join(map(str, row.values())))


@app.command("verify")
def verify_command(home: Home = Path("louver-home")) -> None:
    """Count every balance again from the log alone and compare; exit 1 with the differences, a charge a line.

    The log itself is verified first, against every checkpoint in anchors/.
    """
    with explained():
        settings = load(home)
        key = (settings.home / "log.pub").read_text(encoding="utf-8").strip()
        with State.open(settings.state) as state:
            report = verify_log(state, key, [one for _, one in anchor.checkpoints(settings.anchors)])
            if not report.ok:
                raise fail(*map(str, report.findings))
            found = list(islice(verify.differences(state), MOST_DIFFERENCES))
            with state.reading() as tx:
                inner = (*access.audit(tx), *privacy.audit(tx))
        if found or inner:
            raise fail(*map(str, found), *inner)
        typer.echo(f"{report.size} entries; every balance follows from them")


@app.command("rebuild")
def rebuild(
    home: Home = Path("louver-home"),
    log: Annotated[
        Path | None, typer.Option(help="An export of the log, where the log itself has lost its end.")
    ] = None,
) -> None:
    """Add to the ledger what the log says was charged and the ledger lacks, and log that it was done.

    Nothing is ever taken out. Authorisations are revoked and institutions suspended again where the log says so; with
    --log those authorisations of limited use end, since nobody knows what used them meanwhile. Stop the service
    first.

    Example: louver-sandbox ledger rebuild --log audit.jsonl
    """
    with explained():
        settings = load(home)
        key = (settings.home / "log.pub").read_text(encoding="utf-8").strip()
        with State.open(settings.state) as state:
            anchors = [one for _, one in anchor.checkpoints(settings.anchors)]
            entries = 0 if log is None else restore_log(state, key, log, anchors, utc_now, Forgotten())
            books = open_books(settings, state, utc_now)
            added = verify.rebuild(books)
            with state.transaction() as tx:
                consents.revoke_again(tx, 0)
                suspensions.again(tx)
                if entries:
                    consents.use_up(tx, utc_now())
            behind = anchor.problem(books, settings.anchors)
        typer.echo(f"{entries} log entries and {added} charges added")
        if behind is not None:
            raise behind


def _privacy(tx: Connection) -> Iterator[dict[str, Any]]:
    table = schema.privacy_ledger
    account = [table.c[name] for name in ("institution", "dataset", "unit", "purpose")]
    newest = select(*account, func.max(table.c.sequence).label("sequence")).group_by(*account).subquery()
    same = [newest.c[column.name] == column for column in (*account, table.c.sequence)]
    query = select(*list(table.c)[:10]).join(newest, same[0] & same[1] & same[2] & same[3] & same[4])
    for row in tx.execute(query.order_by(table.c.dataset, table.c.unit, table.c.institution, table.c.purpose)):
        found = privacy.booking_of(row)
        yield {
            "dataset": found.account.dataset,
            "kind": f"privacy:{found.account.unit}",
            "institution": found.account.institution,
            "purpose": found.account.purpose,
            "window": "always",
            "spent": f"rho {privacy.amount(found.spent.rho)} delta {privacy.amount(found.spent.delta)}",
            "epsilon": stated.spent(found.spent).epsilon,
            "charges": found.sequence,
        }


def _access(tx: Connection) -> Iterator[dict[str, Any]]:
    table = schema.ledger
    account = [table.c[name] for name in ("dataset", "kind", "institution", "purpose", "period")]
    newest = select(*account, func.max(table.c.window).label("window")).group_by(*account).subquery()
    same = newest.c.window == table.c.window
    for column in account:
        same = same & (newest.c[column.name] == column)
    query = (
        select(*account, table.c.window, func.max(table.c.spent).label("spent"), func.count().label("charges"))
        .join(newest, same)
        .group_by(*account, table.c.window)
    )
    for row in tx.execute(query.order_by(*account)):
        yield {
            "dataset": row.dataset,
            "kind": row.kind,
            "institution": row.institution,
            "purpose": row.purpose,
            "window": row.window,
            "spent": row.spent,
            "charges": row.charges,
        }
