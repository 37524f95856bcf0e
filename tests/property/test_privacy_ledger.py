"""Whatever is asked, by whomever and under whatever clock: what is left never rises in a window, nor below nothing.

A second book is kept beside the ledger, a plain list of charges, and what is left is computed from it by definition
(`privacy.budget.remaining`).
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.line import fresh_books
from tests.support.losses import rho, terms

from louver_sandbox.accounting import privacy
from louver_sandbox.accounting.privacy import Spent, booked
from louver_sandbox.obligations import Period, PrivacyBalance, PrivacyCharge, PrivacyTerms
from louver_sandbox.privacy.budget import Charge, PrivacyBudget, remaining
from louver_sandbox.privacy.calendar import BEIJING, window
from louver_sandbox.privacy.cost import PrivacyCost
from louver_sandbox.store import State

START = datetime(2026, 12, 30, 20, tzinfo=BEIJING)
BANKS = st.sampled_from(["bank_a", "bank_b", "bank_c"])
PURPOSES = st.sampled_from(["LENDING", "FRAUD"])
COSTS = st.builds(
    PrivacyCost,
    st.fractions(Fraction(1, 990), Fraction(2, 5), max_denominator=997),
    st.sampled_from([Fraction(0), Fraction(1, 10**9)]),
)


class Spending(RuleBasedStateMachine):
    """Banks that ask, days that pass, clocks that jump, policies that change their windows and parts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "state.db").write_bytes(fresh_books())
        self.state = State.open(self.folder / "state.db")
        self.now = self.latest = START
        self.charges: list[Charge] = []
        self.seen: dict[tuple[str, str, str], PrivacyBalance] = {}
        self.terms = self._terms(Period.DAY, parted=False)

    def teardown(self) -> None:
        self.state.close()
        shutil.rmtree(self.folder)

    @staticmethod
    def _terms(period: Period, *, parted: bool) -> PrivacyTerms:
        delta = Fraction(3, 10**9)
        parts = {"LENDING": rho(60, delta), "FRAUD": rho(40, delta)} if parted else {}
        of = terms(period=period)
        return PrivacyTerms(of.unit, rho(200, 4 * delta), rho(80, delta), period, rho(100, delta), parts)

    @initialize(period=st.sampled_from(list(Period)), parted=st.booleans())
    def adopt(self, period: Period, parted: bool) -> None:
        self.terms = self._terms(period, parted=parted)

    @rule(period=st.sampled_from(list(Period)), parted=st.booleans())
    def change_policy(self, period: Period, parted: bool) -> None:
        self.terms = self._terms(period, parted=parted)
        self.seen.clear()

    @rule(hours=st.integers(0, 40))
    def wait(self, hours: int) -> None:
        self.now = self.latest = self.latest + timedelta(hours=hours)

    @rule(hours=st.integers(1, 900))
    def set_the_clock_back(self, hours: int) -> None:
        self.now = self.latest - timedelta(hours=hours)

    @rule(who=BANKS, purpose=PURPOSES, cost=COSTS)
    def ask(self, who: str, purpose: str, cost: PrivacyCost) -> None:
        asked = PrivacyCharge("gov.firm", purpose, cost, self.terms)
        before = self._left(who, purpose)
        try:
            with self.state.transaction() as tx:
                (told,) = privacy.charge(tx, [asked], who, self.now, request_id="r")
        except Spent:
            assert not booked(cost).within(before.spendable)
            assert self._left(who, purpose) == before
            return
        assert told.cost == booked(cost)
        assert told.lifetime + told.cost == before.lifetime
        assert self._left(who, purpose).spendable == told.spendable
        self.charges.append(Charge(who, purpose, told.cost, self._instant(who)))

    @invariant()
    def nothing_rises(self) -> None:
        for who, purpose in (("bank_a", "LENDING"), ("bank_b", "FRAUD")):
            now = self._left(who, purpose)
            named = window(self.terms.period, self._instant(who))
            before = self.seen.get((who, purpose, named))
            if before is not None:
                assert now.lifetime.within(before.lifetime)
                assert now.allowance.within(before.allowance)
                assert now.part.within(before.part)
            self.seen[who, purpose, named] = now

    @invariant()
    def it_is_what_the_list_of_charges_leaves(self) -> None:
        for who, purpose in (("bank_a", "LENDING"), ("bank_b", "FRAUD")):
            found = self._left(who, purpose)
            of = self.terms
            budget = PrivacyBudget(who, of.lifetime, of.allowance, of.period, of.purposes)
            instant = self._instant(who)
            charges = [replace(one, at=min(one.at, instant)) for one in self.charges]
            left = remaining(charges, budget, purpose, instant)
            assert (found.lifetime, found.allowance, found.part) == (left.lifetime, left.allowance, left.purpose)

    def _instant(self, who: str) -> datetime:
        """When a bank's charge counts: now, or with its latest one if the clock has been set back before that."""
        return max((self.now, *(one.at for one in self.charges if one.institution == who)))

    def _left(self, who: str, purpose: str) -> PrivacyBalance:
        asked = PrivacyCharge("gov.firm", purpose, rho(1), self.terms)
        with self.state.reading() as tx:
            (found,) = privacy.standing(tx, [asked], who, self.now)
        return found


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
