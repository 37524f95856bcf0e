"""Policies, for officers: try a draft, submit it, sign what others submitted, put it in force, end it.

    from louver import policies
    with policies.connect(profile="officer") as office:
        for finding in office.lint(text):
            print(finding.line, finding.column, finding.message)

Keys stay where they are: ``approve`` and ``revoke`` send what ``louver.approving`` has signed.
"""

from louver.policies.client import PolicyClient, connect
from louver.policies.results import (
    Change,
    Document,
    Example,
    Explained,
    Finding,
    Grants,
    Move,
    Outcome,
    Simulated,
    Status,
    Submitted,
    Tested,
    TestResult,
    Version,
)

__all__ = [
    "Change",
    "Document",
    "Example",
    "Explained",
    "Finding",
    "Grants",
    "Move",
    "Outcome",
    "PolicyClient",
    "Simulated",
    "Status",
    "Submitted",
    "TestResult",
    "Tested",
    "Version",
    "connect",
]
