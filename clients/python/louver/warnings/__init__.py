"""Warnings (贷后预警), as a subscriber sees them: ``client.warnings``.

    with louver.connect(profile="bank-a", purpose="POST_LOAN") as bank:
        mine = bank.warnings.subscribe("post-loan-warning@1", firm, authorisation=consent, until=settlement)
        for notice in bank.warnings.poll():
            print(notice.subscription, notice.raised, notice.cleared)

A notice names a subscription and flags, never an amount and no subject. Nothing is told of a subscription that no
authorisation covers, of a subject that is not there, or of one without flags, and the three look alike.
"""

from louver.warnings.aio import AsyncWarnings as AsyncWarnings
from louver.warnings.client import Warnings as Warnings
from louver.warnings.results import Borrower as Borrower
from louver.warnings.results import Notice as Notice
from louver.warnings.results import Notices as Notices
from louver.warnings.results import Subscription as Subscription
from louver.warnings.results import opened as opened
from louver.warnings.results import parse as parse
