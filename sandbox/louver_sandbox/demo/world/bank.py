"""A bank's own tables and the authorisations on the platform: `bank_a.loan_book`, `bank_a.applicant`,
`plat.authorization`.

Default hangs on what the departments know (quality, arrears, the court's list, recent penalties), so joining them
improves a scorecard over the bank's own columns. Three loans in a hundred are bad.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from louver_sandbox.demo.world import people
from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.codes import (
    FIRM_PRODUCTS,
    FIVE_CLASSES,
    GRANTEES,
    GUARANTEES,
    PERSON_PRODUCTS,
    PURPOSES,
    SCOPES,
)
from louver_sandbox.demo.world.columns import (
    Array,
    beside,
    coded,
    dates,
    decimals,
    digits,
    fixed_strings,
    flags,
    hexadecimal,
    integers,
    lists,
    money,
)
from louver_sandbox.demo.world.economy import Course, age_years
from louver_sandbox.demo.world.people import Persons
from louver_sandbox.demo.world.randomness import choose, logistic, stream
from louver_sandbox.demo.world.schema import SCHEMAS, record

_FIRM_TERMS, _PERSON_TERMS = np.array([12, 24, 36]), np.array([12, 36, 240, 360])
_AUTHORIZATIONS = "plat.authorization"
_POST_LOAN = PURPOSES.index("POST_LOAN")


@dataclass(frozen=True)
class Desk:
    """The bank's tables of one chunk."""

    loans: pa.Table
    applicants: pa.Table
    authorizations: pa.Table


@dataclass(frozen=True)
class _Customers:
    """Candidates of one chunk; `mark` is the leading digit of their numbers (1 firms, 2 persons)."""

    rows: Array
    ids: pa.Array
    kind: str
    mark: int
    risk: Array
    """Logit of default."""
    rate: Array
    """Shift of the interest rate in percent points."""
    size: Array
    """Mean logarithm of the amount in yuan."""

    def numbers(self, place: Array, letters: bytes) -> Array:
        return beside(letters, b"%d" % self.mark, digits(self.rows[place], 9))


def _loans(plan: Blueprint, rng: np.random.Generator, who: _Customers, place: Array) -> tuple[pa.Table, Array]:
    """The loan book of the customers at `place`, and the day each loan was paid out."""
    n = len(place)
    firm = who.kind == "E"
    bad = rng.random(n) < logistic(who.risk[place])
    late = np.where(rng.random(n) < 0.05, rng.integers(1, 91, n), 0)
    overdue = np.where(bad, 91 + np.minimum(rng.exponential(160.0, n), 600).astype(np.int64), late)
    disbursed = plan.today - overdue - 30 - rng.integers(0, 240, n)
    terms = _FIRM_TERMS if firm else _PERSON_TERMS
    term = terms[rng.integers(0, len(terms), n)]
    product = rng.integers(0, 3, n)
    amount = np.rint(np.clip(np.exp(who.size[place] + 0.8 * rng.standard_normal(n)), 5e3, 1e7) / 1000) * 1000
    paid = np.clip((plan.today - disbursed) / 30.4 / term, 0, 1) * rng.random(n)
    spread = np.clip(4.4 + who.rate[place] + 0.6 * rng.standard_normal(n), 2.5, 15)
    table = record(
        "bank_a.loan_book",
        {
            "loan_id": fixed_strings(who.numbers(place, b"LN")),
            "cust_class": coded(np.zeros(n), [who.kind]),
            "id_no": coded(place, who.ids),
            "product": coded(product, FIRM_PRODUCTS if firm else PERSON_PRODUCTS),
            "disbursed_on": dates(disbursed),
            "amount": money(amount),
            "balance": money(amount * (1 - 0.9 * paid)),
            "rate_pct": decimals(np.rint(spread * 1000), 6, 3),
            "term_months": integers(term, pa.int16()),
            "overdue_days": integers(overdue, pa.int32()),
            "five_class": coded(np.searchsorted([1, 91, 271, 361], overdue, side="right"), FIVE_CLASSES),
            "guarantee": coded(choose(rng, (0.45, 0.30, 0.25), n), GUARANTEES),
            "defaulted": flags(bad),
        },
    )
    return table, disbursed


def _authorizations(
    rng: np.random.Generator,
    who: _Customers,
    place: Array,
    granted: Array,
    expires: Array,
    revoked: Array,
    purpose: Array,
    letters: bytes,
) -> pa.Table:
    n = len(place)
    person = who.kind == "P"
    return record(
        _AUTHORIZATIONS,
        {
            "auth_id": fixed_strings(who.numbers(place, letters)),
            "subject_class": coded(np.zeros(n), [who.kind]),
            "subject_id": coded(place, who.ids),
            "grantee_org": coded(choose(rng, [share for _, share in GRANTEES], n), [name for name, _ in GRANTEES]),
            "purpose": coded(purpose, PURPOSES),
            "scope": lists(rng.integers(0, 2, n) + (2 if person else 0), SCOPES),
            "single_consent": flags(rng.random(n) < (0.92 if person else 1.0)),
            "granted_on": dates(granted),
            "expires_on": dates(expires),
            "revoked_on": dates(revoked, revoked < 0),
            "evidence_sha256": hexadecimal(rng.integers(0, 256, (n, 32), dtype=np.uint8)),
        },
    )


def _revocations(plan: Blueprint, rng: np.random.Generator, granted: Array, expires: Array) -> Array:
    """Day of revocation, -1 for none (97 in 100)."""
    end = np.minimum(expires, plan.today)
    day = granted + (rng.random(len(granted)) * np.maximum(end - granted, 0)).astype(np.int64)
    return np.where(rng.random(len(granted)) < 0.03, day, -1)


def _applications(
    plan: Blueprint, rng: np.random.Generator, who: _Customers, place: Array
) -> tuple[pa.Table, pa.Table]:
    """Applicants of the last 180 days; four in five name an authorisation, not all of which are worth anything."""
    n = len(place)
    applied = plan.today - rng.integers(0, 180, n)
    named = rng.random(n) < 0.8
    stale = rng.random(n) < 0.10
    purpose = np.where(rng.random(n) < 0.20, 1 + rng.integers(0, 3, n), 0)
    granted = np.where(stale, applied - rng.integers(400, 600, n), applied)
    expires = np.where(stale, applied - rng.integers(5, 35, n), plan.today + rng.integers(30, 180, n))
    amount = np.rint(np.clip(np.exp(who.size[place] + 0.8 * rng.standard_normal(n)), 5e3, 1e7) / 1000) * 1000
    revoked = _revocations(plan, rng, granted, expires)
    applicants = record(
        "bank_a.applicant",
        {
            "app_id": fixed_strings(who.numbers(place, b"AP")),
            "cust_class": coded(np.zeros(n), [who.kind]),
            "id_no": coded(place, who.ids),
            "applied_on": dates(applied),
            "amount_req": money(amount),
            "auth_id": fixed_strings(who.numbers(place, b"AU"), ~named),
        },
    )
    kept = np.flatnonzero(named)
    rights = (granted[kept], expires[kept], revoked[kept], purpose[kept])
    return applicants, _authorizations(rng, who, place[kept], *rights, b"AU")


def _desk(plan: Blueprint, rng: np.random.Generator, who: _Customers, borrowers: Array, applicants: Array) -> Desk:
    loans, disbursed = _loans(plan, rng, who, borrowers)
    applied, first = _applications(plan, rng, who, applicants)
    watched = np.flatnonzero(rng.random(len(borrowers)) < 0.3)
    granted = disbursed[watched]
    expires = plan.today + rng.integers(60, 1000, len(watched))
    revoked = _revocations(plan, rng, granted, expires)
    purpose = np.full(len(watched), _POST_LOAN)
    second = _authorizations(rng, who, borrowers[watched], granted, expires, revoked, purpose, b"AL")
    return Desk(loans, applied, _stacked(first, second))


def _stacked(first: pa.Table, second: pa.Table) -> pa.Table:
    # The two halves may carry a column as a dictionary and as plain text.
    schema = SCHEMAS[_AUTHORIZATIONS]
    return pa.concat_tables([first.cast(schema), second.cast(schema)])


def firm_desk(plan: Blueprint, run: Course, recent: Array, chunk: int) -> Desk:
    """Loans to firms: a quarter of them, none to a firm closed or younger than three years."""
    rng = stream(plan.seed, "bank", chunk)
    firms = run.firms
    z = firms.z.astype(np.float64)
    risk = -4.25 - 1.25 * z + 1.0 * firms.arrears + 1.2 * firms.dishonest + 0.6 * (recent > 0)
    size = 11.0 + 0.7 * np.log1p(firms.employees)
    who = _Customers(run.rows, run.uscc, "E", 1, risk, -0.15 * z, size)
    eligible = firms.open & (age_years(plan, firms) > 3.0)
    share = 0.25 / max(float(eligible.mean()), 0.25)
    borrower = eligible & (rng.random(len(firms)) < share)
    applicant = firms.open & (rng.random(len(firms)) < 0.02)
    return _desk(plan, rng, who, np.flatnonzero(borrower), np.flatnonzero(applicant))


def person_desk(plan: Blueprint, persons: Persons, ids: pa.Array, chunk: int) -> Desk:
    """Loans to persons of 22 to 70 years: three in a hundred adults."""
    rng = stream(plan.seed, "bank", chunk, 1)
    n = len(persons.rows)
    u = persons.u.astype(np.float64)
    blamed = people.dishonest(plan, persons.rows, persons.age)
    size = np.full(n, 11.6)
    who = _Customers(persons.rows, ids, "P", 2, -3.65 - 0.8 * u + 1.2 * blamed, -0.1 * u, size)
    eligible = (persons.age >= 22) & (persons.age < 70)
    borrower = eligible & (rng.random(n) < 0.035)
    applicant = eligible & (rng.random(n) < 0.004)
    return _desk(plan, rng, who, np.flatnonzero(borrower), np.flatnonzero(applicant))
