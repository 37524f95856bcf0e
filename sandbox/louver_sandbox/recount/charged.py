"""What an admission says it was charged: written from a plan, and read again to charge the same anew.

The limits of the time are in it for the auditor. They play no part when balances are counted again: what was
admitted was within them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import repeat
from typing import Any

from sqlalchemy import Connection

from louver.transparency.ledger_totals import exact_decimal
from louver_sandbox.accounting import ledger, privacy, unit_sets
from louver_sandbox.audit.entries import JSON
from louver_sandbox.catalog.model import UnitType
from louver_sandbox.obligations import CellCharge, Charge, PrivacyCharge, PrivacyTerms
from louver_sandbox.privacy.calendar import Period
from louver_sandbox.privacy.cost import NOTHING, PrivacyCost
from louver_sandbox.recount.mark import Mark
from louver_sandbox.stages import Plan
from louver_sandbox.store.clock import rfc3339

UNLIMITED = 2**62
MOST_ALIKE = 100_000
"""Charges of one admission that are alike; each is a row of a ledger, and what says more was not written by us."""
_UNLIMITED = PrivacyCost(Fraction(UNLIMITED), Fraction(UNLIMITED))


class Unreadable(Exception):
    """An admission that does not say what it was charged."""


def body(plan: Plan, now: datetime, mark: Mark) -> dict[str, JSON]:
    """What the admission says; `now` is when windows were chosen by, `mark` what the ledgers hold with it."""
    said: dict[str, JSON] = {"charged": rfc3339(now), "charges": _access(plan.charges), "ledger": mark.body()}
    if plan.cells:
        said["unit_sets"] = [_cells(one) for one in plan.cells]
    return said | of_losses(plan.privacy)


def of_losses(losses: Sequence[PrivacyCharge]) -> dict[str, JSON]:
    """What an admission says of privacy loss; nothing where there is none."""
    return {"privacy": [_privacy(one) for one in privacy.composed_charges(losses)]} if losses else {}


def of_scores(queries: Sequence[Charge], scores: Charge, amount: int, now: datetime, mark: Mark) -> dict[str, JSON]:
    """What the admission of a request for scores says: a query of each dataset, and so many scores as one charge."""
    several: dict[str, JSON] = {**_item([scores]), "amount": amount}
    return {"charged": rfc3339(now), "charges": [*_access(queries), several], "ledger": mark.body()}


def again(tx: Connection, fields: Mapping[str, Any]) -> None:
    """Charges what an admission says, whatever the limits are. Raises ``Unreadable``."""
    try:
        now, institution = datetime.fromisoformat(fields["charged"]), str(fields["institution"])
        request_id, purpose = str(fields["request_id"]), str(fields["purpose"])
        items = [one for item in fields["charges"] for one in _charges(item, institution, purpose)]
        limits = [one for item in fields["charges"] for one in _limits(item)]
        cells = [_cell_charge(item) for item in fields.get("unit_sets", ())]
        losses = [_privacy_charge(item, purpose) for item in fields.get("privacy", ())]
        ledger.charge(tx, items, limits, now, request_id=request_id)
        unit_sets.charge(tx, cells, institution, now, request_id=request_id)
        privacy.charge(tx, losses, institution, now, request_id=request_id)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise Unreadable("it does not say in a known form what was charged") from None


def _access(charges: Sequence[Charge]) -> list[JSON]:
    """Charges that differ by key only stand together."""
    groups: dict[tuple[object, ...], list[Charge]] = {}
    for one in charges:
        alike = (one.dataset, one.purpose, one.kind, one.limit, one.further, one.amount, one.everybody)
        groups.setdefault(alike, []).append(one)
    return [_item(alike) for alike in groups.values()]


def _item(alike: Sequence[Charge]) -> dict[str, JSON]:
    said: dict[str, JSON] = {
        "dataset": alike[0].dataset,
        "kind": alike[0].kind,
        "limit": alike[0].limit,
        "further": {period.value: most for period, most in alike[0].further},
        "count": sum(not one.key for one in alike),
        "keys": [one.key for one in alike if one.key],
    }
    if alike[0].amount != 1:
        said["amount"] = alike[0].amount
    if alike[0].everybody:
        said["everybody"] = True
    if alike[0].purpose == ledger.EVERY_PURPOSE:
        said["purpose"] = alike[0].purpose
    return said


def _charges(item: Mapping[str, Any], institution: str, purpose: str) -> Iterator[ledger.Charge]:
    whose = ledger.EVERYBODY if item.get("everybody") is True else institution
    if not 0 <= item["count"] <= MOST_ALIKE:
        raise ValueError
    for key in (*repeat(None, item["count"]), *item["keys"]):
        amount, of = int(item.get("amount", 1)), str(item.get("purpose", purpose))
        yield ledger.Charge(whose, str(item["dataset"]), of, str(item["kind"]), amount, key)


def _limits(item: Mapping[str, Any]) -> Iterator[ledger.Limit]:
    for period in (Period.DAY, *map(Period, item["further"])):
        yield ledger.Limit(str(item["dataset"]), str(item["kind"]), period, UNLIMITED)


def _cells(one: CellCharge) -> dict[str, JSON]:
    return {
        "dataset": one.dataset,
        "data_version": one.version,
        "family": one.key,
        "cells": one.cells,
        "limit": one.limit,
        "share": one.share,
    }


def _cell_charge(item: Mapping[str, Any]) -> CellCharge:
    key = (str(item["dataset"]), str(item["data_version"]), str(item["family"]))
    return CellCharge(*key, int(item["cells"]), UNLIMITED, UNLIMITED, "")


def _privacy(one: PrivacyCharge) -> dict[str, JSON]:
    terms = one.terms
    said: dict[str, JSON] = {
        "dataset": one.dataset,
        "unit": terms.unit.value,
        "cost": _amounts(one.cost),
        "most": _amounts(terms.most),
        "lifetime": _amounts(terms.lifetime),
        "allowance": _amounts(terms.allowance),
        "period": terms.period.value,
        "shared": terms.shared,
    }
    if terms.purposes:
        said["part"] = _amounts(terms.purposes.get(one.purpose, NOTHING))
    return said


def _amounts(cost: PrivacyCost) -> dict[str, JSON]:
    counted = privacy.booked(cost)
    return {"rho": privacy.amount(counted.rho), "delta": privacy.amount(counted.delta)}


def _privacy_charge(item: Mapping[str, Any], purpose: str) -> PrivacyCharge:
    cost = PrivacyCost(exact_decimal(item["cost"]["rho"]), exact_decimal(item["cost"]["delta"]))
    terms = PrivacyTerms(UnitType(item["unit"]), _UNLIMITED, _UNLIMITED, Period.LIFETIME, _UNLIMITED)
    return PrivacyCharge(str(item["dataset"]), purpose, cost, terms)
