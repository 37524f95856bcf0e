"""What a log says was spent, added up from its admissions alone, and compared with what they say the ledgers hold.

Every admission says all that it was charged and, since it says so, how many charges the ledgers held with it
(``ledger``). Counted again here, by the same rules, the two numbers must meet at every admission; then no admission
is missing and none was charged otherwise than it says. A log's reader needs nothing but its entries for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

BEIJING = timezone(timedelta(hours=8))
"""The calendar of the windows, without daylight saving time."""

EVERYBODY = ANY = "*"
_DECIMAL = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,30})?")
"""With no more places than `decimal` writes."""
CELLS, OWN_CELLS = "cells", "cells_of_institution"

Access = tuple[str, str, str, str, str]
"""Institution, dataset, purpose, kind, period."""

Loss = tuple[str, str, str, str]
"""Institution, dataset, unit, purpose."""


@dataclass
class Totals:
    """The ledgers as the admissions taken so far make them. ``charges`` and ``losses`` count their rows."""

    charges: int = 0
    losses: int = 0
    access: dict[Access, tuple[str, int]] = field(default_factory=dict)
    """The newest window of each account, and what was spent in it, in units."""
    privacy: dict[Loss, tuple[Fraction, Fraction]] = field(default_factory=dict)
    """Rho and delta since the beginning."""
    _paid: set[tuple[Access, str, str]] = field(default_factory=set)

    def take(self, fields: Mapping[str, Any]) -> str:
        """Charges what an admission says; what is wrong with it, or nothing."""
        try:
            self._access(fields)
            self._cells(fields)
            self._privacy(fields)
            said = fields.get("ledger")
            if said is None:
                return ""
            if (said["charges"], said["privacy"]) == (self.charges, self.losses):
                return ""
            held = f"{said['charges']} charges and {said['privacy']} of privacy loss"
            counted = f"{self.charges} and {self.losses}"
            self.charges, self.losses = int(said["charges"]), int(said["privacy"])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return "it does not say in a known form what was charged"
        return f"it says that the ledgers hold {held}; by the entries there are {counted}"

    def _access(self, fields: Mapping[str, Any]) -> None:
        now = datetime.fromisoformat(fields["charged"])
        institution, purpose = str(fields["institution"]), str(fields["purpose"])
        items = fields["charges"]
        periods: dict[tuple[str, str], dict[str, None]] = {}
        for item in items:
            of = periods.setdefault((str(item["dataset"]), str(item["kind"])), {"day": None})
            of.update(dict.fromkeys(item["further"]))
        for item in items:
            dataset, kind, amount = str(item["dataset"]), str(item["kind"]), int(item.get("amount", 1))
            for period in periods[(dataset, kind)]:
                account = (institution, dataset, purpose, kind, period)
                self._book(account, now, amount, None, times=_count(item["count"]))
                for key in item["keys"]:
                    self._book(account, now, amount, str(key))

    def _cells(self, fields: Mapping[str, Any]) -> None:
        for item in fields.get("unit_sets", ()):
            now = datetime.fromisoformat(fields["charged"])
            dataset = f"{item['dataset']} {item['data_version']}"
            for holder, kind in ((EVERYBODY, CELLS), (str(fields["institution"]), OWN_CELLS)):
                account = (holder, dataset, ANY, kind, "lifetime")
                self._book(account, now, int(item["cells"]), str(item["family"]))

    def _privacy(self, fields: Mapping[str, Any]) -> None:
        institution, purpose = str(fields["institution"]), str(fields["purpose"])
        for item in fields.get("privacy", ()):
            rho, delta = exact_decimal(item["cost"]["rho"]), exact_decimal(item["cost"]["delta"])
            if rho == delta == 0:
                continue
            for holder, of in ((EVERYBODY, ANY), (institution, ANY), (institution, purpose)):
                account = (holder, str(item["dataset"]), str(item["unit"]), of)
                spent = self.privacy.get(account, (Fraction(0), Fraction(0)))
                self.privacy[account] = spent[0] + rho, spent[1] + delta
                self.losses += 1

    def _book(self, account: Access, now: datetime, amount: int, key: str | None, times: int = 1) -> None:
        """So many charges, in the latest window that the account was ever charged in; a key counts once in one."""
        if not times:
            return
        window, spent = self.access.get(account, ("", 0))
        today = window_of(account[4], now)
        if today > window:
            window, spent = today, 0
        if key is not None:
            if (account, window, key) in self._paid:
                return
            self._paid.add((account, window, key))
        self.access[account] = window, spent + amount * times
        self.charges += times

    def lines(self) -> Iterator[dict[str, str]]:
        """Every balance as text: institution, dataset, purpose, kind, window, spent."""
        for (institution, dataset, purpose, kind, period), (window, spent) in sorted(self.access.items()):
            yield _line(institution, dataset, purpose, kind, f"{period} {window}", str(spent))
        for (institution, dataset, unit, purpose), (rho, delta) in sorted(self.privacy.items()):
            spent_text = f"rho {decimal(rho)} delta {decimal(delta)}"
            yield _line(institution, dataset, purpose, f"privacy:{unit}", "always", spent_text)


def _count(said: object) -> int:
    if type(said) is not int or said < 0:
        raise ValueError("not a number of charges")
    return said


def window_of(period: str, now: datetime) -> str:
    """The window of a period at a moment: `2026-07-01`, `2026-07`, `2026` or `always`. Raises ``ValueError``."""
    day = now.astimezone(BEIJING).date().isoformat()
    lengths = {"day": 10, "month": 7, "year": 4}
    if period == "lifetime":
        return "always"
    if period not in lengths:
        raise ValueError("an unknown period")
    return day[: lengths[period]]


def decimal(value: Fraction) -> str:
    """An exact decimal of at most thirty places; the ledgers hold no others. Raises ``ValueError``."""
    units, rest = divmod(value * 10**30, 1)
    if rest:
        raise ValueError("more than thirty places")
    whole, part = divmod(int(units), 10**30)
    return f"{whole}.{part:030d}".rstrip("0").rstrip(".")


def exact_decimal(text: str) -> Fraction:
    """A plain decimal. Raises ``ValueError``: `1e99999999` is a number too, and would take a verifier hours."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a decimal")
    return Fraction(text)


def _line(institution: str, dataset: str, purpose: str, kind: str, window: str, spent: str) -> dict[str, str]:
    return {
        "institution": institution,
        "dataset": dataset,
        "purpose": purpose,
        "kind": kind,
        "window": window,
        "spent": spent,
    }
