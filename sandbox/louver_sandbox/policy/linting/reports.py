"""Whether a credit report is made of templates that can be asked as it asks them."""

from __future__ import annotations

from collections.abc import Iterator

from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.grants import Rulebook
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.reports import misfits


def report_findings(policy: Policy, rulebook: Rulebook) -> Iterator[Finding]:
    """Sections of the policy's reports whose template is not there, or is of another kind or purpose."""
    granting = {permit.policy.id: permit.policy for permits in rulebook.permits.values() for permit in permits}
    policies = {**granting, policy.id: policy}.values()
    templates = {template.name: template for one in policies for template in one.templates}
    for index, report in enumerate(policy.reports):
        for place, says, says_zh in misfits(report, templates):
            at = ("reports", index, "sections", place)
            hint, hint_zh = "name approved templates about the same kind of subject", "请使用同类主体的已审批模板"
            yield Finding(at, says, says_zh, hint, hint_zh, "report-unanswerable")
