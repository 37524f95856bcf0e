"""Subscribing and unsubscribing: rows that are logged as they are made.

Whether the subject exists and whether anybody has authorised anything is not looked at: a subscription is taken in
any
case, and one that no authorisation covers is never told a flag. Only the institution's own record can stand against
it, where it says that the authorisation ends before the loan is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from louver.errors import Refused
from louver_sandbox import consents, journal
from louver_sandbox.audit.entries import JSON
from louver_sandbox.authorisations.decide import BEIJING
from louver_sandbox.journal import Books
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.called import LONGEST_ID, offered
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.templates import AUTHORISATION, SUBJECT, Template, WarningTerms, is_subject
from louver_sandbox.refusals import capacity, identity
from louver_sandbox.refusals import warnings as refuse
from louver_sandbox.stages import Facts, Request, Subject
from louver_sandbox.store import StoreError
from louver_sandbox.warnings.tables import Subscription, subscription, subscriptions

DIALECT = "warning"
"""What a question says its text is written in when it names a template of warnings."""
UNTIL = "until"
MOST_AT_ONCE = 500
SUBJECT_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A subscription that was asked for, in its form."""

    policy: Policy
    template: Template
    terms: WarningTerms
    subject: str
    authorisation: str
    until: date
    request: Request


class Subscriptions:
    """Takes and ends subscriptions. `bundle` gives the policies in force."""

    def __init__(self, bundle: Callable[[], Bundle], books: Books, clock: Callable[[], datetime]) -> None:
        self._bundle = bundle
        self._books = books
        self._clock = clock

    def offered(self, subject: Subject) -> tuple[tuple[Policy, Template], ...]:
        """The templates of warnings that are offered to the caller today."""
        return tuple(offered(self._bundle(), subject, self._facts(), warnings=True))

    def subscribe(self, requests: Sequence[Request]) -> tuple[Subscription, ...]:
        """All of these or none, each under the id of its request; what was taken before is given again.

        Raises `Refused` LVR-0106, LVR-5141 to LVR-5147 or LVR-5150, logged.
        """
        if not 1 <= len(requests) <= MOST_AT_ONCE or len({one.id for one in requests}) < len(requests):
            raise refuse.too_many_at_once(MOST_AT_ONCE)
        asked = requests[0]
        try:
            known = {template.name: (policy, template) for policy, template in self.offered(asked.subject)}
            wanted = []
            for asked in requests:
                wanted.append(self._wanted(asked, known))
            with self._books.state.transaction() as tx:
                made = []
                for one in wanted:
                    asked = one.request
                    made.append(self._taken(tx, one))
                return tuple(made)
        except Refused as refused:
            raise self._logged(asked, refused) from None

    def cancel(self, subject: Subject, identity_of: str) -> Subscription:
        """Ends one of the caller's subscriptions; one that has ended stays so. Raises `Refused` LVR-5148."""
        with self._books.state.transaction() as tx:
            row = tx.execute(select(subscriptions).where(_s.id == identity_of)).one_or_none()
            if row is None or row.institution != subject.institution:
                raise refuse.unknown_place()
            found = subscription(row)
            if found.cancelled is not None:
                return found
            told: dict[str, JSON] = {
                "kind": "warning_cancelled",
                "institution": subject.institution,
                "certificate": subject.fingerprint,
                "subscription": identity_of,
            }
            journal.appended(self._books, tx, told, {})
            now = self._clock().astimezone(UTC).isoformat()
            tx.execute(update(subscriptions).where(_s.id == identity_of).values(cancelled=now))
            return subscription(tx.execute(select(subscriptions).where(_s.id == identity_of)).one())

    def listed(self, subject: Subject, after: str, most: int) -> tuple[Subscription, ...]:
        """The caller's subscriptions in the order they were made, from the one after `after`. Raises `Refused`
        LVR-5148."""
        with self._books.state.reading() as tx:
            mine = _s.institution == subject.institution
            if after:
                entry = tx.execute(select(_s.entry).where(mine, _s.id == after)).scalar_one_or_none()
                if entry is None:
                    raise refuse.unknown_place()
                mine = mine & (_s.entry > entry)
            rows = tx.execute(select(subscriptions).where(mine).order_by(_s.entry).limit(most))
            return tuple(map(subscription, rows))

    def _wanted(self, request: Request, known: Mapping[str, tuple[Policy, Template]]) -> _Wanted:
        """Raises `Refused` LVR-5141 to LVR-5144."""
        if request.sql not in known:
            raise refuse.warning_unknown(request.sql[:LONGEST_ID], sorted(known))
        policy, template = known[request.sql]
        if request.purpose not in template.purposes or template.warning is None:
            raise refuse.warning_purpose(template.name, template.purposes)
        given = dict(request.parameters)
        subject, authorisation, until = (given.pop(name, None) for name in (SUBJECT, AUTHORISATION, UNTIL))
        if given:
            raise refuse.subscription_form(min(given)[:40])
        if not is_subject(template.subject, subject):
            raise refuse.subscription_form(SUBJECT)
        if not isinstance(authorisation, str) or len(authorisation) > LONGEST_ID:
            raise refuse.subscription_form(AUTHORISATION)
        if type(until) is not date:
            raise refuse.subscription_form(UNTIL)
        today = self._facts().today
        if not today <= until <= today + timedelta(days=template.warning.longest_days):
            raise refuse.subscription_last_day(template.warning.longest_days)
        return _Wanted(policy, template, template.warning, str(subject), authorisation, until, request)

    def _taken(self, tx: Connection, wanted: _Wanted) -> Subscription:
        """Raises `Refused` LVR-0106, LVR-5144 to LVR-5147."""
        request = wanted.request
        digest = journal.request_digest(request)
        before = tx.execute(select(subscriptions).where(_s.id == request.id)).one_or_none()
        if before is not None:
            if before.institution != request.subject.institution or before.request_digest != digest:
                raise identity.request_id_reused()
            return subscription(before)
        self._within_limits(tx, wanted)
        held = consents.find(tx, wanted.authorisation)
        if held is not None and held.grantee == request.subject.institution and held.expires_on < wanted.until:
            raise refuse.subscription_last_day(wanted.terms.longest_days)
        body = journal.common(request, "warning_subscription") | {
            "request_digest": digest,
            "signature": request.signature.hex(),
            "template": wanted.template.name,
            "until": wanted.until.isoformat(),
            "policies": [f"{wanted.policy.id}@{wanted.policy.version}"],
        }
        entry = journal.appended(self._books, tx, body, journal.private(request))
        row = {
            "id": request.id,
            "institution": request.subject.institution,
            "template": wanted.template.name,
            "purpose": request.purpose,
            "unit": wanted.template.subject.value,
            "subject": wanted.subject,
            "authorisation": wanted.authorisation,
            "until": wanted.until.isoformat(),
            "request_digest": digest,
            "created": self._clock().astimezone(UTC).isoformat(),
            "flags": "[]",
            "entry": entry,
        }
        tx.execute(insert(subscriptions).values(row))
        return subscription(tx.execute(select(subscriptions).where(_s.id == request.id)).one())

    def _within_limits(self, tx: Connection, wanted: _Wanted) -> None:
        """What the policy allows of subscriptions at once, in a day, and about one subject in thirty days. A
        cancelled one counts: it has told what held when it began. Raises `Refused` LVR-5145 to LVR-5147."""
        now, today = self._clock(), self._facts().today
        of_bank = (_s.institution == wanted.request.subject.institution) & (_s.template == wanted.template.name)
        live = of_bank & _s.cancelled.is_(None) & (_s.until >= today.isoformat())
        if _count(tx, live) >= wanted.terms.most:
            raise refuse.too_many_subscriptions(wanted.terms.most)
        midnight = datetime.combine(today, datetime.min.time(), BEIJING).astimezone(UTC).isoformat()
        if _count(tx, of_bank & (_s.created >= midnight)) >= wanted.terms.per_day:
            raise refuse.too_many_today(wanted.terms.per_day)
        since = (now.astimezone(UTC) - SUBJECT_WINDOW).isoformat()
        unit = wanted.template.subject.value
        about = of_bank & (_s.unit == unit) & (_s.subject == wanted.subject) & (_s.created >= since)
        if _count(tx, about) >= wanted.terms.per_subject:
            raise refuse.too_many_about_subject(wanted.terms.per_subject)

    def _facts(self) -> Facts:
        return Facts(self._clock().astimezone(BEIJING).date())

    def _logged(self, request: Request, refused: Refused) -> Refused:
        try:
            journal.refuse(request, refused, self._books)
        except StoreError:
            return capacity.not_accepting()
        return refused


def _count(tx: Connection, this: object) -> int:
    return int(tx.execute(select(func.count()).select_from(subscriptions).where(this)).scalar_one())  # type: ignore[arg-type]


_s = subscriptions.c
