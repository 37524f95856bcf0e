"""What travels the line of warnings (贷后预警): which flags are evaluated for whom, and the statement that does it.

A warning is decided in a checker as a lookup is, but about no subject: subscriptions are known to the service alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from louver_sandbox.lookups import LookupRules
from louver_sandbox.stages import RefusalRecord, SourceRef, Subject


@dataclass(frozen=True, slots=True)
class WarningCase:
    """What is decided about: who subscribes, for what, to which template. `today` is the day in Beijing."""

    subject: Subject
    purpose: str
    template: str
    today: date


@dataclass(frozen=True, slots=True)
class WarningPlan:
    """A permit and what runs for it: `body` is the template's statement with the subject of each row of `"asked"` in
    place of the one subject, and its columns are `flags`, in order.

    `rules` say what an authorisation must cover; their own subject is nobody. Made by `plan.warnings.judge_warnings`.
    """

    case: WarningCase
    rules: LookupRules
    flags: tuple[str, ...]
    sources: tuple[SourceRef, ...]
    body: str = field(repr=False)
    policies: tuple[str, ...]
    bundle_digest: str
    catalog_digest: str


@dataclass(frozen=True, slots=True)
class WarningVerdict:
    """What a checker answers about warnings: a plan, or why there is none."""

    plan: WarningPlan | None
    refusal: RefusalRecord | None
