"""What is sent about warnings, by both clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from louver.failures import Misused
from louver.warnings.results import Borrower

if TYPE_CHECKING:
    from louver.questions import Parameter
    from louver.settings import Settings
    from louver.v1 import warnings_pb2

DIALECT = "warning"
"""What a question says its text is written in when it names a template of warnings."""
AT_ONCE = 500
PAUSE_S = 2.0
"""Before a stream that has ended is gone on with."""


def request(
    settings: Settings,
    template: str,
    borrowers: Sequence[Borrower],
    purpose: str | None,
    ids: Sequence[str] | None,
    allowed: float,
) -> warnings_pb2.SubscribeRequest:
    """The signed subscriptions to a warning. Raises ``Misused``."""
    from louver.v1 import warnings_pb2 as pb

    questions = []
    for place, one in enumerate(borrowers):
        if type(one.until) is not date:
            raise Misused("until is a day, such as datetime.date(2027, 6, 30)")
        given: dict[str, Parameter] = {
            "subject": one.subject,
            "authorisation": one.authorisation,
            "until": one.until,
        }
        identity = None if ids is None else ids[place]
        questions.append(settings.question(template, purpose, given, identity, allowed, DIALECT, False, None, None))
    return pb.SubscribeRequest(questions=questions)
