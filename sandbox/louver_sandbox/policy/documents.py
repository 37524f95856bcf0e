"""Whether a set of documents can be a bundle: one platform document, sound references, nothing below a floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from louver_sandbox.policy import match_lint
from louver_sandbox.policy.atoms import disagreements
from louver_sandbox.policy.floors import MOST_GROUPS_PER_TABLE, Finding, below_floors
from louver_sandbox.policy.model import Deny, Grant, Grantees, Platform, Policy
from louver_sandbox.policy.severity import Severity


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One problem, for a person: the file (or document id), line and column (from 1; 0 unknown), what and how.

    `code` is the rule that found it; it stays the same from version to version.
    """

    source: str
    line: int
    column: int
    message: str
    message_zh: str
    hint: str = ""
    hint_zh: str = ""
    code: str = "document"
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PolicyRefused(Exception):
    """Documents that cannot be used, with every problem found. Raised by loading and by building a bundle."""

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def check_platform(platform: Platform) -> Iterator[Finding]:
    """Purposes that the platform's own rules name but do not exist, and ids used twice."""
    for index, entry in enumerate(platform.negative_list):
        yield from _purposes(platform, entry.purposes, ("negative_list", index, "purposes"))
    for index, rule in enumerate(platform.requester_rules):
        yield from _purposes(platform, rule.purposes, ("requester_rules", index, "purposes"))
    ids = [*(entry.id for entry in platform.negative_list), *(rule.id for rule in platform.requester_rules)]
    yield from _repeated(ids, ("negative_list",))


def check_policy(platform: Platform, policy: Policy) -> Iterator[Finding]:
    """Unknown purposes and groups, ids used twice, columns granted nothing, and everything below a floor."""
    rules: list[tuple[str, int, Grant | Deny]] = [
        *(("grants", index, grant) for index, grant in enumerate(policy.grants)),
        *(("denies", index, deny) for index, deny in enumerate(policy.denies)),
    ]
    for part, index, rule in rules:
        yield from _purposes(platform, rule.purposes, (part, index, "purposes"))
        yield from _groups(platform, rule.to, (part, index, "to", "groups"))
    for index, grant in enumerate(policy.grants):
        for name, rights in grant.rights.items():
            if not any(rights.model_dump().values()):
                yield Finding(
                    ("grants", index, "columns", name), f"{name} is granted nothing", f"{name} 未授予任何权利"
                )
    yield from _repeated([rule.id for _, _, rule in rules], ("grants",))
    yield from below_floors(policy)
    for index, grant in enumerate(policy.grants):
        for finding in match_lint.below_floor(grant):
            yield replace(finding, where=("grants", index, *finding.where))


def check_together(platform: Platform, policies: Sequence[Policy]) -> Iterator[tuple[str, Finding]]:
    """Every finding over a whole set of documents, with the id of the document it is in."""
    for finding in check_platform(platform):
        yield platform.id, finding
    for policy in policies:
        for finding in check_policy(platform, policy):
            yield policy.id, finding
    for policy, problem in disagreements(policies):
        yield policy.id, Finding(problem.where, problem.message, problem.message_zh, problem.hint)
    for finding in _too_many_groups(policies):
        yield platform.id, finding
    yield from _named_before(policies)
    for finding in _repeated([platform.id, *(policy.id for policy in policies)], ("id",)):
        yield platform.id, finding


def _named_before(policies: Sequence[Policy]) -> Iterator[tuple[str, Finding]]:
    """Templates, reports and cubes whose name another one has: departments grant their columns to a template or cube
    by its name, so that a second one of that name would read them by a statement that they have not seen."""
    for part in ("templates", "reports", "cubes"):
        first: dict[str, str] = {}
        for policy in policies:
            for index, item in enumerate(getattr(policy, part)):
                if item.name in first:
                    says = f"{item.name} is another one's name, in {first[item.name]}"
                    says_zh = f"名称 {item.name} 已被 {first[item.name]} 使用"
                    hint, hint_zh = "give it an id or a version of its own", "请使用不同的标识或版本"
                    yield policy.id, Finding((part, index, "id"), says, says_zh, hint, hint_zh)
                first.setdefault(item.name, policy.id)


def _too_many_groups(policies: Sequence[Policy]) -> Iterator[Finding]:
    """Snapshots are found by trying each combination of the groups that a table's rules speak of."""
    groups: dict[str, set[str]] = {}
    for policy in policies:
        rules: list[Grant | Deny] = [*policy.grants, *policy.denies]
        for rule in rules:
            groups.setdefault(rule.table, set()).update(rule.to.groups)
    for table, named in sorted(groups.items()):
        if len(named) > MOST_GROUPS_PER_TABLE:
            says = f"the rules of {table} speak of more than {MOST_GROUPS_PER_TABLE} groups"
            yield Finding(
                ("groups",), says, f"{table} 的规则涉及的机构组超过 {MOST_GROUPS_PER_TABLE} 个", "merge groups"
            )


def _purposes(platform: Platform, purposes: Sequence[str], at: tuple[str | int, ...]) -> Iterator[Finding]:
    for index, purpose in enumerate(purposes):
        if purpose not in platform.purposes:
            known = ", ".join(sorted(platform.purposes))
            says, says_zh = f"unknown purpose {purpose}", f"未知的目的代码 {purpose}"
            yield Finding((*at, index), says, says_zh, f"one of {known}", f"可用：{known}", "unknown-purpose")


def _groups(platform: Platform, to: Grantees, at: tuple[str | int, ...]) -> Iterator[Finding]:
    for index, group in enumerate(to.groups):
        if group not in platform.groups:
            known = ", ".join(sorted(platform.groups))
            says, says_zh = f"unknown group {group}", f"未知的机构组 {group}"
            yield Finding((*at, index), says, says_zh, f"one of {known}", f"可用：{known}", "unknown-group")


def _repeated(ids: Sequence[str], at: tuple[str | int, ...]) -> Iterator[Finding]:
    for repeated in sorted({name for name in ids if ids.count(name) > 1}):
        yield Finding(at, f"the id {repeated} is used twice", f"标识 {repeated} 重复")
